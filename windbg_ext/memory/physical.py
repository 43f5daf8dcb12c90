"""Physical memory, page by page: what page tables are walked in, and that of a dump with a small cache."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from windbg_ext.dump.pages import PAGE_SIZE

if TYPE_CHECKING:
    from windbg_ext.dump.file import DumpFile
    from windbg_ext.dump.pages import PageSource

CACHED_PAGES = 2048


class PhysicalPages(Protocol):
    """Physical memory, wherever it comes from."""

    def page(self, pfn: int) -> bytes | None:
        """Read a page of 4096 bytes; None if it cannot be had."""

    def why_missing(self, pfn: int) -> str:
        """Tell why `page` gave None, as the end of a sentence about the page frame: "not in this dump"."""


class PhysicalMemory:
    """The pages that a page source finds in a file. Pages that cannot be read are as good as absent, with a reason."""

    def __init__(self, file: DumpFile, pages: PageSource) -> None:
        self._file = file
        self._pages = pages
        self.page = lru_cache(maxsize=CACHED_PAGES)(self._read)

    def _read(self, pfn: int) -> bytes | None:
        """Read a page; None if the dump does not hold it."""
        offset = self._pages.offset_of(pfn)
        if offset is None:
            return None
        try:
            data = self._file.read(offset, PAGE_SIZE)
        except OSError:
            return None
        return data if len(data) == PAGE_SIZE else None

    def why_missing(self, pfn: int) -> str:
        """Tell why `page` gave None."""
        offset = self._pages.offset_of(pfn)
        if offset is None:
            return "not in this dump"
        if offset + PAGE_SIZE > self._file.size:
            return f"cut off (it would lie at 0x{offset:x} of the file)"
        return f"at 0x{offset:x} of the file, where reading fails"
