"""How many pages a dump holds below a page frame, against counting them one by one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from support.dump_bytes import bitmap_dump, file_of, header, patched, ranges_dump

from windbg_ext.dump.header import KnownFields, header_layouts, parse_header
from windbg_ext.dump.pages import read_page_source
from windbg_ext.limits import Budget

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from windbg_ext.dump.pages import PageSource

BITMAP = bytes([0b10110001, 0, 0xFF, 0b00000110])
RUNS = ((0x10, 3), (0x2, 2), (0x20, 0), (0x15, 1))


@contextmanager
def pages_of(data: bytes) -> Iterator[PageSource]:
    """The pages of a 32-bit or 64-bit dump with these bytes."""
    with file_of(data) as file:
        structure = header_layouts(file).header
        pages = read_page_source(
            file, parse_header(KnownFields(structure.parse(file.read(0, structure.SIZE)))), Budget()
        )
        assert pages is not None
        yield pages


def set_bits(bitmap: bytes, bits: int) -> list[int]:
    return [pfn for pfn in range(bits) if bitmap[pfn // 8] >> pfn % 8 & 1]


def frames_of(runs: Sequence[tuple[int, int]]) -> list[int]:
    return [pfn for base, count in runs for pfn in range(base, base + count)]


@pytest.mark.parametrize(
    ("data", "frames"),
    [
        (bitmap_dump(BITMAP, 27), set_bits(BITMAP, 27)),
        (bitmap_dump(b"\xff" * 0x3000, 0x3000 * 8), list(range(0x3000 * 8))),
        (header(1, RUNS), frames_of(RUNS)),
        (ranges_dump(0xA, RUNS), frames_of(RUNS)),
    ],
    ids=["bitmap", "bitmap of several blocks", "runs", "ranges"],
)
def test_pages_below_a_frame_are_counted(data: bytes, frames: list[int]) -> None:
    asked = {
        0,
        1,
        2,
        3,
        4,
        5,
        8,
        15,
        16,
        17,
        19,
        20,
        21,
        22,
        26,
        27,
        28,
        0x7FFF,
        0x8000,
        0x8001,
        0xFFFF,
        0x18000,
        1 << 39,
    }
    with pages_of(data) as pages:
        counted = {pfn: pages.pages_below(pfn) for pfn in asked}
    assert counted == {pfn: sum(frame < pfn for frame in frames) for pfn in asked}


def test_a_summary_dump_of_32_bit_windows_is_read_like_a_bitmap() -> None:
    """DUMP_HEADER32: windows-rs; the header behind it: S2E WindowsCrashDumpGenerator.h."""
    data = b"PAGE" * 0x400
    for offset, form, values in (
        (0, "8s", (b"PAGEDUMP",)),
        (0x20, "I", (0x14C,)),
        (0xF88, "I", (2,)),
    ):
        data = patched(data, offset, form, *values)
    data += bytes.fromhex("53444d50 44554d50 01000000 00200000 1b000000 05000000 00000000 00000000") + BITMAP
    with pages_of(data.ljust(0x2000, b"\0")) as pages:
        present = set_bits(BITMAP, 27)
        assert {pfn: pages.offset_of(pfn) for pfn in range(28)} == {
            pfn: 0x2000 + 0x1000 * present.index(pfn) if pfn in present else None for pfn in range(28)
        }
        assert (pages.page_count, pages.end) == (5, 0x2000 + 0x1000 * len(present))
