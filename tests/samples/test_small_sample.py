"""The small sample has the parts of a small dump where TRIAGE_DUMP64 says (layout: Ghidra, rizin; real small dumps)."""

from __future__ import annotations

import struct

from samples.builder import SAMPLES, build

SAMPLE = next(sample for sample in SAMPLES if sample.name == "small")
DATA = build(SAMPLE)
MACHINE = SAMPLE.machine


def u32(offset: int) -> int:
    return int(struct.unpack_from("<I", DATA, offset)[0])


def block(address: int, size: int) -> bytes:
    """Memory out of the data blocks."""
    table, count = u32(0x2078), u32(0x207C)
    for start, offset, length in struct.iter_unpack("<QII", DATA[table : table + 16 * count]):
        if start <= address and address + size <= start + length:
            return DATA[offset + address - start :][:size]
    raise AssertionError(f"no data block holds 0x{address:x}")


def test_the_parts_end_with_the_valid_mark() -> None:
    assert DATA[u32(0x2008) : u32(0x2008) + 4] == b"TRGD"
    assert u32(0x2004) == u32(0x2008) + 4


def test_the_crashed_thread_its_process_and_stack_are_there() -> None:
    thread = MACHINE.thread(MACHINE.processors[MACHINE.crashed].current_thread)
    offset, size = u32(0x2028), u32(0x202C)
    assert struct.unpack_from("<Q", DATA, 0x2048) == (thread.kernel_stack,)
    assert size == thread.stack_base - thread.kernel_stack
    assert struct.unpack_from(f"<{len(thread.words)}Q", DATA, offset) == thread.words
    assert DATA[u32(0x2024)] == 6
    assert DATA[u32(0x2020)] == 3


def test_the_driver_list_has_full_names() -> None:
    offset, count = u32(0x2030), u32(0x2034)
    names = []
    for entry in range(offset, offset + 0x90 * count, 0x90):
        at = u32(entry)
        names.append(DATA[at + 4 : at + 4 + 2 * u32(at)].decode("utf-16-le"))
    assert names == [module.path for module in MACHINE.modules]


def test_the_unloaded_drivers_are_listed() -> None:
    at = u32(0x2018)
    assert u32(at) == len(MACHINE.unloaded_drivers)
    for index, driver in enumerate(MACHINE.unloaded_drivers):
        name, start, end = struct.unpack_from("<24sQQ", DATA, at + 8 + 0x38 * index + 0x10)
        assert (name.decode("utf-16-le").rstrip("\0"), start, end) == (driver.name, driver.start, driver.end)


def test_data_blocks_hold_every_context_buffer_that_a_prcb_points_at() -> None:
    for processor in MACHINE.processors:
        assert block(processor.pcr + 0x180 + 0x85C0, 8) == struct.pack("<Q", processor.context)
        assert block(processor.context + 0xF8, 8) == struct.pack("<Q", processor.registers["Rip"])
