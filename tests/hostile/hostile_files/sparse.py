"""Files that are long and nearly empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write_sparse(path: Path, pieces: Mapping[int, bytes], size: int = 0) -> None:
    """Write pieces by their offsets; what lies between them, and up to `size`, are holes."""
    with path.open("wb") as file:
        for offset, piece in pieces.items():
            file.seek(offset)
            file.write(piece)
        end = file.seek(0, 2)
        file.truncate(max(end, size))


def patch(data: bytes, changes: Mapping[int, bytes]) -> bytes:
    """Return a copy of some bytes with others at their offsets."""
    copy = bytearray(data)
    for offset, piece in changes.items():
        copy[offset : offset + len(piece)] = piece
    return bytes(copy)
