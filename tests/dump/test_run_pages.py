"""Pages that lie run by run behind the header: type 1. Expected offsets come from writing all pages down."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.dump_bytes import Runs, header, naive_offsets, pages_of

from windbg_ext.dump.pages import RunPages
from windbg_ext.errors import DumpError

FIRST = 0x2000


@st.composite
def disjoint_runs(draw: st.DrawFn) -> Runs:
    """Runs that do not overlap, in any order, some of them of no pages, some touching."""
    steps = draw(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6)), min_size=1, max_size=12))
    runs = []
    pfn = 0
    for gap, count in steps:
        runs.append((pfn + gap, count))
        pfn += gap + count
    return draw(st.permutations(runs))


@settings(max_examples=60)
@given(disjoint_runs())
def test_every_page_is_where_counting_all_pages_puts_it(runs: Runs) -> None:
    with pages_of(header(1, runs)) as pages:
        expected = naive_offsets(FIRST, runs)
        assert {pfn: pages.offset_of(pfn) for pfn in range(150)} == {pfn: expected.get(pfn) for pfn in range(150)}
        assert pages.page_count == len(expected)
        assert pages.end == FIRST + 0x1000 * len(expected)


def test_pages_follow_the_order_of_the_runs_and_not_of_their_frames() -> None:
    pages = RunPages([0x100, 0x10], [2, 1], 0x2000)
    assert [pages.offset_of(pfn) for pfn in (0x100, 0x101, 0x10)] == [0x2000, 0x3000, 0x4000]


def test_frames_around_a_run_are_not_in_the_dump() -> None:
    pages = RunPages([0x10], [2], 0x2000)
    assert [pages.offset_of(pfn) for pfn in (-1, 0, 0xF, 0x12, 1 << 52)] == [None] * 5


def test_a_run_of_no_pages_takes_no_room_even_inside_another_run() -> None:
    with pages_of(header(1, [(0x10, 4), (0x12, 0), (0x20, 1)])) as pages:
        assert pages.offset_of(0x13) == 0x5000
        assert pages.offset_of(0x20) == 0x6000


def test_a_terabyte_in_one_run_is_found_without_reading_anything() -> None:
    with pages_of(header(1, [(0x100000, 1 << 28)])) as pages:
        assert pages.offset_of(0x100000 + (1 << 28) - 1) == 0x2000 + 0x1000 * ((1 << 28) - 1)


@pytest.mark.parametrize("runs", [[(0x10, 4), (0x13, 1)], [(0x13, 1), (0x10, 4)], [(0x10, 4), (0x10, 4)]])
def test_runs_that_overlap_are_refused(runs: Runs) -> None:
    with pytest.raises(DumpError) as raised, pages_of(header(1, runs)):
        pass
    assert raised.value.field.startswith("PhysicalMemoryBlock.Run[")
    assert raised.value.why.endswith("is in two runs")


def test_overlapping_runs_are_named_by_the_index_of_the_later_one() -> None:
    with pytest.raises(DumpError) as raised, pages_of(header(1, [(0x100, 1), (0x13, 9), (0x10, 4)])):
        pass
    assert (raised.value.field, raised.value.why) == (
        "PhysicalMemoryBlock.Run[1]",
        "page frame 0x13 is in two runs",
    )


@pytest.mark.parametrize("run", [(1 << 40, 1), ((1 << 40) - 1, 2), (0, (1 << 40) + 1), ((1 << 64) - 1, 1 << 63)])
def test_runs_beyond_52_bits_of_physical_address_are_refused(run: tuple[int, int]) -> None:
    with pytest.raises(DumpError) as raised, pages_of(header(1, [(1, 1), run])):
        pass
    assert raised.value.field == "PhysicalMemoryBlock.Run[1]"
    assert raised.value.why == f"page frames 0x{run[0]:x} + 0x{run[1]:x} are beyond 52 bits"


def test_the_last_page_frame_of_52_bits_is_no_lie() -> None:
    with pages_of(header(1, [((1 << 40) - 1, 1)])) as pages:
        assert pages.offset_of((1 << 40) - 1) == 0x2000


def test_a_complete_dump_without_runs_is_refused() -> None:
    with pytest.raises(DumpError, match=r"^PhysicalMemoryBlock: was never set"), pages_of(header(1)):
        pass


def test_each_of_fifty_thousand_runs_is_found() -> None:
    runs = [(index * 0x100, Random(index).randrange(1, 0x100)) for index in range(50_000)]
    pages = RunPages([base for base, _ in runs], [count for _, count in runs], FIRST)
    expected = FIRST
    for base, count in runs:
        assert pages.offset_of(base) == expected
        assert pages.offset_of(base + count) is None
        expected += 0x1000 * count
    assert pages.end == expected
