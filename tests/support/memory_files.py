"""Files to read memory from: bytes, or physical pages by their frame number."""

from __future__ import annotations

import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING

from support.dump_file import file_of as file_of
from windbg_ext.memory import PhysicalMemory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PAGE_SIZE = 0x1000


class ListedPages:
    """A page source that is a plain list of offsets."""

    def __init__(self, offsets: Mapping[int, int]) -> None:
        self._offsets = offsets
        self.in_order = sorted(offsets) == sorted(offsets, key=offsets.__getitem__)
        self.page_count = len(offsets)
        self.end = PAGE_SIZE * len(offsets)
        self.frames = max(offsets, default=-1) + 1

    def offset_of(self, pfn: int) -> int | None:
        return self._offsets.get(pfn)

    def pages_below(self, pfn: int) -> int:
        return sum(below < pfn for below in self._offsets)


@contextmanager
def physical_memory_of(pages: Mapping[int, bytes], cut: int = 0) -> Iterator[PhysicalMemory]:
    """Yield physical memory with these pages, in the mapping's order, without the last `cut` bytes of the file."""
    data = b"".join(page.ljust(PAGE_SIZE, b"\0") for page in pages.values())
    offsets = {pfn: PAGE_SIZE * index for index, pfn in enumerate(pages)}
    with file_of(data[: len(data) - cut]) as file:
        yield PhysicalMemory(file, ListedPages(offsets))


VALID, LARGE, PROTOTYPE, TRANSITION, NO_EXECUTE = 1, 1 << 7, 1 << 10, 1 << 11, 1 << 63
"""Bits of a page-table entry: Intel SDM volume 3 chapter 4; the software bits as WinDbg's !pte shows them."""


class PageTables:
    """Page tables written by hand, from frame 1 on; level 1 is the page table. Source: Intel SDM 3, chapter 4."""

    ROOT = 1

    def __init__(self, levels: int = 4) -> None:
        self.levels = levels
        self.pages: dict[int, bytearray] = {self.ROOT: bytearray(PAGE_SIZE)}
        self._next = self.ROOT + 1

    def table_of(self, address: int, level: int) -> int:
        """Return the frame of the table at a level on the way to an address. Make missing tables."""
        table = self.ROOT
        for above in range(self.levels, level, -1):
            at = self._offset(address, above)
            (entry,) = struct.unpack_from("<Q", self.pages[table], at)
            if not entry:
                entry = self._next << 12 | VALID
                self.pages[self._next] = bytearray(PAGE_SIZE)
                self._next += 1
                struct.pack_into("<Q", self.pages[table], at, entry)
            table = (entry & 0xF_FFFF_FFFF_F000) >> 12
        return table

    def set(self, address: int, entry: int, level: int = 1) -> None:
        """Write the entry for an address into the table of a level."""
        struct.pack_into("<Q", self.pages[self.table_of(address, level)], self._offset(address, level), entry)

    def with_pages(self, pages: Mapping[int, bytes]) -> dict[int, bytes]:
        """Return the tables and other pages, by frame."""
        return {**{pfn: bytes(page) for pfn, page in self.pages.items()}, **pages}

    @staticmethod
    def _offset(address: int, level: int) -> int:
        return (address >> 12 + 9 * (level - 1) & 0x1FF) * 8
