"""Transaction logs of registry hives, made from the hive before and after a change.

Layout: "Windows registry file format specification" (M. Suhanov), and regipy's structs.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from support.hive_file import base_block

if TYPE_CHECKING:
    from collections.abc import Iterator

SECTOR, PAGE, BASE_BLOCK = 512, 0x1000, 0x1000


class Change(NamedTuple):
    """A hive before and after a change, and the change's sequence number."""

    sequence: int
    before: bytes
    after: bytes


def dirty(hive: bytes, secondary: int) -> bytes:
    """Return a hive that Windows had begun to write to: its primary sequence number is ahead."""
    root, size = struct.unpack_from("<II", hive, 0x24)
    return base_block(size, root, secondary + 1, secondary) + hive[BASE_BLOCK:]


def clean(hive: bytes) -> bytes:
    """Return a hive that Windows has written out in full."""
    root, size = struct.unpack_from("<II", hive, 0x24)
    return base_block(size, root) + hive[BASE_BLOCK:]


def new_log(*changes: Change) -> bytes:
    """Return a log as Windows 8.1 and later write it: an entry for each change."""
    first = changes[0]
    root, size = struct.unpack_from("<II", first.before, 0x24)
    base = base_block(size, root, first.sequence, first.sequence, kind=6)[:SECTOR]
    return base + b"".join(map(entry, changes))


def entry(change: Change) -> bytes:
    """Return the entry for a change."""
    changed = list(differing(change.before, change.after, PAGE))
    data = b"".join(page for _, page in changed)
    size = -(-(40 + 8 * len(changed) + len(data)) // SECTOR) * SECTOR
    bins = len(change.after) - BASE_BLOCK
    head = struct.pack("<4s5I16x", b"HvLE", size, 0, change.sequence, bins, len(changed))
    references = b"".join(struct.pack("<II", at, len(page)) for at, page in changed)
    return (head + references + data).ljust(size, b"\0")


def old_log(change: Change, *, kind: int = 1) -> bytes:
    """Return a log as Windows up to 8 write it: a bit for each sector, and the changed ones."""
    root, size = struct.unpack_from("<II", change.after, 0x24)
    bits = bytearray(size // SECTOR // 8)
    data = b""
    for at, sector in differing(change.before, change.after, SECTOR):
        bits[at // SECTOR // 8] |= 1 << at // SECTOR % 8
        data += sector
    vector = b"DIRT" + bytes(bits)
    base = base_block(size, root, change.sequence, change.sequence, kind=kind)[:SECTOR]
    return base + vector.ljust(-(-len(vector) // SECTOR) * SECTOR, b"\0") + data


def differing(before: bytes, after: bytes, step: int) -> Iterator[tuple[int, bytes]]:
    """Yield where the bins of two hives differ, counted from the first bin, and what the second one has there."""
    for at in range(BASE_BLOCK, len(after), step):
        if before[at : at + step] != after[at : at + step]:
            yield at - BASE_BLOCK, after[at : at + step]
