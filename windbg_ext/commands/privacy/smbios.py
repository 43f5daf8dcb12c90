"""SMBIOS tables: what in them tells one machine from all others.

Source: DMTF DSP0134, System Management BIOS Reference Specification: a structure is its type, its length, a handle, the
formatted area, then strings that end with a NUL each, and another NUL. A field of the formatted area holds the number
of a string.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from windbg_ext.limits import MAX_SMBIOS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.limits import Budget

HEADER = 4
MAX_STRUCTURES = 2000
MAX_STRINGS = 4096
"""Bytes of the strings of one structure."""
UUID_OFFSET = 8
UUID_SIZE = 16
SYSTEM = 1
LAST_STANDARD_TYPE = 46
END_OF_TABLE = 127
STRINGS: dict[int, tuple[int, ...]] = {
    1: (0x07,),  # system: serial number
    2: (0x07, 0x08),  # baseboard: serial number, asset tag
    3: (0x07, 0x08),  # chassis
    4: (0x20, 0x21),  # processor
    17: (0x18, 0x19),  # memory device
    22: (0x07,),  # portable battery
    39: (0x08, 0x09),  # power supply
}
"""Offsets of the fields that hold the number of a serial number or an asset tag, by the type of the structure."""
NOTHING = re.compile(
    r"(?:to be filled by o\.?e\.?m\.?|default string|fill by oem|o\.?e\.?m\.?|invalid|unknown|empty|none|n/?a|"
    r"undefined|"
    r"(?:base ?board |chassis |system |processor |dimm ?\d* ?|a\d_)?(?:serial|asset(?: ?tag)?)(?: ?num(?:ber)?)?\d*|"
    r"not (?:specified|available|applicable|provided|present)|no (?:asset ?(?:tag|information)|serial)|\[empty\]|"
    r"0+|f+|x+|\.+|-+|0?123456789\w*| *)"
)
"""What makers write who have nothing to write."""
MADE_UP_UUIDS = frozenset(
    map(bytes.fromhex, ("00" * 16, "ff" * 16, "00020003000400050006000700080009", "03000200040005000006000700080009"))
)
"""What makers write who have no UUID to write."""

_CONTROL = re.compile(rb"[\x01-\x1f]")
_SYSTEM = re.compile(rb"\x01[\x19\x1b]..(?=.{21})", re.DOTALL)


def structures(table: bytes, start: int = 0) -> Iterator[tuple[int, int, bytes, list[bytes], int]]:
    """Yield type, offset, formatted area with header, strings and end of each structure, while they make sense."""
    at = start
    for _ in range(MAX_STRUCTURES):
        if at + HEADER > len(table):
            return
        kind, length = table[at], table[at + 1]
        end = table.find(b"\0\0", at + length, at + length + MAX_STRINGS)
        if length < HEADER or end < 0:
            return
        strings = table[at + length : end].split(b"\0") if end > at + length else []
        if _CONTROL.search(table, at + length, end):
            return
        yield kind, at, table[at : at + length], strings, end + 2
        if kind == END_OF_TABLE:
            return
        at = end + 2


def find_tables(data: bytes, budget: Budget) -> Iterator[tuple[int, bytes]]:
    """Yield SMBIOS tables in memory and where they begin: from the system's structure on, if another one follows."""
    behind = 0
    for found in _SYSTEM.finditer(data):
        if found.start() < behind:
            continue
        budget.draw(MAX_SMBIOS, 1, "memory")
        first = list(islice(structures(data, found.start()), 2))
        # the strings of a real one name at least maker and product; another structure with a number of its own follows
        if len(first) < 2 or len(first[0][3]) < 2 or LAST_STANDARD_TYPE < first[1][0] < END_OF_TABLE:
            continue
        table = list(structures(data, found.start()))
        budget.draw(MAX_SMBIOS, len(table), "memory")
        behind = table[-1][4]
        yield found.start(), data[found.start() : behind]


def identifying_values(table: bytes) -> Iterator[str | bytes]:
    """Yield serial numbers, asset tags and the UUID of the system, as text and as bytes."""
    start = _SYSTEM.search(table)
    for kind, _, area, strings, _ in structures(table, 0 if start is None else _first(table, start.start())):
        if kind == SYSTEM and len(area) >= UUID_OFFSET + UUID_SIZE:
            yield from _uuid(area[UUID_OFFSET : UUID_OFFSET + UUID_SIZE])
        for offset in STRINGS.get(kind, ()):
            number = area[offset] if offset < len(area) else 0
            if 1 <= number <= len(strings):
                text = strings[number - 1].decode("latin-1").strip()
                if not NOTHING.fullmatch(text.lower()):
                    yield text


def _first(table: bytes, system: int) -> int:
    """Return where the structures begin: at the start or behind a header of it, else with that of the system."""
    for start in (0, 8, 32):
        if any(at == system for _, at, *_ in structures(table, start)):
            return start
    return system


def _uuid(data: bytes) -> Iterator[str | bytes]:
    from uuid import UUID  # its import takes long on CPython 3.9

    if data in MADE_UP_UUIDS:
        return
    yield data
    yield str(UUID(bytes_le=data))
    yield str(UUID(bytes=data))
    yield data.hex()
