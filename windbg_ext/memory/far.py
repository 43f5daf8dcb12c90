"""The virtual memory of a dump on another machine: what is not at hand is noted, then asked for together.

How it is used: `windbg_ext.memory.ahead`. For a file of this machine, this module is not loaded.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError, MemoryReadError, NotMappedError
from windbg_ext.memory.far_pages import FEW_PAGES, PendingPageError
from windbg_ext.memory.paging import PAGE_MASK, PAGE_SHIFT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Callable

    from windbg_ext.memory.far_pages import FarPages
    from windbg_ext.memory.paging import PagedMemory
    from windbg_ext.memory.virtual import Piece

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
