"""Input that is no dump, is damaged or lies: one line on standard error, exit status 3, and no file left behind."""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Callable

import pytest
from support.command_line import ROOT, contents, refusal, run, run_process
from support.limits import limited
from support.raw_dump import RawDump
from support.small_dump_file import SmallDumpFile
from support.source_memory import SourceMemory

from samples.builder import SAMPLES, build
from samples.builder.physical import runs_of
from samples.builder.tweaks import (
    loop_module_list,
    loop_page_tables,
    spoil_debugger_data,
)
from windbg_ext.structs.header import DumpType, Machine

if TYPE_CHECKING:
    from pathlib import Path

    from samples.builder import Sample
    from samples.builder.crashed_machine import CrashedMachine

BY_NAME = {sample.name: sample for sample in SAMPLES}
COMPLETE, KERNEL, RANGES = BY_NAME["complete"], BY_NAME["kernel"], BY_NAME["ranges-complete"]
NOWHERE = 0xFFFF_C0DE_0000_0000
"""A canonical kernel address that no sample maps."""
PAGE = 0x1000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Where a test puts its source, in a folder of its own."""
    return tmp_path / "MEMORY.DMP"


def refused(source: Path, data: bytes, *options: str) -> str:
    """Return the line with which `minify` refuses a source with this content, in bounded time and memory."""
    source.write_bytes(data)
    with limited():
        return refusal(source.parent, source, source.with_name("small.dmp"), *options)


def u64(value: int) -> bytes:
    return struct.pack("<Q", value)


def overwritten(data: bytes, offset: int, new: bytes) -> bytes:
    assert offset + len(new) <= len(data)
    return data[:offset] + new + data[offset + len(new) :]


# --- files that are no dump ---


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (bytes(0x10000), "zeros"),
        (b"MDMP\x93\xa7" + bytes(0x4000), "user-mode minidump"),
        (b"hibr" + bytes(0x4000), "hibernation file"),
        (b"Raw_Dmp!" + bytes(0x4000), "raw off-line dump"),
        (b"Enc_Dmp!" + bytes(0x4000), "encrypted"),
        (b"\x7fELF\x02\x01\x01" + bytes(0x4000), "ELF"),
        (b"\x1f\x8b\x08" + bytes(100), "gzip"),
        (b"\xfd7zXZ\0" + bytes(100), "xz file"),
        (b"\x28\xb5\x2f\xfd" + bytes(100), "zstd"),
        (b"PK\x03\x04" + bytes(100), "zip file"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(100), "7z file"),
        (b"MSCF" + bytes(100), "CAB file"),
        (b"Dear diary,\n" * 1000, "not a Windows kernel dump"),
        (b"P", "not a Windows kernel dump"),
        (b"PAGEDU65" + bytes(0x4000), "not a Windows kernel dump"),
        (b"\n\r\x1b[2J\xff\xfe", "not a Windows kernel dump"),
    ],
)
def test_a_file_that_is_no_dump_is_refused_with_what_it_looks_like(source: Path, data: bytes, said: str) -> None:
    assert said in refused(source, data)


def test_a_source_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path, tmp_path / "none.dmp", tmp_path / "small.dmp")


def test_a_folder_as_source_is_refused(tmp_path: Path) -> None:
    (tmp_path / "no dump").mkdir()
    assert "holds no file whose name ends in .dmp" in refusal(tmp_path, tmp_path / "no dump", tmp_path / "small.dmp")


def test_a_link_that_leads_to_itself_is_refused(tmp_path: Path) -> None:
    loop = tmp_path / "loop.dmp"
    loop.symlink_to(loop)
    assert "cannot be opened" in refusal(tmp_path, loop, tmp_path / "small.dmp")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.dmp")
    outcome = run_process("minify", tmp_path / "pipe.dmp", tmp_path / "small.dmp", timeout=10)
    assert outcome.status == 3
    assert len(outcome.err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["pipe.dmp"]


def test_a_name_with_control_characters_stays_on_one_line(tmp_path: Path) -> None:
    line = refusal(tmp_path, tmp_path / "two\nlines\x1b[2J.dmp", tmp_path / "small.dmp")
    assert "two\\nlines\\x1b[2J.dmp" in line


# --- dumps of kinds that hold too little, or are too foreign ---


def test_a_small_dump_is_refused_as_small_already(tmp_path: Path) -> None:
    line = refusal(tmp_path, ROOT / "samples" / "small.dmp", tmp_path / "again.dmp")
    assert "small memory dump already" in line


@pytest.mark.parametrize(
    ("dump_type", "said"),
    [
        (DumpType.HEADER, "3 holds no memory"),
        (DumpType.SUMMARY, "2, an old kernel summary dump"),
        (0, "0x0 is not one of"),
    ],
)
def test_a_dump_type_without_readable_pages_is_refused(source: Path, dump_type: int, said: str) -> None:
    line = refused(source, build(KERNEL, header={"DumpType": dump_type}))
    assert "DumpType: " + said in line


def test_a_header_alone_is_refused(source: Path) -> None:
    line = refused(source, build(KERNEL, header={"DumpType": DumpType.HEADER})[:0x2000])
    assert "DumpType" in line


@pytest.mark.parametrize(("machine", "said"), [(Machine.I386, "I386"), (0x1C0, "0x1c0")])
def test_a_machine_that_does_not_go_with_a_64_bit_header_is_refused(source: Path, machine: int, said: str) -> None:
    line = refused(source, build(KERNEL, header={"MachineImageType": machine}))
    assert "MachineImageType" in line
    assert said in line


@pytest.mark.parametrize("machine", [Machine.AMD64, Machine.ARM64])
def test_a_64_bit_machine_in_a_32_bit_header_is_refused(source: Path, machine: Machine) -> None:
    line = refused(source, build(BY_NAME["x86-pae-kernel"], header={"MachineImageType": machine}))
    assert f"{machine.name} does not go with a DUMP_HEADER32" in line


def test_page_tables_of_another_architecture_lead_nowhere(source: Path) -> None:
    line = refused(source, build(KERNEL, header={"MachineImageType": Machine.ARM64}))
    assert "KdDebuggerDataBlock" in line
    assert "is not mapped" in line


# --- files that were cut ---


@pytest.mark.parametrize("length", [1, 4, 7, 8, 0x88, 0x348, 0xF98, 0x1056, 0x1FFF])
def test_a_header_that_is_cut_is_refused(source: Path, length: int) -> None:
    refused(source, build(COMPLETE)[:length])


@pytest.mark.parametrize("length", [0x2000, 0x2001, 0x2037, 0x2038, 0x2100])
def test_a_bitmap_that_is_cut_is_refused(source: Path, length: int) -> None:
    assert "bitmap" in refused(source, build(KERNEL)[:length])


@pytest.mark.parametrize("length", [0x2000, 0x202F, 0x2030, 0x2038])
def test_a_list_of_ranges_that_is_cut_is_refused(source: Path, length: int) -> None:
    assert "range" in refused(source, build(RANGES)[:length])


@pytest.mark.parametrize("sample", [sample for sample in SAMPLES if sample.large], ids=lambda s: str(s.name))
def test_a_dump_without_any_page_is_refused_with_what_is_missing(source: Path, sample: Sample) -> None:
    data = build(sample)
    line = refused(source, data[: min(RawDump(data).pages.values())])
    assert "KdDebuggerDataBlock" in line
    assert "cut off" in line
    assert re.search(r"cut short: [0-9,]+ of [0-9,]+ bytes are missing", line)


def test_a_dump_whose_kernel_is_cut_off_is_refused_with_where_it_would_lie(source: Path) -> None:
    # the frames of the kernel's large page are the last run of RAM, so they are the last pages of the file
    data = build(COMPLETE)
    pages = sum(run.page_count for run in COMPLETE.machine.ram)
    kernel = COMPLETE.machine.ram[-1]
    cut = 0x2000 + (pages - kernel.page_count) * PAGE
    line = refused(source, data[:cut])
    assert "KdDebuggerDataBlock" in line
    assert "cut off" in line
    missing = kernel.page_count * PAGE
    assert f"cut short: {missing:,} of {cut + missing:,} bytes are missing" in line


def _complete_with_spare_ram() -> Sample:
    """A complete dump whose last run of RAM is in use nowhere."""
    machine = COMPLETE.machine
    return replace(COMPLETE, machine=replace(machine, ram=runs_of((0x1, 0x2C), (0x50, 0x27), (0x200, 0x100))))


@pytest.mark.parametrize("cut_bytes", [1, PAGE, 3 * PAGE + 17])
def test_a_dump_whose_needed_pages_are_all_there_works_and_tells_how_much_is_cut(source: Path, cut_bytes: int) -> None:
    sample = _complete_with_spare_ram()
    written = SourceMemory(sample).crashed.memory.pages
    last = sample.machine.ram[-1].base_page + sample.machine.ram[-1].page_count
    assert not any(pfn in written for pfn in range(last - 4, last))
    pages_end = 0x2000 + sum(run.page_count for run in sample.machine.ram) * PAGE
    source.write_bytes(build(sample)[: pages_end - cut_bytes])
    outcome = run("minify", source, source.with_name("small.dmp"))
    assert outcome.status == 0
    assert outcome.err == ""
    assert f"cut short: {cut_bytes:,} of {pages_end:,} bytes are missing" in outcome.out
    small = SmallDumpFile(source.with_name("small.dmp"))
    memory = SourceMemory(sample)
    assert all(memory.read(address, len(data)) == data for address, data in small.blocks)


def test_a_dump_that_lost_a_processor_works_and_tells_that_it_is_left_out(source: Path) -> None:
    def move_prcb(crashed: CrashedMachine) -> None:
        crashed.left_out.add(crashed.system.frame(memory.prcb(2) + 0x1000) or 0)

    memory = SourceMemory(KERNEL)
    source.write_bytes(build(KERNEL, move_prcb))
    outcome = run("minify", source, source.with_name("small.dmp"))
    assert outcome.status == 1
    assert outcome.err == ""
    assert "KPRCB of processor 2" in outcome.out
    assert "not in this dump" in outcome.out


@pytest.mark.parametrize("cut_bytes", [0x14, 0x20, 300])
def test_a_dump_with_cut_secondary_data_works_and_tells_it(source: Path, cut_bytes: int) -> None:
    # the last blob takes 0x20 bytes of header, 4 of padding, 3 of data and 13 of padding
    source.write_bytes(build(KERNEL)[:-cut_bytes])
    outcome = run("minify", source, source.with_name("small.dmp"))
    assert outcome.status == 0
    assert "secondary data: " in outcome.out
    assert "cut by the end of the file" in outcome.out


# --- counts and offsets that lie ---


@pytest.mark.parametrize("count", [43, 0xFFFF, 0xFFFFFFFF])
def test_a_run_count_that_does_not_fit_into_the_header_is_refused(source: Path, count: int) -> None:
    line = refused(source, overwritten(build(COMPLETE), 0x88, struct.pack("<I", count)))
    assert f"PhysicalMemoryBlock.NumberOfRuns: {count}" in line


@pytest.mark.parametrize(("block", "said"), [(bytes(16), "never set"), (b"PAGE" * 4, "never set")])
def test_a_complete_dump_without_runs_is_refused(source: Path, block: bytes, said: str) -> None:
    assert said in refused(source, overwritten(build(COMPLETE), 0x88, block))


@pytest.mark.parametrize("pages", [1 << 40, 1 << 52, (1 << 64) - 1])
def test_a_run_that_reaches_beyond_physical_memory_is_refused(source: Path, pages: int) -> None:
    assert "Run[0]" in refused(source, overwritten(build(COMPLETE), 0xA0, u64(pages)))


def test_a_run_that_begins_beyond_physical_memory_is_refused(source: Path) -> None:
    assert "Run[1]" in refused(source, overwritten(build(COMPLETE), 0xA8, u64((1 << 64) - 1)))


def test_runs_that_overlap_are_refused(source: Path) -> None:
    data = build(COMPLETE)
    first_run = data[0x98:0xA8]
    assert "is in two runs" in refused(source, overwritten(data, 0xA8, first_run))


def test_runs_that_promise_more_pages_than_the_file_has_are_told(source: Path) -> None:
    data = build(COMPLETE)
    last = COMPLETE.machine.ram[-1].page_count
    source.write_bytes(overwritten(data, 0xA0 + 16 * 2, u64(last + 0x100000)))
    outcome = run("minify", source, source.with_name("small.dmp"))
    assert outcome.status == 0
    assert "the source is cut short" in outcome.out


def test_a_number_of_pages_that_lies_changes_nothing(source: Path) -> None:
    honest, lying = source.with_name("honest.dmp"), source.with_name("lying.dmp")
    source.write_bytes(build(KERNEL))
    assert run("minify", source, honest).status == 0
    source.write_bytes(overwritten(build(KERNEL), 0x2028, u64((1 << 64) - 1)))
    assert run("minify", source, lying).status == 0
    assert lying.read_bytes() == honest.read_bytes()


@pytest.mark.parametrize("bits", [0x800_0000, 1 << 32, 1 << 40, (1 << 64) - 1])
def test_a_bitmap_longer_than_the_file_is_refused(source: Path, bits: int) -> None:
    line = refused(source, overwritten(build(KERNEL), 0x2030, u64(bits)))
    assert "longer than the file" in line


@pytest.mark.parametrize("offset", [0, 1, 0x2037, 0x2038, 0x2038 + 0x7F3F])
def test_a_first_page_inside_the_bitmap_is_refused(source: Path, offset: int) -> None:
    line = refused(source, overwritten(build(KERNEL), 0x2020, u64(offset)))
    assert "HeaderSize" in line
    assert "inside the bitmap" in line


@pytest.mark.parametrize("offset", [0x1000_0000, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
@pytest.mark.parametrize("salvage", [[], ["--salvage"]])
def test_a_first_page_beyond_the_file_is_refused(source: Path, offset: int, salvage: list[str]) -> None:
    refused(source, overwritten(build(KERNEL), 0x2020, u64(offset)), *salvage)


def test_a_bitmap_without_its_signature_is_refused(source: Path) -> None:
    line = refused(source, overwritten(build(KERNEL), 0x2000, b"\x1b[2J\n\0\xff\xfe"))
    assert "bitmap header" in line


@pytest.mark.parametrize(
    ("offset", "value", "field"),
    [
        (0x2000, struct.pack("<I", 0x41), "Marker"),
        (0x2004, b"SDMPDUMP", "range header"),
        (0x2010, u64((1 << 64) - 1), "FirstPageOffset"),
        (0x2018, u64(0), "FirstPageOffset"),
        (0x2010, u64(1 << 50) + u64(0x2020 + (1 << 50)), "FirstPageOffset"),
        (0x2020, struct.pack("<I", 0xFFFFFFFF), "NumberOfRanges"),
        (0x2030, u64((1 << 64) - 1), "range[0]"),
        (0x2038, u64(1 << 41), "range[0]"),
    ],
)
def test_a_range_header_that_lies_is_refused(source: Path, offset: int, value: bytes, field: str) -> None:
    assert field in refused(source, overwritten(build(RANGES), offset, value))


@pytest.mark.parametrize("count", [0, 2049, 0xFFFFFFFF, 0x45474150])
def test_an_absurd_number_of_processors_is_refused(source: Path, count: int) -> None:
    line = refused(source, build(KERNEL, header={"NumberProcessors": count}))
    assert f"NumberProcessors: {count}" in line


def test_more_processors_than_there_are_is_told(source: Path) -> None:
    source.write_bytes(build(KERNEL, header={"NumberProcessors": 64}))
    outcome = run("minify", source, source.with_name("small.dmp"))
    assert outcome.status == 1
    assert "KPRCB of processor 63" in outcome.out


# --- page tables ---


@pytest.mark.parametrize("sample", [COMPLETE, KERNEL, BY_NAME["kernel-la57"]], ids=lambda s: str(s.name))
@pytest.mark.parametrize("salvage", [[], ["--salvage"]])
def test_page_tables_that_lead_back_to_their_root_are_refused(source: Path, sample: Sample, salvage: list[str]) -> None:
    assert "KdDebuggerDataBlock" in refused(source, build(sample, loop_page_tables), *salvage)


@pytest.mark.parametrize("root", [0, 0x3FF000, 0x000F_FFFF_FFFF_F000, (1 << 64) - 1])
def test_a_directory_table_base_that_leads_nowhere_is_refused(source: Path, root: int) -> None:
    line = refused(source, build(KERNEL, header={"DirectoryTableBase": root}))
    assert "KdDebuggerDataBlock" in line
    assert "not in this dump" in line


# --- the debugger data block ---


@pytest.mark.parametrize("sample", [COMPLETE, KERNEL, RANGES, BY_NAME["active"]], ids=lambda s: str(s.name))
@pytest.mark.parametrize("unset", [0, 0x45474150_45474150])
def test_a_debugger_data_block_is_found_by_its_tag_where_the_header_has_no_address(
    source: Path, sample: Sample, unset: int
) -> None:
    usual, searched = source.with_name("usual.dmp"), source.with_name("searched.dmp")
    for destination, header in ((usual, {}), (searched, {"KdDebuggerDataBlock": unset})):
        source.write_bytes(build(sample, header=header))
        assert run("minify", source, destination).status == 0
    found, expected = SmallDumpFile(searched), SmallDumpFile(usual)
    assert found.debugger_data == expected.debugger_data
    assert found.blocks == expected.blocks


@pytest.mark.parametrize("address", [0, 0x45474150_45474150])
def test_without_an_address_and_a_tag_the_debugger_data_block_is_said_to_be_missing(source: Path, address: int) -> None:
    def erase_tag(crashed: CrashedMachine) -> None:
        crashed.write(crashed.debugger_data + 0x10, b"XXXX")

    line = refused(source, build(KERNEL, erase_tag, {"KdDebuggerDataBlock": address}))
    assert "KdDebuggerDataBlock: the header gives no address" in line


def test_without_any_address_of_the_kernel_the_header_is_said_to_lack_it(source: Path) -> None:
    line = refused(source, build(KERNEL, header={"KdDebuggerDataBlock": 0, "PsLoadedModuleList": 0}))
    assert "KdDebuggerDataBlock: the header gives no address" in line


def test_a_debugger_data_block_of_random_bytes_is_not_taken_for_an_encoded_one(source: Path) -> None:
    def scramble(crashed: CrashedMachine) -> None:
        crashed.write(crashed.debugger_data, bytes(byte * 73 % 256 for byte in range(0x340)))

    line = refused(source, build(KERNEL, scramble))
    assert "holds no debugger data block" in line


@pytest.mark.parametrize("salvage", [[], ["--salvage"]])
def test_a_debugger_data_block_full_of_ones_is_refused(source: Path, salvage: list[str]) -> None:
    assert "KiProcessorBlock" in refused(source, build(KERNEL, spoil_debugger_data), *salvage)


@pytest.mark.parametrize("size", [0, 0x28F, 0x1001, 0xFFFFFFFF])
def test_a_debugger_data_block_of_an_absurd_size_is_refused(source: Path, size: int) -> None:
    def lie(crashed: CrashedMachine) -> None:
        crashed.write(crashed.debugger_data + 0x14, struct.pack("<I", size))

    assert "KdDebuggerDataBlock.Size" in refused(source, build(KERNEL, lie))


@pytest.mark.parametrize("address", [NOWHERE, 8, 0x8000_0000_0000_0000, (1 << 64) - 1])
def test_a_debugger_data_block_that_nothing_maps_is_refused(source: Path, address: int) -> None:
    line = refused(source, build(KERNEL, header={"KdDebuggerDataBlock": address}))
    assert f"KdDebuggerDataBlock: 0x{address:x} is not mapped" in line


# --- damaged kernel structures: refused, or left out with --salvage ---


def endless_module_list(crashed: CrashedMachine) -> None:
    """Let the module list go on for a million entries, each 8 bytes behind the one before it."""
    start, count = 0xFFFF_B000_0000_0000, 1_000_000
    links = struct.pack(f"<{count}Q", *range(start + 8, start + 8 * (count + 1), 8))
    crashed.write(start, links + u64(crashed.variables["PsLoadedModuleList"]).ljust(0x80, b"\0"))
    crashed.write_u64(crashed.variables["PsLoadedModuleList"], start)


def break_module_list(crashed: CrashedMachine) -> None:
    """Let an entry of the module list lead nowhere."""
    crashed.write_u64(crashed.loaded_modules["disk.sys"], NOWHERE)


def empty_module_list_head(crashed: CrashedMachine) -> None:
    """Let the head of the module list lead nowhere."""
    crashed.write_u64(crashed.variables["PsLoadedModuleList"], NOWHERE)


def _with_registers(sample: Sample, **registers: int) -> Sample:
    machine = sample.machine
    crashed = machine.processors[machine.crashed]
    changed = replace(crashed, registers={**crashed.registers, **registers})
    processors = tuple(changed if processor is crashed else processor for processor in machine.processors)
    return replace(sample, machine=replace(machine, processors=processors))


def _kernel_with_room() -> Sample:
    return replace(KERNEL, machine=replace(KERNEL.machine, ram=runs_of((0x1, 0x9E), (0x100, 0x40000))))


@dataclass(frozen=True)
class Damage:
    """A damaged dump. field, said: what the error names and says; modules: how many can still be listed."""

    about: str
    sample: Sample
    field: str
    said: str
    modules: int = len(KERNEL.machine.modules)
    tweak: Callable[[CrashedMachine], None] | None = None

    def build(self) -> bytes:
        return build(self.sample, self.tweak)


NOT_MAPPED = "is not mapped"
DAMAGES = (
    Damage("a module list with a loop", KERNEL, "PsLoadedModuleList", "loop", tweak=loop_module_list),
    Damage("a module list that breaks off", KERNEL, "PsLoadedModuleList", NOT_MAPPED, 5, break_module_list),
    Damage("no module list", KERNEL, "PsLoadedModuleList", NOT_MAPPED, 0, empty_module_list_head),
    Damage("a stack pointer into nowhere", _with_registers(KERNEL, Rsp=NOWHERE), "ContextRecord.Rsp", NOT_MAPPED),
    Damage("a stack pointer of zero", _with_registers(KERNEL, Rsp=0), "ContextRecord.Rsp", NOT_MAPPED),
    Damage("a stack pointer not canonical", _with_registers(KERNEL, Rsp=1 << 63), "ContextRecord.Rsp", NOT_MAPPED),
    Damage(
        "a million modules",
        _kernel_with_room(),
        "PsLoadedModuleList",
        "bytes of module names",
        501,
        endless_module_list,
    ),
)
each_damage = pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: str(damage.about))


@each_damage
def test_a_damaged_kernel_structure_is_refused_with_the_way_out(source: Path, damage: Damage) -> None:
    data = damage.build()
    line = refused(source, data)
    assert f"{damage.field}: " in line
    assert damage.said in line
    assert line.endswith("--salvage goes on without it")


@each_damage
def test_salvage_writes_a_dump_without_what_is_damaged_and_says_so(source: Path, damage: Damage) -> None:
    source.write_bytes(damage.build())
    destination = source.with_name("small.dmp")
    with limited():
        outcome = run("minify", source, destination, "--salvage")
    assert outcome.status == 1, outcome
    assert outcome.err == ""
    left_out = outcome.out[outcome.out.index("Left out:") :]
    assert f"{damage.field}: " in left_out
    assert damage.said in left_out
    small = SmallDumpFile(destination)
    assert small.u32(0xF98) == 4
    assert small.bytes_at(small.triage(0x8), 4) == b"TRGD"
    listed = [driver.name for driver in small.drivers]
    assert len(listed) == damage.modules
    if damage.tweak is not endless_module_list:
        assert listed == [module.path for module in KERNEL.machine.modules[: damage.modules]]
    assert set(contents(source.parent)) == {"MEMORY.DMP", "small.dmp"}


def test_salvage_of_a_sound_dump_leaves_nothing_out(source: Path) -> None:
    source.write_bytes(build(COMPLETE))
    outcome = run("minify", source, source.with_name("small.dmp"), "--salvage")
    assert outcome.status == 0
    assert "Left out:" not in outcome.out
