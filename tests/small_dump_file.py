"""A small dump read with nothing but struct and the offsets that public documents give.

Offsets: mindumpdef.h and windows-rs `DUMP_HEADER64` (header); rizin `dmp_specs.h`, Ghidra `TriageDump.java` and
ntoseye `triage.rs` (TRIAGE_DUMP64 at 0x2000, its lists, the strings); ntoseye `tagged.rs` (secondary data).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DESCRIPTOR = 16
"""Bytes of a TRIAGE_DATA_BLOCK."""


@dataclass(frozen=True)
class Driver:
    """An entry of the driver list with its name from the string pool."""

    name: str
    base: int
    size: int
    check_sum: int
    time_date_stamp: int


@dataclass(frozen=True)
class UnloadedDriver:
    """An entry of the unloaded drivers; name: as far as its length says."""

    name: str
    start: int
    end: int


class SmallDumpFile:
    """A small dump as bytes, every part found by the offset that TRIAGE_DUMP64 has for it."""

    def __init__(self, path: Path) -> None:
        self.data = path.read_bytes()

    def u16(self, offset: int) -> int:
        return int(struct.unpack_from("<H", self.data, offset)[0])

    def u32(self, offset: int) -> int:
        return int(struct.unpack_from("<I", self.data, offset)[0])

    def u64(self, offset: int) -> int:
        return int(struct.unpack_from("<Q", self.data, offset)[0])

    def bytes_at(self, offset: int, size: int) -> bytes:
        assert offset + size <= len(self.data)
        return self.data[offset : offset + size]

    @property
    def size_of_dump(self) -> int:
        return self.u32(0x2004)

    @property
    def top_of_stack(self) -> int:
        return self.u64(0x2048)

    @property
    def call_stack(self) -> bytes:
        return self.bytes_at(self.u32(0x2028), self.u32(0x202C))

    @property
    def debugger_data(self) -> bytes:
        return self.bytes_at(self.u32(0x2070), self.u32(0x2074))

    def prcb(self, size: int) -> bytes:
        return self.bytes_at(self.u32(0x201C), size)

    def process(self, size: int) -> bytes:
        return self.bytes_at(self.u32(0x2020), size)

    def thread(self, size: int) -> bytes:
        return self.bytes_at(self.u32(0x2024), size)

    @property
    def block_count(self) -> int:
        return self.u32(0x207C)

    @property
    def blocks(self) -> list[tuple[int, bytes]]:
        """(virtual address, bytes) of every data block, in the order of the file."""
        return list(self._blocks())

    def _blocks(self) -> Iterator[tuple[int, bytes]]:
        for index in range(self.block_count):
            address, offset, size = struct.unpack_from("<QII", self.data, self.u32(0x2078) + DESCRIPTOR * index)
            yield address, self.bytes_at(offset, size)

    def block_extents(self) -> list[tuple[int, int]]:
        """(file offset, size) of every data block, in the order of the file."""
        entries = (self.u32(0x2078) + DESCRIPTOR * index for index in range(self.block_count))
        return [(self.u32(entry + 8), self.u32(entry + 12)) for entry in entries]

    def memory(self, address: int, size: int) -> bytes | None:
        """Give what the data blocks hold at an address; None if that is not all of it."""
        for start, data in self.blocks:
            if start <= address and address + size <= start + len(data):
                return data[address - start : address - start + size]
        return None

    @property
    def drivers(self) -> list[Driver]:
        return [self._driver(self.u32(0x2030) + 0x90 * index) for index in range(self.u32(0x2034))]

    def _driver(self, at: int) -> Driver:
        name = self.u32(at)
        pool = range(self.u32(0x2038), self.u32(0x2038) + self.u32(0x203C))
        units = self.u32(name)
        assert name in pool
        assert name + 4 + 2 * units + 2 <= pool.stop
        assert self.u16(name + 4 + 2 * units) == 0
        text = self.bytes_at(name + 4, 2 * units).decode("utf-16-le", "surrogatepass")
        return Driver(text, self.u64(at + 0x38), self.u32(at + 0x48), self.u32(at + 0x80), self.u32(at + 0x88))

    @property
    def unloaded_drivers(self) -> list[UnloadedDriver]:
        at = self.u32(0x2018)
        return [self._unloaded(at + 8 + 0x38 * index) for index in range(self.u32(at))]

    def _unloaded(self, at: int) -> UnloadedDriver:
        name = self.bytes_at(at + 0x10, 24)[: self.u16(at)].decode("utf-16-le", "surrogatepass")
        return UnloadedDriver(name, self.u64(at + 0x28), self.u64(at + 0x30))

    @property
    def secondary(self) -> bytes:
        """All that is behind the small dump itself."""
        return self.data[self.size_of_dump :]
