"""Reading ahead in the memory of a dump on another machine, where each read costs a round trip.

A step is run before it counts. Each page that it asks for and that is not at hand is noted and counts as not mapped;
then all that were noted are asked for together, and the step is run again, until nothing is noted. So a step takes as
many rounds as its longest chain of reads that depend on each other, and not as many as it has reads. Steps that read
much at addresses known beforehand name them instead, and page tables are walked level by level for all of them.

The memory of a file of this machine is a PagedMemory and knows nothing of this. `windbg_ext.memory.far` does the work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.memory.paging import PagedMemory
from windbg_ext.memory.physical import PhysicalMemory

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Callable

    from windbg_ext.memory.far import FarMemory
    from windbg_ext.memory.physical import PhysicalPages
    from windbg_ext.memory.virtual import VirtualMemory
    from windbg_ext.structs.paging import Paging


def paged_memory(physical: PhysicalPages, directory_table_base: int, paging: Paging) -> PagedMemory | FarMemory:
    """Return the virtual memory behind a directory table base, as fits where its pages are."""
    paged = PagedMemory(physical, directory_table_base, paging)
    far = physical.far if isinstance(physical, PhysicalMemory) else None
    if far is None:
        return paged
    from windbg_ext.memory.far import FarMemory  # a file of this machine does not wait for it

    return FarMemory(paged, far)


def _as_far(memory: VirtualMemory) -> FarMemory | None:
    return memory if hasattr(memory, "gather") else None  # type: ignore[return-value]


def is_far(memory: VirtualMemory) -> bool:
    """Tell whether reads of a memory cost round trips, so that it is worth looking ahead."""
    return _as_far(memory) is not None


def begin(memory: VirtualMemory, addresses: Iterable[int]) -> None:
    """Have at hand what addresses lead to, and the upper page tables, if the memory is far away."""
    far = _as_far(memory)
    if far is not None:
        far.begin(addresses)


def prefetch(memory: VirtualMemory, ranges: Iterable[tuple[int, int]]) -> None:
    """Have ranges of (address, length) at hand, if the memory is far away; else nothing is taken from the iterable."""
    far = _as_far(memory)
    if far is not None:
        far.prefetch(ranges)


def expect(memory: VirtualMemory, address: int, length: int) -> None:
    """While a step looks ahead, have a range at hand, too, which may be wanted next; else do nothing."""
    far = _as_far(memory)
    if far is not None:
        far.expect(address, length)


def gather(memory: VirtualMemory, step: Callable[[], object]) -> None:
    """Have at hand what a step reads, if the memory is far away; else it is not run."""
    far = _as_far(memory)
    if far is not None:
        far.gather(step)
