"""The memory in the samples holds the kernel that the machine describes, found through its own page tables.

Offsets of KDDEBUGGER_DATA64: WDBGEXTS.H; of the kernel's structures: public symbols.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import pytest
from support.raw_dump import TABLES, RawDump

from samples.builder import SAMPLES, Sample, build
from samples.builder.machine import SYSTEM, Backing

LARGE = [sample for sample in SAMPLES if sample.large]
each_large_sample = pytest.mark.parametrize("sample", LARGE, ids=lambda sample: sample.name)
X86, X64, ARM64 = 0x14C, 0x8664, 0xAA64


class Offsets(NamedTuple):
    """Fields of kernel structures, by the size of a pointer: KLDR_DATA_TABLE_ENTRY, UNLOADED_DRIVERS."""

    dll_base: int
    size_of_image: int
    full_name: int
    base_name: int
    unloaded_driver: int
    start_address: int


OFFSETS = {8: Offsets(0x30, 0x40, 0x48, 0x58, 0x28, 0x10), 4: Offsets(0x18, 0x20, 0x24, 0x2C, 0x18, 0x8)}
# offsets of registers in CONTEXT (winnt.h)
REGISTERS_X86 = {"SegFs": 0x90, "Edi": 0x9C, "Esi": 0xA0, "Ebx": 0xA4, "Edx": 0xA8, "Ecx": 0xAC, "Eax": 0xB0}
REGISTERS_X86.update(Ebp=0xB4, Eip=0xB8, SegCs=0xBC, Esp=0xC4, SegSs=0xC8)
REGISTERS_X64 = {"Rax": 0x78, "Rcx": 0x80, "Rbx": 0x90, "Rsp": 0x98, "Rbp": 0xA0, "R8": 0xB8, "R15": 0xF0, "Rip": 0xF8}
REGISTERS_ARM64 = {"X0": 0x8, "X18": 0x98, "X28": 0xE8, "Fp": 0xF0, "Lr": 0xF8, "Sp": 0x100, "Pc": 0x108}
REGISTERS = {X86: REGISTERS_X86, X64: REGISTERS_X64, ARM64: REGISTERS_ARM64}


class KernelDump(RawDump):
    """A dump with its debugger data block and the roots of its processes."""

    def __init__(self, sample: Sample) -> None:
        super().__init__(build(sample), TABLES[sample.machine.page_tables.name])
        self.machine = self.header("MachineImageType")
        self.offsets = OFFSETS[self.pointer_size]
        self.debugger_data = self.header("KdDebuggerDataBlock")

    def field(self, offset: int) -> int:
        """Return a pointer of the debugger data block, where x86 pointers are sign-extended."""
        value = self.read_u64(self.debugger_data + offset)
        if self.pointer_size == 4:
            assert value >> 32 == (0xFFFFFFFF if value & 0x80000000 else 0)
        return value & (1 << 8 * self.pointer_size) - 1

    def offset(self, offset: int) -> int:
        """Return a 16-bit size or offset of the debugger data block."""
        return int.from_bytes(self.read(self.debugger_data + offset, 2), "little")

    def array(self, address: int, count: int) -> tuple[int, ...]:
        """Return values as long as a pointer."""
        return struct.unpack(f"<{count}{self.pointer_code}", self.read(address, count * self.pointer_size))

    def list(self, head: int) -> list[int]:
        entries = []
        at = self.read_pointer(head)
        while at != head:
            entries.append(at)
            assert self.read_pointer(self.read_pointer(at + self.pointer_size)) == at, "Blink->Flink is not the entry"
            at = self.read_pointer(at)
        return entries

    def text(self, unicode_string: int) -> str:
        length = int.from_bytes(self.read(unicode_string, 2), "little")
        return self.read(self.read_pointer(unicode_string + self.pointer_size), length).decode("utf-16-le")

    def prcbs(self, count: int) -> tuple[int, ...]:
        """Return the pointers in KiProcessorBlock."""
        return self.array(self.field(0x218), count)

    def root_of(self, process: int) -> int:
        return self.read_pointer(process + self.offset(0x2AE))


@each_large_sample
def test_the_debugger_data_block_is_decoded_and_as_long_as_the_version_has_it(sample: Sample) -> None:
    dump = KernelDump(sample)
    tag, size = struct.unpack("<4sI", dump.read(dump.debugger_data + 0x10, 8))
    assert (tag, dump.field(0x18)) == (b"KDBG", sample.machine.kernel.base)
    assert size == {7601: 0x340, 9600: 0x360, 19041: 0x380, 22000: 0x380, 26100: 0x3A0}[sample.machine.version.build]
    assert dump.field(0x48) == dump.header("PsLoadedModuleList")
    assert dump.field(0x50) == dump.header("PsActiveProcessHead")


@each_large_sample
def test_each_processor_has_its_registers_in_the_buffer_that_its_prcb_points_at(sample: Sample) -> None:
    dump, machine = KernelDump(sample), sample.machine
    width, offsets = dump.pointer_size, REGISTERS[dump.machine]
    prcbs = dump.prcbs(len(machine.processors))
    for number, (prcb, processor) in enumerate(zip(prcbs, machine.processors)):
        context = dump.read(dump.read_pointer(prcb + dump.offset(0x338)), 0x2CC)
        for name in offsets.keys() & processor.registers.keys():
            value = int.from_bytes(context[offsets[name] : offsets[name] + width], "little")
            assert value == processor.registers[name], (number, name)
        assert dump.read_pointer(prcb + dump.offset(0x2B4)) == processor.current_thread
        assert int.from_bytes(dump.read(prcb + dump.offset(0x2BE), 2), "little") == number


@pytest.mark.parametrize(
    "sample", [sample for sample in LARGE if "arm64" not in sample.name], ids=lambda s: str(s.name)
)
def test_each_processor_has_descriptor_tables_and_the_root_of_its_process(sample: Sample) -> None:
    dump, machine = KernelDump(sample), sample.machine
    width = dump.pointer_size
    prcbs = dump.prcbs(len(machine.processors))
    for prcb, processor in zip(prcbs, machine.processors):
        special = prcb + dump.offset(0x2F2)
        limit_at, control = (0x56, special + 0x10) if width == 8 else (0x2A, special + 8)
        limit = int.from_bytes(dump.read(special + limit_at, 2), "little")
        gdt = dump.read_pointer(special + limit_at + 2)
        assert limit == 0x57
        code, data = struct.unpack("<QQ", dump.read(gdt + dump.offset(0x2F4), 16))
        assert code >> 53 & 3 == (1 if width == 8 else 2), "a 64-bit code segment, or a 32-bit one"
        assert (code >> 40 & 0x9F, data >> 40 & 0x9F) == (0x9B, 0x93), "present, ring 0, code and data"
        process = machine.process(machine.thread(processor.current_thread).process)
        cr3, cr4 = dump.array(control, 2)
        assert cr3 == dump.root_of(process.address)
        assert cr4 >> 12 & 1 == (sample.name == "kernel-la57")
        assert cr4 >> 5 & 1 == (dump.machine != X86 or "pae" in sample.name)
        if dump.machine == X86:
            fs = processor.registers.get("SegFs", 0x30)
            segment = struct.unpack("<Q", dump.read(gdt + (fs & ~3), 8))[0]
            base = segment >> 16 & 0xFFFFFF | segment >> 56 << 24
            assert base == (processor.pcr if fs == 0x30 else machine.thread(processor.current_thread).teb)


@pytest.mark.parametrize("sample", [sample for sample in LARGE if "arm64" in sample.name], ids=lambda s: str(s.name))
def test_each_processor_of_arm64_has_the_roots_of_both_halves(sample: Sample) -> None:
    dump, machine = KernelDump(sample), sample.machine
    prcbs = dump.prcbs(len(machine.processors))
    for prcb, processor in zip(prcbs, machine.processors):
        tcr, ttbr0, ttbr1 = struct.unpack("<QQQ", dump.read(prcb + dump.offset(0x2F2) + 0xC0, 24))
        process = machine.process(machine.thread(processor.current_thread).process)
        assert ttbr0 == dump.root_of(process.address)
        assert ttbr1 == ttbr0 + 0x800
        assert (tcr & 0x3F, tcr >> 16 & 0x3F) == (64 - 47, 64 - 47), "47 bits each"
        assert (tcr >> 14 & 3, tcr >> 30 & 3) == (0, 2), "pages of 4 KB"


@each_large_sample
def test_the_module_list_names_every_module_and_each_base_has_an_image_header(sample: Sample) -> None:
    dump, machine = KernelDump(sample), sample.machine
    offsets = dump.offsets
    entries = dump.list(dump.header("PsLoadedModuleList"))
    assert [dump.text(entry + offsets.base_name) for entry in entries] == [module.name for module in machine.modules]
    assert [dump.text(entry + offsets.full_name) for entry in entries] == [module.path for module in machine.modules]
    for entry, module in zip(entries, machine.modules):
        base = dump.read_pointer(entry + offsets.dll_base)
        size = struct.unpack("<I", dump.read(entry + offsets.size_of_image, 4))[0]
        assert (base, base + size) == (module.base, module.end)
        image = dump.read(base, 0x1000)
        nt = struct.unpack_from("<I", image, 0x3C)[0]
        assert (image[:2], image[nt : nt + 4]) == (b"MZ", b"PE\0\0")
        magic, image_base = (0x10B, "<24xH26xI") if dump.pointer_size == 4 else (0x20B, "<24xH22xQ")
        assert struct.unpack_from(image_base, image, nt) == (magic, module.base)
        assert struct.unpack_from("<H", image, nt + 0x04) == (dump.machine,)
        assert struct.unpack_from("<I", image, nt + 0x08) == (module.time_date_stamp,)
        assert struct.unpack_from("<I", image, nt + 0x50) == (module.size,)
        assert struct.unpack_from("<I", image, nt + 0x58) == (module.check_sum,)


@each_large_sample
def test_the_ring_of_unloaded_drivers_gives_the_newest_first(sample: Sample) -> None:
    dump = KernelDump(sample)
    ring, last = dump.read_pointer(dump.field(0x220)), int.from_bytes(dump.read(dump.field(0x228), 4), "little")
    found = []
    for age in range(50):
        entry = ring + (last - 1 - age) % 50 * dump.offsets.unloaded_driver
        start, end = dump.array(entry + dump.offsets.start_address, 2)
        if start:
            found.append((dump.text(entry), start, end))
    assert found == [(driver.name, driver.start, driver.end) for driver in sample.machine.unloaded_drivers]


@each_large_sample
def test_processes_and_threads_are_where_the_machine_says(sample: Sample) -> None:
    dump, machine = KernelDump(sample), sample.machine
    untold = machine.version.untold
    entries = dump.list(dump.header("PsActiveProcessHead"))
    assert [entry - untold.active_process_links for entry in entries] == [
        process.address for process in machine.processes
    ]
    for process in machine.processes:
        name = dump.read(process.address + untold.image_file_name, 15)
        assert name.rstrip(b"\0").decode() == process.name
    for thread in machine.threads:
        assert dump.read(thread.address, 1) == b"\6"
        assert dump.read_pointer(thread.address + dump.offset(0x29C)) == thread.kernel_stack
        assert dump.read_pointer(thread.address + dump.offset(0x2A0)) == machine.process(thread.process).address
        initial = dump.read_pointer(thread.address + dump.offset(0x29E))
        assert thread.stack_limit < thread.kernel_stack < initial <= thread.stack_base
        assert dump.array(thread.kernel_stack, len(thread.words)) == thread.words


@each_large_sample
def test_every_crash_stack_returns_into_modules(sample: Sample) -> None:
    machine = sample.machine
    words = machine.thread(machine.processors[machine.crashed].current_thread).words
    modules = {module.name for module in machine.modules for word in words if module.base <= word < module.end}
    assert {"ntoskrnl.exe", "faulty.sys"} <= modules


@each_large_sample
def test_drivers_registered_blocks_by_start_and_end(sample: Sample) -> None:
    dump, blocks = KernelDump(sample), sample.machine.triage_blocks
    assert int.from_bytes(dump.read(dump.field(0x308), 4), "little") == len(blocks) > 0
    registered = dump.array(dump.field(0x310), 2 * len(blocks))
    assert list(zip(registered[::2], registered[1::2])) == list(blocks)


@each_large_sample
def test_placements_are_found_in_their_address_space_unless_the_dump_leaves_them_out(sample: Sample) -> None:
    dump, machine = KernelDump(sample), sample.machine
    whole = "complete" in sample.name
    with_user_pages = whole or "active" in sample.name
    for placement in machine.placements:
        root = dump.root_of(machine.process(placement.process).address)
        physical, entry = dump.translate(placement.address, root)
        is_in_file = placement.backing in (Backing.RAM, Backing.TRANSITION) or (whole and placement.data != b"")
        if placement.process != SYSTEM:
            is_in_file = with_user_pages
        assert (physical >> 12 in dump.pages) == is_in_file, placement
        assert bool(entry & 1) == (placement.backing is not Backing.TRANSITION)
        if is_in_file:
            assert dump.read(placement.address, len(placement.data), root) == placement.data


@each_large_sample
def test_the_kernel_image_lies_in_a_large_page_and_physical_memory_shows_through_a_huge_one(sample: Sample) -> None:
    dump, machine = KernelDump(sample), sample.machine
    physical, entry = dump.translate(machine.kernel.base)
    assert entry & 0x3 == 0x1 if dump.machine == ARM64 else entry & 0x81 == 0x81
    assert physical == machine.large_page_frame * 0x1000
    for offset, code in machine.kernel.code.items():
        assert dump.read(machine.kernel.base + offset, len(code)) == code
    if dump.machine == X86:
        assert machine.window == 0, "x86 has no pages of 1 GB"
    else:
        assert dump.translate(machine.window + physical)[0] == physical


@each_large_sample
def test_the_self_map_shows_the_page_table_entries(sample: Sample) -> None:
    dump, machine = KernelDump(sample), sample.machine
    tables = dump.tables
    bits = 12 + sum(tables.bits)
    base_of_others = (1 << 64) - (1 << bits) | machine.version.self_map << bits - 9
    base = 0xC0000000 if dump.machine == X86 else base_of_others
    if machine.version.build >= 19041:
        assert dump.field(0x360) == base
    address = machine.threads[0].address
    _, entry = dump.translate(address)
    shown = dump.read(base + ((address & (1 << bits) - 1) >> 12) * tables.entry, tables.entry)
    assert int.from_bytes(shown, "little") == entry


def test_every_kind_of_page_tables_has_a_large_sample() -> None:
    assert {sample.machine.page_tables.name for sample in LARGE} == set(TABLES)


def test_shared_user_data_tells_the_version() -> None:
    for sample in LARGE:
        dump = KernelDump(sample)
        address = 0xFFDF0000 if dump.machine == X86 else 0xFFFFF780_00000000
        assert dump.read(address + 0x260, 4) == struct.pack("<I", sample.machine.version.build)


def test_pages_are_scattered_over_several_runs() -> None:
    for sample in LARGE:
        pages = RawDump(build(sample)).pages
        used = [run for run in sample.machine.ram if any(0 <= pfn - run.base_page < run.page_count for pfn in pages)]
        assert len(used) >= 2, sample.name
