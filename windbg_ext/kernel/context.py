"""A processor's registers as a CONTEXT record."""

from __future__ import annotations

import struct
from typing import NamedTuple

from windbg_ext.structs.amd64 import CONTEXT64, GENERAL_REGISTERS

_GENERAL = struct.Struct(f"<{len(GENERAL_REGISTERS)}Q")
_GENERAL_OFFSET = CONTEXT64.offset(GENERAL_REGISTERS[0])
_RSP = GENERAL_REGISTERS.index("Rsp")
_RIP = GENERAL_REGISTERS.index("Rip")


class Context(NamedTuple):
    """An x64 CONTEXT: its bytes, and the general registers in the order of the structure (Rax ... R15, Rip)."""

    data: bytes
    registers: tuple[int, ...]

    @property
    def instruction_pointer(self) -> int:
        """Rip."""
        return self.registers[_RIP]

    @property
    def stack_pointer(self) -> int:
        """Rsp."""
        return self.registers[_RSP]


def parse_context(data: bytes) -> Context:
    """Read the registers of a CONTEXT of at least 0x4D0 bytes."""
    return Context(data, _GENERAL.unpack_from(data, _GENERAL_OFFSET))
