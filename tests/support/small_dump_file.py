"""A small dump read with nothing but struct and the offsets that public documents give.

Offsets: mindumpdef.h and windows-rs `DUMP_HEADER64` and `DUMP_HEADER32` (header); rizin `dmp_specs.h`, Ghidra
`TriageDump.java` and ntoseye `triage.rs` (TRIAGE_DUMP64 at 0x2000, TRIAGE_DUMP32 at 0x1000, their lists, the strings);
ntoseye `tagged.rs` (secondary data).
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
class Offsets:
    """Where the fields are that 32-bit and 64-bit dumps have in different places.

    header: bytes of the header; of TRIAGE_DUMP: debugger_data, data_blocks; pointer: bytes of one; driver: bytes of an
    entry, then base, size, check sum, time; unloaded: bytes of the count, of an entry, then name, start, end.
    """

    header: int
    debugger_data: int
    data_blocks: int
    pointer: int
    driver: tuple[int, int, int, int, int]
    unloaded: tuple[int, int, int, int, int]


OFFSETS = {
    b"PAGEDU64": Offsets(0x2000, 0x70, 0x78, 8, (0x90, 0x38, 0x48, 0x80, 0x88), (8, 0x38, 0x10, 0x28, 0x30)),
    b"PAGEDUMP": Offsets(0x1000, 0x58, 0x60, 4, (0x4C, 0x1C, 0x24, 0x44, 0x48), (4, 0x28, 0x08, 0x20, 0x24)),
}


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
    """A small dump as bytes, every part found by the offset that TRIAGE_DUMP64 or TRIAGE_DUMP32 has for it."""

    def __init__(self, path: Path) -> None:
        self.data = path.read_bytes()
        self.offsets = OFFSETS[self.data[:8]]

    def u16(self, offset: int) -> int:
        return int(struct.unpack_from("<H", self.data, offset)[0])

    def u32(self, offset: int) -> int:
        return int(struct.unpack_from("<I", self.data, offset)[0])

    def u64(self, offset: int) -> int:
        return int(struct.unpack_from("<Q", self.data, offset)[0])

    def pointer(self, offset: int) -> int:
        return int.from_bytes(self.data[offset : offset + self.offsets.pointer], "little")

    def triage(self, field: int) -> int:
        """A u32 of TRIAGE_DUMP by its offset there."""
        return self.u32(self.offsets.header + field)

    def bytes_at(self, offset: int, size: int) -> bytes:
        assert offset + size <= len(self.data)
        return self.data[offset : offset + size]

    @property
    def size_of_dump(self) -> int:
        return self.triage(0x04)

    @property
    def top_of_stack(self) -> int:
        return self.pointer(self.offsets.header + 0x48)

    @property
    def call_stack(self) -> bytes:
        return self.bytes_at(self.triage(0x28), self.triage(0x2C))

    @property
    def debugger_data(self) -> bytes:
        return self.bytes_at(self.triage(self.offsets.debugger_data), self.triage(self.offsets.debugger_data + 4))

    def prcb(self, size: int) -> bytes:
        return self.bytes_at(self.triage(0x1C), size)

    def process(self, size: int) -> bytes:
        return self.bytes_at(self.triage(0x20), size)

    def thread(self, size: int) -> bytes:
        return self.bytes_at(self.triage(0x24), size)

    @property
    def block_count(self) -> int:
        return self.triage(self.offsets.data_blocks + 4)

    @property
    def blocks(self) -> list[tuple[int, bytes]]:
        """(virtual address, bytes) of every data block, in the order of the file."""
        return list(self._blocks())

    def _blocks(self) -> Iterator[tuple[int, bytes]]:
        for index in range(self.block_count):
            address, offset, size = struct.unpack_from(
                "<QII", self.data, self.triage(self.offsets.data_blocks) + DESCRIPTOR * index
            )
            yield address & (1 << 8 * self.offsets.pointer) - 1, self.bytes_at(offset, size)

    def block_extents(self) -> list[tuple[int, int]]:
        """(file offset, size) of every data block, in the order of the file."""
        entries = (self.triage(self.offsets.data_blocks) + DESCRIPTOR * index for index in range(self.block_count))
        return [(self.u32(entry + 8), self.u32(entry + 12)) for entry in entries]

    def memory(self, address: int, size: int) -> bytes | None:
        """Give what the data blocks hold at an address; None if that is not all of it."""
        for start, data in self.blocks:
            if start <= address and address + size <= start + len(data):
                return data[address - start : address - start + size]
        return None

    @property
    def drivers(self) -> list[Driver]:
        size = self.offsets.driver[0]
        return [self._driver(self.triage(0x30) + size * index) for index in range(self.triage(0x34))]

    def _driver(self, at: int) -> Driver:
        name = self.u32(at)
        pool = range(self.triage(0x38), self.triage(0x38) + self.triage(0x3C))
        units = self.u32(name)
        assert name in pool
        assert name + 4 + 2 * units + 2 <= pool.stop
        assert self.u16(name + 4 + 2 * units) == 0
        text = self.bytes_at(name + 4, 2 * units).decode("utf-16-le", "surrogatepass")
        _, base, size, check_sum, time = self.offsets.driver
        return Driver(text, self.pointer(at + base), self.u32(at + size), self.u32(at + check_sum), self.u32(at + time))

    @property
    def unloaded_drivers(self) -> list[UnloadedDriver]:
        at = self.triage(0x18)
        count, size, *_ = self.offsets.unloaded
        return [self._unloaded(at + count + size * index) for index in range(self.u32(at))]

    def _unloaded(self, at: int) -> UnloadedDriver:
        _, _, name, start, end = self.offsets.unloaded
        text = self.bytes_at(at + name, 24)[: self.u16(at)].decode("utf-16-le", "surrogatepass")
        return UnloadedDriver(text, self.pointer(at + start), self.pointer(at + end))

    @property
    def secondary(self) -> bytes:
        """All that is behind the small dump itself."""
        return self.data[self.size_of_dump :]
