"""The headers of the samples describe the machine, at the offsets of DUMP_HEADER64."""

from __future__ import annotations

import struct

import pytest
from support.raw_dump import BUG_CHECK_PARAMETERS, CONTEXT_RECORD, EXCEPTION, PHYSICAL_MEMORY_BLOCK, RawDump

from samples.builder import SAMPLES, Sample, build

SMALL = [sample for sample in SAMPLES if sample.format.dump_type == 4]
LARGE = [sample for sample in SAMPLES if sample.large]
FILL = 0x45474150
MACHINES = {"x86": 0x14C, "x64": 0x8664, "ARM64": 0xAA64}  # IMAGE_FILE_MACHINE_* of winnt.h
CONTEXTS = {  # by machine: the offset and size of a field with its value in kernel mode, of stack and instruction
    0x14C: ((0xBC, 4, 0x8), (0xC4, 4), (0xB8, 4)),  # SegCs
    0x8664: ((0x38, 2, 0x10), (0x98, 8), (0xF8, 8)),  # SegCs
    0xAA64: ((0x4, 4, 0x60000144), (0x100, 8), (0x108, 8)),  # Cpsr, exception level 1
}

each_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
each_large_sample = pytest.mark.parametrize("sample", LARGE, ids=lambda sample: sample.name)
each_small_sample = pytest.mark.parametrize("sample", SMALL, ids=lambda sample: sample.name)


def sample_named(name: str) -> Sample:
    return next(sample for sample in SAMPLES if sample.name == name)


@each_sample
def test_the_header_tells_machine_bug_check_and_times(sample: Sample) -> None:
    dump, machine = RawDump(build(sample)), sample.machine
    is_x86 = sample.name.startswith("x86")
    assert dump.data[:8] == (b"PAGEDUMP" if is_x86 else b"PAGEDU64")
    assert struct.unpack_from("<II", dump.data, 0x8) == (0xF, machine.version.build)
    assert dump.header("MachineImageType") == MACHINES[machine.architecture.cpu.name]
    assert dump.header("NumberProcessors") == len(machine.processors)
    assert dump.header("BugCheckCode") == machine.bug_check.code
    assert dump.pointers(dump.by_width(BUG_CHECK_PARAMETERS), 4) == machine.bug_check.parameters
    assert dump.header("SystemTime") == machine.system_time
    assert dump.header("SystemUpTime") == machine.system_up_time
    assert (dump.header("ProductType"), dump.header("SuiteMask")) == (machine.product_type, machine.suite_mask)
    if is_x86:
        assert dump.data[0x5C] == ("pae" in sample.name)


@each_sample
def test_required_dump_space_is_the_length_of_the_file(sample: Sample) -> None:
    dump = RawDump(build(sample))
    assert dump.header("RequiredDumpSpace") == len(dump.data)


@each_sample
def test_the_physical_memory_block_lists_the_ram(sample: Sample) -> None:
    dump = RawDump(build(sample))
    runs = [(run.base_page, run.page_count) for run in sample.machine.ram]
    start, size = dump.by_width(PHYSICAL_MEMORY_BLOCK), dump.pointer_size
    assert dump.u32(start) == len(runs)
    assert dump.pointers(start + size, 1) == (sum(count for _, count in runs),)
    assert dump.runs() == runs
    assert dump.u32(start + 2 * size * (len(runs) + 1)) == FILL


@each_sample
def test_the_context_in_the_header_is_a_kernel_context_with_the_crash_registers(sample: Sample) -> None:
    dump, machine = RawDump(build(sample)), sample.machine
    registers = machine.context or machine.processors[machine.crashed].registers
    context = dump.data[dump.by_width(CONTEXT_RECORD) :]
    (at, size, in_kernel), stack, instruction = CONTEXTS[dump.header("MachineImageType")]
    assert int.from_bytes(context[at : at + size], "little") == in_kernel
    for name, (at, size) in (("stack_pointer", stack), ("instruction_pointer", instruction)):
        register = registers[getattr(machine.architecture.cpu, name)]
        assert int.from_bytes(context[at : at + size], "little") == register, name
    exception = dump.by_width(EXCEPTION)
    assert struct.unpack_from("<II", dump.data, exception) == (machine.exception.code, machine.exception.flags)
    assert dump.pointers(exception + 8, 2)[1] == machine.exception.address


def test_an_exception_crash_has_the_context_of_the_exception_in_its_header() -> None:
    data = build(sample_named("complete-bitmap"))
    assert struct.unpack_from("<I", data, 0x38) == (0x1000007E,)
    code, at, record, context = struct.unpack_from("<4Q", data, 0x40)
    dump = RawDump(data)
    assert struct.unpack_from("<Q", data, 0x348 + 0xF8) == (at,)
    assert dump.read(context, 0x4D0) == data[0x348 : 0x348 + 0x4D0]
    assert dump.read(record, 4) == struct.pack("<I", code)


@each_large_sample
def test_secondary_data_follows_the_last_page(sample: Sample) -> None:
    dump = RawDump(build(sample))
    check_secondary_data(dump.data, dump.end, sample)


def check_secondary_data(data: bytes, at: int, sample: Sample) -> None:
    assert struct.unpack_from("<8sII", data, at) == (b"DumpBlob", 0x10, 0xF0000000 | sample.machine.version.build)
    at += 0x10
    for blob in sample.machine.secondary:
        size, tag, length, before, behind = struct.unpack_from("<I16sIII", data, at)
        assert (size, tag, length) == (0x20, blob.tag.bytes_le, len(blob.data))
        at += 0x20 + before
        assert data[at : at + length] == blob.data
        at += length + behind
    assert at == len(data)


@each_small_sample
def test_secondary_data_of_a_small_dump_follows_its_last_part(sample: Sample) -> None:
    dump = RawDump(build(sample))
    check_secondary_data(dump.data, dump.u32(dump.header_size + 4), sample)


def test_the_active_dump_is_filtered_and_holds_less_than_the_ram() -> None:
    dump = RawDump(build(sample_named("active")))
    assert dump.u32(0x1050) == 0x40
    assert dump.u64(0x2028) == len(dump.pages) < dump.u64(0x90)


def test_a_debugger_puts_the_first_page_behind_the_bitmap_and_a_kernel_at_a_page() -> None:
    by_debugger, by_kernel = RawDump(build(sample_named("complete-bitmap"))), RawDump(build(sample_named("kernel")))
    assert by_debugger.data[0x2000:0x2008] == b"FDMPDUMP"
    assert by_debugger.u64(0x2020) == 0x2038 + (by_debugger.u64(0x2030) + 7) // 8
    assert by_debugger.u64(0x2020) % 0x1000 != 0
    assert by_kernel.data[0x2000:0x2008] == b"SDMPDUMP"
    assert by_kernel.u64(0x2020) % 0x1000 == 0


def test_a_bitmap_ends_within_a_byte_that_has_bits_set() -> None:
    dump = RawDump(build(sample_named("complete-bitmap")))
    bits = dump.u64(0x2030)
    assert bits % 8
    assert dump.data[0x2038 + bits // 8]


@pytest.mark.parametrize("name", ["ranges-kernel", "ranges-active", "ranges-complete"])
def test_a_range_dump_keeps_the_relation_of_its_sizes(name: str) -> None:
    dump = RawDump(build(sample_named(name)))
    assert (dump.u32(0x2000), dump.data[0x2004:0x200C]) == (0x40, b"RDMPDUMP")
    assert dump.u64(0x2010) - 0x20 == dump.u64(0x2018) - 0x2040
    if name == "ranges-complete":
        assert (dump.u32(0x2020), dump.u64(0x2028)) == ((dump.u64(0x2018) - 0x2030) // 16, len(dump.pages))


@each_large_sample
def test_a_dump_holds_the_ram_that_its_kind_promises(sample: Sample) -> None:
    pages = RawDump(build(sample)).pages
    ram = {pfn for run in sample.machine.ram for pfn in range(run.base_page, run.base_page + run.page_count)}
    if "complete" in sample.name:
        assert set(pages) == ram
    else:
        assert set(pages) < ram
