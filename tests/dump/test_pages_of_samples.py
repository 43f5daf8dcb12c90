"""Every page of the samples, and of other people's dumps, is where a naive reading and kdmp-parser find it."""

from __future__ import annotations

import lzma
import os
import struct
from pathlib import Path

import pytest
from dump_bytes import naive_offsets

import samples
from windbg_ext.dump import open_dump

FOLDER = Path(samples.__file__).parent
PAGES = (1, 5, 6, 8, 9, 0xA)
LARGEST = 64 << 20
"""A naive reading takes too long for what is longer."""


def unpacked(path: Path) -> bytes:
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()


def dump_type_of(path: Path) -> int:
    with lzma.open(path) if path.suffix == ".xz" else path.open("rb") as file:
        header = file.read(0x2000)
    return int(struct.unpack_from("<I", header, 0xF98)[0]) if header.startswith(b"PAGEDU64") else 0


def dumps_with_pages() -> list[Path]:
    folders = [FOLDER, *(Path(folder) for folder in [os.environ.get("WINDBG_EXT_DUMPS", "")] if folder)]
    paths = [path for folder in folders for path in sorted(folder.rglob("*.dmp*")) if path.suffix in (".dmp", ".xz")]
    return [path for path in paths if path.stat().st_size < LARGEST and dump_type_of(path) in PAGES]


each_dump = pytest.mark.parametrize("path", dumps_with_pages(), ids=lambda path: path.name)


def naive_pages(data: bytes) -> dict[int, int]:
    """The file offset of every page frame. Offsets: kdmp-parser-structs.h."""
    dump_type = struct.unpack_from("<I", data, 0xF98)[0]
    if dump_type == 1:
        count = struct.unpack_from("<I", data, 0x88)[0]
        return naive_offsets(0x2000, list(struct.iter_unpack("<QQ", data[0x98 : 0x98 + 16 * count])))
    if dump_type in (5, 6):
        first, bits = struct.unpack_from("<Q8xQ", data, 0x2020)
        present = [(pfn, 1) for pfn in range(bits) if data[0x2038 + pfn // 8] >> pfn % 8 & 1]
        return naive_offsets(first, present)
    first = struct.unpack_from("<Q", data, 0x2018)[0]
    return naive_offsets(first, list(struct.iter_unpack("<QQ", data[0x2030:first])))


@each_dump
def test_every_page_is_where_a_naive_reading_finds_it(path: Path, tmp_path: Path) -> None:
    data = unpacked(path)
    expected = naive_pages(data)
    copy = tmp_path / "copy.dmp"
    copy.write_bytes(data)
    with open_dump(copy) as dump:
        assert dump.pages is not None
        assert {pfn: dump.pages.offset_of(pfn) for pfn in expected} == expected
        around = {pfn + step for pfn in expected for step in (-1, 1)} - expected.keys()
        assert {dump.pages.offset_of(pfn) for pfn in around} == {None}
        assert dump.pages.end == dump.expected_bytes == max(expected.values()) + 0x1000


@each_dump
def test_every_page_is_what_kdmp_parser_reads(path: Path, tmp_path: Path) -> None:
    kdmp_parser = pytest.importorskip(
        "kdmp_parser", reason="kdmp-parser has no working wheel for this Python", exc_type=ImportError
    )
    data = unpacked(path)
    copy = tmp_path / "copy.dmp"
    copy.write_bytes(data)
    parser = kdmp_parser.KernelDumpParser(copy)
    with open_dump(copy) as dump:
        assert dump.pages is not None
        frames = naive_pages(data).keys()
        (bits,) = struct.unpack_from("<Q", data, 0x2030)
        has_bitmap = dump.header.dump_type in (5, 6)
        # kdmp-parser 0.7 does not look into the last byte of a bitmap if it is not full
        limit = bits // 8 * 8 if has_bitmap else max(frames) + 1
        compared = 0
        for pfn in frames:
            offset = dump.pages.offset_of(pfn)
            if pfn < limit and offset is not None:
                assert parser.read_physical_page(pfn << 12) == data[offset : offset + 0x1000], hex(pfn)
                compared += 1
        assert compared >= len(frames) - 8
