"""Virtual memory that a test writes byte by byte."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from windbg_ext.errors import NotMappedError
from windbg_ext.kernel.debugger_data import DebuggerData
from windbg_ext.memory import Piece
from windbg_ext.structs.debugger_data import KdDebuggerData64
from windbg_ext.structs.layouts import LAYOUTS64

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.structs.layouts import Layouts


class WrittenMemory:
    """Memory that holds what was written; nothing else is mapped."""

    def __init__(self, layouts: Layouts = LAYOUTS64) -> None:
        self.layouts = layouts
        self._bytes: dict[int, int] = {}

    def write(self, address: int, data: bytes) -> None:
        self._bytes.update(enumerate(data, address))

    def write_u64(self, address: int, *values: int) -> None:
        self.write(address, struct.pack(f"<{len(values)}Q", *values))

    def forget(self, address: int, length: int) -> None:
        for at in range(address, address + length):
            self._bytes.pop(at, None)

    def read(self, address: int, length: int) -> bytes:
        missing = next((at for at in range(address, address + length) if at not in self._bytes), None)
        if missing is not None:
            raise NotMappedError(missing)
        return bytes(self._bytes[at] for at in range(address, address + length))

    def present(self, address: int, length: int) -> Iterator[Piece]:
        start = None
        for at in range(address, address + length + 1):
            is_there = at in self._bytes and at < address + length
            if is_there and start is None:
                start = at
            elif not is_there and start is not None:
                yield Piece(start, self.read(start, at - start))
                start = None


def debugger_data(**fields: int) -> DebuggerData:
    """Return a debugger data block with only these fields set."""
    return DebuggerData(0xFFFFF801_00001000, KdDebuggerData64.blank(**fields).build(), LAYOUTS64)
