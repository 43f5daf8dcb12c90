"""The pages of a dump on another machine: those that are not at hand are noted, then asked for together.

For a file of this machine, this module is not loaded.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from windbg_ext.dump.pages import PAGE_SIZE
from windbg_ext.sources.far import MAX_PAGES_AT_ONCE
from windbg_ext.sources.source import Range

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Callable

    from windbg_ext.sources.far import FarSource

FEW_PAGES = 16
"""Of another machine; a round that brings fewer takes as long."""


class PendingPageError(Exception):
    """A page is not at hand and was noted, to be asked for together with others."""


class FarPages:
    """The pages of a file on another machine that are not at hand yet. notes: whether they are noted, not read."""

    def __init__(self, source: FarSource, page: Callable[[int], bytes | None]) -> None:
        self.notes = False
        self._source, self._page = source, page
        self._noted: dict[int, None] = {}
        self._missed: list[tuple[Callable[[int], object], int]] = []

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note pages that are not at hand instead of reading them."""
        before, self.notes = self.notes, True
        try:
            yield
        finally:
            self.notes = before
            self._noted.clear()
            self._missed.clear()

    def check(self, offset: int) -> None:
        """Raise PendingPageError for a page at an offset that is not at hand, while pages are noted."""
        if self.notes and not self._source.holds(offset, PAGE_SIZE):
            self._noted[offset] = None
            raise PendingPageError

    def ask(self, pfn: int) -> None:
        """Note a page, if it is not at hand."""
        with suppress(PendingPageError):
            self._page(pfn)

    def miss(self, page: int, note: Callable[[int], object]) -> None:
        """Remember that a virtual page is waited for. note: asks for one that may be wanted next."""
        if len(self._missed) < FEW_PAGES:
            self._missed.append((note, page))

    def fetch_noted(self) -> bool:
        """Ask for the pages that were noted; tell whether there were any.

        Where they are few, those around them in virtual memory come along, as far as page tables at hand tell where
        they are: structures of a list and the rest of a stack lie there more often than around them in the file.
        """
        if not self._noted:
            return False
        reach = FEW_PAGES // len(self._noted) // 2
        for note, page in self._missed:
            for near in range(max(0, page - reach), page + reach + 1):
                note(near)
        self._missed.clear()
        offsets = sorted(self._noted)
        self._noted.clear()
        for start in range(0, len(offsets), MAX_PAGES_AT_ONCE):
            self._source.read_many([Range(at, PAGE_SIZE) for at in offsets[start : start + MAX_PAGES_AT_ONCE]])
        return True
