"""One measurement in a process of its own: `python probe.py NAME DUMP`. Prints a JSON object.

Each runs in a fresh interpreter, so that neither peak memory nor imports come from another one.
"""

from __future__ import annotations

import json
import struct
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

BITMAP_BITS, BITMAP = 0x2030, 0x2038
"""File offsets of BITMAP_HEADER64.Pages and of the bitmap behind that header."""
PAGE_SIZE = BLOCK = 4096
BITS_OF_BYTE = bytes(bin(byte).count("1") for byte in range(256))


def peak_memory() -> int:
    """Return the peak memory of this process in bytes."""
    status = Path("/proc/self/status").read_text().split()
    return int(status[status.index("VmHWM:") + 1]) * 1024


def bytes_read_by_process() -> int:
    """Return the bytes that the kernel has handed to this process in read calls."""
    counters = Path("/proc/self/io").read_text().split()
    return int(counters[counters.index("rchar:") + 1])


def extent_of_bitmap(dump: str) -> tuple[int, int]:
    """Return (file offset, bytes) of a dump's bitmap; 0 bytes if it has none."""
    with Path(dump).open("rb") as file:
        start = file.read(BITMAP)
    if start[0x2000:0x2008] not in (b"SDMPDUMP", b"FDMPDUMP"):
        return BITMAP, 0
    bits: int = struct.unpack_from("<Q", start, BITMAP_BITS)[0]
    return BITMAP, (bits + 7) // 8


def middle_of_bitmap(dump: str) -> int:
    """Return the number of the page frame in the middle of the bitmap."""
    return extent_of_bitmap(dump)[1] * 4


def call_minify(dump: str) -> dict[str, float]:
    """Time one call of `minify`, and count what it reads: as the kernel does, as LocalFile does, and of the bitmap."""
    from unittest import mock

    import windbg_ext.sources.open
    from windbg_ext.commands.minify import MinifyOptions, minify
    from windbg_ext.sources.local import LocalFile

    at, length = extent_of_bitmap(dump)
    opened: list[CountingFile] = []

    class CountingFile(LocalFile):
        """Counts the bytes of the bitmap too."""

        of_bitmap = 0

        def __init__(self, path: str) -> None:
            super().__init__(path)
            opened.append(self)

        def read(self, offset: int, size: int) -> bytes:
            data = super().read(offset, size)
            self.of_bitmap += max(0, min(offset + len(data), at + length) - max(offset, at))
            return data

    destination = Path(dump).with_suffix(".small")
    options = MinifyOptions(overwrite=True)
    minify(dump, destination, options)  # so that its imports are done
    with mock.patch.object(windbg_ext.sources.open, "LocalFile", CountingFile):
        before = bytes_read_by_process()
        begin = time.perf_counter(), time.process_time()
        report = minify(dump, destination, options)
        end = time.perf_counter(), time.process_time()
        read = bytes_read_by_process() - before
    return {
        "seconds": end[0] - begin[0],
        "processor_seconds": end[1] - begin[1],
        "read": read,
        "read_by_local_file": sum(file.bytes_read for file in opened),
        "read_of_bitmap": sum(file.of_bitmap for file in opened),
        "bitmap": length,
        "small_dump": report.bytes,
    }


def read_bitmap(dump: str) -> dict[str, float]:
    """Read the bitmap once, with nothing but the standard library, and count its pages in blocks."""
    at, length = extent_of_bitmap(dump)
    begin = time.perf_counter(), time.process_time()
    with Path(dump).open("rb", buffering=0) as file:
        file.seek(at)
        bitmap = file.read(length)
    pages = sum(_set_bits(bitmap[start : start + BLOCK]) for start in range(0, length, BLOCK))
    end = time.perf_counter(), time.process_time()
    return {"seconds": end[0] - begin[0], "processor_seconds": end[1] - begin[1], "pages": pages}


if sys.version_info >= (3, 10):

    def _set_bits(block: bytes) -> int:
        return int.from_bytes(block, "little").bit_count()

else:

    def _set_bits(block: bytes) -> int:
        return sum(block.translate(BITS_OF_BYTE))


def open_with_windbg_ext(dump: str) -> dict[str, float]:
    """Open a dump and read a page in the middle of the bitmap."""
    pfn = middle_of_bitmap(dump)
    begin = time.perf_counter()
    from windbg_ext.dump import open_dump

    imported = time.perf_counter()
    with open_dump(dump) as opened:
        assert opened.pages is not None
        offset = opened.pages.offset_of(pfn)
        if offset is not None:
            opened.source.read(offset, PAGE_SIZE)
        return {"import": imported - begin, "open": time.perf_counter() - imported}


def open_with_kdmp_parser(dump: str) -> dict[str, float]:
    """Open a dump and read a page in the middle of the bitmap."""
    pfn = middle_of_bitmap(dump)
    begin = time.perf_counter()
    import kdmp_parser

    imported = time.perf_counter()
    parser = kdmp_parser.KernelDumpParser(Path(dump))
    parser.read_physical_page(pfn * PAGE_SIZE)
    return {"import": imported - begin, "open": time.perf_counter() - imported}


PROBES: dict[str, Callable[[str], dict[str, float]]] = {
    "minify": call_minify,
    "read-bitmap": read_bitmap,
    "windbg-ext": open_with_windbg_ext,
    "kdmp-parser": open_with_kdmp_parser,
}

values = PROBES[sys.argv[1]](sys.argv[2])
print(json.dumps({**values, "peak": peak_memory()}))
