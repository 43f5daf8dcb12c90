"""Reading ahead in the memory of a dump on another machine, where each read costs a round trip.

A step is run before it counts. Each page that it asks for and that is not at hand is noted and counts as not mapped;
then all that were noted are asked for together, and the step is run again, until nothing is noted. So a step takes as
many rounds as its longest chain of reads that depend on each other, and not as many as it has reads. Steps that read
much at addresses known beforehand name them instead, and page tables are walked level by level for all of them.

The memory of a file of this machine is a PagedMemory and knows nothing of this.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError, MemoryReadError, NotMappedError
from windbg_ext.memory.paging import PAGE_MASK, PAGE_SHIFT, PagedMemory
from windbg_ext.memory.physical import FEW_PAGES, PendingPageError, PhysicalMemory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Callable

    from windbg_ext.memory.physical import FarPages, PhysicalPages
    from windbg_ext.memory.virtual import Piece, VirtualMemory
    from windbg_ext.structs.paging import Paging

MAX_TABLES = 256
"""Page tables of one level that are read although nothing may lead through them: 1 MB, as much as five rounds bring."""
MAX_PASSES = 48
"""Of one step; what depends on more is read as it is reached. A list of 4096 modules would be walked as often."""


class FarMemory:
    """Paged memory whose pages are far away."""

    def __init__(self, paged: PagedMemory, pages: FarPages) -> None:
        self.paging, self.layouts = paged.paging, paged.layouts
        self._paged, self._pages = paged, pages

    def read(self, address: int, length: int) -> bytes:
        """Read exactly `length` bytes. Raise NotMappedError or NotInDumpError where the first missing byte is."""
        if not self._pages.notes:
            return self._paged.read(address, length)
        try:
            return self._paged.read(address, length)
        except PendingPageError:
            self._note(address, length)
            raise NotMappedError(address) from None

    def present(self, address: int, length: int) -> Iterator[Piece]:
        """Yield what can be read between address and address + length, a piece for each page in ascending order."""
        if not self._pages.notes:
            yield from self._paged.present(address, length)
            return
        for at, size in _by_page(address, length):
            try:
                yield from self._paged.present(at, size)
            except PendingPageError:
                self._pages.miss(at >> PAGE_SHIFT, self._is_pending)

    def translate(self, address: int) -> int:
        """Return the physical address, as PagedMemory does."""
        try:
            return self._paged.translate(address)
        except PendingPageError:
            raise NotMappedError(address) from None

    def prefetch(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Have ranges of (address, length) at hand, in as many rounds as there are levels of page tables at most."""
        waiting = {at >> PAGE_SHIFT for address, length in ranges for at, _ in _by_page(address, length)}
        if self._pages.notes:  # within a step that looks ahead as a whole
            for page in waiting:
                self._is_pending(page)
            return
        with self._pages.noting():
            while waiting:
                waiting = {page for page in waiting if self._is_pending(page)}
                for page in islice(waiting, FEW_PAGES):
                    self._pages.miss(page, self._is_pending)
                if not self._pages.fetch_noted():
                    return

    def expect(self, address: int, length: int) -> None:
        """While a step looks ahead, note a range as well, as far as page tables at hand tell where it is."""
        if self._pages.notes:
            for at, _ in _by_page(max(address, 0), length):
                self._is_pending(at >> PAGE_SHIFT)

    def gather(self, step: Callable[[], object]) -> None:
        """Run a step until all that it reads is at hand. What it raises does not matter: it will when it counts."""
        if self._pages.notes:  # within another such step
            return
        with self._pages.noting():
            for _ in range(MAX_PASSES):
                with suppress(DumpError, MemoryReadError):
                    step()
                if not self._pages.fetch_noted():
                    return

    def _is_pending(self, page: int) -> bool:
        try:
            for _ in self._paged.present(page << PAGE_SHIFT, 1):
                pass
        except PendingPageError:
            return True
        return False

    def begin(self, addresses: Iterable[int]) -> None:
        """Have at hand what addresses lead to, and the page tables of the kernel half down to the level that has many.

        Those are few at first, and the walk to the addresses waits for each level anyway.
        """
        named = list(addresses)
        root = self._paged.root
        tables = {root}
        with self._pages.noting():
            for level in self.paging.levels:
                for address in named:
                    self._is_pending(address >> PAGE_SHIFT)
                for table in tables:
                    self._pages.ask(table)
                self._pages.fetch_noted()
                if not level.shift:
                    break
                below = {found for table in tables for found in self._paged.tables_below(table, level)} - {root}
                tables = below if len(below) <= MAX_TABLES else set()
        self.prefetch((address, 1) for address in named)

    def _note(self, address: int, length: int) -> None:
        for _ in self.present(address, length):
            pass


def _by_page(address: int, length: int) -> Iterator[tuple[int, int]]:
    end = address + length
    while address < end:
        upto = min(end, (address | PAGE_MASK) + 1)
        yield address, upto - address
        address = upto


def paged_memory(physical: PhysicalPages, directory_table_base: int, paging: Paging) -> PagedMemory | FarMemory:
    """Return the virtual memory behind a directory table base, as fits where its pages are."""
    paged = PagedMemory(physical, directory_table_base, paging)
    far = physical.far if isinstance(physical, PhysicalMemory) else None
    return paged if far is None else FarMemory(paged, far)


def is_far(memory: VirtualMemory) -> bool:
    """Tell whether reads of a memory cost round trips, so that it is worth looking ahead."""
    return isinstance(memory, FarMemory)


def begin(memory: VirtualMemory, addresses: Iterable[int]) -> None:
    """Have at hand what addresses lead to, and the upper page tables, if the memory is far away."""
    if isinstance(memory, FarMemory):
        memory.begin(addresses)


def prefetch(memory: VirtualMemory, ranges: Iterable[tuple[int, int]]) -> None:
    """Have ranges of (address, length) at hand, if the memory is far away; else nothing is taken from the iterable."""
    if isinstance(memory, FarMemory):
        memory.prefetch(ranges)


def expect(memory: VirtualMemory, address: int, length: int) -> None:
    """While a step looks ahead, have a range at hand, too, which may be wanted next; else do nothing."""
    if isinstance(memory, FarMemory):
        memory.expect(address, length)


def gather(memory: VirtualMemory, step: Callable[[], object]) -> None:
    """Have at hand what a step reads, if the memory is far away; else it is not run."""
    if isinstance(memory, FarMemory):
        memory.gather(step)
