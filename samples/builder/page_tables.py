"""How each architecture maps memory: the levels of page tables, and the flags of their entries.

Sources: Intel SDM volume 3, chapter 4; Arm ARM (DDI 0487), chapter D8; transition entries and the self-map as WinDbg's
`!pte` shows them. ARM64: attribute index and shareability as usual for memory; both halves in one page, as on Windows.
"""

from __future__ import annotations

import enum
import struct
from typing import NamedTuple

from samples.builder.physical import PAGE_SIZE

VALID, WRITE, USER, ACCESSED, DIRTY, LARGE, GLOBAL = 0x1, 0x2, 0x4, 0x20, 0x40, 0x80, 0x100
NO_EXECUTE = 1 << 63
PROTOTYPE, TRANSITION = 1 << 10, 1 << 11

KERNEL_PAGE = VALID | WRITE | ACCESSED | DIRTY
USER_PAGE = KERNEL_PAGE | USER
TRANSITION_PAGE = TRANSITION | 4 << 5
"""Not valid, protection MM_READWRITE in bits 5 to 9, and the page frame in its place."""


class PageSize(enum.IntEnum):
    """The level whose entry maps the page: page table, page directory, page directory pointer table."""

    SMALL = 1
    LARGE = 2
    HUGE = 3


class EntryFlags(NamedTuple):
    """Flags of entries: pages of data and code of the kernel, of a process, in transition, and the tables above."""

    kernel_data: int
    kernel_code: int
    user: int
    kernel_table: int
    user_table: int
    transition: int


class PageTables(NamedTuple):
    """The page tables of an architecture.

    address_bits: number of translated bits of an address; entry: struct's letter for an entry; levels: number of levels
    of tables; root_pages: pages of the highest level's tables, one except with PAE, where a page directory pointer
    table of four entries points at them; large_bit, large: an entry above the lowest level maps a large page if its
    bits large_bit equal large; huge_pages: the third level can map large pages; told: the field of the debugger data
    block, PaeEnabled and from bit 2 on PagingLevels.
    """

    name: str
    address_bits: int
    pointer_size: int
    entry: str
    levels: int
    flags: EntryFlags
    root_pages: int = 1
    large_bit: int = LARGE
    large: int = LARGE
    huge_pages: bool = False
    told: int = 1

    @property
    def entry_size(self) -> int:
        """Size of an entry in bytes."""
        return struct.calcsize(self.entry)

    @property
    def entries(self) -> int:
        """Number of entries of a table."""
        return PAGE_SIZE // self.entry_size

    @property
    def root_entries(self) -> int:
        """Number of entries of the highest level. The upper half of them maps the kernel."""
        return self.root_pages * self.entries

    @property
    def frame_bits(self) -> int:
        """Mask of the page frame in an entry."""
        return 0x000F_FFFF_FFFF_F000 if self.entry_size == 8 else 0xFFFF_F000

    def shift(self, level: int) -> int:
        """Return the number of address bits below the index into a table of a level."""
        return 12 + (self.entries.bit_length() - 1) * (level - 1)

    def pages(self, level: int) -> int:
        """Return the size of a page that an entry of a level maps, in small pages."""
        return 1 << self.shift(level) - 12

    def slot(self, address: int, level: int) -> int:
        """Return the index of an address in the tables of a level."""
        entries = self.root_entries if level == self.levels else self.entries
        return address >> self.shift(level) & entries - 1

    def is_user(self, address: int) -> bool:
        """Tell whether an address is in the lower half."""
        return not address >> self.address_bits - 1 & 1

    def canonical(self, address: int) -> int:
        """Return an address in canonical form: the bits above the translated ones repeat the highest of them."""
        high = (1 << 8 * self.pointer_size) - (1 << self.address_bits)
        return address if self.is_user(address) else address | high

    def is_large(self, entry: int) -> bool:
        """Tell whether an entry above the lowest level maps a large page."""
        return entry & self.large_bit == self.large


_INTEL = EntryFlags(KERNEL_PAGE | NO_EXECUTE, KERNEL_PAGE | GLOBAL, USER_PAGE, KERNEL_PAGE, USER_PAGE, TRANSITION_PAGE)
_TABLE, _NORMAL, _EL0, _SHARED, _ACCESSED, _PRIVATE = 0b11, 0x4, 1 << 6, 3 << 8, 1 << 10, 1 << 11
_NEVER_AT_EL0, _NEVER_AT_EL1 = 1 << 54, 1 << 53
_ARM = EntryFlags(
    kernel_data=_TABLE | _NORMAL | _SHARED | _ACCESSED | _NEVER_AT_EL0 | _NEVER_AT_EL1,
    kernel_code=_TABLE | _NORMAL | _SHARED | _ACCESSED | _NEVER_AT_EL0,
    user=_TABLE | _NORMAL | _SHARED | _ACCESSED | _EL0 | _PRIVATE | _NEVER_AT_EL1,
    # the flags of a page, for the self-map: the processor ignores them in an entry of a higher level
    kernel_table=_TABLE | _NORMAL | _SHARED | _ACCESSED,
    user_table=_TABLE | _NORMAL | _SHARED | _ACCESSED,
    transition=TRANSITION_PAGE,
)

X86 = PageTables("x86", 32, 4, "<I", 2, _INTEL._replace(kernel_data=KERNEL_PAGE), told=0)
X86_PAE = PageTables("x86 PAE", 32, 4, "<Q", 2, _INTEL, root_pages=4)
X64 = PageTables("x64", 48, 8, "<Q", 4, _INTEL, huge_pages=True)
X64_LA57 = PageTables("x64 LA57", 57, 8, "<Q", 5, _INTEL, huge_pages=True)
ARM64 = PageTables("ARM64", 48, 8, "<Q", 4, _ARM, large_bit=0b10, large=0, huge_pages=True, told=4 << 2)
