"""The small samples have the parts of a small dump where TRIAGE_DUMP64 and TRIAGE_DUMP32 say.

Layouts: support/small_dump_file.py; real small dumps of 64-bit Windows, and small dumps that the debugger engine writes
of 32-bit Windows.
"""

from __future__ import annotations

import struct

import pytest
from support.small_dump_file import SmallDumpFile

from samples.builder import SAMPLES, Sample, build

INSTRUCTION = {0x14C: 0xB8, 0x8664: 0xF8, 0xAA64: 0x108}
"""Offset of the instruction pointer in CONTEXT, by machine."""

each_small_sample = pytest.mark.parametrize(
    "sample", [sample for sample in SAMPLES if sample.format.dump_type == 4], ids=lambda sample: sample.name
)


def dump_of(sample: Sample) -> SmallDumpFile:
    return SmallDumpFile(build(sample))


@each_small_sample
def test_the_parts_end_with_the_valid_mark(sample: Sample) -> None:
    dump = dump_of(sample)
    assert dump.data[dump.triage(0x08) :][:4] == b"TRGD"
    assert dump.size_of_dump == dump.triage(0x08) + 4


@each_small_sample
def test_the_crashed_thread_its_process_and_stack_are_there(sample: Sample) -> None:
    dump, machine = dump_of(sample), sample.machine
    thread = machine.thread(machine.processors[machine.crashed].current_thread)
    pointer = "<Q" if dump.offsets.pointer == 8 else "<I"
    words = [word for (word,) in struct.iter_unpack(pointer, dump.call_stack)]
    assert dump.top_of_stack == thread.kernel_stack
    assert len(dump.call_stack) == thread.stack_base - thread.kernel_stack
    assert tuple(words[: len(thread.words)]) == thread.words
    assert dump.thread(1) == b"\x06"
    assert dump.process(1) == b"\x03"


@each_small_sample
def test_the_driver_list_has_full_names(sample: Sample) -> None:
    names = [driver.name for driver in dump_of(sample).drivers]
    assert names == [module.path for module in sample.machine.modules]


@each_small_sample
def test_the_unloaded_drivers_are_listed(sample: Sample) -> None:
    listed = [(driver.name, driver.start, driver.end) for driver in dump_of(sample).unloaded_drivers]
    assert listed == [(driver.name, driver.start, driver.end) for driver in sample.machine.unloaded_drivers]


@each_small_sample
def test_data_blocks_hold_every_context_buffer_that_a_prcb_points_at(sample: Sample) -> None:
    dump, machine = dump_of(sample), sample.machine
    at = INSTRUCTION[dump.machine]
    for processor in machine.processors:
        prcb = processor.pcr + machine.version.number("OffsetPcrContainedPrcb")
        assert pointer_at(dump, prcb + machine.version.number("OffsetPrcbContext")) == processor.context
        instruction = processor.registers[machine.architecture.cpu.instruction_pointer]
        assert pointer_at(dump, processor.context + at) == instruction


def pointer_at(dump: SmallDumpFile, address: int) -> int:
    held = dump.memory(address, dump.offsets.pointer)
    assert held is not None, hex(address)
    return int.from_bytes(held, "little")
