"""The header of the small dump against that of its source, byte by byte at the offsets of mindumpdef.h."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from command_line import run
from small_dump_file import SmallDumpFile

from samples.builder import SAMPLES, build

if TYPE_CHECKING:
    from pathlib import Path

    from samples.builder import Sample

LARGE = tuple(sample for sample in SAMPLES if sample.large)
BY_NAME = {sample.name: sample for sample in SAMPLES}
each_sample = pytest.mark.parametrize("sample", LARGE, ids=lambda sample: str(sample.name))

CHANGED = {
    "DumpType": range(0xF98, 0xF9C),
    "RequiredDumpSpace": range(0xFA0, 0xFA8),
    "MiniDumpFields": range(0x1038, 0x103C),
    "WriterStatus": range(0x1048, 0x104C),
    "Attributes": range(0x1050, 0x1054),
}
"""What speaks of the file and not of the crash."""
COMMENT = range(0xFB0, 0x1030)


def minified(folder: Path, data: bytes, *options: str, status: int = 0) -> SmallDumpFile:
    (folder / "MEMORY.DMP").write_bytes(data)
    outcome = run("minify", folder / "MEMORY.DMP", folder / "small.dmp", *options)
    assert (outcome.status, outcome.err) == (status, "")
    return SmallDumpFile(folder / "small.dmp")


def differences(first: bytes, second: bytes) -> set[int]:
    """The offsets in the header at which two files differ."""
    return {offset for offset in range(0x2000) if first[offset] != second[offset]}


@each_sample
def test_all_of_the_header_is_kept_but_for_what_speaks_of_the_file(tmp_path: Path, sample: Sample) -> None:
    data = build(sample)
    changed = {offset for field in CHANGED.values() for offset in field}
    assert differences(data, minified(tmp_path, data).data) <= changed


@each_sample
def test_code_parameters_times_context_runs_and_lists_are_those_of_the_machine(tmp_path: Path, sample: Sample) -> None:
    small, machine = minified(tmp_path, build(sample)), sample.machine
    assert small.data[:8] == b"PAGEDU64"
    assert small.u32(0x38) == machine.bug_check.code
    assert struct.unpack_from("<4Q", small.data, 0x40) == machine.bug_check.parameters
    assert small.u64(0xFA8) == machine.system_time
    assert small.u64(0x1030) == machine.system_up_time
    assert (small.u32(0x1040), small.u32(0x1044)) == (machine.product_type, machine.suite_mask)
    assert small.u32(0x34) == len(machine.processors)
    registers = machine.context or machine.processors[machine.crashed].registers
    assert small.u64(0x348 + 0xF8) == registers["Rip"]
    assert small.u32(0xF00) == machine.exception.code
    assert small.u32(0x88) == len(machine.ram)
    runs = [(small.u64(0x98 + 16 * index), small.u64(0xA0 + 16 * index)) for index in range(len(machine.ram))]
    assert runs == [(run.base_page, run.page_count) for run in machine.ram]


@each_sample
def test_type_and_sizes_are_those_of_the_file(tmp_path: Path, sample: Sample) -> None:
    small = minified(tmp_path, build(sample))
    assert small.u32(0xF98) == 4
    assert small.u64(0xFA0) == len(small.data)
    assert small.size_of_dump < len(small.data)
    assert small.u32(0x1048) == 0


@each_sample
def test_the_fields_say_which_parts_there_are(tmp_path: Path, sample: Sample) -> None:
    small = minified(tmp_path, build(sample))
    # context, exception, PRCB, process, thread, stack, drivers, broken driver, debugger data, data blocks
    assert small.u32(0x1038) & ~0x100 == 0xCFF
    assert (small.u32(0x200C), small.u32(0x2010)) == (0x348, 0xF00)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (0, 0),
        (0x40, 0),  # filtered: not any more
        (0x4, 0),  # the file was too small: that one
        (0x21800, 0x21800),
        (0x80 | 0x10 | 0x1 | 0x4, 0x80 | 0x10 | 0x1),
        (0x45474150, 0x45474150),  # never set
    ],
)
def test_attributes_of_the_machine_are_kept_those_of_the_file_are_not(
    tmp_path: Path, attributes: int, expected: int
) -> None:
    small = minified(tmp_path, build(BY_NAME["kernel"], header={"Attributes": attributes}))
    assert small.u32(0x1050) == expected


def test_the_comment_of_the_source_is_kept(tmp_path: Path) -> None:
    comment = b"as it was written".ljust(128, b"\0")
    small = minified(tmp_path, build(BY_NAME["kernel"], header={"Comment": comment}))
    assert small.bytes_at(COMMENT.start, 128) == comment


@pytest.mark.parametrize("comment", ["", "a comment", "x" * 127])
def test_a_comment_goes_into_the_header_with_zeros_behind_it(tmp_path: Path, comment: str) -> None:
    data = build(BY_NAME["kernel"])
    small = minified(tmp_path, data, "--comment", comment)
    assert small.bytes_at(COMMENT.start, 128) == comment.encode("ascii").ljust(128, b"\0")
    changed = {offset for field in CHANGED.values() for offset in field} | set(COMMENT)
    assert differences(data, small.data) <= changed


def test_an_address_of_the_debugger_data_block_that_was_searched_for_goes_into_the_header(tmp_path: Path) -> None:
    expected = struct.unpack_from("<Q", build(BY_NAME["kernel"]), 0x80)[0]
    small = minified(tmp_path, build(BY_NAME["kernel"], header={"KdDebuggerDataBlock": 0}))
    assert small.u64(0x80) == expected
