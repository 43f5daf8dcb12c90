"""A reader of dumps that uses only struct and the offsets of public documents, to check the samples with.

Offsets: kdmp-parser `kdmp-parser-structs.h` (header, bitmap, ranges), windows-rs `DUMP_HEADER32`, Ghidra
`SummaryHeader`, Intel SDM volume 3 and Arm ARM chapter D8 (page tables).
"""

from __future__ import annotations

import struct
from typing import NamedTuple

HEADER_FIELDS = {
    # name: offset and size in DUMP_HEADER64, in DUMP_HEADER32
    "DirectoryTableBase": ((0x10, 8), (0x10, 4)),
    "PsLoadedModuleList": ((0x20, 8), (0x18, 4)),
    "PsActiveProcessHead": ((0x28, 8), (0x1C, 4)),
    "MachineImageType": ((0x30, 4), (0x20, 4)),
    "NumberProcessors": ((0x34, 4), (0x24, 4)),
    "BugCheckCode": ((0x38, 4), (0x28, 4)),
    "KdDebuggerDataBlock": ((0x80, 8), (0x60, 4)),
    "DumpType": ((0xF98, 4), (0xF88, 4)),
    "RequiredDumpSpace": ((0xFA0, 8), (0xFA0, 8)),
    "SystemTime": ((0xFA8, 8), (0xFC0, 8)),
    "SystemUpTime": ((0x1030, 8), (0xFB8, 8)),
    "ProductType": ((0x1040, 4), (0xF94, 4)),
    "SuiteMask": ((0x1044, 4), (0xF98, 4)),
    "Attributes": ((0x1050, 4), (0x8A0, 4)),
}
BUG_CHECK_PARAMETERS = (0x40, 0x2C)
PHYSICAL_MEMORY_BLOCK = (0x88, 0x64)
CONTEXT_RECORD, EXCEPTION = (0x348, 0x320), (0xF00, 0x7D0)


class PageTables(NamedTuple):
    """Bytes of an entry, the bits of an address that are the index at each level, the root's first; how a large page
    is marked above the lowest level: these bits of the entry, that value.
    """

    entry: int
    bits: tuple[int, ...]
    large_bits: int = 0x80
    large: int = 0x80


X86 = PageTables(4, (10, 10))
X86_PAE = PageTables(8, (2, 9, 9))
X64, X64_LA57 = PageTables(8, (9, 9, 9, 9)), PageTables(8, (9, 9, 9, 9, 9))
ARM64 = PageTables(8, (9, 9, 9, 9), 2, 0)
TABLES = {"x86": X86, "x86 PAE": X86_PAE, "x64": X64, "x64 LA57": X64_LA57, "ARM64": ARM64}
"""By the builder's names for architectures."""


class RawDump:
    """A dump as bytes. Its pages are found by plain counting; small dumps and headers alone have none."""

    def __init__(self, data: bytes, tables: PageTables = X64) -> None:
        self.data = data
        self.tables = tables
        self.is_64_bit = data[:8] == b"PAGEDU64"
        self.pointer_size, self.pointer_code = (8, "Q") if self.is_64_bit else (4, "I")
        self.header_size = 0x2000 if self.is_64_bit else 0x1000
        self.dump_type = self.header("DumpType")
        self.pages = {} if self.dump_type in (3, 4) else self._pages()
        self.end = max(self.pages.values(), default=self.header_size) + 0x1000

    def u16(self, offset: int) -> int:
        return int(struct.unpack_from("<H", self.data, offset)[0])

    def u32(self, offset: int) -> int:
        return int(struct.unpack_from("<I", self.data, offset)[0])

    def u64(self, offset: int) -> int:
        return int(struct.unpack_from("<Q", self.data, offset)[0])

    def by_width(self, offsets: tuple[int, int]) -> int:
        """Return the first value for a 64-bit dump, the second for a 32-bit one."""
        return offsets[0 if self.is_64_bit else 1]

    def header(self, name: str) -> int:
        offset, size = HEADER_FIELDS[name][0 if self.is_64_bit else 1]
        return int.from_bytes(self.data[offset : offset + size], "little")

    def pointers(self, offset: int, count: int) -> tuple[int, ...]:
        """Return values as long as a pointer from the file."""
        return struct.unpack_from(f"<{count}{self.pointer_code}", self.data, offset)

    def runs(self) -> list[tuple[int, int]]:
        """Return the runs of PhysicalMemoryBlock, which follow the numbers of runs and pages."""
        start = self.by_width(PHYSICAL_MEMORY_BLOCK)
        values = self.pointers(start + 2 * self.pointer_size, 2 * self.u32(start))
        return list(zip(values[::2], values[1::2]))

    def _pages(self) -> dict[int, int]:
        """Return the file offset of every page frame in the dump."""
        body = self.header_size
        if self.dump_type == 1:
            first, frames = body, [pfn for base, count in self.runs() for pfn in range(base, base + count)]
        elif self.dump_type == 2:
            first, bits = self.u32(body + 0xC), self.u32(body + 0x10)
            frames = self._set_bits(body + 0x20, bits)
        elif self.dump_type in (5, 6):
            first, bits = self.u64(body + 0x20), self.u64(body + 0x30)
            frames = self._set_bits(body + 0x38, bits)
        else:
            first = self.u64(body + 0x18)
            ranges = struct.iter_unpack("<QQ", self.data[body + 0x30 : first])
            frames = [pfn for base, count in ranges for pfn in range(base, base + count)]
        return {pfn: first + 0x1000 * index for index, pfn in enumerate(frames)}

    def _set_bits(self, offset: int, bits: int) -> list[int]:
        return [bit for bit in range(bits) if self.data[offset + bit // 8] >> bit % 8 & 1]

    def physical(self, address: int, size: int) -> bytes:
        """Return bytes within one page of physical memory. Raise KeyError if the dump does not hold the page."""
        offset = self.pages[address >> 12] + address % 0x1000
        return self.data[offset : offset + size]

    def translate(self, address: int, root: int | None = None) -> tuple[int, int]:
        """Walk the tables from a directory table base, by default the header's. Raise KeyError if nothing is mapped.

        Return the physical address and the entry that maps it.
        """
        tables = self.tables
        table = self.header("DirectoryTableBase") if root is None else root
        table &= ~0x1F if tables is X86_PAE else ~0xFFF
        shift = 12 + sum(tables.bits)
        for level, bits in enumerate(tables.bits):
            shift -= bits
            at = table + (address >> shift & (1 << bits) - 1) * tables.entry
            entry = int.from_bytes(self.physical(at, tables.entry), "little")
            frame = entry & 0xF_FFFF_FFFF_F000
            is_last = level == len(tables.bits) - 1
            in_transition = is_last and entry & 0xC00 == 0x800
            if not entry & 1 and not in_transition:
                raise KeyError(address)
            is_pointer = tables is X86_PAE and level == 0
            if is_last or (entry & tables.large_bits == tables.large and not is_pointer):
                return frame | address & (1 << shift) - 1, entry
            table = frame
        raise AssertionError("the loop ends at the last level")

    def read(self, address: int, size: int, root: int | None = None) -> bytes:
        """Read virtual memory, in the address space of the header's DirectoryTableBase unless another is given."""
        data = b""
        while len(data) < size:
            at = address + len(data)
            here = min(size - len(data), 0x1000 - at % 0x1000)
            data += self.physical(self.translate(at, root)[0], here)
        return data

    def written(self, address: int, data: bytes) -> bytes:
        """Return the whole dump with other bytes in virtual memory. Raise KeyError where nothing is mapped."""
        changed, at = bytearray(self.data), 0
        while at < len(data):
            physical, _ = self.translate(address + at)
            here = min(len(data) - at, 0x1000 - physical % 0x1000)
            offset = self.pages[physical >> 12] + physical % 0x1000
            changed[offset : offset + here] = data[at : at + here]
            at += here
        return bytes(changed)

    def read_pointer(self, address: int) -> int:
        return int.from_bytes(self.read(address, self.pointer_size), "little")

    def read_u64(self, address: int) -> int:
        return int.from_bytes(self.read(address, 8), "little")
