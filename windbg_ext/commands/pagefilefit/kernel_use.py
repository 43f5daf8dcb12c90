"""What the kernel uses now: an estimate of the next kernel dump, from a machine that runs.

A kernel dump holds all of the nonpaged pool, the images of drivers, and what of the paged pool is in RAM. It also holds
kernel stacks, page tables and other memory that Windows does not count in these figures, so they bound it from neither
side. Only the nonpaged pool is a floor: it is never paged out, and goes in whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from windbg_ext.commands.pagefilefit.measure import MAX_RAM
from windbg_ext.dump.pages import PAGE_SIZE
from windbg_ext.errors import MemoryReadError
from windbg_ext.kernel.kernel import read_kernel
from windbg_ext.memory.virtual import read_pointer
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.kernel.target import Target

MAX_PAGES = MAX_RAM // PAGE_SIZE
"""Of a pool that can be believed."""


class Performance(NamedTuple):
    """PERFORMANCE_INFORMATION, in pages, as far as it is used."""

    commit_peak: int
    kernel_total: int
    kernel_paged: int
    kernel_nonpaged: int
    page_size: int


@dataclass(frozen=True)
class Driver:
    """A driver that is loaded. bytes: of its image."""

    name: str
    bytes: int


@dataclass(frozen=True)
class KernelUse:
    """Bytes that the kernel uses now. None: Windows does not tell.

    paged, nonpaged: of its pools; drivers: with their images, none where Windows hides them; large_pages: names of
    drivers that are set to be loaded into large pages; peak_commit: the most that all programs and the kernel together
    ever had committed since Windows started; source: what told it.
    """

    paged: int | None
    nonpaged: int | None
    drivers: tuple[Driver, ...]
    large_pages: tuple[str, ...]
    peak_commit: int | None
    source: str

    @property
    def images(self) -> int:
        """The bytes of all drivers' images; those in large pages take whole ones."""
        every = "*" in self.large_pages
        in_large = {name.lower() for name in self.large_pages}
        return sum(
            -(-driver.bytes // LARGE_PAGE) * LARGE_PAGE if every or driver.name.lower() in in_large else driver.bytes
            for driver in self.drivers
        )

    @property
    def about(self) -> int | None:
        """The bytes that a kernel dump takes about; None where a pool is not known."""
        return None if self.paged is None or self.nonpaged is None else self.paged + self.nonpaged + self.images


LARGE_PAGE = 2 << 20
"""Bytes, on x64 and ARM64."""


def kernel_in_use(target: Target) -> KernelUse:
    """Return what the kernel behind a session uses. Raise DumpError where its structures cannot be read.

    Pools: the variables that the debugger data block leads to, in pages. Windows 10 and 11 leave those out of it, so
    there only the images of drivers are known.
    """
    kernel = read_kernel(target, crash_only=True)
    block = kernel.debugger_data

    def size(address: int) -> int | None:
        try:
            pages = read_pointer(target.memory, address) if address else 0
        except MemoryReadError:
            return None
        return pages * PAGE_SIZE if 0 < pages <= MAX_PAGES else None

    return KernelUse(
        paged=size(block.mm_paged_pool_commit),
        nonpaged=size(block.mm_allocated_non_paged_pool),
        drivers=tuple(Driver(module.name, module.size) for module in kernel.modules.modules),
        large_pages=(),
        peak_commit=size(block.mm_peak_commitment),
        source="MmPagedPoolCommit, MmAllocatedNonPagedPool and the loaded modules of this session",
    )
