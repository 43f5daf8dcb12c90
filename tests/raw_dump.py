"""A dump read with nothing but struct and the offsets that public documents give: what the samples are checked with.

Offsets: kdmp-parser `kdmp-parser-structs.h` (header, bitmap, ranges), Intel SDM volume 3 (page tables).
"""

from __future__ import annotations

import struct


class RawDump:
    """A large dump as bytes, with its pages found by plain counting."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.dump_type = self.u32(0xF98)
        self.pages = self._pages()
        self.end = max(self.pages.values()) + 0x1000

    def u16(self, offset: int) -> int:
        return int(struct.unpack_from("<H", self.data, offset)[0])

    def u32(self, offset: int) -> int:
        return int(struct.unpack_from("<I", self.data, offset)[0])

    def u64(self, offset: int) -> int:
        return int(struct.unpack_from("<Q", self.data, offset)[0])

    def runs(self) -> list[tuple[int, int]]:
        """The runs of PhysicalMemoryBlock at 0x88."""
        count = self.u32(0x88)
        return [(self.u64(0x98 + 16 * index), self.u64(0xA0 + 16 * index)) for index in range(count)]

    def _pages(self) -> dict[int, int]:
        """The file offset of every page frame in the dump."""
        if self.dump_type == 1:
            first, frames = 0x2000, [pfn for base, count in self.runs() for pfn in range(base, base + count)]
        elif self.dump_type in (5, 6):
            first, bits = self.u64(0x2020), self.u64(0x2030)
            frames = [pfn for pfn in range(bits) if self.data[0x2038 + pfn // 8] >> pfn % 8 & 1]
        else:
            first = self.u64(0x2018)
            ranges = struct.iter_unpack("<QQ", self.data[0x2030:first])
            frames = [pfn for base, count in ranges for pfn in range(base, base + count)]
        return {pfn: first + 0x1000 * index for index, pfn in enumerate(frames)}

    def physical(self, address: int, size: int) -> bytes:
        """Bytes within one page of physical memory; a KeyError if the dump does not hold the page."""
        offset = self.pages[address >> 12] + address % 0x1000
        return self.data[offset : offset + size]

    def translate(self, address: int, root: int, levels: int = 4) -> tuple[int, int]:
        """Walk the tables from a page frame: the physical address and the entry that maps it; a KeyError if none."""
        table = root
        for level in reversed(range(levels)):
            shift = 12 + 9 * level
            (entry,) = struct.unpack("<Q", self.physical(table * 0x1000 + (address >> shift & 0x1FF) * 8, 8))
            frame = (entry & 0xF_FFFF_FFFF_F000) >> 12
            in_transition = level == 0 and entry & 0xC00 == 0x800
            if not entry & 1 and not in_transition:
                raise KeyError(address)
            if level == 0 or entry & 0x80:
                return frame * 0x1000 + (address & (1 << shift) - 1), entry
            table = frame
        raise AssertionError("the loop ends at level 0")

    def read(self, address: int, size: int, root: int | None = None, levels: int = 4) -> bytes:
        """Virtual memory, in the address space of the header's DirectoryTableBase unless another root is given."""
        root = self.u64(0x10) >> 12 if root is None else root
        data = b""
        while len(data) < size:
            at = address + len(data)
            here = min(size - len(data), 0x1000 - at % 0x1000)
            data += self.physical(self.translate(at, root, levels)[0], here)
        return data

    def read_u64(self, address: int, levels: int = 4) -> int:
        return int.from_bytes(self.read(address, 8, levels=levels), "little")
