"""The header of the small dump against that of its source, byte by byte at the offsets of mindumpdef.h."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from support.command_line import run
from support.small_dump_file import SmallDumpFile

from samples.builder import SAMPLES, build
from samples.builder.places import PLACES
from windbg_ext.structs.header import Machine

if TYPE_CHECKING:
    from pathlib import Path

    from samples.builder import Sample

LARGE = tuple(sample for sample in SAMPLES if sample.large)
BY_NAME = {sample.name: sample for sample in SAMPLES}
each_sample = pytest.mark.parametrize("sample", LARGE, ids=lambda sample: str(sample.name))

CHANGED = {
    8: (range(0xF98, 0xF9C), range(0xFA0, 0xFA8), range(0x1038, 0x103C), range(0x1048, 0x104C), range(0x1050, 0x1054)),
    4: (range(0xF88, 0xF8C), range(0xFA0, 0xFA8), range(0xF8C, 0xF90), range(0xF9C, 0xFA0), range(0x8A0, 0x8A4)),
}
"""By the bytes of a pointer: DumpType, RequiredDumpSpace, MiniDumpFields, WriterStatus and Attributes.

They describe the file and not the crash.
"""
COMMENT = range(0xFB0, 0x1030)
INSTRUCTION = {Machine.I386: 0xB8, Machine.AMD64: 0xF8, Machine.ARM64: 0x108}
"""Offset in CONTEXT (winnt.h)."""


def minified(folder: Path, data: bytes, *options: str, status: int = 0) -> SmallDumpFile:
    (folder / "MEMORY.DMP").write_bytes(data)
    outcome = run("minify", folder / "MEMORY.DMP", folder / "small.dmp", *options)
    assert (outcome.status, outcome.err) == (status, "")
    return SmallDumpFile(folder / "small.dmp")


def differences(first: bytes, second: bytes) -> set[int]:
    """Return the offsets in the header at which two files differ."""
    size = 0x2000 if first.startswith(b"PAGEDU64") else 0x1000
    return {offset for offset in range(size) if first[offset] != second[offset]}


@each_sample
def test_all_of_the_header_is_kept_but_for_what_speaks_of_the_file(tmp_path: Path, sample: Sample) -> None:
    data = build(sample)
    changed = {offset for field in CHANGED[sample.machine.architecture.pointer_size] for offset in field}
    assert differences(data, minified(tmp_path, data).data) <= changed


@each_sample
def test_code_parameters_times_context_runs_and_lists_are_those_of_the_machine(tmp_path: Path, sample: Sample) -> None:
    small, machine = minified(tmp_path, build(sample)), sample.machine
    wide = machine.architecture.pointer_size == 8
    assert small.data[:8] == (b"PAGEDU64" if wide else b"PAGEDUMP")
    assert small.u32(0x38 if wide else 0x28) == machine.bug_check.code
    parameters = struct.unpack_from("<4Q", small.data, 0x40) if wide else struct.unpack_from("<4I", small.data, 0x2C)
    assert parameters == machine.bug_check.parameters
    assert small.u64(0xFA8 if wide else 0xFC0) == machine.system_time
    assert small.u64(0x1030 if wide else 0xFB8) == machine.system_up_time
    edition = (small.u32(0x1040), small.u32(0x1044)) if wide else (small.u32(0xF94), small.u32(0xF98))
    assert edition == (machine.product_type, machine.suite_mask)
    assert small.u32(0x34 if wide else 0x24) == len(machine.processors)
    kind = machine.architecture.machine_type
    registers = machine.context or machine.processors[machine.crashed].registers
    instruction = small.pointer((0x348 if wide else 0x320) + INSTRUCTION[kind])
    assert instruction == registers[PLACES[kind].roles.instruction]
    assert small.u32(0xF00 if wide else 0x7D0) == machine.exception.code
    assert small.u32(0x88 if wide else 0x64) == len(machine.ram)
    at, size = (0x98, 8) if wide else (0x6C, 4)
    runs = [
        (small.pointer(at + 2 * size * n), small.pointer(at + 2 * size * n + size)) for n in range(len(machine.ram))
    ]
    assert runs == [(run.base_page, run.page_count) for run in machine.ram]


@each_sample
def test_type_and_sizes_are_those_of_the_file(tmp_path: Path, sample: Sample) -> None:
    small = minified(tmp_path, build(sample))
    wide = sample.machine.architecture.pointer_size == 8
    assert small.u32(0xF98 if wide else 0xF88) == 4
    assert small.u64(0xFA0) == len(small.data)
    assert small.size_of_dump < len(small.data)
    assert small.u32(0x1048 if wide else 0xF9C) == 0


@each_sample
def test_the_fields_say_which_parts_there_are(tmp_path: Path, sample: Sample) -> None:
    small = minified(tmp_path, build(sample))
    # context, exception, PRCB, process, thread, stack, drivers, broken driver, debugger data, data blocks
    wide = sample.machine.architecture.pointer_size == 8
    assert small.u32(0x1038 if wide else 0xF8C) & ~0x100 == 0xCFF
    assert (small.triage(0xC), small.triage(0x10)) == ((0x348, 0xF00) if wide else (0x320, 0x7D0))


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (0, 0),
        (0x40, 0),  # filtered: the small dump is not
        (0x4, 0),  # the file was too small: the source, not the small dump
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
    changed = {offset for field in CHANGED[8] for offset in field} | set(COMMENT)
    assert differences(data, small.data) <= changed


def test_an_address_of_the_debugger_data_block_that_was_searched_for_goes_into_the_header(tmp_path: Path) -> None:
    expected = struct.unpack_from("<Q", build(BY_NAME["kernel"]), 0x80)[0]
    small = minified(tmp_path, build(BY_NAME["kernel"], header={"KdDebuggerDataBlock": 0}))
    assert small.u64(0x80) == expected
