"""The small samples have the parts of a small dump where TRIAGE_DUMP64 and TRIAGE_DUMP32 say.

Layouts: Ghidra, rizin; real small dumps of 64-bit Windows, and what the debugger engine writes of 32-bit Windows.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import pytest
from support.raw_dump import RawDump

from samples.builder import SAMPLES, Sample, build


class Form(NamedTuple):
    """Offsets in TRIAGE_DUMP: TopOfStack, DataBlocksOffset; sizes of a driver's entry and an unloaded driver's; bytes
    before the latter; the offset of its addresses."""

    top_of_stack: int
    data_blocks: int
    driver: int
    unloaded_driver: int
    counter: int
    addresses: int


FORMS = {8: Form(0x48, 0x78, 0x90, 0x38, 8, 0x28), 4: Form(0x48, 0x60, 0x4C, 0x28, 4, 0x20)}
INSTRUCTION = {0x14C: 0xB8, 0x8664: 0xF8, 0xAA64: 0x108}
"""Offset of the instruction pointer in CONTEXT, by machine."""

each_small_sample = pytest.mark.parametrize(
    "sample", [sample for sample in SAMPLES if sample.format.dump_type == 4], ids=lambda sample: sample.name
)


class SmallDump(RawDump):
    """A small dump as bytes."""

    def __init__(self, sample: Sample) -> None:
        super().__init__(build(sample))
        self.form = FORMS[self.pointer_size]

    def triage(self, offset: int) -> int:
        """A u32 of TRIAGE_DUMP."""
        return self.u32(self.header_size + offset)

    def block(self, address: int, size: int) -> bytes:
        """Memory out of the data blocks, whose addresses are sign-extended."""
        table, count = self.triage(self.form.data_blocks), self.triage(self.form.data_blocks + 4)
        if self.pointer_size == 4 and address >> 31:
            address |= 0xFFFFFFFF_00000000
        for start, offset, length in struct.iter_unpack("<QII", self.data[table : table + 16 * count]):
            if start <= address and address + size <= start + length:
                return self.data[offset + address - start :][:size]
        raise AssertionError(f"no data block holds 0x{address:x}")

    def pointer_in_block(self, address: int) -> int:
        return int.from_bytes(self.block(address, self.pointer_size), "little")


@each_small_sample
def test_the_parts_end_with_the_valid_mark(sample: Sample) -> None:
    dump = SmallDump(sample)
    assert dump.data[dump.triage(0x08) :][:4] == b"TRGD"
    assert dump.triage(0x04) == dump.triage(0x08) + 4


@each_small_sample
def test_the_crashed_thread_its_process_and_stack_are_there(sample: Sample) -> None:
    dump, machine = SmallDump(sample), sample.machine
    thread = machine.thread(machine.processors[machine.crashed].current_thread)
    offset, size = dump.triage(0x28), dump.triage(0x2C)
    assert dump.pointers(dump.header_size + dump.form.top_of_stack, 1) == (thread.kernel_stack,)
    assert size == thread.stack_base - thread.kernel_stack
    assert dump.pointers(offset, len(thread.words)) == thread.words
    assert dump.data[dump.triage(0x24)] == 6
    assert dump.data[dump.triage(0x20)] == 3


@each_small_sample
def test_the_driver_list_has_full_names(sample: Sample) -> None:
    dump = SmallDump(sample)
    offset, count = dump.triage(0x30), dump.triage(0x34)
    names = []
    for entry in range(offset, offset + dump.form.driver * count, dump.form.driver):
        at = dump.u32(entry)
        names.append(dump.data[at + 4 : at + 4 + 2 * dump.u32(at)].decode("utf-16-le"))
    assert names == [module.path for module in sample.machine.modules]


@each_small_sample
def test_the_unloaded_drivers_are_listed(sample: Sample) -> None:
    dump, drivers = SmallDump(sample), sample.machine.unloaded_drivers
    at = dump.triage(0x18)
    assert dump.u32(at) == len(drivers)
    for index, driver in enumerate(drivers):
        entry = at + dump.form.counter + dump.form.unloaded_driver * index
        name = dump.data[entry + 2 * dump.pointer_size :][:24].decode("utf-16-le").rstrip("\0")
        assert (name, *dump.pointers(entry + dump.form.addresses, 2)) == (driver.name, driver.start, driver.end)


@each_small_sample
def test_data_blocks_hold_every_context_buffer_that_a_prcb_points_at(sample: Sample) -> None:
    dump, machine = SmallDump(sample), sample.machine
    at = INSTRUCTION[dump.header("MachineImageType")]
    for processor in machine.processors:
        prcb = processor.pcr + machine.version.number("OffsetPcrContainedPrcb")
        assert dump.pointer_in_block(prcb + machine.version.number("OffsetPrcbContext")) == processor.context
        instruction = processor.registers[machine.architecture.cpu.instruction_pointer]
        assert dump.pointer_in_block(processor.context + at) == instruction
