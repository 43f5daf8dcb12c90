"""Dumps with physical pages to test with: the samples, and other people's dumps where they are at hand."""

from __future__ import annotations

import lzma
import os
import struct
from pathlib import Path

import samples

FOLDER = Path(samples.__file__).parent
LARGEST = 64 << 20
"""A naive reading takes too long for what is longer."""


def unpacked(path: Path) -> bytes:
    """Give the dump that a file holds."""
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()


def dumps_of_types(*types: int) -> list[Path]:
    """Give the 64-bit dumps of these types, below samples/ and WINDBG_EXT_DUMPS; some are xz files."""
    folders = [FOLDER, *(Path(folder) for folder in [os.environ.get("WINDBG_EXT_DUMPS", "")] if folder)]
    paths = [path for folder in folders for path in sorted(folder.rglob("*.dmp*")) if path.suffix in (".dmp", ".xz")]
    return [path for path in paths if path.stat().st_size < LARGEST and _type_of(path) in types]


def _type_of(path: Path) -> int:
    with lzma.open(path) if path.suffix == ".xz" else path.open("rb") as file:
        header = file.read(0x2000)
    return int(struct.unpack_from("<I", header, 0xF98)[0]) if header.startswith(b"PAGEDU64") else 0
