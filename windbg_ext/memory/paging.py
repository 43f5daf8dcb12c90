"""Page tables: x86, x86 with PAE, x64 with four and five levels, ARM64 with 4 KB pages; pages in transition too.

Sources: Intel SDM volume 3A, chapter 4; Arm ARM (DDI 0487), chapter D8. The transition bits as `dt
nt!_MMPTE_TRANSITION` prints them, the same on all of them (checked on the debugger engine). Windows on ARM64 keeps both
halves in one page, as on x64: TTBR1_EL1 is TTBR0_EL1 + 0x800, TCR_EL1 gives each half 47 bits (measured on the one real
dump that was seen, of build 22000, and on the engine, which walks them the same way).
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from windbg_ext.errors import NotInDumpError, NotMappedError
from windbg_ext.memory.virtual import Piece

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.memory.physical import PhysicalPages

PAGE_SHIFT = 12
PAGE_SIZE = 1 << PAGE_SHIFT
PAGE_MASK = PAGE_SIZE - 1

VALID = 1 << 0
PROTOTYPE = 1 << 10
TRANSITION = 1 << 11

CACHED_TRANSLATIONS = 16384


class Level(NamedTuple):
    """A level of page tables. shift, bits: which bits of a page number are the index; large: entries may map pages."""

    shift: int
    bits: int
    large: bool = False


class Paging(NamedTuple):
    """How addresses are translated.

    pointer_size: bytes of an address; entry: struct's letter for an entry; levels: the root's first; root_mask: the
    bits of the directory table base that are an address; frame_mask: those of an entry; address_bits: above them, an
    address repeats its highest bit; large_bit, large: an entry whose large_bit is that maps a page by itself.
    """

    name: str
    pointer_size: int
    entry: str
    levels: tuple[Level, ...]
    root_mask: int
    frame_mask: int
    address_bits: int
    large_bit: int = 1 << 7
    large: int = 1 << 7

    @property
    def entry_size(self) -> int:
        """Bytes of an entry."""
        return struct.calcsize(self.entry)

    @property
    def address_mask(self) -> int:
        """All bits of an address."""
        return (1 << 8 * self.pointer_size) - 1

    @property
    def mapped_levels(self) -> int:
        """How many levels have their entries in virtual memory: all but the four entries of PAE's root."""
        return sum(level.bits > 2 for level in self.levels)

    @property
    def kernel_half(self) -> int:
        """The lowest address of the upper half."""
        return self.address_mask & -(1 << self.address_bits - 1)

    def is_large(self, entry: int) -> bool:
        """Tell whether an entry of a level that may do so maps a page by itself."""
        return bool(entry & VALID) and entry & self.large_bit == self.large


_FRAME_52 = 0x000F_FFFF_FFFF_F000
_LAST, _PD, _PDPT = Level(0, 9), Level(9, 9, large=True), Level(18, 9, large=True)

X86 = Paging("x86", 4, "<I", (Level(10, 10, large=True), Level(0, 10)), 0xFFFF_F000, 0xFFFF_F000, 32)
"""Without PSE-36: Windows without PAE uses no RAM above 4 GB."""
X86_PAE = Paging("x86 PAE", 4, "<Q", (Level(18, 2), _PD, _LAST), 0xFFFF_FFE0, _FRAME_52, 32)
X64 = Paging("x64", 8, "<Q", (Level(27, 9), _PDPT, _PD, _LAST), _FRAME_52, _FRAME_52, 48)
X64_LA57 = Paging("x64 LA57", 8, "<Q", (Level(36, 9), *X64.levels), _FRAME_52, _FRAME_52, 57)
ARM64 = Paging(
    "ARM64", 8, "<Q", X64.levels, 0x0000_FFFF_FFFF_F000, 0x0000_FFFF_FFFF_F000, 48, large_bit=1 << 1, large=0
)
"""Bit 1 of an entry: it leads to a table. The directory table base may carry an ASID."""


class PagedMemory:
    """The virtual memory behind one directory table base.

    directory_table_base: CR3 or TTBR0_EL1; what is no address in it (a PCID, an ASID, bit 63) is ignored.
    """

    def __init__(self, physical: PhysicalPages, directory_table_base: int, paging: Paging = X64) -> None:
        self.paging = paging
        self.pointer_size = paging.pointer_size
        self._physical = physical
        root = directory_table_base & paging.root_mask
        self._root, self._root_offset = root >> PAGE_SHIFT, root & PAGE_MASK
        self._entry = struct.Struct(paging.entry)
        self._steps = [
            (level.shift, (1 << level.bits) - 1, (1 << level.shift) - 1 if level.large else None)
            for level in paging.levels
        ]
        self._frame = lru_cache(maxsize=CACHED_TRANSLATIONS)(self._walk)

    def read(self, address: int, length: int) -> bytes:
        """Read exactly `length` bytes; NotMappedError or NotInDumpError where the first missing byte is."""
        pieces = []
        address &= self.paging.address_mask
        end = address + length
        while address < end:
            upto = min(end, (address | PAGE_MASK) + 1)
            pieces.append(self._page(address)[address & PAGE_MASK : (upto - 1 & PAGE_MASK) + 1])
            address = upto
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def present(self, address: int, length: int) -> Iterator[Piece]:
        """Give what can be read between address and address + length, a piece for each page, addresses rising."""
        address &= self.paging.address_mask
        end = min(address + length, self.paging.address_mask + 1)
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
        paging, entry_of = self.paging, self._entry
        if not _is_canonical(page_number, paging):
            return None, None
        table, offset = self._root, self._root_offset
        for shift, mask, below in self._steps:
            page = self._physical.page(table)
            if page is None:
                return None, table
            (entry,) = entry_of.unpack_from(page, offset + (page_number >> shift & mask) * entry_of.size)
            if not entry & VALID and entry & (TRANSITION | PROTOTYPE) != TRANSITION:
                return None, None
            table, offset = (entry & paging.frame_mask) >> PAGE_SHIFT, 0
            if below is not None and entry & VALID and entry & paging.large_bit == paging.large:
                return table & ~below | page_number & below, None
        return table, None


def _is_canonical(page_number: int, paging: Paging) -> bool:
    """Tell whether the bits above those that are translated are all equal to the highest of them."""
    bits = paging.address_bits - PAGE_SHIFT
    if paging.pointer_size == 4:
        return page_number < 1 << bits
    above = page_number >> bits - 1
    return above in (0, (1 << 64 - paging.address_bits + 1) - 1)
