"""Dumps to test with: the samples, and those in the folder that WINDBG_EXT_DUMPS names, some packed with xz.

The kind of each dump comes from its header, which is read without the code under test.
"""

from __future__ import annotations

import lzma
import os
import shutil
import struct
from pathlib import Path
from typing import NamedTuple

SAMPLES = Path(__file__).parents[2] / "samples"
HEADER_SIZE = 0x2000
I386, AMD64, ARM64 = 0x14C, 0x8664, 0xAA64
COMPLETE, SUMMARY, SMALL, BITMAP_FULL, BITMAP_KERNEL = 1, 2, 4, 5, 6
LARGE = (COMPLETE, SUMMARY, BITMAP_FULL, BITMAP_KERNEL)
"""The large dumps that the engine of the tests knows."""
LARGE_64_BIT = (COMPLETE, BITMAP_FULL, BITMAP_KERNEL, 8, 9, 0xA)
"""With those of Windows 11; a summary dump has 32 bits."""
MAX_NAIVE = 64 << 20
"""Size of a file in bytes; a naive reader takes too long for larger files."""


class DumpHeader(NamedTuple):
    """Fields of a DUMP_HEADER64 or DUMP_HEADER32 as they stand in the file."""

    machine: int
    processors: int
    bug_check: int
    dump_type: int

    @property
    def is_64_bit(self) -> bool:
        return self.machine != I386


def read_dump_header(path: Path) -> DumpHeader | None:
    """Return the header of a kernel dump, also of a packed one, or None for any other file."""
    with lzma.open(path) if path.suffix == ".xz" else path.open("rb") as file:
        header = file.read(HEADER_SIZE)
    places = {b"PAGEDU64": (0x30, 0xF98), b"PAGEDUMP": (0x20, 0xF88)}.get(header[:8])
    if len(header) < HEADER_SIZE or places is None:
        return None
    machine, processors, bug_check = struct.unpack_from("<III", header, places[0])
    (dump_type,) = struct.unpack_from("<I", header, places[1])
    return DumpHeader(machine, processors, bug_check, dump_type)


def given_dumps(*dump_types: int, machine: int | None = None) -> list[Path]:
    """Return the dumps of these types in the folder that WINDBG_EXT_DUMPS names; none without it."""
    folder = os.environ.get("WINDBG_EXT_DUMPS")
    headers = _headers(Path(folder)) if folder else {}
    of_machine = {path: header for path, header in headers.items() if machine in (None, header.machine)}
    return [path for path, header in of_machine.items() if header.dump_type in dump_types]


def large_64_bit_dumps() -> list[Path]:
    """Return the samples and given dumps with physical pages that are small enough for a naive reader."""
    samples = [
        path
        for path, header in _headers(SAMPLES).items()
        if header.is_64_bit and header.dump_type in LARGE_64_BIT and path.stat().st_size < MAX_NAIVE
    ]
    given = [path for machine in (AMD64, ARM64) for path in given_dumps(*LARGE_64_BIT, machine=machine)]
    return [*samples, *(path for path in given if path.stat().st_size < MAX_NAIVE)]


def content(path: Path) -> bytes:
    """Return the dump that a file holds."""
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()


def unpacked(path: Path, folder: Path) -> Path:
    """Return the dump as an unpacked file: itself, or a copy in the folder, which is made once."""
    if path.suffix != ".xz":
        return path
    copy = folder / path.stem
    if not copy.exists():
        with lzma.open(path) as packed, copy.open("wb") as file:
            shutil.copyfileobj(packed, file)
    return copy


def _headers(folder: Path) -> dict[Path, DumpHeader]:
    paths = sorted(path for pattern in ("*.dmp", "*.dmp.xz") for path in folder.rglob(pattern))
    headers = {path: read_dump_header(path) for path in paths}
    return {path: header for path, header in headers.items() if header is not None}
