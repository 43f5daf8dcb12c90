"""Opening a dump of any type: what it holds, where it should end, what a cut one lacks."""

from __future__ import annotations

import gzip
import io
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.dump_bytes import bitmap_dump, header, patched, ranges_dump
from support.small_bytes import PARTS, small_dump

import samples
from samples.builder import SAMPLES, Sample
from windbg_ext.dump import Part, open_dump
from windbg_ext.errors import DumpError
from windbg_ext.sources.local import LocalFile

if TYPE_CHECKING:
    from samples.builder.physical import Runs

FOLDER = Path(samples.__file__).parent
each_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)


def dump_file(folder: Path, data: bytes) -> Path:
    path = folder / "test.dmp"
    path.write_bytes(data)
    return path


def frames_of(runs: Runs) -> set[int]:
    return {pfn for run in runs for pfn in range(run.base_page, run.base_page + run.page_count)}


@each_sample
def test_a_sample_has_pages_or_the_parts_of_a_small_dump(sample: Sample) -> None:
    with open_dump(FOLDER / sample.file_name) as dump:
        assert dump.header.dump_type == sample.format.dump_type
        assert (dump.small is not None, dump.pages is None) == (not sample.large,) * 2
        assert dump.missing_bytes == 0


@each_sample
def test_a_sample_tells_its_crash_as_the_builder_was_told(sample: Sample) -> None:
    machine = sample.machine
    with open_dump(FOLDER / sample.file_name) as dump:
        read = dump.header
    assert read.bug_check == machine.bug_check
    assert (read.system_time, read.system_up_time) == (machine.system_time, machine.system_up_time)
    assert read.minor_version == machine.version.build
    assert read.number_processors == len(machine.processors)
    assert read.physical_memory == machine.ram
    offset = 0x60 if machine.page_tables.root_pages > 1 else 0  # PAE's four entries lie anywhere in a page
    assert read.directory_table_base % 0x1000 == offset | machine.process_context_id


@each_sample
def test_secondary_data_of_a_sample_is_what_the_builder_put_there(sample: Sample) -> None:
    path = FOLDER / sample.file_name
    data = path.read_bytes()
    with open_dump(path) as dump:
        assert dump.secondary is not None
        blobs = [(blob.tag, data[blob.offset : blob.offset + blob.size]) for blob in dump.secondary.blobs]
        assert blobs == [(blob.tag, blob.data) for blob in sample.machine.secondary]
        assert dump.secondary.offset + dump.secondary.size == len(data)
        assert dump.secondary.problem is None


@each_sample
def test_no_page_outside_ram_is_in_a_dump(sample: Sample) -> None:
    with open_dump(FOLDER / sample.file_name) as dump:
        if dump.pages is None:
            return
        ram = frames_of(sample.machine.ram)
        last = max(ram)
        held = {pfn for pfn in range(last + 100) if dump.pages.offset_of(pfn) is not None}
    assert held <= ram
    if "complete" in sample.name:
        assert held == ram


def test_without_secondary_data_there_is_none(tmp_path: Path) -> None:
    with open_dump(dump_file(tmp_path, header(1, [(0, 1)]) + bytes(0x1000))) as dump:
        assert dump.secondary is None


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (header(1, [(0, 2), (8, 1)]), 0x2000 + 0x3000),
        (bitmap_dump(b"\x83", 7), 0x2039 + 0x2000),
        (ranges_dump(8, [(1, 2)]), 0x2040 + 0x2000),
        (header(3), 0x2000),
    ],
    ids=["runs", "bitmap", "ranges", "header only"],
)
def test_a_cut_file_tells_how_many_bytes_are_missing(data: bytes, end: int, tmp_path: Path) -> None:
    path = dump_file(tmp_path, data)
    with open_dump(path) as dump:
        assert (dump.expected_bytes, dump.missing_bytes) == (end, end - len(data))
    path.write_bytes(data.ljust(end + 5, b"\0"))
    with open_dump(path) as dump:
        assert dump.missing_bytes == 0


def test_a_small_dump_that_lost_its_end_tells_how_much(tmp_path: Path) -> None:
    data = small_dump(list(PARTS))
    with open_dump(dump_file(tmp_path, data[:-2])) as dump:
        assert (dump.expected_bytes, dump.missing_bytes) == (len(data), 2)


def test_secondary_data_is_looked_for_behind_the_pages_that_the_bitmap_counts(tmp_path: Path) -> None:
    """TotalPresentPages may lie."""
    chain = b"DumpBlob\x10\0\0\0\0\0\0\xf0"
    data = bitmap_dump(b"\x05", 8, present=77) + bytes(0x2000) + chain
    with open_dump(dump_file(tmp_path, data)) as dump:
        assert dump.secondary is not None
        assert dump.secondary.size == len(chain)


def test_an_error_names_the_file(tmp_path: Path) -> None:
    path = dump_file(tmp_path, patched(header(1, [(0, 1)]), 0xF98, "I", 99))
    with open_dump(path) as dump:
        (problem,) = dump.problems
        assert (problem.part, problem.error.field) == (Part.HEADER, "DumpType")
        for ask in (dump.check, lambda: dump.header):
            with pytest.raises(DumpError) as raised:
                ask()
            assert str(raised.value).startswith(f"{path}: DumpType: 0x63 is not one of")


def test_a_file_that_is_no_dump_at_all_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = dump_file(tmp_path, b"MDMP" + bytes(100))
    with pytest.raises(DumpError, match=r"Signature: .* a user-mode minidump") as raised:
        open_dump(path)
    assert raised.value.path == str(path)


def test_a_file_cut_inside_its_header_has_the_fields_that_are_there(tmp_path: Path) -> None:
    path = dump_file(tmp_path, patched(header(1, [(0, 1)]), 0x38, "I", 0xD1)[:0x100])
    with open_dump(path) as dump:
        assert [problem.part for problem in dump.problems] == [Part.CUT_HEADER]
        assert dump.parsed is None
        assert dump.fields.bug_check_code == 0xD1
        assert dump.fields.comment == b"PAGE" * 32


def test_pages_that_lie_do_not_hide_the_header(tmp_path: Path) -> None:
    path = dump_file(tmp_path, patched(bitmap_dump(b"\x83", 7), 0x2000, "4s", b"XXXX"))
    with open_dump(path) as dump:
        assert dump.header.dump_type == 5
        assert dump.pages is None
        assert [(problem.part, problem.error.field) for problem in dump.problems] == [(Part.PAGES, "bitmap header")]


def test_a_stream_is_opened_like_a_file_and_stays_open() -> None:
    stream = io.BytesIO((FOLDER / "complete.dmp").read_bytes())
    with open_dump(stream) as dump, open_dump(FOLDER / "complete.dmp") as same:
        assert dump.header == same.header
        assert dump.pages is not None
        assert dump.source.name == "stream"
    assert not stream.closed


def test_of_a_packed_dump_only_the_start_is_looked_at_where_that_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "MEMORY.DMP.gz"
    path.write_bytes(gzip.compress((FOLDER / "complete.dmp").read_bytes()))
    with open_dump(path, unpack=False) as looked, open_dump(path) as dump:
        assert looked.archive == dump.archive == "gzip"
        assert looked.header == dump.header
        assert looked.source.size == dump.source.size == (FOLDER / "complete.dmp").stat().st_size


def test_an_error_of_whoever_uses_the_dump_names_the_file_too(tmp_path: Path) -> None:
    path = dump_file(tmp_path, header(1, [(0, 1)]))
    with pytest.raises(DumpError) as raised, open_dump(path):
        raise DumpError("KiProcessorBlock", "is odd")
    assert str(raised.value) == f"{path}: KiProcessorBlock: is odd"


def test_the_file_is_closed_behind_the_with_statement(tmp_path: Path) -> None:
    with open_dump(dump_file(tmp_path, header(3))) as dump:
        file = dump.source
    with pytest.raises(ValueError, match="closed"):
        file.read(0, 1)


def test_only_headers_and_bitmap_are_read_on_opening() -> None:
    for name, most in (("complete", 0x2000 + 0x200), ("kernel", 0x2038 + 0x40000 // 8 + 0x200)):
        with closing(LocalFile(FOLDER / f"{name}.dmp")) as file:
            open_dump(file)
            assert file.bytes_read < most
