"""The memory in the samples holds the kernel that the machine describes, found through its own page tables.

Offsets of KDDEBUGGER_DATA64: WDBGEXTS.H; of the kernel's structures: public symbols.
"""

from __future__ import annotations

import struct

import pytest
from raw_dump import RawDump

from samples.builder import SAMPLES, Sample, build
from samples.builder.machine import SYSTEM, Backing

LARGE = [sample for sample in SAMPLES if sample.large]
each_large_sample = pytest.mark.parametrize("sample", LARGE, ids=lambda sample: sample.name)


class KernelDump(RawDump):
    """A dump with its debugger data block and the roots of its processes."""

    def __init__(self, sample: Sample) -> None:
        super().__init__(build(sample))
        self.levels = sample.machine.paging_levels
        self.debugger_data = self.u64(0x80)

    def memory(self, address: int, size: int, root: int | None = None) -> bytes:
        return self.read(address, size, root, self.levels)

    def pointer(self, address: int) -> int:
        return int.from_bytes(self.memory(address, 8), "little")

    def field(self, offset: int) -> int:
        """A pointer of the debugger data block."""
        return self.pointer(self.debugger_data + offset)

    def offset(self, offset: int) -> int:
        """A 16-bit size or offset of the debugger data block."""
        return int.from_bytes(self.memory(self.debugger_data + offset, 2), "little")

    def list(self, head: int) -> list[int]:
        entries = []
        at = self.pointer(head)
        while at != head:
            entries.append(at)
            assert self.pointer(self.pointer(at + 8)) == at, "Blink->Flink is not the entry"
            at = self.pointer(at)
        return entries

    def text(self, unicode_string: int) -> str:
        length = int.from_bytes(self.memory(unicode_string, 2), "little")
        return self.memory(self.pointer(unicode_string + 8), length).decode("utf-16-le")

    def root_of(self, process: int) -> int:
        return self.pointer(process + self.offset(0x2AE)) >> 12


@each_large_sample
def test_the_debugger_data_block_is_decoded_and_as_long_as_the_version_has_it(sample: Sample) -> None:
    dump = KernelDump(sample)
    tag, size, base = struct.unpack("<4sIQ", dump.memory(dump.debugger_data + 0x10, 0x10))
    assert (tag, base) == (b"KDBG", sample.machine.kernel.base)
    assert size == {7601: 0x340, 9600: 0x360, 19041: 0x380, 26100: 0x3A0}[sample.machine.version.build]
    assert dump.field(0x48) == dump.u64(0x20)
    assert dump.field(0x50) == dump.u64(0x28)


@each_large_sample
def test_each_processor_has_its_registers_in_the_buffer_that_its_prcb_points_at(sample: Sample) -> None:
    dump, machine = KernelDump(sample), sample.machine
    offset = {"Rax": 0x78, "Rcx": 0x80, "Rbx": 0x90, "Rsp": 0x98, "Rbp": 0xA0, "R8": 0xB8, "R15": 0xF0, "Rip": 0xF8}
    for number, processor in enumerate(machine.processors):
        prcb = dump.pointer(dump.field(0x218) + 8 * number)
        context = dump.memory(dump.pointer(prcb + dump.offset(0x338)), 0x4D0)
        for name in offset.keys() & processor.registers.keys():
            assert struct.unpack_from("<Q", context, offset[name]) == (processor.registers[name],), (number, name)
        assert dump.pointer(prcb + dump.offset(0x2B4)) == processor.current_thread
        assert int.from_bytes(dump.memory(prcb + dump.offset(0x2BE), 2), "little") == number


@each_large_sample
def test_each_processor_has_descriptor_tables_and_the_root_of_its_process(sample: Sample) -> None:
    dump, machine = KernelDump(sample), sample.machine
    for number, processor in enumerate(machine.processors):
        special = dump.pointer(dump.field(0x218) + 8 * number) + dump.offset(0x2F2)
        limit, gdt = struct.unpack("<HQ", dump.memory(special + 0x56, 10))
        assert limit == 0x57
        code, data = struct.unpack("<QQ", dump.memory(gdt + 0x10, 16))
        assert code >> 53 & 1, "a 64-bit code segment"
        assert (code >> 40 & 0x9F, data >> 40 & 0x9F) == (0x9B, 0x93), "present, ring 0, code and data"
        process = machine.process(machine.thread(processor.current_thread).process)
        assert dump.pointer(special + 0x10) == dump.pointer(process.address + 0x28)
        assert dump.pointer(special + 0x18) >> 12 & 1 == (machine.paging_levels == 5)


@each_large_sample
def test_the_module_list_names_every_module_and_each_base_has_an_image_header(sample: Sample) -> None:
    dump, machine = KernelDump(sample), sample.machine
    entries = dump.list(dump.u64(0x20))
    assert [dump.text(entry + 0x58) for entry in entries] == [module.name for module in machine.modules]
    assert [dump.text(entry + 0x48) for entry in entries] == [module.path for module in machine.modules]
    for entry, module in zip(entries, machine.modules):
        base, _, size = struct.unpack("<QQI", dump.memory(entry + 0x30, 20))
        assert (base, base + size) == (module.base, module.end)
        image = dump.memory(base, 0x1000)
        nt = struct.unpack_from("<I", image, 0x3C)[0]
        assert (image[:2], image[nt : nt + 4]) == (b"MZ", b"PE\0\0")
        assert struct.unpack_from("<I", image, nt + 0x08) == (module.time_date_stamp,)
        assert struct.unpack_from("<I", image, nt + 0x50) == (module.size,)
        assert struct.unpack_from("<I", image, nt + 0x58) == (module.check_sum,)


@each_large_sample
def test_the_ring_of_unloaded_drivers_gives_the_newest_first(sample: Sample) -> None:
    dump = KernelDump(sample)
    ring, last = dump.pointer(dump.field(0x220)), int.from_bytes(dump.memory(dump.field(0x228), 4), "little")
    found = []
    for age in range(50):
        entry = ring + (last - 1 - age) % 50 * 0x28
        start, end = dump.pointer(entry + 0x10), dump.pointer(entry + 0x18)
        if start:
            found.append((dump.text(entry), start, end))
    assert found == [(driver.name, driver.start, driver.end) for driver in sample.machine.unloaded_drivers]


@each_large_sample
def test_processes_and_threads_are_where_the_machine_says(sample: Sample) -> None:
    dump, machine = KernelDump(sample), sample.machine
    links = machine.version.process.active_process_links
    assert [entry - links for entry in dump.list(dump.u64(0x28))] == [process.address for process in machine.processes]
    for process in machine.processes:
        name = dump.memory(process.address + machine.version.process.image_file_name, 15)
        assert name.rstrip(b"\0").decode() == process.name
    for thread in machine.threads:
        assert dump.memory(thread.address, 1) == b"\6"
        assert dump.pointer(thread.address + dump.offset(0x29C)) == thread.kernel_stack
        assert dump.pointer(thread.address + dump.offset(0x2A0)) == machine.process(thread.process).address
        initial = dump.pointer(thread.address + dump.offset(0x29E))
        assert thread.stack_limit < thread.kernel_stack < initial <= thread.stack_base
        words = dump.memory(thread.kernel_stack, 8 * len(thread.words))
        assert struct.unpack(f"<{len(thread.words)}Q", words) == thread.words


@each_large_sample
def test_every_crash_stack_returns_into_modules(sample: Sample) -> None:
    machine = sample.machine
    words = machine.thread(machine.processors[machine.crashed].current_thread).words
    modules = {module.name for module in machine.modules for word in words if module.base <= word < module.end}
    assert {"ntoskrnl.exe", "faulty.sys"} <= modules


@each_large_sample
def test_drivers_registered_blocks_by_start_and_end(sample: Sample) -> None:
    dump, blocks = KernelDump(sample), sample.machine.triage_blocks
    assert int.from_bytes(dump.memory(dump.field(0x308), 4), "little") == len(blocks) > 0
    assert list(struct.iter_unpack("<QQ", dump.memory(dump.field(0x310), 16 * len(blocks)))) == list(blocks)


@each_large_sample
def test_placements_are_found_in_their_address_space_unless_the_dump_leaves_them_out(sample: Sample) -> None:
    dump, machine = KernelDump(sample), sample.machine
    whole = "complete" in sample.name
    with_user_pages = whole or "active" in sample.name
    for placement in machine.placements:
        root = dump.root_of(machine.process(placement.process).address)
        physical, entry = dump.translate(placement.address, root, dump.levels)
        is_in_file = placement.backing in (Backing.RAM, Backing.TRANSITION) or (whole and placement.data != b"")
        if placement.process != SYSTEM:
            is_in_file = with_user_pages
        assert (physical >> 12 in dump.pages) == is_in_file, placement
        assert bool(entry & 1) == (placement.backing is not Backing.TRANSITION)
        if is_in_file:
            assert dump.memory(placement.address, len(placement.data), root) == placement.data


@each_large_sample
def test_the_kernel_image_lies_in_a_large_page_and_physical_memory_shows_through_a_huge_one(sample: Sample) -> None:
    dump, machine = KernelDump(sample), sample.machine
    root = dump.u64(0x10) >> 12
    physical, entry = dump.translate(machine.kernel.base, root, dump.levels)
    assert entry & 0x81 == 0x81
    assert physical == machine.large_page_frame * 0x1000
    for offset, code in machine.kernel.code.items():
        assert dump.memory(machine.kernel.base + offset, len(code)) == code
    assert dump.translate(machine.window + physical, root, dump.levels)[0] == physical


@each_large_sample
def test_the_self_map_shows_the_page_table_entries(sample: Sample) -> None:
    dump, machine = KernelDump(sample), sample.machine
    bits = 12 + 9 * dump.levels
    base = (1 << 64) - (1 << bits) | machine.version.self_map << bits - 9
    if machine.version.build >= 19041:
        assert dump.field(0x360) == base
    address = machine.threads[0].address
    _, entry = dump.translate(address, dump.u64(0x10) >> 12, dump.levels)
    assert dump.pointer(base + ((address & (1 << bits) - 1) >> 12) * 8) == entry


def test_one_machine_translates_with_five_levels() -> None:
    assert {sample.machine.paging_levels for sample in LARGE} == {4, 5}


def test_shared_user_data_tells_the_version() -> None:
    for sample in LARGE:
        assert KernelDump(sample).memory(0xFFFFF78000000260, 4) == struct.pack("<I", sample.machine.version.build)


def test_pages_are_scattered_over_several_runs() -> None:
    for sample in LARGE:
        pages = RawDump(build(sample)).pages
        used = [run for run in sample.machine.ram if any(0 <= pfn - run.base_page < run.page_count for pfn in pages)]
        assert len(used) >= 2, sample.name
