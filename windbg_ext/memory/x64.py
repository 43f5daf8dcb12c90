"""x64 paging, four and five levels, 4 KB, 2 MB and 1 GB pages, and pages in transition.

Source: Intel SDM volume 3A, chapter 4; the transition bits as `dt nt!_MMPTE_TRANSITION` prints them.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING

from windbg_ext.errors import NotInDumpError, NotMappedError
from windbg_ext.memory.virtual import Piece

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.memory.physical import PhysicalPages

PAGE_SHIFT = 12
PAGE_SIZE = 1 << PAGE_SHIFT
PAGE_MASK = PAGE_SIZE - 1
FRAME_MASK = 0x000F_FFFF_FFFF_F000

VALID = 1 << 0
LARGE_PAGE = 1 << 7
PROTOTYPE = 1 << 10
TRANSITION = 1 << 11

ENTRIES = struct.Struct("<Q")
CACHED_TRANSLATIONS = 16384


class X64Memory:
    """The virtual memory behind one directory table base.

    directory_table_base: CR3; the PCID in its low 12 bits and bit 63 are ignored. levels: 4, or 5 with CR4.LA57.
    """

    def __init__(self, physical: PhysicalPages, directory_table_base: int, levels: int = 4) -> None:
        self.levels = levels
        self._physical = physical
        self._root = (directory_table_base & FRAME_MASK) >> PAGE_SHIFT
        self._sign_bits = 64 - (PAGE_SHIFT + 9 * levels) + 1
        self._frame = lru_cache(maxsize=CACHED_TRANSLATIONS)(self._walk)

    def read(self, address: int, length: int) -> bytes:
        """Read exactly `length` bytes; NotMappedError or NotInDumpError where the first missing byte is."""
        pieces = []
        end = address + length
        while address < end:
            upto = min(end, (address | PAGE_MASK) + 1)
            pieces.append(self._page(address)[address & PAGE_MASK : (upto - 1 & PAGE_MASK) + 1])
            address = upto
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def present(self, address: int, length: int) -> Iterator[Piece]:
        """Give what can be read between address and address + length, a piece for each page, addresses rising."""
        end = min(address + length, 1 << 64)
        while address < end:
            upto = min(end, (address | PAGE_MASK) + 1)
            try:
                page = self._page(address)
            except (NotMappedError, NotInDumpError):
                pass
            else:
                yield Piece(address, page[address & PAGE_MASK : (upto - 1 & PAGE_MASK) + 1])
            address = upto

    def translate(self, address: int) -> int:
        """Give the physical address, whether or not the dump holds it.

        NotMappedError: nothing is mapped there; NotInDumpError: a page table on the way is not in the dump.
        """
        frame, missing_table = self._frame(address >> PAGE_SHIFT)
        if missing_table is not None:
            raise NotInDumpError(address, missing_table, self._physical.why_missing(missing_table))
        if frame is None:
            raise NotMappedError(address)
        return frame << PAGE_SHIFT | address & PAGE_MASK

    def _page(self, address: int) -> bytes:
        pfn = self.translate(address) >> PAGE_SHIFT
        page = self._physical.page(pfn)
        if page is None:
            raise NotInDumpError(address, pfn, self._physical.why_missing(pfn))
        return page

    def _walk(self, page_number: int) -> tuple[int | None, int | None]:
        """Give (page frame, None), (None, None) when not mapped, or (None, frame of the page table that is missing)."""
        sign = page_number >> 64 - PAGE_SHIFT - self._sign_bits
        if sign not in (0, (1 << self._sign_bits) - 1):
            return None, None
        table = self._root
        for level in range(self.levels - 1, -1, -1):
            page = self._physical.page(table)
            if page is None:
                return None, table
            (entry,) = ENTRIES.unpack_from(page, (page_number >> 9 * level & 0x1FF) * ENTRIES.size)
            if not entry & VALID and entry & (TRANSITION | PROTOTYPE) != TRANSITION:
                return None, None
            table = (entry & FRAME_MASK) >> PAGE_SHIFT
            if entry & VALID and entry & LARGE_PAGE and level in (1, 2):
                below = (1 << 9 * level) - 1
                return table & ~below | page_number & below, None
        return table, None
