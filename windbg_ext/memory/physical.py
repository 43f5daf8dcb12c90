"""Physical memory, page by page: what page tables are walked in, and that of a dump with a small cache."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from windbg_ext.dump.pages import PAGE_SIZE
from windbg_ext.errors import DumpError, ReadFailure
from windbg_ext.sources.far import as_far

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Callable

    from windbg_ext.dump.pages import PageSource
    from windbg_ext.memory.far_pages import FarPages
    from windbg_ext.sources import Source
    from windbg_ext.sources.far import FarSource

MAX_CACHED_PAGES = 2048
MAX_TOLD = 16
"""Places of a file that are told one by one when they cannot be read."""
MAX_FAILURES = 1 << 16
"""Pages that cannot be read, and of which that is remembered; a disk takes seconds for each."""


class PhysicalPages(Protocol):
    """Physical memory, wherever it comes from."""

    def page(self, pfn: int) -> bytes | None:
        """Read a page of 4096 bytes; None if it cannot be had."""

    def why_missing(self, pfn: int) -> str:
        """Return why `page` returned None, as the end of a sentence about the page frame: "not in this dump".

        A ReadFailure where the page is there, but cannot be read.
        """


class PhysicalMemory:
    """The pages that a page source finds in a file. Pages that cannot be read are as good as absent, with a reason.

    far: where they are noted, if the file is on another machine.
    """

    def __init__(self, source: Source, pages: PageSource) -> None:
        self._source = source
        self._pages = pages
        self._failures: dict[int, tuple[int, str]] = {}
        self.page = lru_cache(maxsize=MAX_CACHED_PAGES)(self._read)
        far = as_far(source)
        self.far = None if far is None else _far_pages(far, self.page)

    def _read(self, pfn: int) -> bytes | None:
        """Read a page; None if the dump does not hold it or the file cannot be read there."""
        if pfn in self._failures:  # a disk that fails takes seconds each time
            return None
        try:
            offset = self._pages.offset_of(pfn)
        except DumpError:
            return None
        if offset is None:
            return None
        if self.far is not None:
            self.far.check(offset)
        try:
            data = self._source.read(offset, PAGE_SIZE)
        except OSError as error:
            if len(self._failures) < MAX_FAILURES:
                self._failures[pfn] = (offset, error.strerror or str(error))
            return None
        return data if len(data) == PAGE_SIZE else None

    def prefetch(self, pfns: Iterable[int]) -> None:
        """Have pages at hand, if the file is on another machine; else do nothing."""
        if self.far is not None:
            with self.far.noting():
                for pfn in pfns:
                    self.far.ask(pfn)
                self.far.fetch_noted()

    def why_missing(self, pfn: int) -> str:
        """Return why `page` returned None."""
        if pfn in self._failures:
            offset, reason = self._failures[pfn]
            return ReadFailure(f"at 0x{offset:x} of the file, where reading fails ({reason})")
        try:
            at = self._pages.offset_of(pfn)
        except DumpError as error:
            return ReadFailure(f"at an unknown place of the file ({error.field} {error.why})")
        if at is None:
            return "not in this dump"
        if len(self._failures) == MAX_FAILURES and at + PAGE_SIZE <= self._source.size:
            return ReadFailure(f"at 0x{at:x} of the file, where reading fails")
        return f"cut off (it would lie at 0x{at:x} of the file)"

    def failures(self) -> Iterator[str]:
        """Yield where the file could not be read so far, and why, in ascending order. Places that touch are one."""
        places: list[tuple[int, int, str]] = []
        for offset, reason in sorted(self._failures.values()):
            if places and places[-1][1:] == (offset, reason):
                places[-1] = (places[-1][0], offset + PAGE_SIZE, reason)
            else:
                places.append((offset, offset + PAGE_SIZE, reason))
        for start, end, reason in places[:MAX_TOLD]:
            yield f"0x{start:x} to 0x{end:x} of the file cannot be read ({reason})"
        rest = sum(end - start for start, end, _ in places[MAX_TOLD:])
        if rest:
            yield f"{rest // PAGE_SIZE:,} more pages in {len(places) - MAX_TOLD:,} more places cannot be read"


def _far_pages(source: FarSource, page: Callable[[int], bytes | None]) -> FarPages:
    from windbg_ext.memory.far_pages import FarPages  # a file of this machine does not wait for it

    return FarPages(source, page)
