"""Registry hives as bytes, keys and values as they are asked for, without any tool: for tests that need many of them.

The layout is that of the regf specification of the libregf project.
"""

from __future__ import annotations

import struct
from functools import reduce
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.registry_hives import Value

NONE = 0xFFFFFFFF
INLINE = 0x80000000
COMPRESSED_NAME = 0x20
BIN = 0x1000
REG_DWORD = 4


def system_hive(keys: Mapping[str, Mapping[str, Value]], control_set: int = 1, *, size: int = 0) -> bytes:
    """Return a SYSTEM hive. keys: paths below the current control set; one that begins with a backslash is below the
    root. size: the least bytes that the bins have.
    """
    absolute = {
        key[1:] if key[0] == "\\" else f"ControlSet{control_set:03}\\{key}": values for key, values in keys.items()
    }
    return hive({"Select": {"Current": control_set, "Default": control_set}, **absolute}, size=size)


def hive(keys: Mapping[str, Mapping[str, Value]], *, size: int = 0) -> bytes:
    """Return a hive. keys: paths from the root, with their values."""
    tree: dict[str, object] = {}
    for path, values in keys.items():
        below = tree
        for name in path.split("\\"):
            below = below.setdefault(name, {})  # type: ignore[assignment]
        below[""] = values
    cells = _Cells()
    root = cells.root(tree)
    cells.fill(size)
    cells.data[:0x20] = struct.pack("<4sII8xQI", b"hbin", 0, len(cells.data), 0, 0)
    return base_block(len(cells.data), root) + bytes(cells.data)


def base_block(size: int, root: int, primary: int = 1, secondary: int = 1, *, kind: int = 0) -> bytes:
    """Return the first page of a hive. primary, secondary: its sequence numbers; kind: 0 a hive, 1, 6: a log."""
    fields = struct.pack("<4sIIQ7I", b"regf", primary, secondary, 0, 1, 5, kind, 1, root, size, 1)
    base = (fields + "SYSTEM".encode("utf-16-le")).ljust(508, b"\0")
    check_sum = reduce(lambda total, word: total ^ word[0], struct.iter_unpack("<I", base), 0)
    return (base + struct.pack("<I", check_sum)).ljust(BIN, b"\0")


class _Cells:
    def __init__(self) -> None:
        self.data = bytearray(0x20)

    def root(self, tree: dict[str, object]) -> int:
        """Add all keys, with the root's cell first: it stays in its place whatever the others hold."""
        at = self._cell(bytes(0x5C))
        elsewhere = self.key("ROOT", tree)
        self.data[at : at + 0x60] = struct.pack("<i", -0x60) + self.data[elsewhere + 4 :].ljust(0x5C, b"\0")
        del self.data[elsewhere:]
        return at

    def key(self, name: str, tree: dict[str, object]) -> int:
        values = [self._value(*item) for item in tree.get("", {}).items()]  # type: ignore[attr-defined]
        keys = [self.key(below, tree[below]) for below in tree if below]  # type: ignore[arg-type]
        listed = self._cell(struct.pack(f"<{len(values)}I", *values)) if values else NONE
        entries = b"".join(struct.pack("<II", key, 0) for key in keys)
        subkeys = self._cell(struct.pack("<2sH", b"lh", len(keys)) + entries) if keys else NONE
        fields = (0, NONE, len(keys), 0, subkeys, NONE, len(values), listed, NONE, NONE, 0, 0, 0, 0, 0)
        data = name.encode("latin-1")
        return self._cell(struct.pack("<2sHQ15IHH", b"nk", COMPRESSED_NAME, 0, *fields, len(data), 0) + data)

    def fill(self, size: int) -> None:
        """Add a free cell up to the end of a bin, at or behind that size."""
        end = max(size, len(self.data) + 8)
        free = end + -end % BIN - len(self.data)
        self.data += struct.pack("<i", free).ljust(free, b"\0")

    def _value(self, name: str, value: Value) -> int:
        kind, data = typed(value)
        size, at = len(data), int.from_bytes(data[:4].ljust(4, b"\0"), "little")
        if size > 4:
            at = self._cell(data)
        else:
            size |= INLINE
        encoded = name.encode("latin-1")
        return self._cell(struct.pack("<2sHIIIHH", b"vk", len(encoded), size, at, kind, 1, 0) + encoded)

    def _cell(self, data: bytes) -> int:
        offset = len(self.data)
        size = (len(data) + 4 + 7) // 8 * 8
        self.data += struct.pack("<i", -size) + data.ljust(size - 4, b"\0")
        return offset


def typed(value: Value) -> tuple[int, bytes]:
    """Return the number of a value's type, and its data."""
    if isinstance(value, int):
        return REG_DWORD, struct.pack("<I", value)
    if isinstance(value, str):
        return 1, value.encode("utf-16-le") + b"\0\0"
    if isinstance(value, list):
        return 7, b"".join(line.encode("utf-16-le") + b"\0\0" for line in value) + b"\0\0"
    return (3, value) if isinstance(value, bytes) else value
