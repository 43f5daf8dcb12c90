"""Virtual memory: x64 page tables of 4 or 5 levels, laid out in physical memory, with the self-map that Windows uses.

Source: Intel SDM volume 3, chapter 4 (entries, levels); transition entries and the self-map as WinDbg's `!pte` shows.
"""

from __future__ import annotations

import enum
import struct

from samples.builder.physical import PAGE_SIZE, PhysicalMemory

VALID, WRITE, USER, ACCESSED, DIRTY, LARGE, GLOBAL = 0x1, 0x2, 0x4, 0x20, 0x40, 0x80, 0x100
NO_EXECUTE = 1 << 63
PROTOTYPE, TRANSITION = 1 << 10, 1 << 11

KERNEL_PAGE = VALID | WRITE | ACCESSED | DIRTY
USER_PAGE = KERNEL_PAGE | USER
TRANSITION_PAGE = TRANSITION | 4 << 5
"""Not valid, protection MM_READWRITE in bits 5 to 9, and the page frame in its place."""

LARGE_PAGE_SIZE = 0x200000
HUGE_PAGE_SIZE = 0x40000000
FRAME_BITS = 0x000F_FFFF_FFFF_F000


class PageSize(enum.IntEnum):
    """The level whose entry maps the page: page table, page directory, page directory pointer table."""

    SMALL = 1
    LARGE = 2
    HUGE = 3


class AddressSpace:
    """One root of page tables. The kernel half (upper half) is the same in every address space that is forked off.

    levels: 4 or 5; self_map: the entry of the root that points at the root itself.
    """

    def __init__(self, memory: PhysicalMemory, levels: int, self_map: int) -> None:
        self.memory = memory
        self.levels = levels
        self.self_map = self_map
        self.user_frames: set[int] = set()
        self._family = [self]
        self.root = self._new_root()

    def fork(self) -> AddressSpace:
        """Make the address space of another process: nothing below, the same kernel above."""
        space = AddressSpace.__new__(AddressSpace)
        space.memory, space.levels, space.self_map = self.memory, self.levels, self.self_map
        space.user_frames = set()
        space._family = self._family
        self._family.append(space)
        space.root = space._new_root()
        for index in range(256, 512):
            if index != self.self_map:
                space._set(space.root, index, self._get(self.root, index))
        return space

    @property
    def pte_base(self) -> int:
        """The virtual address at which the self-map shows the page-table entries."""
        return _canonical(self.self_map << (12 + 9 * (self.levels - 1)), self.levels)

    def pte_address(self, address: int) -> int:
        """Give the virtual address of the entry that maps an address with a small page."""
        bits = 12 + 9 * self.levels
        return self.pte_base + ((address & (1 << bits) - 1) >> 12) * 8

    def map(self, address: int, pfn: int, flags: int | None = None, size: PageSize = PageSize.SMALL) -> None:
        """Map one page. flags: those of the entry; by default a writable page of the half that the address is in."""
        user = address < 1 << 63
        if flags is None:
            flags = USER_PAGE if user else KERNEL_PAGE | NO_EXECUTE
        if size is not PageSize.SMALL:
            flags |= LARGE
        table = self._table(address, size)
        self._set(table, _index(address, size), pfn << 12 | flags)
        if user:
            self.user_frames.add(pfn)

    def ensure(self, address: int, size: int) -> None:
        """Map every page of a stretch of memory that is not mapped yet, to frames of RAM."""
        for page in range(address & -PAGE_SIZE, address + size, PAGE_SIZE):
            if self.frame(page) is None:
                self.map(page, self.memory.allocate())

    def write(self, address: int, data: bytes) -> None:
        """Write to memory that is mapped (a transition page counts); a ValueError where it is not."""
        done = 0
        while done < len(data):
            at = address + done
            pfn = self.frame(at)
            if pfn is None:
                raise ValueError(f"0x{at:x} is not mapped")
            offset = at % PAGE_SIZE
            piece = data[done : done + PAGE_SIZE - offset]
            self.memory.write(pfn, offset, piece)
            done += len(piece)

    def read(self, address: int, size: int) -> bytes:
        """Read memory that is mapped; a ValueError where it is not."""
        data = b""
        while len(data) < size:
            at = address + len(data)
            pfn = self.frame(at)
            if pfn is None:
                raise ValueError(f"0x{at:x} is not mapped")
            offset = at % PAGE_SIZE
            data += self.memory.read(pfn)[offset : offset + size - len(data)]
        return data

    def frame(self, address: int) -> int | None:
        """Give the page frame behind an address, None if it is not mapped."""
        table = self.root
        for level in range(self.levels, 0, -1):
            entry = self._get(table, _index(address, level))
            pfn = (entry & FRAME_BITS) >> 12
            if level == 1:
                return pfn if entry & (VALID | TRANSITION) else None
            if not entry & VALID:
                return None
            if entry & LARGE:
                return pfn + (address >> 12 & (1 << 9 * (level - 1)) - 1)
            table = pfn
        raise AssertionError("the loop ends at level 1")

    def entry(self, address: int, level: int) -> tuple[int, int]:
        """Give where the entry for an address lies at a level: the page frame of the table, the offset in it."""
        return self._table(address, level), _index(address, level) * 8

    def _new_root(self) -> int:
        root = self.memory.allocate()
        self._set(root, self.self_map, root << 12 | KERNEL_PAGE | NO_EXECUTE)
        return root

    def _table(self, address: int, lowest: int) -> int:
        """Give the page frame of the table of a level that an address is mapped by; makes the missing ones."""
        table = self.root
        for level in range(self.levels, lowest, -1):
            index = _index(address, level)
            entry = self._get(table, index)
            if not entry & VALID:
                entry = self.memory.allocate() << 12 | (USER_PAGE if address < 1 << 63 else KERNEL_PAGE)
                top_of_kernel = level == self.levels and index >= 256
                for space in self._family if top_of_kernel else [self]:
                    self._set(space.root if top_of_kernel else table, index, entry)
            table = (entry & FRAME_BITS) >> 12
        return table

    def _get(self, table: int, index: int) -> int:
        entry: int = struct.unpack_from("<Q", self.memory.pages[table], index * 8)[0]
        return entry

    def _set(self, table: int, index: int, entry: int) -> None:
        self.memory.write(table, index * 8, struct.pack("<Q", entry))


def _index(address: int, level: int) -> int:
    return address >> 12 + 9 * (level - 1) & 0x1FF


def _canonical(address: int, levels: int) -> int:
    bits = 12 + 9 * levels
    high = (1 << 64) - (1 << bits) if address >> (bits - 1) & 1 else 0
    return address | high
