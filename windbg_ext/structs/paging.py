"""How each processor translates addresses: x86, x86 with PAE, x64 with four and five levels, ARM64 with 4 KB pages.

Sources: Intel SDM volume 3A, chapter 4; Arm ARM (DDI 0487), chapter D8. Windows on ARM64 keeps both halves in one page,
as on x64: TTBR1_EL1 is TTBR0_EL1 + 0x800, TCR_EL1 gives each half 47 bits (measured on one real dump, of build 22000,
and on the engine).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from windbg_ext.structs.layouts import LAYOUTS32, LAYOUTS64
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.structs.layouts import Layouts

VALID = 1 << 0


class Level(NamedTuple):
    """A level of page tables. shift, bits: which bits of a page number are the index; large: entries may map pages."""

    shift: int
    bits: int
    large: bool = False


class Paging(NamedTuple):
    """How addresses are translated.

    layouts: those of the Windows that uses it; entry: struct's letter for an entry; levels: the root's first;
    root_mask: the bits of the directory table base that are an address; frame_mask: those of an entry; address_bits:
    above them, an address repeats its highest bit; large_bit, large: an entry maps a large page if its bits large_bit
    equal large.
    """

    name: str
    layouts: Layouts
    entry: str
    levels: tuple[Level, ...]
    root_mask: int
    frame_mask: int
    address_bits: int
    large_bit: int = 1 << 7
    large: int = 1 << 7

    @property
    def entry_size(self) -> int:
        """Size of an entry in bytes."""
        return struct.calcsize(self.entry)

    @property
    def mapped_levels(self) -> int:
        """Number of levels whose entries are mapped in virtual memory: all but the four entries of PAE's root."""
        return sum(level.bits > 2 for level in self.levels)

    @property
    def kernel_half(self) -> int:
        """The lowest address of the upper half."""
        return self.layouts.address_mask & -(1 << self.address_bits - 1)

    def is_large(self, entry: int) -> bool:
        """Tell whether an entry maps a large page. Its level must be one that may."""
        return bool(entry & VALID) and entry & self.large_bit == self.large


_FRAME_52 = 0x000F_FFFF_FFFF_F000
_LAST, _PD, _PDPT = Level(0, 9), Level(9, 9, large=True), Level(18, 9, large=True)

X86 = Paging("x86", LAYOUTS32, "<I", (Level(10, 10, large=True), Level(0, 10)), 0xFFFF_F000, 0xFFFF_F000, 32)
"""Without PSE-36: Windows without PAE uses no RAM above 4 GB."""
X86_PAE = Paging("x86 PAE", LAYOUTS32, "<Q", (Level(18, 2), _PD, _LAST), 0xFFFF_FFE0, _FRAME_52, 32)
X64 = Paging("x64", LAYOUTS64, "<Q", (Level(27, 9), _PDPT, _PD, _LAST), _FRAME_52, _FRAME_52, 48)
X64_LA57 = Paging("x64 LA57", LAYOUTS64, "<Q", (Level(36, 9), *X64.levels), _FRAME_52, _FRAME_52, 57)
ARM64 = Paging(
    "ARM64", LAYOUTS64, "<Q", X64.levels, 0x0000_FFFF_FFFF_F000, 0x0000_FFFF_FFFF_F000, 48, large_bit=1 << 1, large=0
)
"""Bit 1 of an entry means that it leads to a table. The directory table base may carry an ASID."""
