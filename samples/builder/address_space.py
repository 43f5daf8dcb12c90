"""Virtual memory: page tables laid out in physical memory, with the self-map that Windows uses.

`page_tables` describes them for each architecture.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from samples.builder.page_tables import TRANSITION, VALID, PageSize
from samples.builder.physical import PAGE_SIZE

if TYPE_CHECKING:
    from samples.builder.page_tables import PageTables
    from samples.builder.physical import PhysicalMemory

POINTER_TABLE_OFFSET = 0x60
"""Where in its page PAE's page directory pointer table begins: any multiple of 32 is valid."""


class AddressSpace:
    """One root of page tables. Address spaces that are forked off share the upper half, the kernel's.

    self_map: the entry of the highest level that points at the first page of that level itself.
    """

    def __init__(self, memory: PhysicalMemory, tables: PageTables, self_map: int) -> None:
        self.memory = memory
        self.tables = tables
        self.self_map = self_map
        self.user_frames: set[int] = set()
        self._family = [self]
        self._make_root()

    def fork(self) -> AddressSpace:
        """Make the address space of another process: an empty lower half, and the same kernel half."""
        space = AddressSpace.__new__(AddressSpace)
        space.memory, space.tables, space.self_map = self.memory, self.tables, self.self_map
        space.user_frames = set()
        space._family = self._family
        self._family.append(space)
        space._make_root()
        entries = self.tables.root_entries
        for index in range(entries // 2, entries):
            if index not in range(self.self_map, self.self_map + self.tables.root_pages):
                space._set_root(index, self._get_root(index))
        return space

    @property
    def root(self) -> int:
        """Page frame of the table that CR3 or TTBR points at."""
        return self.directory_table_base // PAGE_SIZE

    @property
    def pte_base(self) -> int:
        """The virtual address at which the self-map shows the page-table entries."""
        return self.tables.canonical(self.self_map << self.tables.shift(self.tables.levels))

    def pte_address(self, address: int) -> int:
        """Return the virtual address of the entry that maps an address with a small page."""
        page = (address & (1 << self.tables.address_bits) - 1) >> 12
        return self.pte_base + page * self.tables.entry_size

    def map(self, address: int, pfn: int, flags: int | None = None, size: PageSize = PageSize.SMALL) -> None:
        """Map one page. flags: those of the entry; by default a writable page of the half that the address is in."""
        tables = self.tables
        user = tables.is_user(address)
        if flags is None:
            flags = tables.flags.user if user else tables.flags.kernel_data
        if size is not PageSize.SMALL:
            flags = flags & ~tables.large_bit | tables.large
        self._set_entry(address, size, pfn << 12 | flags)
        if user:
            self.user_frames.add(pfn)

    def ensure(self, address: int, size: int) -> None:
        """Map every page of a range that is not mapped yet to a frame of RAM."""
        for page in range(address & -PAGE_SIZE, address + size, PAGE_SIZE):
            if self.frame(page) is None:
                self.map(page, self.memory.allocate())

    def write(self, address: int, data: bytes) -> None:
        """Write to mapped memory; pages in transition count as mapped. Raise ValueError if it is not mapped."""
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
        """Read mapped memory. Raise ValueError if it is not mapped."""
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
        """Return the page frame behind an address, or None if it is not mapped."""
        tables = self.tables
        table = self._roots[tables.slot(address, tables.levels) // tables.entries]
        for level in range(tables.levels, 0, -1):
            entry = self._get(table, tables.slot(address, level) % tables.entries)
            pfn = (entry & tables.frame_bits) >> 12
            if level == 1:
                return pfn if entry & (VALID | TRANSITION) else None
            if not entry & VALID:
                return None
            if tables.is_large(entry):
                return pfn + (address >> 12 & tables.pages(level) - 1)
            table = pfn
        raise AssertionError("the loop ends at level 1")

    def entry(self, address: int, level: int) -> tuple[int, int]:
        """Return where the entry for an address lies at a level: page frame of the table, and offset in it."""
        index = self.tables.slot(address, level)
        if level == self.tables.levels:
            page, index = divmod(index, self.tables.entries)
            return self._roots[page], index * self.tables.entry_size
        return self._table(address, level), index * self.tables.entry_size

    def _make_root(self) -> None:
        """Allocate the tables of the highest level, which map themselves, and PAE's table above them."""
        tables = self.tables
        self._roots = [self.memory.allocate() for _ in range(tables.root_pages)]
        for index, pfn in enumerate(self._roots):
            self._set_root(self.self_map + index, pfn << 12 | tables.flags.kernel_data)
        self.directory_table_base = self._roots[0] * PAGE_SIZE
        if tables.root_pages > 1:
            pfn = self.memory.allocate()
            pointers = [root << 12 | VALID for root in self._roots]
            self.memory.write(pfn, POINTER_TABLE_OFFSET, struct.pack(f"<{len(pointers)}Q", *pointers))
            self.directory_table_base = pfn * PAGE_SIZE + POINTER_TABLE_OFFSET

    def _table(self, address: int, lowest: int) -> int:
        """Return the page frame of the table that maps an address at a level. Make missing tables."""
        tables = self.tables
        flags = tables.flags.user_table if tables.is_user(address) else tables.flags.kernel_table
        table = self._roots[tables.slot(address, tables.levels) // tables.entries]
        for level in range(tables.levels, lowest, -1):
            entry = self._get(table, tables.slot(address, level) % tables.entries)
            if not entry & VALID:
                entry = self.memory.allocate() << 12 | flags
                self._set_entry(address, level, entry)
            table = (entry & tables.frame_bits) >> 12
        return table

    def _set_entry(self, address: int, level: int, entry: int) -> None:
        """Set the entry for an address at a level. A kernel entry of the highest level is set in all roots."""
        index = self.tables.slot(address, level)
        if level < self.tables.levels:
            self._set(self._table(address, level), index, entry)
            return
        for space in [self] if self.tables.is_user(address) else self._family:
            space._set_root(index, entry)

    def _get_root(self, index: int) -> int:
        page, index = divmod(index, self.tables.entries)
        return self._get(self._roots[page], index)

    def _set_root(self, index: int, entry: int) -> None:
        page, index = divmod(index, self.tables.entries)
        self._set(self._roots[page], index, entry)

    def _get(self, table: int, index: int) -> int:
        entry: int = struct.unpack_from(self.tables.entry, self.memory.pages[table], index * self.tables.entry_size)[0]
        return entry

    def _set(self, table: int, index: int, entry: int) -> None:
        self.memory.write(table, index * self.tables.entry_size, struct.pack(self.tables.entry, entry))
