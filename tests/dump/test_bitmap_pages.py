"""Pages behind a bitmap: types 5 and 6. Expected ranks come from one long integer and its binary digits."""

from __future__ import annotations

import importlib.util
import sys
from contextlib import closing
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.dump_bytes import bitmap_dump, file_of, header, pages_of, patched, read_header

import windbg_ext.dump.pages
from windbg_ext.dump.pages import BitmapPages, read_page_source
from windbg_ext.errors import DumpError
from windbg_ext.limits import Budget, LimitError
from windbg_ext.sources.local import LocalFile

if TYPE_CHECKING:
    from windbg_ext.dump.pages import PageSource


class NaiveBitmap:
    """A bitmap as one integer; bit n is page frame n."""

    def __init__(self, bitmap: bytes, bits: int, first_page: int) -> None:
        self.bits = int.from_bytes(bitmap, "little") & (1 << bits) - 1
        self.first_page = first_page

    def count(self) -> int:
        return bin(self.bits).count("1")

    def offset_of(self, pfn: int) -> int | None:
        if pfn < 0 or not self.bits >> pfn & 1:
            return None
        return self.first_page + 0x1000 * bin(self.bits & (1 << pfn) - 1).count("1")


def assert_same(pages: PageSource, naive: NaiveBitmap, frames: list[int]) -> None:
    assert {pfn: pages.offset_of(pfn) for pfn in frames} == {pfn: naive.offset_of(pfn) for pfn in frames}
    assert pages.end == naive.first_page + 0x1000 * naive.count()


@settings(max_examples=60)
@given(st.binary(max_size=40), st.integers(0, 7), st.integers(0, 5000))
def test_every_page_is_where_counting_bits_puts_it(bitmap: bytes, unused_bits: int, gap: int) -> None:
    bits = max(0, len(bitmap) * 8 - unused_bits)
    first_page = 0x2038 + len(bitmap) + gap
    with pages_of(bitmap_dump(bitmap, bits, first_page)) as pages:
        assert_same(pages, NaiveBitmap(bitmap, bits, first_page), [*range(-1, len(bitmap) * 8 + 9)])


@pytest.mark.parametrize("blocks", [1, 2, 3])
@pytest.mark.parametrize("density", ["sparse", "half", "dense"])
def test_ranks_are_right_across_the_borders_of_the_rank_directory(blocks: int, density: str) -> None:
    random = Random(f"{blocks} {density}")
    size = blocks * 4096 + random.randrange(1, 4096)
    bitmap = random.randbytes(size)
    if density != "half":
        other = int.from_bytes(random.randbytes(size), "little") & int.from_bytes(random.randbytes(size), "little")
        value = int.from_bytes(bitmap, "little")
        value = value & other if density == "sparse" else value | other
        bitmap = value.to_bytes(size, "little")
    bits = size * 8 - random.randrange(8)
    borders = [border * 4096 * 8 + step for border in range(blocks + 1) for step in range(-20, 20)]
    frames = [*borders, *(random.randrange(bits) for _ in range(300)), *range(bits - 20, bits + 20)]
    with pages_of(bitmap_dump(bitmap, bits, 0x2038 + size)) as pages:
        assert_same(pages, NaiveBitmap(bitmap, bits, 0x2038 + size), frames)


def test_ranks_are_right_across_the_pieces_that_a_long_bitmap_is_read_in() -> None:
    random = Random("long")
    size = (2 << 20) + 3000
    bitmap = random.randbytes(size)
    bits = size * 8 - 5
    borders = [border * 8 + step for border in (1 << 20, 2 << 20) for step in (-1, 0, 1)]
    with pages_of(bitmap_dump(bitmap, bits)) as pages:
        assert_same(pages, NaiveBitmap(bitmap, bits, 0x2038 + size), [0, *borders, bits - 1, bits, bits + 1])


def test_all_pages_present_lie_in_a_row_from_an_unaligned_first_page() -> None:
    with pages_of(bitmap_dump(b"\xff" * 0x8000, 0x40000)) as pages:
        assert pages.offset_of(0) == 0xA038
        assert pages.offset_of(0x3FFFF) == 0xA038 + 0x3FFFF * 0x1000
        assert pages.offset_of(0x40000) is None
        assert pages.end == 0xA038 + 0x40000 * 0x1000


@pytest.mark.parametrize("unused", range(1, 8))
def test_bits_behind_the_last_page_frame_mean_nothing(unused: int) -> None:
    with pages_of(bitmap_dump(b"\xff\xff", 16 - unused, 0x3000)) as pages:
        assert pages.offset_of(16 - unused - 1) == 0x3000 + 0x1000 * (16 - unused - 1)
        assert pages.offset_of(16 - unused) is None
        assert pages.end == 0x3000 + 0x1000 * (16 - unused)


def test_the_first_bit_of_a_byte_is_the_least_significant_one() -> None:
    with pages_of(bitmap_dump(b"\x02\x80", 16, 0x3000)) as pages:
        assert [pfn for pfn in range(16) if pages.offset_of(pfn) is not None] == [1, 15]


def test_what_the_header_counts_and_what_the_bitmap_counts_are_kept_apart() -> None:
    with file_of(bitmap_dump(b"\x07", 8)) as file:
        pages = BitmapPages(file, 0x2038, 8, 0x2039, page_count=99)
        assert (pages.page_count, pages.counted_pages) == (99, 3)
    with pages_of(bitmap_dump(b"\x07", 8, present=3)) as source:
        assert source.page_count == 3


def test_an_empty_bitmap_holds_no_page() -> None:
    with pages_of(bitmap_dump(b"", 0)) as pages:
        assert pages.offset_of(0) is None
        assert pages.end == 0x2038


@pytest.mark.parametrize("dump_type", [5, 6, 7])
@pytest.mark.parametrize("signature", [b"SDMP", b"FDMP"])
def test_both_signatures_are_read_in_every_type_that_has_a_bitmap(dump_type: int, signature: bytes) -> None:
    data = patched(bitmap_dump(b"\1", 1, dump_type=dump_type), 0x2000, "4s", signature)
    with pages_of(data) as pages:
        assert pages.offset_of(0) == 0x2039


def test_only_the_bitmap_is_read_and_lookups_read_one_block() -> None:
    data = bitmap_dump(b"\xff" * 0x10000, 0x80000) + bytes(0x10000)
    with file_of(data) as file:
        pages = BitmapPages(file, 0x2038, 0x80000, 0x12038, 0x80000)
        assert file.bytes_read == 0x10000
        pages.offset_of(0x7FFFF)
        pages.offset_of(0x7FFF0)
        assert file.bytes_read == 0x10000 + 0x1000


def refused(data: bytes) -> DumpError:
    with pytest.raises(DumpError) as raised, pages_of(data):
        pass
    return raised.value


GOOD = bitmap_dump(b"\xff" * 16, 128, 0x3000)


@pytest.mark.parametrize(("offset", "value"), [(0x2000, b"RDMP"), (0x2004, b"PAGE"), (0x2000, b"\0\0\0\0")])
def test_a_bitmap_header_without_its_signature_is_refused(offset: int, value: bytes) -> None:
    error = refused(patched(GOOD, offset, "4s", value))
    assert error.field == "bitmap header"
    assert "neither SDMPDUMP nor FDMPDUMP" in error.why


@pytest.mark.parametrize("bits", [0x10000, 1 << 33, (1 << 40) + 1, 1 << 63, (1 << 64) - 1])
def test_a_bitmap_longer_than_the_file_is_refused(bits: int) -> None:
    error = refused(patched(GOOD, 0x2030, "Q", bits))
    assert (error.field, error.why) == (
        "bitmap header.Pages",
        f"a bitmap of {bits} bits is longer than the file",
    )


@pytest.mark.parametrize("first_page", [0, 0x2000, 0x2038, 0x2047])
def test_a_first_page_inside_the_bitmap_is_refused(first_page: int) -> None:
    error = refused(patched(GOOD, 0x2020, "Q", first_page))
    assert error.field == "bitmap header.HeaderSize"
    assert error.why == f"the first page at 0x{first_page:x} would lie inside the bitmap, which ends at 0x2048"


def test_a_first_page_directly_behind_the_bitmap_is_not_refused() -> None:
    with pages_of(patched(GOOD, 0x2020, "Q", 0x2048)) as pages:
        assert pages.offset_of(1) == 0x3048


def test_a_cut_bitmap_header_is_refused() -> None:
    assert refused(header(6) + b"SDMPDUMP").field == "bitmap header"


def popcount_on(version: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], int]:
    """The function as that version of Python gets it."""
    monkeypatch.setattr(sys, "version_info", (*version, 0))
    source = Path(windbg_ext.dump.pages.__file__)
    spec = importlib.util.spec_from_file_location("pages_of_another_python", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    popcount: Callable[[bytes], int] = module.popcount
    return popcount


needs_bit_count = pytest.mark.skipif(sys.version_info < (3, 10), reason="int.bit_count came with Python 3.10")


@pytest.mark.parametrize("version", [(3, 9), pytest.param((3, 10), marks=needs_bit_count)])
def test_set_bits_are_counted_on_old_and_new_pythons(version: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    popcount = popcount_on(version, monkeypatch)
    random = Random(0)
    for size in (0, 1, 2, 7, 255, 4096, 10_000):
        data = random.randbytes(size)
        assert popcount(data) == sum(byte >> bit & 1 for byte in data for bit in range(8))
    assert popcount(b"\xff" * 4096) == 0x8000
    assert popcount(b"\xff" * 8192) == 0x10000


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="holes in files: Linux only")
@pytest.mark.parametrize("places", [(), (0,), (5,), (3, 4, 90), (255, 256, 257), (0, 4090)])
def test_holes_of_the_file_count_for_nothing_and_are_not_read(tmp_path: Path, places: tuple[int, ...]) -> None:
    """Each place is a block of 4 KB of the disk, all of whose bits are set; the bitmap itself begins inside a block."""
    path, bits, first_page = tmp_path / "sparse", 8 << 24, 0x1008000
    with path.open("wb") as file:
        file.truncate(first_page)
        for place in places:
            file.seek(0x4000 + (place << 12))
            file.write(b"\xff" * 0x1000)
    before = 0x4000 - 0x2038  # bytes of the bitmap before the first place
    expected = [(before + (place << 12)) * 8 + bit for place in places for bit in range(0x8000)]
    with closing(LocalFile(path)) as source:
        pages = BitmapPages(source, 0x2038, bits, first_page, len(expected))
        assert pages.counted_pages == len(expected)
        assert source.bytes_read <= 3 * 4096 * len(places)
        for rank in range(0, len(expected), 997):
            assert pages.offset_of(expected[rank]) == first_page + 0x1000 * rank


def test_a_bitmap_for_more_memory_than_windows_uses_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "long"
    with path.open("wb") as file:
        file.write(bitmap_dump(b"", (1 << 36) + 1, 0x3000))
        file.truncate(1 << 34)
    with closing(LocalFile(path)) as source, pytest.raises(LimitError) as raised:
        read_page_source(source, read_header(source), Budget())
    assert raised.value.field == "bitmap header.Pages"
    assert raised.value.why.startswith("asks for 68,719,476,737 page frames, at most 68,719,476,736 are read")
