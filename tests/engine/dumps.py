"""The dumps that the engine tests work on, told apart by their headers without the code under test.

samples/ holds the project's own; the folder that WINDBG_EXT_DUMPS names may hold any others, also packed with xz.
"""

from __future__ import annotations

import lzma
import os
import struct
from dataclasses import dataclass
from pathlib import Path

SAMPLES = Path(__file__).parents[2] / "samples"
HEADER_SIZE = 0x2000
I386, AMD64, ARM64 = 0x14C, 0x8664, 0xAA64
COMPLETE, SUMMARY, SMALL, BITMAP_FULL, BITMAP_KERNEL = 1, 2, 4, 5, 6
LARGE = (COMPLETE, SUMMARY, BITMAP_FULL, BITMAP_KERNEL)


@dataclass(frozen=True)
class DumpHeader:
    """Fields of a DUMP_HEADER64 or DUMP_HEADER32 as they stand in the file."""

    machine: int
    processors: int
    bug_check: int
    dump_type: int


def read_dump_header(path: Path) -> DumpHeader | None:
    """The header of a kernel dump, also of a packed one; None for any other file."""
    with lzma.open(path) if path.suffix == ".xz" else path.open("rb") as file:
        header = file.read(HEADER_SIZE)
    places = {b"PAGEDU64": (0x30, 0xF98), b"PAGEDUMP": (0x20, 0xF88)}.get(header[:8])
    if len(header) < HEADER_SIZE or places is None:
        return None
    machine, processors, bug_check = struct.unpack_from("<III", header, places[0])
    (dump_type,) = struct.unpack_from("<I", header, places[1])
    return DumpHeader(machine, processors, bug_check, dump_type)


def given_dumps(*dump_types: int) -> list[Path]:
    """The dumps of these types in the folder that WINDBG_EXT_DUMPS names; none without it."""
    folder = os.environ.get("WINDBG_EXT_DUMPS")
    return _dumps_in(Path(folder), dump_types) if folder else []


def _dumps_in(folder: Path, dump_types: tuple[int, ...]) -> list[Path]:
    paths = sorted(path for pattern in ("*.dmp", "*.dmp.xz") for path in folder.rglob(pattern))
    headers = {path: read_dump_header(path) for path in paths}
    return [path for path, header in headers.items() if header is not None and header.dump_type in dump_types]
