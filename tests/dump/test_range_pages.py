"""Pages behind a list of ranges: types 8, 9 and 0xA. Expected offsets come from writing all pages down."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.dump_bytes import Runs, header, naive_offsets, pages_of, patched, ranges_dump

from windbg_ext.errors import DumpError
from windbg_ext.limits import Limit

TYPES = [8, 9, 0xA]
each_type = pytest.mark.parametrize("dump_type", TYPES)


@st.composite
def disjoint_ranges(draw: st.DrawFn) -> Runs:
    steps = draw(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 6)), max_size=60))
    ranges = []
    pfn = 1
    for gap, count in steps:
        ranges.append((pfn + gap, count))
        pfn += gap + count
    return draw(st.permutations(ranges))


@settings(max_examples=60)
@given(st.sampled_from(TYPES), disjoint_ranges(), st.integers(0, 3))
def test_every_page_is_where_counting_all_pages_puts_it(dump_type: int, ranges: Runs, room: int) -> None:
    with pages_of(ranges_dump(dump_type, ranges, room=room)) as pages:
        expected = naive_offsets(0x2030 + 16 * (len(ranges) + room), ranges)
        frames = range(60 * 11 + 2)
        assert {pfn: pages.offset_of(pfn) for pfn in frames} == {pfn: expected.get(pfn) for pfn in frames}
        assert pages.page_count == len(expected)


@each_type
def test_the_list_ends_with_the_room_before_the_first_page(dump_type: int) -> None:
    data = ranges_dump(dump_type, [(0x10, 1), (0x20, 2)]) + b"\xee" * 0x3000
    with pages_of(data) as pages:
        assert pages.offset_of(0x21) == 0x2050 + 0x2000
        assert pages.page_count == 3


@each_type
def test_the_list_ends_with_an_entry_of_zeros(dump_type: int) -> None:
    """As kdmp-parser reads it."""
    with pages_of(ranges_dump(dump_type, [(0x10, 1), (0, 0), (0x20, 2)])) as pages:
        assert pages.offset_of(0x10) == 0x2060
        assert pages.offset_of(0x20) is None
        assert pages.page_count == 1


@each_type
def test_a_range_of_no_pages_takes_no_room(dump_type: int) -> None:
    with pages_of(ranges_dump(dump_type, [(0x10, 4), (0x12, 0), (0x20, 2)])) as pages:
        assert pages.offset_of(0x13) == 0x2060 + 0x3000
        assert pages.offset_of(0x20) == 0x2060 + 0x4000


def test_a_complete_dump_says_how_many_ranges_it_has() -> None:
    with pages_of(ranges_dump(0xA, [(0x10, 1), (0x20, 2)], count=1)) as pages:
        assert pages.offset_of(0x10) == 0x2050
        assert pages.offset_of(0x20) is None


@pytest.mark.parametrize("dump_type", [8, 9])
def test_kernel_and_active_dumps_have_something_else_where_the_count_would_be(dump_type: int) -> None:
    data = patched(ranges_dump(dump_type, [(0x10, 1), (0x20, 2)]), 0x2020, "QQ", 0xFFFF_FFFF_FFFF, 1)
    with pages_of(data) as pages:
        assert pages.offset_of(0x20) == 0x2050 + 0x1000


def test_a_list_longer_than_a_mebibyte_is_read_to_its_end() -> None:
    ranges = [(2 * index + 1, 1) for index in range((1 << 20) // 16 + 3)]
    with pages_of(ranges_dump(8, ranges)) as pages:
        assert pages.page_count == len(ranges)
        assert pages.offset_of(ranges[-1][0]) == 0x2030 + 16 * len(ranges) + 0x1000 * (len(ranges) - 1)


def refused(data: bytes) -> DumpError:
    with pytest.raises(DumpError) as raised, pages_of(data):
        pass
    return raised.value


@each_type
@pytest.mark.parametrize(("offset", "value"), [(0x2004, b"SDMP"), (0x2008, b"DUMB")])
def test_a_range_header_without_its_signature_is_refused(dump_type: int, offset: int, value: bytes) -> None:
    error = refused(patched(ranges_dump(dump_type, [(1, 1)]), offset, "4s", value))
    assert error.field == "range header"
    assert error.why.endswith("at 0x2004 is not RDMPDUMP")


@each_type
def test_a_range_header_without_its_marker_is_refused(dump_type: int) -> None:
    error = refused(patched(ranges_dump(dump_type, [(1, 1)]), 0x2000, "I", 0x41))
    assert (error.field, error.why) == ("range header.Marker", "0x41 is not 0x40")


@each_type
@pytest.mark.parametrize("metadata_size", [0, 0x1F, 0x21, 0x30, 1 << 32, (1 << 64) - 1])
def test_a_metadata_size_that_does_not_fit_the_first_page_is_refused(dump_type: int, metadata_size: int) -> None:
    error = refused(patched(ranges_dump(dump_type, [(1, 1)]), 0x2010, "Q", metadata_size))
    assert (error.field, error.why) == (
        "range header.FirstPageOffset",
        f"0x2040 does not follow from MetadataSize 0x{metadata_size:x}",
    )


@each_type
@pytest.mark.parametrize("first_page", [0, 0x2020, 0x2041, 1 << 40, (1 << 64) - 1])
def test_a_first_page_that_does_not_fit_the_metadata_size_is_refused(dump_type: int, first_page: int) -> None:
    error = refused(patched(ranges_dump(dump_type, [(1, 1)]), 0x2018, "Q", first_page))
    assert error.field == "range header.FirstPageOffset"
    assert error.why == f"0x{first_page:x} does not follow from MetadataSize 0x20"


@each_type
def test_a_first_page_before_the_list_is_refused(dump_type: int) -> None:
    error = refused(patched(ranges_dump(dump_type, [(1, 1)]), 0x2010, "QQ", 0, 0x2020))
    assert error.field == "range header.FirstPageOffset"


@each_type
def test_a_first_page_behind_the_end_of_the_file_is_refused(dump_type: int) -> None:
    error = refused(patched(ranges_dump(dump_type, [(1, 1)]), 0x2010, "QQ", 1 << 40, 0x2020 + (1 << 40)))
    assert (error.field, error.why) == (
        "range header.FirstPageOffset",
        "0x10000002020 is beyond the end of the file",
    )


@pytest.mark.parametrize("count", [2, 0xFFFFFFFF])
def test_more_ranges_than_there_is_room_for_are_refused(count: int) -> None:
    error = refused(ranges_dump(0xA, [(1, 1)], count=count))
    assert error.field == "range header.NumberOfRanges"
    assert error.why == f"{count}, there is room for 1 before the first page"


@each_type
def test_ranges_that_overlap_are_refused(dump_type: int) -> None:
    error = refused(ranges_dump(dump_type, [(0x10, 4), (0x20, 1), (0x13, 1)]))
    assert (error.field, error.why) == ("range[2]", "page frame 0x13 is in two runs")


@each_type
def test_ranges_beyond_52_bits_of_physical_address_are_refused(dump_type: int) -> None:
    error = refused(ranges_dump(dump_type, [(0x10, 4), ((1 << 64) - 1, 1)]))
    assert error.field == "range[1]"


@each_type
def test_a_cut_range_header_is_refused(dump_type: int) -> None:
    assert refused(header(dump_type) + b"\x40\0\0\0RDMPDUMP").field == "range header"


@each_type
def test_a_table_of_more_ranges_than_any_machine_has_is_refused(
    dump_type: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("windbg_ext.dump.pages.MAX_RANGES", Limit(3, "ranges", "a test has no more"))
    with pages_of(ranges_dump(dump_type, [(1, 1), (3, 1), (5, 1)])) as pages:
        assert pages.page_count == 3
    error = refused(ranges_dump(dump_type, [(1, 1), (3, 1), (5, 1), (7, 1)]))
    assert (error.field, error.why) == ("range table", "asks for 4 ranges, at most 3 are read: a test has no more")


@each_type
def test_many_ranges_are_taken_in_ascending_order_only(dump_type: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("windbg_ext.dump.pages.MAX_UNSORTED_RANGES", Limit(2, "ranges", "a test has no more"))
    with pages_of(ranges_dump(dump_type, [(1, 1), (3, 1), (5, 1)])) as pages:
        assert pages.offset_of(5) is not None
    with pages_of(ranges_dump(dump_type, [(3, 1), (1, 1)])) as pages:
        assert pages.offset_of(1) is not None
    assert refused(ranges_dump(dump_type, [(3, 1), (1, 1), (5, 1)])).field == "range"


@each_type
def test_the_place_of_a_range_that_overlaps_another_counts_those_without_pages(dump_type: int) -> None:
    error = refused(ranges_dump(dump_type, [(9, 0), (1, 4), (7, 0), (3, 1)]))
    assert (error.field, error.why) == ("range[3]", "page frame 0x3 is in two runs")
