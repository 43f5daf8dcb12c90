"""dumpkind: expected and present bytes, for every kind and wherever a file is cut."""

from __future__ import annotations

import struct
from random import Random

import pytest
from support.dumpkind_cases import BITMAP, COMPLETE, FILL, KERNEL, SMALL, build, look

from samples.builder import SAMPLES, Sample

HEADER = 0x2000
LARGE = [sample for sample in SAMPLES if sample.format.dump_type != 4]


def end_of_body(data: bytes) -> int:
    """Return the offset of the secondary data, with which every sample ends."""
    return data.rindex(b"DumpBlob")


@pytest.mark.parametrize("sample", LARGE, ids=lambda sample: sample.name)
def test_a_file_cut_at_each_of_50_random_places_gets_the_right_missing_count(sample: Sample) -> None:
    """Cuts behind RequiredDumpSpace, which has the length with secondary data. Before it, nothing can be counted."""
    data = build(sample)
    random = Random(sample.name)
    cuts = [random.randrange(HEADER, len(data)) for _ in range(40)]
    cuts += [random.randrange(0xFA8, HEADER) for _ in range(10)]
    found = {cut: look(data[:cut]) for cut in cuts}
    assert {cut: report.whole.missing for cut, report in found.items()} == {cut: len(data) - cut for cut in cuts}
    assert all(report.complete is False and "cut short" in report.problems[0] for report in found.values())


@pytest.mark.parametrize("sample", LARGE, ids=lambda sample: sample.name)
def test_without_required_dump_space_the_pages_are_counted(sample: Sample) -> None:
    data = build(sample, header={"RequiredDumpSpace": 0})
    data = data[:0xFA0] + struct.pack("<I", FILL) * 2 + data[0xFA8:]
    end = end_of_body(data)
    random = Random(sample.name)
    first_page = 0x5000
    for cut in [random.randrange(first_page, end) for _ in range(50)]:
        whole = look(data[:cut]).whole
        assert (whole.missing, whole.at_least) == (end - cut, True)


def test_a_small_dump_of_a_debugger_is_counted_up_to_size_of_dump() -> None:
    """RequiredDumpSpace may be that of the dump it was made from, so secondary data behind the cut is not counted."""
    data = build(SMALL)
    end = end_of_body(data)
    assert struct.unpack_from("<I", data, 0x2004)[0] == end
    random = Random(4)
    for cut in [random.randrange(0x2080, end) for _ in range(50)]:
        report = look(data[:cut])
        assert (report.whole.missing, report.whole.at_least) == (end - cut, True)
        assert "WinDbg refuses" in report.whole.usable


def test_a_small_dump_of_the_kernel_is_counted_by_required_dump_space() -> None:
    data = build(SMALL, header={"WriterStatus": FILL, "Attributes": 8})
    random = Random(8)
    for cut in [random.randrange(0x2080, len(data)) for _ in range(50)]:
        assert look(data[:cut]).whole.missing == len(data) - cut


def test_more_required_space_than_the_file_has_is_no_cut_in_a_debuggers_small_dump() -> None:
    data = bytearray(build(SMALL))
    struct.pack_into("<Q", data, 0xFA0, len(data) * 2)
    report = look(bytes(data))
    assert (report.complete, report.problems) == (True, ())
    assert any(item.field == "RequiredDumpSpace" for item in report.evidence)


def test_an_absurd_required_space_is_not_believed() -> None:
    data = bytearray(build(KERNEL))
    struct.pack_into("<Q", data, 0xFA0, 1 << 60)
    end = end_of_body(bytes(data))
    assert look(bytes(data[: end - 5])).whole.missing == 5


@pytest.mark.parametrize("sample", [KERNEL, BITMAP, COMPLETE], ids=lambda sample: sample.name)
def test_a_cut_in_the_secondary_data_leaves_the_pages(sample: Sample) -> None:
    data = build(sample)
    report = look(data[: len(data) - 3])
    assert report.whole.missing == 3
    assert report.whole.usable.startswith("usable: all pages are there")
    assert report.suspects


def test_a_small_dump_cut_in_its_secondary_data_is_usable() -> None:
    data = build(SMALL)
    report = look(data[:-3])
    assert report.whole.missing == 3
    assert report.whole.usable.startswith("usable: the small dump itself is whole")
    assert report.suspects


def test_a_cut_large_dump_tells_how_many_pages_are_left() -> None:
    data = build(KERNEL)
    first_page, present = struct.unpack_from("<QQ", data, 0x2020)
    report = look(data[: first_page + 7 * 0x1000 + 5])
    assert f"7 of {present} pages are there" in report.whole.usable


def test_whatever_follows_the_dump_does_not_make_it_less_whole() -> None:
    report = look(build(KERNEL) + bytes(5000))
    assert (report.complete, report.problems) == (True, ())


@pytest.mark.parametrize("length", [8, 9, 0x37, 0x38, 0x60, 0x88, 0x343, 0x344, 0xF98, 0xF9C, 0xFA7, 0x1051, 0x1FFF])
def test_a_header_that_is_cut_tells_what_is_there_and_invents_nothing(length: int) -> None:
    data = build(KERNEL)
    report = look(data[:length])
    assert report.complete is False
    assert report.problems[0].startswith("cut short")
    assert report.kind == ("kernel" if length >= 0xF9C else "none")
    assert (report.processors is None) == (length < 0x38)
    assert (report.bug_check is None) == (length < 0x60)
    assert (report.ram_bytes is None) == (length < 0x344)
    assert report.attributes in (None, ())
    assert report.whole.missing == (len(data) - length if length >= 0xFA8 else HEADER - length)


@pytest.mark.parametrize("space", [1, 0x100, 0x1FFF])
def test_a_cut_header_that_calls_itself_whole_is_not_believed(space: int) -> None:
    report = look(build(KERNEL, header={"RequiredDumpSpace": space})[:0x1FF0])
    assert (report.complete, report.whole.expected, report.whole.at_least) == (False, HEADER, True)
    assert report.problems[0].startswith("cut short: at least 16 of 8,192 bytes are missing")


def test_a_bitmap_that_is_cut_is_counted_by_its_header() -> None:
    data = bytearray(build(BITMAP, header={"RequiredDumpSpace": 0}))
    data[0xFA0:0xFA8] = bytes(8)
    first_page, present = struct.unpack_from("<QQ", data, 0x2020)
    cut = 0x2039
    assert look(bytes(data[:cut])).whole.missing == first_page + present * 0x1000 - cut
