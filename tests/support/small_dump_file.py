"""The one reader of small dumps that is independent of the package: struct, and offsets from public documents.

Offsets: mindumpdef.h and windows-rs `DUMP_HEADER64` and `DUMP_HEADER32` (header); rizin `dmp_specs.h`, Ghidra
`TriageDump.java` and ntoseye `triage.rs` (TRIAGE_DUMP64 at 0x2000, TRIAGE_DUMP32 at 0x1000, their lists, the strings);
ntoseye `tagged.rs` (secondary data); WDBGEXTS.H (KDDEBUGGER_DATA64, which has the sizes of the structures).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

DESCRIPTOR = 16
"""Bytes of a TRIAGE_DATA_BLOCK."""
CONTEXT_SIZES = {0x14C: 0x2CC, 0x8664: 0x4D0, 0xAA64: 0x390}
"""Bytes of a CONTEXT, by MachineImageType."""
SIZE_EPROCESS, SIZE_PRCB, SIZE_ETHREAD = 0x2A8, 0x2B0, 0x2C0
"""Offsets of the sizes of the three structures in KDDEBUGGER_DATA64."""


@dataclass(frozen=True)
class Offsets:
    """Offsets of the fields that differ between 32-bit and 64-bit dumps.

    header: bytes of the header; machine, debugger_data_address: offsets in it; data_page, debugger_data, data_blocks:
    offsets in TRIAGE_DUMP; pointer, mm, exception: bytes of each; driver: bytes of an entry, then base, size, check
    sum, time; unloaded: bytes of the count, of an entry, then name, start, end.
    """

    header: int
    machine: int
    debugger_data_address: int
    data_page: int
    debugger_data: int
    data_blocks: int
    pointer: int
    mm: int
    exception: int
    driver: tuple[int, int, int, int, int]
    unloaded: tuple[int, int, int, int, int]


OFFSETS = {
    b"PAGEDU64": Offsets(
        header=0x2000,
        machine=0x30,
        debugger_data_address=0x80,
        data_page=0x60,
        debugger_data=0x70,
        data_blocks=0x78,
        pointer=8,
        mm=0x50,
        exception=0x98,
        driver=(0x90, 0x38, 0x48, 0x80, 0x88),
        unloaded=(8, 0x38, 0x10, 0x28, 0x30),
    ),
    b"PAGEDUMP": Offsets(
        header=0x1000,
        machine=0x20,
        debugger_data_address=0x60,
        data_page=0x4C,
        debugger_data=0x58,
        data_blocks=0x60,
        pointer=4,
        mm=0x34,
        exception=0x50,
        driver=(0x4C, 0x1C, 0x24, 0x44, 0x48),
        unloaded=(4, 0x28, 0x08, 0x20, 0x24),
    ),
}


class Block(NamedTuple):
    """Memory by its virtual address."""

    address: int
    data: bytes

    @property
    def end(self) -> int:
        return self.address + len(self.data)


@dataclass(frozen=True)
class Driver:
    """An entry of the driver list with its name from the string pool; loader_entry: what follows the name's offset."""

    name: str
    base: int
    size: int
    check_sum: int
    time_date_stamp: int
    loader_entry: bytes


@dataclass(frozen=True)
class UnloadedDriver:
    """An entry of the unloaded drivers; name: as far as its length says."""

    name: str
    start: int
    end: int


class SmallDumpFile:
    """A small dump as bytes, every part found by the offset that TRIAGE_DUMP64 or TRIAGE_DUMP32 has for it."""

    def __init__(self, content: Path | bytes) -> None:
        self.data = content if isinstance(content, bytes) else content.read_bytes()
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
        """Return the u32 at an offset in TRIAGE_DUMP."""
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

    @property
    def debugger_data_address(self) -> int:
        return self.pointer(self.offsets.debugger_data_address)

    @property
    def machine(self) -> int:
        return self.u32(self.offsets.machine)

    def structure(self, field: int, size: int) -> bytes:
        """Return a part by its offset in TRIAGE_DUMP; nothing if the offset is 0."""
        offset = self.triage(field)
        return self.bytes_at(offset, size) if offset else b""

    def prcb(self, size: int) -> bytes:
        return self.structure(0x1C, size)

    def process(self, size: int) -> bytes:
        return self.structure(0x20, size)

    def thread(self, size: int) -> bytes:
        return self.structure(0x24, size)

    def parts(self) -> dict[str, object]:
        """Return every part by name, without its offset in the file. The dump needs a debugger data block."""
        pointer, (count, entry, *_) = self.offsets.pointer, self.offsets.unloaded
        page, behind_stack = self.offsets.header + self.offsets.data_page, self.offsets.header + 0x48 + pointer
        told, unloaded = self.debugger_data, self.triage(0x18)
        process, prcb, thread = (
            int.from_bytes(told[at : at + 2], "little") for at in (SIZE_EPROCESS, SIZE_PRCB, SIZE_ETHREAD)
        )
        return {
            "service pack build": self.triage(0x00),
            "context": self.structure(0x0C, CONTEXT_SIZES[self.machine]),
            "exception": self.structure(0x10, self.offsets.exception),
            "mm": self.structure(0x14, self.offsets.mm),
            "unloaded drivers": self.structure(0x18, count + entry * self.u32(unloaded)) if unloaded else b"",
            "prcb": self.prcb(prcb),
            "process": self.process(process),
            "thread": self.thread(thread),
            "call stack": Block(self.top_of_stack, self.call_stack),
            "drivers": self.drivers,
            "triage options": self.triage(0x44),
            "architecture": self.bytes_at(behind_stack, page - behind_stack),
            "data page": Block(
                self.pointer(page), self.structure(self.offsets.data_page + pointer, self.u32(page + pointer + 4))
            ),
            "debugger data": Block(self.debugger_data_address, told),
            "data blocks": self.blocks,
            # zeros may follow the secondary data in the file; they mean nothing
            "secondary data": self.secondary.rstrip(b"\0"),
        }

    @property
    def block_count(self) -> int:
        return self.triage(self.offsets.data_blocks + 4)

    @property
    def blocks(self) -> list[Block]:
        """Every data block, in the order of the file; the addresses of 32-bit dumps are sign-extended there."""
        table, mask = self.triage(self.offsets.data_blocks), (1 << 8 * self.offsets.pointer) - 1
        descriptors = struct.iter_unpack("<QII", self.bytes_at(table, DESCRIPTOR * self.block_count))
        return [Block(address & mask, self.bytes_at(offset, size)) for address, offset, size in descriptors]

    def block_extents(self) -> list[tuple[int, int]]:
        """Return (file offset, size) of every data block, in the order of the file."""
        entries = (self.triage(self.offsets.data_blocks) + DESCRIPTOR * index for index in range(self.block_count))
        return [(self.u32(entry + 8), self.u32(entry + 12)) for entry in entries]

    def memory(self, address: int, size: int) -> bytes | None:
        """Return the bytes at an address, or None if the data blocks do not hold all of them."""
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
        length, base, size, check_sum, time = self.offsets.driver
        return Driver(
            text,
            self.pointer(at + base),
            self.u32(at + size),
            self.u32(at + check_sum),
            self.u32(at + time),
            self.bytes_at(at + 4, length - 4),
        )

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
