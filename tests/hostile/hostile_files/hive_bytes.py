"""Registry hives cell by cell, with cells that are shared: the regf format as the libregf project describes it."""

from __future__ import annotations

import struct
from functools import reduce
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

NONE = 0xFFFFFFFF
COMPRESSED_NAME = 0x20
REG_SZ, REG_BINARY, REG_DWORD, REG_MULTI_SZ, REG_QWORD = 1, 3, 4, 7, 11
INLINE = 0x80000000
"""Of a value's length: its data stands in place of the offset."""


class Hive:
    """A hive that grows cell by cell in one bin. The root key, which comes first, has up to 0x60 bytes for itself."""

    def __init__(self) -> None:
        self._cells = bytearray(0x20)
        self._root = self.cell(bytes(0x5C))

    def cell(self, data: bytes) -> int:
        """Add a cell; return its offset from the first bin."""
        offset = len(self._cells)
        size = (len(data) + 4 + 7) // 8 * 8
        self._cells += struct.pack("<i", -size) + data.ljust(size - 4, b"\0")
        return offset

    def value(self, name: bytes, kind: int, data: bytes, *, at: int | None = None, length: int | None = None) -> int:
        """Add a value; at: the cell that has its data already, length: what it claims to have."""
        size = len(data) if length is None else length
        if at is None and size <= 4:
            size, at = size | INLINE, int.from_bytes(data.ljust(4, b"\0"), "little")
        elif at is None:
            at = self.cell(data)
        return self.cell(struct.pack("<2sHIIIHH", b"vk", len(name), size, at, kind, 1, 0) + name)

    def key(self, name: bytes, values: Sequence[int] = (), subkeys: int = NONE, count: int = 0) -> int:
        """Add a key. values: their cells; subkeys: a list of them, which has so many."""
        listed = self.cell(struct.pack(f"<{len(values)}I", *values)) if values else NONE
        return self.cell(_key(name, listed, len(values), subkeys, count))

    def subkeys(self, *keys: int) -> int:
        """Add a list of keys."""
        entries = b"".join(struct.pack("<II", key, 0) for key in keys)
        return self.cell(struct.pack("<2sH", b"lh", len(keys)) + entries)

    def lists(self, *lists: int) -> int:
        """Add a list of lists of keys."""
        return self.cell(struct.pack(f"<2sH{len(lists)}I", b"ri", len(lists), *lists))

    def build(self, subkeys: int, count: int) -> bytes:
        """Return the hive with a list of keys below its root."""
        root = struct.pack("<i", -0x60) + _key(b"ROOT", NONE, 0, subkeys, count)
        self._cells[self._root : self._root + len(root)] = root
        size = len(self._cells) + 0xFFF & -0x1000
        self._cells[:0x20] = struct.pack("<4sII8xQI", b"hbin", 0, size, 0, 0)
        return base_block(size) + bytes(self._cells).ljust(size, b"\0")


def base_block(size: int) -> bytes:
    """Return the first page of a hive with so many bytes of bins."""
    fields = struct.pack("<4sIIQ7I", b"regf", 1, 1, 0, 1, 3, 0, 1, 0x20, size, 1)
    base = (fields + "SYSTEM".encode("utf-16-le")).ljust(508, b"\0")
    check_sum = reduce(lambda total, word: total ^ word[0], struct.iter_unpack("<I", base), 0)
    return (base + struct.pack("<I", check_sum)).ljust(0x1000, b"\0")


def _key(name: bytes, values: int, value_count: int, subkeys: int, count: int) -> bytes:
    fields = (0, NONE, count, 0, subkeys, NONE, value_count, values, NONE, NONE, 0, 0, 0, 0, 0)
    return struct.pack("<2sHQ15IHH", b"nk", COMPRESSED_NAME, 0, *fields, len(name), 0) + name


def control(hive: Hive, keys: dict[str, Sequence[int]]) -> tuple[int, int]:
    """Add Select, ControlSet001 and Control with CrashControl, Memory Management and Environment; keys: their values.

    Return the root's list of keys and how many it has.
    """
    below = [hive.key(name.encode(), keys.get(name, ())) for name in ("Memory Management", "Environment")]
    manager = hive.key(b"Session Manager", (), hive.subkeys(*below), len(below))
    crash = hive.key(b"CrashControl", keys.get("CrashControl", ()))
    top = hive.key(b"Control", (), hive.subkeys(crash, manager), 2)
    control_set = hive.key(b"ControlSet001", (), hive.subkeys(top), 1)
    select = hive.key(b"Select", (hive.value(b"Current", REG_DWORD, b"\1\0\0\0"),))
    return hive.subkeys(select, control_set), 2
