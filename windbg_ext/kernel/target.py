"""A crashed machine, from wherever it is read: the one thing that every command asks.

`DumpTarget` reads it from a dump file. What its kernel knew is read by `windbg_ext.kernel.kernel.read_kernel`.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Callable, Protocol

from windbg_ext.errors import DumpError, MemoryReadError, ReadFailure
from windbg_ext.kernel.crash_memory import crash_memory
from windbg_ext.kernel.debugger_data import read_debugger_data
from windbg_ext.memory.ahead import paged_memory
from windbg_ext.memory.physical import PhysicalMemory
from windbg_ext.memory.virtual import read_pointer
from windbg_ext.sources import read_field
from windbg_ext.structs.header import SIGNATURE, DumpType
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.dump.dump import Dump
    from windbg_ext.dump.header import DumpHeader
    from windbg_ext.kernel.small_dump import Listing
    from windbg_ext.limits import Budget
    from windbg_ext.memory.kernel_pages import KernelPages
    from windbg_ext.memory.virtual import VirtualMemory
    from windbg_ext.structs.paging import Paging

CHUNK = 1 << 20


class Blob(NamedTuple):
    """A blob of secondary data, or the header of the chain: its bytes with header and paddings, and those in pieces.

    tag: the bytes of the GUID that names its owner, empty for the header of the chain.
    """

    size: int
    pieces: Iterator[bytes]
    tag: bytes = b""


class Target(Protocol):
    """A machine that has stopped."""

    @property
    def header(self) -> DumpHeader:
        """The facts that a dump's header carries."""

    @property
    def budget(self) -> Budget:
        """What is left of the limits for what it may ask for."""

    @property
    def memory(self) -> VirtualMemory:
        """Virtual memory as the crashing processor saw it."""

    @property
    def paging(self) -> Paging | None:
        """How its addresses are translated; None where there are no page tables."""

    def memory_of(self, directory_table_base: int) -> VirtualMemory:
        """Return virtual memory as a process sees it."""

    @property
    def listed(self) -> Listing | None:
        """What a small dump lists by itself; None for a machine whose kernel structures have to be walked."""

    @property
    def secondary_size(self) -> int:
        """Bytes of the chain of secondary data, 0 if there is none."""

    def secondary_data(self) -> Iterator[Blob]:
        """Yield the header of the chain of secondary data and each blob; nothing if there is none.

        The pieces of a blob that cannot be read to its end raise DumpError; the next one may be whole again.
        """

    def losses(self) -> Iterator[tuple[str, str]]:
        """Yield what is missing from the source itself: (part, why)."""

    def read_failures(self) -> Iterator[tuple[str, str]]:
        """Yield what of the source could not be read so far: (part, why). Raise DumpError if none of it can be."""


class DumpTarget:
    """The machine that a dump was written on. Raise DumpError for dump types that hold no memory."""

    def __init__(self, dump: Dump) -> None:
        self.dump = dump
        self.header = dump.header
        self.budget = dump.budget
        self._physical = None if dump.pages is None else PhysicalMemory(dump.source, dump.pages)
        self.paging: Paging | None = None
        self.memory: VirtualMemory = self._crash_memory()

    def memory_of(self, directory_table_base: int) -> VirtualMemory:
        """Return virtual memory as a process sees it; a small dump knows one address space only."""
        if self._physical is None or self.paging is None:
            return self.memory
        return paged_memory(self._physical, directory_table_base, self.paging)

    @cached_property
    def listed(self) -> Listing | None:
        """What a small dump lists by itself; None for any other dump."""
        if self.dump.small is None:
            return None
        from windbg_ext.kernel.small_dump import read_listing  # not for large dumps to wait for

        return read_listing(self.dump, self.dump.small)

    @property
    def secondary_size(self) -> int:
        """Bytes of the chain of secondary data, 0 if there is none."""
        return self.dump.secondary.size if self.dump.secondary is not None else 0

    def losses(self) -> Iterator[tuple[str, str]]:
        """Yield what is missing from the file itself: (part, why)."""
        dump = self.dump
        if dump.missing_bytes:
            why = f"the source is cut short: {dump.missing_bytes:,} of {dump.expected_bytes:,} bytes are missing"
            yield "pages", why
        problem = dump.secondary.problem if dump.secondary is not None else None
        if problem is not None and not isinstance(problem, ReadFailure):
            yield "secondary data", problem

    def read_failures(self) -> Iterator[tuple[str, str]]:
        """Yield what of the file could not be read so far: (part, why). Raise DumpError if none of it can be."""
        try:
            self.dump.source.read(0, len(SIGNATURE))
        except OSError as error:
            advice = "copy the dump to a disk of this machine, and try again"
            raise DumpError("file", f"can no longer be read ({error.strerror or error})", advice) from None
        if self.dump.unread_bitmap is not None:
            yield "bitmap", self.dump.unread_bitmap
        yield from (("pages", why) for why in self.unread_pages())
        if self.dump.secondary is not None and isinstance(self.dump.secondary.problem, ReadFailure):
            yield "secondary data", self.dump.secondary.problem

    def unread_pages(self) -> tuple[str, ...]:
        """Return where pages of the file could not be read so far, and why."""
        return () if self._physical is None else tuple(self._physical.failures())

    def secondary_data(self) -> Iterator[Blob]:
        """Yield the header of the chain of secondary data and each blob; nothing if there is none."""
        chain = self.dump.secondary
        if chain is None or not chain.size:
            return
        for extent, tag in zip(chain.extents, (b"", *(blob.guid for blob in chain.blobs))):
            yield Blob(extent[1] - extent[0], self._pieces(extent), tag)

    def _pieces(self, extent: tuple[int, int]) -> Iterator[bytes]:
        for start in range(*extent, CHUNK):
            yield read_field(self.dump.source, "secondary data", start, min(CHUNK, extent[1] - start))

    def count_kernel_pages(self, progress: Callable[[int, int], None] = lambda done, total: None) -> KernelPages | None:
        """Count the pages of RAM that the kernel half of the page tables maps.

        None where that cannot be told: a small dump has no page tables, and without PhysicalMemoryBlock it is not
        known what is RAM. progress: called with how many tables of a level were read and how many there are.
        """
        header = self.header
        if self._physical is None or self.paging is None or header.physical_memory is None:
            return None
        ram = [(run.base_page, run.page_count) for run in header.physical_memory]
        from windbg_ext.memory.kernel_pages import count_kernel_pages  # only pagefilefit counts

        root, start = header.directory_table_base, self._kernel_start(self.paging)
        return count_kernel_pages(self._physical, root, self.paging, start, ram, self.budget, progress)

    def _kernel_start(self, paging: Paging) -> int:
        """Return the lowest address of the kernel: on x86 a boot option (/3GB, increaseuserva) moves it up."""
        if paging.layouts.pointer_size == 8:
            return paging.kernel_half
        try:
            header = self.header
            block = read_debugger_data(
                self.memory, header.kd_debugger_data_block, header.ps_loaded_module_list, self.budget
            )
            start = read_pointer(self.memory, block.mm_system_range_start)
        except (DumpError, MemoryReadError):
            return paging.kernel_half
        return max(start, paging.kernel_half)

    def _crash_memory(self) -> VirtualMemory:
        dump, header = self.dump, self.header
        if dump.small is not None:
            from windbg_ext.kernel.small_dump import block_memory  # as above

            return block_memory(dump, dump.small)
        if self._physical is None:
            if header.dump_type is DumpType.SUMMARY:
                why = "2, an old kernel summary dump: where its pages lie in 64-bit dumps is documented nowhere"
                raise DumpError("DumpType", why, "open it in WinDbg and write a small dump with .dump /m")
            raise DumpError("DumpType", f"{header.dump_type:d} holds no memory", "name a dump that does")
        memory = crash_memory(self._physical, header)
        self.paging = memory.paging
        return memory
