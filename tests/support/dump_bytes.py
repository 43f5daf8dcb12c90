"""Dumps written by hand, with only struct and the offsets of public documents.

Offsets: windows-rs DUMP_HEADER64, DUMP_HEADER32 and PHYSICAL_MEMORY_DESCRIPTOR64, kdmp-parser BMP_HEADER64 and
RDMP_HEADER64.
"""

from __future__ import annotations

import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING

from support.dump_file import file_of as file_of
from windbg_ext.dump.header import KnownFields, header_layouts, parse_header
from windbg_ext.dump.pages import read_page_source
from windbg_ext.limits import Budget
from windbg_ext.sources import read_field

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from windbg_ext.dump.header import DumpHeader
    from windbg_ext.dump.pages import PageSource
    from windbg_ext.sources import Source

PAGE_SIZE = 0x1000
AMD64, I386 = 0x8664, 0x14C
Runs = list[tuple[int, int]]


@contextmanager
def pages_of(data: bytes) -> Iterator[PageSource]:
    """Yield the pages of a dump with these bytes."""
    with file_of(data) as file:
        source = read_page_source(file, read_header(file), Budget())
        assert source is not None
        yield source


def read_header(source: Source) -> DumpHeader:
    """Return the header of a dump. Raise what is wrong with it."""
    structure = header_layouts(source).header
    return parse_header(KnownFields(structure.parse(read_field(source, structure.NAME, 0, structure.SIZE))))


def header_of(data: bytes) -> DumpHeader:
    with file_of(data) as file:
        return read_header(file)


def patched(data: bytes, offset: int, form: str, *values: int | bytes) -> bytes:
    """Return the bytes with other numbers at an offset, packed as the struct module does."""
    changed = bytearray(data)
    struct.pack_into("<" + form, changed, offset, *values)
    return bytes(changed)


def header(dump_type: int, runs: Sequence[tuple[int, int]] | None = None) -> bytes:
    """Return a header of fill, except signature and machine."""
    data = patched(b"PAGE" * 0x800, 0, "8s", b"PAGEDU64")
    data = patched(data, 0x30, "I", AMD64)
    data = patched(data, 0xF98, "I", dump_type)
    if runs is not None:
        data = patched(data, 0x88, "IIQ", len(runs), 0, sum(count for _, count in runs))
        for index, (base, count) in enumerate(runs):
            data = patched(data, 0x98 + 16 * index, "QQ", base, count)
    return data


def dump32(dump_type: int, body: bytes = b"", runs: tuple[tuple[int, int], ...] = (), **fields: int) -> bytes:
    """Return a dump of 32-bit Windows: a header with these fields, the fill elsewhere, then the body."""
    offsets = {"BugCheckCode": 0x28, "NumberProcessors": 0x24, "MinorVersion": 0xC, "Attributes": 0x8A0}
    data = bytearray(b"PAGE" * 0x400)
    data[4:8] = b"DUMP"
    struct.pack_into("<I", data, 0x20, 0x14C)
    struct.pack_into("<I", data, 0xF88, dump_type)
    struct.pack_into("<I", data, 0xF94, 1)  # ProductType: a workstation
    struct.pack_into("<4I", data, 0x2C, 1, 2, 3, 0xFFFFFFFF)
    struct.pack_into("<QQ", data, 0xFB8, 10_000_000 * 90061, 133_500_000_000_000_000)
    if runs:
        struct.pack_into("<II", data, 0x64, len(runs), sum(count for _, count in runs))
        for index, run in enumerate(runs):
            struct.pack_into("<II", data, 0x6C + 8 * index, *run)
    for name, value in fields.items():
        struct.pack_into("<I", data, offsets[name], value)
    return bytes(data) + body


def bitmap_dump(bitmap: bytes, bits: int, first_page: int = 0, present: int = 0, dump_type: int = 5) -> bytes:
    """Return a bitmap dump up to its first page, which directly follows the bitmap if no offset is given."""
    first_page = first_page or 0x2038 + len(bitmap)
    body = struct.pack("<8sI20xQQQ", b"SDMPDUMP", 1, first_page, present, bits)
    return (header(dump_type) + body + bitmap).ljust(first_page, b"\0")


def ranges_dump(dump_type: int, ranges: Sequence[tuple[int, int]], count: int | None = None, room: int = 0) -> bytes:
    """Return a range dump up to its first page. count: a wrong NumberOfRanges; room: unused entries."""
    first_page = 0x2030 + 16 * (len(ranges) + room)
    counts = (
        (len(ranges) if count is None else count, sum(pages for _, pages in ranges)) if dump_type == 0xA else (0, 0)
    )
    body = struct.pack("<I8s4xQQQQ", 0x40, b"RDMPDUMP", first_page - 0x2020, first_page, *counts)
    return header(dump_type) + body + b"".join(struct.pack("<QQ", *item) for item in ranges) + bytes(16 * room)


def naive_offsets(first_page: int, ranges: Sequence[tuple[int, int]]) -> dict[int, int]:
    """Return the file offset of every page frame, by listing all of them in the order of the file."""
    frames = [pfn for base, count in ranges for pfn in range(base, base + count)]
    return {pfn: first_page + PAGE_SIZE * index for index, pfn in enumerate(frames)}
