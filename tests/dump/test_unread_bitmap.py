"""A bitmap of which some cannot be read: the header's count of pages leads across the gap."""

from __future__ import annotations

from bisect import bisect_left
from random import Random
from typing import TYPE_CHECKING

import pytest
from support.dump_bytes import bitmap_dump, file_of
from support.failing_source import REASON, Disk

from windbg_ext.dump.pages import BitmapPages
from windbg_ext.errors import DumpError
from windbg_ext.memory import PhysicalMemory

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 4096 * 8
"""Page frames of a block, the least that is lost."""
BLOCKS = 8
AT, FIRST_PAGE = 0x2038, 0x10000
BITMAP = Random(3).randbytes(BLOCKS * 4096 - 100)
BITS = len(BITMAP) * 8
PRESENT = [pfn for pfn in range(BITS) if BITMAP[pfn // 8] >> pfn % 8 & 1]
OFFSETS = {pfn: FIRST_PAGE + 0x1000 * index for index, pfn in enumerate(PRESENT)}


@pytest.fixture(autouse=True)
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    disk.put_under_every_file(monkeypatch)
    return disk


def borders_and_others() -> Iterator[int]:
    for block in range(BLOCKS + 1):
        yield from range(max(0, block * BLOCK - 3), block * BLOCK + 3)
    yield from Random(4).sample(range(BITS), 200)


@pytest.mark.parametrize("bad", [(0,), (3,), (7,), (2, 3), (2, 5)])
def test_pages_on_both_sides_of_what_cannot_be_read_are_found(disk: Disk, bad: tuple[int, ...]) -> None:
    disk.bad = tuple((AT + 4096 * block + 50, AT + 4096 * block + 51) for block in bad)
    gap = range(bad[0] * BLOCK, (bad[-1] + 1) * BLOCK)
    lost = bisect_left(PRESENT, gap.stop) - bisect_left(PRESENT, gap.start)
    with file_of(bitmap_dump(BITMAP, BITS, FIRST_PAGE)) as file:
        pages = BitmapPages(file, AT, BITS, FIRST_PAGE, len(PRESENT))
        assert pages.unread is not None
        assert pages.unread == (
            f"cannot be read at 0x{AT + 4096 * bad[0]:x} ({REASON}); "
            f"by the header's count it tells of {lost:,} pages, which are lost"
        )
        assert (pages.counted_pages, pages.end) == (len(PRESENT), FIRST_PAGE + 0x1000 * len(PRESENT))
        for pfn in borders_and_others():
            if pfn in gap and pfn < BITS:
                with pytest.raises(DumpError, match=f"cannot be read at .*{REASON}"):
                    pages.offset_of(pfn)
            else:
                assert pages.offset_of(pfn) == OFFSETS.get(pfn)
                assert pages.pages_below(pfn) == bisect_left(PRESENT, pfn)


def test_the_pages_that_are_lost_are_counted_as_if_they_were_spread_evenly(disk: Disk) -> None:
    disk.bad = ((AT + 4096, AT + 8192),)
    with file_of(bitmap_dump(BITMAP, BITS, FIRST_PAGE)) as file:
        pages = BitmapPages(file, AT, BITS, FIRST_PAGE, len(PRESENT))
        below = [pages.pages_below(pfn) for pfn in range(BLOCK, 3 * BLOCK, 64)]
    steps = [after - before for before, after in zip(below, below[1:])]
    assert all(25 < step < 40 for step in steps[: BLOCK // 64])


def test_a_page_whose_place_is_lost_is_told_apart_from_one_that_is_not_in_the_dump(disk: Disk) -> None:
    disk.bad = ((AT, AT + 1),)
    absent = next(pfn for pfn in range(2 * BLOCK, BITS) if pfn not in OFFSETS)
    with file_of(bitmap_dump(BITMAP, BITS, FIRST_PAGE)) as file:
        physical = PhysicalMemory(file, BitmapPages(file, AT, BITS, FIRST_PAGE, len(PRESENT)))
        assert physical.page(5) is physical.page(absent) is None
        why = f"at an unknown place of the file (bitmap cannot be read at 0x{AT:x} ({REASON}))"
        assert physical.why_missing(5) == why
        assert physical.why_missing(absent) == "not in this dump"


@pytest.mark.parametrize("wrong", [-BLOCK, BLOCK])
def test_a_count_that_cannot_be_right_leads_nowhere(disk: Disk, wrong: int) -> None:
    disk.bad = ((AT + 4096, AT + 8192),)
    with file_of(bitmap_dump(BITMAP, BITS, FIRST_PAGE)) as file, pytest.raises(DumpError) as raised:
        BitmapPages(file, AT, BITS, FIRST_PAGE, len(PRESENT) + wrong)
    assert (raised.value.field, raised.value.why) == ("bitmap", f"cannot be read at 0x{AT + 4096:x} ({REASON})")
