"""Walking page tables, of every kind that `windbg_ext.structs.paging` describes; pages in transition too.

The transition bits as `dt nt!_MMPTE_TRANSITION` prints them, the same on all processors (checked on the debugger
engine).
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING

from windbg_ext.errors import NotInDumpError, NotMappedError
from windbg_ext.memory.virtual import Piece
from windbg_ext.structs.paging import VALID, X64
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.memory.physical import PhysicalPages
    from windbg_ext.structs.paging import Level, Paging

PAGE_SHIFT = 12
PAGE_SIZE = 1 << PAGE_SHIFT
PAGE_MASK = PAGE_SIZE - 1

PROTOTYPE = 1 << 10
TRANSITION = 1 << 11

MAX_CACHED_TRANSLATIONS = 16384
MAX_CACHED_TABLES = 1024


class PagedMemory:
    """The virtual memory behind one directory table base.

    directory_table_base: CR3 or TTBR0_EL1; what is no address in it (a PCID, an ASID, bit 63) is ignored.
    """

    def __init__(self, physical: PhysicalPages, directory_table_base: int, paging: Paging = X64) -> None:
        self.paging = paging
        self.layouts = paging.layouts
        self._mask = self.layouts.address_mask
        self._physical = physical
        root = directory_table_base & paging.root_mask
        self._root, self._root_offset = root >> PAGE_SHIFT, root & PAGE_MASK
        self._entry = struct.Struct(paging.entry)
        self._steps = [
            (level.shift, (1 << level.bits) - 1, (1 << level.shift) - 1 if level.large else None)
            for level in paging.levels[:-1]
        ]
        self._last_bits = paging.levels[-1].bits
        self._last_mask = (1 << self._last_bits) - 1
        self._way = lru_cache(maxsize=MAX_CACHED_TABLES)(self._walk_to_table)
        self._frame = lru_cache(maxsize=MAX_CACHED_TRANSLATIONS)(self._walk)

    def read(self, address: int, length: int) -> bytes:
        """Read exactly `length` bytes. Raise NotMappedError or NotInDumpError where the first missing byte is."""
        address &= self._mask
        start = address & PAGE_MASK
        if 0 < length <= PAGE_SIZE - start:
            return self._page(address)[start : start + length]
        pieces = []
        end = address + length
        while address < end:
            upto = min(end, (address | PAGE_MASK) + 1)
            pieces.append(self._page(address)[address & PAGE_MASK : (upto - 1 & PAGE_MASK) + 1])
            address = upto
        return b"".join(pieces)

    def present(self, address: int, length: int) -> Iterator[Piece]:
        """Yield what can be read between address and address + length, a piece for each page in ascending order."""
        address &= self._mask
        end = min(address + length, self._mask + 1)
        while address < end:
            upto = min(end, (address | PAGE_MASK) + 1)
            frame, _ = self._frame(address >> PAGE_SHIFT)
            page = None if frame is None else self._physical.page(frame)
            if page is not None:
                yield Piece(address, page[address & PAGE_MASK : (upto - 1 & PAGE_MASK) + 1])
            address = upto

    def translate(self, address: int) -> int:
        """Return the physical address, whether or not the dump holds it.

        Raise NotMappedError where nothing is mapped, NotInDumpError where a page table on the way is not in the dump.
        """
        frame, missing_table = self._frame(address >> PAGE_SHIFT)
        if missing_table is not None:
            raise NotInDumpError(address, missing_table, self._physical.why_missing(missing_table))
        if frame is None:
            raise NotMappedError(address)
        return frame << PAGE_SHIFT | address & PAGE_MASK

    @property
    def root(self) -> int:
        """The page frame of the root table."""
        return self._root

    def tables_below(self, table: int, level: Level) -> Iterator[int]:
        """Yield the page frames of the tables that a table of a level leads to; of the root, for the kernel half."""
        page = self._physical.page(table)
        if page is None:
            return
        offset, first = 0, 0
        if table == self._root:
            offset = self._root_offset
            first = self.paging.kernel_half >> PAGE_SHIFT + level.shift & (1 << level.bits) - 1
        for index in range(first, 1 << level.bits):
            (entry,) = self._entry.unpack_from(page, offset + index * self._entry.size)
            if _leads_on(entry) and not (level.large and self.paging.is_large(entry)):
                yield self._frame_of(entry)

    def _page(self, address: int) -> bytes:
        frame, _ = self._frame(address >> PAGE_SHIFT)
        page = None if frame is None else self._physical.page(frame)
        if page is None:
            pfn = self.translate(address) >> PAGE_SHIFT
            raise NotInDumpError(address, pfn, self._physical.why_missing(pfn))
        return page

    def _walk(self, page_number: int) -> tuple[int | None, int | None]:
        """Return (page frame, None), (None, None) when not mapped, or (None, frame of the missing page table)."""
        if not _is_canonical(page_number, self.paging):
            return None, None
        frame, below, offset, missing = self._way(page_number >> self._last_bits)
        if frame is None:
            return None, missing
        if below is not None:
            return frame & ~below | page_number & below, None
        page = self._physical.page(frame)
        if page is None:
            return None, frame
        (entry,) = self._entry.unpack_from(page, offset + (page_number & self._last_mask) * self._entry.size)
        return (self._frame_of(entry) if _leads_on(entry) else None), None

    def _walk_to_table(self, table_number: int) -> _Way:
        """Walk all levels but the last. table_number: the page number without the bits of the last level."""
        paging, entry_of = self.paging, self._entry
        page_number = table_number << self._last_bits
        table, offset = self._root, self._root_offset
        for shift, mask, below in self._steps:
            page = self._physical.page(table)
            if page is None:
                return _Way(missing=table)
            (entry,) = entry_of.unpack_from(page, offset + (page_number >> shift & mask) * entry_of.size)
            if not _leads_on(entry):
                return _Way()
            table, offset = self._frame_of(entry), 0
            if below is not None and entry & VALID and entry & paging.large_bit == paging.large:
                return _Way(table, below)
        return _Way(table, offset=offset)

    def _frame_of(self, entry: int) -> int:
        return (entry & self.paging.frame_mask) >> PAGE_SHIFT


class _Way(NamedTuple):
    """Where the walk through all levels but the last ends.

    frame: of the table of the last level, or of a large page; None when nothing is mapped or a table is missing. below:
    bits of a page number that count inside the large page, None for a table. offset: of the table in its page. missing:
    frame of the missing table.
    """

    frame: int | None = None
    below: int | None = None
    offset: int = 0
    missing: int | None = None


def _leads_on(entry: int) -> bool:
    """Tell whether an entry leads to a page or a table: valid ones and those in transition do."""
    return bool(entry & VALID) or entry & (TRANSITION | PROTOTYPE) == TRANSITION


def _is_canonical(page_number: int, paging: Paging) -> bool:
    """Tell whether the bits above those that are translated are all equal to the highest of them."""
    bits = paging.address_bits - PAGE_SHIFT
    if paging.layouts.pointer_size == 4:
        return page_number < 1 << bits
    above = page_number >> bits - 1
    return above in (0, (1 << 64 - paging.address_bits + 1) - 1)
