"""The contents of the small dump, read without the code under test, against what the builder put into the machine."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from support.command_line import run
from support.small_dump_file import SmallDumpFile
from support.source_memory import SourceMemory

from samples.builder import SAMPLES, write
from samples.builder.machine import SYSTEM, Backing, Placement
from samples.builder.page_tables import X64, X64_LA57, PageTables
from samples.builder.places import PLACES, X64_PLACES
from samples.builder.plausible import PAGED_OUT_TEXT, THREAD_STEP, USER_PROCESS
from samples.builder.tweaks import encode_debugger_data
from windbg_ext.dump.header import BugCheck
from windbg_ext.structs.header import Machine

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from samples.builder import Sample
    from samples.builder.machine import Processor
    from samples.builder.places import Places

PAGE = 0x1000
LARGE = tuple(sample for sample in SAMPLES if sample.large)
BY_NAME = {sample.name: sample for sample in SAMPLES}
PAGED_POOL, OBJECTS = X64_PLACES.paged_pool, X64_PLACES.objects
LEFT_OUT_PAGE, DEVICE_PAGE = PAGED_POOL + PAGE, PAGED_POOL + 2 * PAGE
SHARED_USER_DATA = {
    Machine.I386: 0xFFDF0000,
    Machine.AMD64: 0xFFFFF780_00000000,
    Machine.ARM64: 0xFFFFF780_00000000,
}
CONTEXT_SIZES = {Machine.I386: 0x2CC, Machine.AMD64: 0x4D0, Machine.ARM64: 0x390}
STACK_AND_INSTRUCTION = {Machine.I386: (0xC4, 0xB8), Machine.AMD64: (0x98, 0xF8), Machine.ARM64: (0x100, 0x108)}
"""Offsets in CONTEXT (winnt.h)."""


@dataclass(frozen=True)
class Made:
    """A small dump that was made of a sample, and the memory in the sample's file."""

    sample: Sample
    memory: SourceMemory
    small: SmallDumpFile
    report: str

    def number(self, field: str) -> int:
        return self.sample.machine.version.number(field)

    @property
    def machine(self) -> Machine:
        return self.sample.machine.architecture.machine_type

    @property
    def places(self) -> Places:
        return PLACES[self.machine]

    @property
    def pointer(self) -> int:
        """Bytes of a pointer."""
        return self.places.pointer_size

    def pointers(self, *values: int) -> bytes:
        return b"".join(value.to_bytes(self.pointer, "little") for value in values)

    def is_kernel(self, address: int) -> bool:
        return bool(address >> 8 * self.pointer - 1)

    def stack_pointer(self, registers: Mapping[str, int]) -> int:
        return registers[self.places.roles.stack]

    def instruction_pointer(self, registers: Mapping[str, int]) -> int:
        return registers[self.places.roles.instruction]

    def bare_stack_base(self, base: int) -> int:
        """Return the end of a stack by the debugger data block. That of Windows 7 has only InitialStack."""
        return base - 0x50 if self.number_or_none("OffsetKThreadStackBase") is None else base

    def number_or_none(self, field: str) -> int | None:
        return self.sample.machine.version.debugger_data.get(field)

    def crashed(self) -> Processor:
        return self.sample.machine.processors[self.sample.machine.crashed]


def make(sample: Sample, folder: Path, status: int = 0) -> Made:
    source, destination = folder / "MEMORY.DMP", folder / "small.dmp"
    write(sample, source)
    outcome = run("minify", source, destination)
    assert (outcome.status, outcome.err) == (status, "")
    return Made(sample, SourceMemory(sample), SmallDumpFile(destination), outcome.out)


@pytest.fixture(scope="module", params=LARGE, ids=lambda sample: str(sample.name))
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return the small dump of each large sample."""
    return make(request.param, tmp_path_factory.mktemp("made"))


# --- data blocks ---


def test_every_data_block_is_the_memory_that_was_at_its_address(made: Made) -> None:
    assert made.small.block_count > 10
    for address, data in made.small.blocks:
        assert data
        process = None if made.is_kernel(address) else USER_PROCESS
        assert made.memory.read(address, len(data), process) == data, hex(address)


def test_data_blocks_rise_never_overlap_and_are_one_where_they_touch(made: Made) -> None:
    blocks = made.small.blocks
    for (address, data), (following, _) in zip(blocks, blocks[1:]):
        assert address + len(data) < following


def test_data_blocks_lie_one_behind_the_other_in_the_file(made: Made) -> None:
    end = made.small.triage(made.small.offsets.data_blocks) + 16 * made.small.block_count
    for offset, size in made.small.block_extents():
        assert offset == end
        end += size
    assert end <= made.small.triage(0x8)


def test_parts_lie_inside_the_small_dump_and_do_not_overlap(made: Made) -> None:
    small = made.small
    entries, blocks, offsets = small.triage(0x34), small.block_extents(), small.offsets
    count, unloaded, *_ = offsets.unloaded
    parts = [
        (0, 0x2080 if made.pointer == 8 else 0x1068),
        (small.triage(0x14), 0x50 if made.pointer == 8 else 0x34),
        (small.triage(0x18), count + unloaded * len(made.sample.machine.unloaded_drivers)),
        (small.triage(0x1C), made.number("SizePrcb")),
        (small.triage(0x20), made.number("SizeEProcess")),
        (small.triage(0x24), made.number("SizeEThread")),
        (small.triage(0x28), small.triage(0x2C)),
        (small.triage(0x30), offsets.driver[0] * entries),
        (small.triage(0x38), small.triage(0x3C)),
        (small.triage(offsets.debugger_data), small.triage(offsets.debugger_data + 4)),
        (small.triage(offsets.data_blocks), 16 * len(blocks)),
        *blocks,
        (small.triage(0x8), 4),
    ]
    parts.sort()
    for (offset, size), (following, _) in zip(parts, parts[1:]):
        assert offset + size <= following
    assert sum(parts[-1]) == small.size_of_dump


def test_the_end_is_marked_where_the_dump_says(made: Made) -> None:
    assert made.small.bytes_at(made.small.triage(0x8), 4) == b"TRGD"
    assert made.small.size_of_dump == made.small.triage(0x8) + 4


# --- processors, their contexts and stacks ---


def test_the_list_of_processors_and_every_control_block_are_there(made: Made) -> None:
    machine = made.sample.machine
    prcbs = [made.memory.prcb(number) for number in range(len(machine.processors))]
    listed = made.small.memory(made.memory.crashed.variables["KiProcessorBlock"], made.pointer * len(prcbs))
    assert listed == made.pointers(*prcbs)
    for prcb in prcbs:
        assert made.small.memory(prcb, made.number("SizePrcb")) is not None


def test_the_context_buffer_that_every_control_block_points_at_is_there(made: Made) -> None:
    stack, instruction = STACK_AND_INSTRUCTION[made.machine]
    for number, processor in enumerate(made.sample.machine.processors):
        pointer = made.small.memory(made.memory.prcb(number) + made.number("OffsetPrcbContext"), made.pointer)
        assert pointer == made.pointers(processor.context)
        size = 0x640 if processor.extended_state else CONTEXT_SIZES[made.machine]
        context = made.small.memory(processor.context, size)
        assert context is not None
        assert context[stack : stack + made.pointer] == made.pointers(made.stack_pointer(processor.registers))
        where = made.instruction_pointer(processor.registers)
        assert context[instruction : instruction + made.pointer] == made.pointers(where)


def test_the_stack_of_every_processor_is_there_from_its_stack_pointer_up(made: Made) -> None:
    machine = made.sample.machine
    for processor in machine.processors:
        stack_pointer = made.stack_pointer(processor.registers)
        if made.is_kernel(stack_pointer):
            size = min(machine.thread(processor.current_thread).stack_base - stack_pointer, 0x2000)
            assert made.small.memory(stack_pointer, size) is not None


def test_a_stack_in_user_mode_is_there_where_the_source_has_it(made: Made) -> None:
    for processor in made.sample.machine.processors:
        stack_pointer = made.stack_pointer(processor.registers)
        if not made.is_kernel(stack_pointer):
            size = PAGE - stack_pointer % PAGE
            try:
                expected = made.memory.read(stack_pointer, size, USER_PROCESS)
            except KeyError:
                assert made.small.memory(stack_pointer, 1) is None
                assert "stack of processor" in made.report
            else:
                assert made.small.memory(stack_pointer, size) == expected


def test_a_stack_in_user_mode_is_that_of_the_process_which_runs_there(tmp_path: Path) -> None:
    sample = BY_NAME["complete"]
    machine = sample.machine
    crashed = machine.threads[0]
    in_system = replace(machine, threads=(replace(crashed, process=SYSTEM, teb=0), *machine.threads[1:]))
    made = make(replace(sample, machine=in_system), tmp_path)
    stack = X64_PLACES.user_stack + 0x780
    with pytest.raises(KeyError):
        made.memory.read(stack, 0x20, SYSTEM)
    assert made.small.memory(stack, 0x20) == made.memory.read(stack, 0x20, USER_PROCESS)


# --- the parts of the crash ---


def test_the_crashed_processor_its_thread_and_its_process_are_parts_of_their_own(made: Made) -> None:
    machine, read = made.sample.machine, made.memory.read
    thread = machine.thread(made.crashed().current_thread)
    prcb, ethread, eprocess = (made.number(f"Size{name}") for name in ("Prcb", "EThread", "EProcess"))
    assert made.small.prcb(prcb) == read(made.memory.prcb(machine.crashed), prcb)
    assert made.small.thread(ethread) == read(thread.address, ethread)
    assert made.small.process(eprocess) == read(machine.process(thread.process).address, eprocess)


def test_the_call_stack_goes_from_the_lowest_stack_pointer_to_the_base(made: Made) -> None:
    machine = made.sample.machine
    thread = machine.thread(made.crashed().current_thread)
    header = made.stack_pointer(machine.context or made.crashed().registers)
    top = min(header, made.stack_pointer(made.crashed().registers))
    base = made.bare_stack_base(thread.stack_base)
    assert made.small.top_of_stack == top
    assert made.small.call_stack == made.memory.read(top, base - top)


def test_the_debugger_data_block_is_whole_and_where_the_header_says(made: Made) -> None:
    size = made.sample.machine.version.debugger_data_size
    address = made.small.pointer(0x80 if made.pointer == 8 else 0x60)
    assert address == made.memory.crashed.debugger_data
    assert made.small.debugger_data == made.memory.read(address, size)
    assert made.small.debugger_data[0x10:0x18] == b"KDBG" + struct.pack("<I", size)


def test_a_debugger_data_block_that_is_encoded_as_in_a_snapshot_is_written_decoded(tmp_path: Path) -> None:
    sample = BY_NAME["active"]
    plain, snapshot = tmp_path / "plain.dmp", tmp_path / "snapshot.dmp"
    write(sample, plain)
    write(sample, snapshot, encode_debugger_data)
    for source in (plain, snapshot):
        assert run("minify", source, source.with_suffix(".small")).status == 0
    expected, decoded = (SmallDumpFile(source.with_suffix(".small")) for source in (plain, snapshot))
    assert decoded.debugger_data == expected.debugger_data
    assert decoded.drivers == expected.drivers
    assert decoded.call_stack == expected.call_stack
    for address, data in expected.blocks:
        kept = decoded.memory(address, min(len(data), 8))
        assert kept is not None, hex(address)


# --- lists ---


def test_every_module_is_listed_with_its_full_path_and_its_image_header(made: Made) -> None:
    expected = [
        (module.path, module.base, module.size, module.check_sum, module.time_date_stamp)
        for module in made.memory.modules()
    ]
    listed = [
        (driver.name, driver.base, driver.size, driver.check_sum, driver.time_date_stamp)
        for driver in made.small.drivers
    ]
    assert listed == expected


@pytest.mark.parametrize(("name", "count"), [("active", 2), ("kernel", 0), ("complete-bitmap", 0)])
def test_images_of_the_crashed_process_are_listed_where_the_source_has_its_user_half(
    tmp_path: Path, name: str, count: int
) -> None:
    # a kernel dump has no user half, and a system thread crashed in complete-bitmap
    made = make(BY_NAME[name], tmp_path)
    listed = [driver.name for driver in made.small.drivers][len(made.sample.machine.modules) :]
    assert listed == [module.path for module in made.sample.machine.process(USER_PROCESS).modules][:count]


def test_names_that_are_no_latin_letters_are_kept(tmp_path: Path) -> None:
    sample = BY_NAME["ranges-kernel"]
    odd = replace(
        sample.machine.modules[-1],
        name="\u9a71\u52a8.sys",
        path="\\??\\C:\\Gr\u00fc\u00dfe\\\U0001f4a5\\\u9a71\u52a8.sys",
    )
    machine = replace(sample.machine, modules=(*sample.machine.modules[:-1], odd))
    assert make(replace(sample, machine=machine), tmp_path).small.drivers[-1].name == odd.path


def test_unloaded_drivers_are_listed_newest_first(made: Made) -> None:
    expected = [(driver.name, driver.start, driver.end) for driver in made.sample.machine.unloaded_drivers]
    listed = [(driver.name, driver.start, driver.end) for driver in made.small.unloaded_drivers]
    assert listed == expected
    assert len(listed) >= 6


def test_a_name_of_an_unloaded_driver_is_cut_at_twelve_characters(tmp_path: Path) -> None:
    sample = BY_NAME["ranges-kernel"]
    machine = sample.machine
    drivers = tuple(
        replace(driver, name=name)
        for driver, name in zip(machine.unloaded_drivers, ("exactly12.sy", "thirteen13.sy", "a-name-that-goes-on.sys"))
    )
    made = make(replace(sample, machine=replace(machine, unloaded_drivers=drivers)), tmp_path)
    names = [driver.name for driver in made.small.unloaded_drivers]
    assert names == ["exactly12.sy", "thirteen13.s", "a-name-that-"]


def test_a_machine_that_unloaded_nothing_has_an_empty_list(tmp_path: Path) -> None:
    sample = BY_NAME["ranges-kernel"]
    machine = replace(sample.machine, unloaded_drivers=(), last_unloaded_driver=0)
    made = make(replace(sample, machine=machine), tmp_path)
    assert made.small.triage(0x18) != 0
    assert made.small.unloaded_drivers == []


# --- memory that helps to find the cause ---


def test_what_drivers_registered_is_there_with_its_list(made: Made) -> None:
    blocks, variables = made.sample.machine.triage_blocks, made.memory.crashed.variables
    assert len(blocks) == 2
    for start, end in blocks:
        assert made.small.memory(start, end - start) is not None
    assert made.small.memory(variables["IopNumTriageDumpDataBlocks"], 4) == struct.pack("<I", len(blocks))
    listed = made.small.memory(variables["IopTriageDumpDataBlocks"], 2 * made.pointer * len(blocks))
    assert listed == b"".join(made.pointers(*block) for block in blocks)


def test_kernel_variables_and_shared_user_data_are_there(made: Made) -> None:
    variables = made.memory.crashed.variables
    for name, address in variables.items():
        if name not in ("IopNumTriageDumpDataBlocks", "KiProcessorBlock"):
            assert made.small.memory(address, made.pointer) is not None, name
    assert made.small.memory(variables["NtBuildLab"], 0x100) is not None
    assert made.small.memory(SHARED_USER_DATA[made.machine], PAGE) is not None
    assert made.small.memory(made.sample.machine.kernel.base, PAGE) is not None


def test_the_code_around_every_instruction_pointer_in_the_kernel_is_there(made: Made) -> None:
    contexts = [processor.registers for processor in made.sample.machine.processors]
    for registers in (made.sample.machine.context, *contexts):
        where = 0 if registers is None else made.instruction_pointer(registers)
        if made.is_kernel(where):
            assert made.small.memory(where - 0x80, 0x100) is not None


def test_pages_that_bug_check_parameters_point_at_are_there(made: Made) -> None:
    pointers = [parameter for parameter in made.sample.machine.bug_check.parameters if made.is_kernel(parameter)]
    assert len(pointers) >= 2
    for pointer in pointers:
        assert made.small.memory(pointer & -PAGE, PAGE) is not None


def test_the_pages_at_the_registers_of_the_crashed_processor_are_there(made: Made) -> None:
    # those that it had in KeBugCheckEx, also where the header has the registers of an exception
    registers = made.crashed().registers
    pages = {registers[name] & -PAGE for name in made.places.roles.kept}
    assert len(pages) >= 3
    for page in pages:
        assert made.small.memory(page, PAGE) == made.memory.read(page, PAGE)


def test_a_page_in_transition_is_read(tmp_path: Path) -> None:
    made = make(BY_NAME["kernel"], tmp_path)
    assert made.sample.machine.bug_check.parameters[0] == PAGED_POOL
    assert made.small.memory(PAGED_POOL, len(PAGED_OUT_TEXT)) == PAGED_OUT_TEXT


def test_pointers_are_followed_three_levels_deep(made: Made) -> None:
    # a register points at the first object, each object at the next one
    objects = made.places.objects
    assert made.crashed().registers[made.places.roles.kept[0]] == objects + 0x40
    for address, text in ((0x40, b"first object"), (0x440, b"second object"), (0x1080, b"third object")):
        window = made.small.memory(objects + address, 0x100)
        assert window is not None
        assert window[made.pointer :].startswith(text)


def test_a_thread_that_a_saved_pointer_leads_to_is_there_with_its_stack(made: Made) -> None:
    thread = made.sample.machine.thread(made.places.threads + THREAD_STEP)
    assert thread.address not in {processor.current_thread for processor in made.sample.machine.processors}
    base = made.bare_stack_base(thread.stack_base)
    assert made.small.memory(thread.address, made.number("SizeEThread")) is not None
    assert made.small.memory(thread.kernel_stack, base - thread.kernel_stack) is not None


def entries_of(address: int, levels: int, base: int) -> list[int]:
    """Return where the self-map has the entries of an address, lowest level first (Intel SDM volume 3, chapter 4)."""
    found = []
    for _ in range(levels):
        address = base + ((address & (1 << 12 + 9 * levels) - 1) >> 12) * 8
        found.append(address)
    return found


@pytest.mark.parametrize("tables", [X64, X64_LA57], ids=lambda tables: str(tables.name))
def test_the_page_table_entries_of_what_was_saved_are_there(tmp_path: Path, tables: PageTables) -> None:
    sample, levels = BY_NAME["active"], tables.levels
    made = make(replace(sample, machine=replace(sample.machine, page_tables=tables)), tmp_path)
    base = made.memory.crashed.system.pte_base
    stack = made.small.top_of_stack
    checked = 0
    for address, data in made.small.blocks:
        if not base <= address < base + (1 << 3 + 9 * levels) and address >> 63:
            for page in range(address & -PAGE, address + len(data), PAGE):
                for entry in entries_of(page, levels, base):
                    try:
                        expected = made.memory.read(entry, 8)
                    except KeyError:  # below a large page there are no page tables
                        continue
                    assert made.small.memory(entry, 8) == expected
                    checked += 1
    assert checked > 50
    frame = made.memory.crashed.system.frame(stack)
    lowest = made.small.memory(entries_of(stack, levels, base)[0], 8)
    assert lowest is not None
    assert frame is not None
    assert int.from_bytes(lowest, "little") & 0x000F_FFFF_FFFF_F000 == frame * PAGE


# --- what the source does not hold ---


def test_pages_that_are_mapped_but_not_in_the_source_are_left_out_and_told(tmp_path: Path) -> None:
    sample = BY_NAME["kernel"]
    parameters = (LEFT_OUT_PAGE + 0x10, DEVICE_PAGE + 0x20, 0, 0)
    made = make(replace(sample, machine=replace(sample.machine, bug_check=BugCheck(0xD1, parameters))), tmp_path)
    assert made.memory.crashed.system.frame(LEFT_OUT_PAGE) is not None
    assert made.memory.crashed.system.frame(DEVICE_PAGE) is not None
    for address, data in made.small.blocks:
        for page in (LEFT_OUT_PAGE, DEVICE_PAGE):
            assert address + len(data) <= page or page + PAGE <= address
    for number, address in ((1, LEFT_OUT_PAGE), (2, DEVICE_PAGE)):
        lines = [line for line in made.report.splitlines() if f"page at bug check parameter {number}: " in line]
        assert len(lines) == 1
        assert f"0x{address:x} is mapped to page frame" in lines[0]
        assert "not in this dump" in lines[0]


def test_a_complete_dump_holds_the_page_that_a_kernel_dump_leaves_out(tmp_path: Path) -> None:
    sample = BY_NAME["complete"]
    machine = replace(sample.machine, bug_check=BugCheck(0xD1, (LEFT_OUT_PAGE, 2, 0, 0)))
    made = make(replace(sample, machine=machine), tmp_path)
    assert made.small.memory(LEFT_OUT_PAGE, 17) == b"in no kernel dump"


def test_a_window_ends_where_the_source_ends(tmp_path: Path) -> None:
    # the pointer is 0x40 bytes before the end of a page; the next page is not in the file
    edge = PAGED_POOL + PAGE - 0x40
    sample = BY_NAME["kernel"]
    placement = Placement(OBJECTS + 0x40, struct.pack("<Q", edge))
    far = Placement(edge, b"at the edge".ljust(0x40, b"."), Backing.RAM)
    machine = replace(
        sample.machine,
        placements=(*sample.machine.placements, placement, far),
        bug_check=BugCheck(0xD1, (0, 2, 1, sample.machine.modules[-1].base)),
    )
    made = make(replace(sample, machine=machine), tmp_path)
    assert made.small.memory(edge, 0x40) == b"at the edge".ljust(0x40, b".")
    assert made.small.memory(edge, 0x41) is None


# --- secondary data ---


def test_all_secondary_data_is_there_blob_by_blob(made: Made) -> None:
    chain = made.small.secondary
    assert chain[:16] == b"DumpBlob" + struct.pack("<II", 0x10, 0xF0000000 | made.sample.machine.version.build)
    at = 0x10
    for blob in made.sample.machine.secondary:
        size, tag, length, before, behind = struct.unpack_from("<I16sIII", chain, at)
        assert (size, tag, length) == (0x20, blob.tag.bytes_le, len(blob.data))
        assert (before, behind) == (blob.pre_pad, blob.post_pad)
        assert chain[at + 0x20 + before :][:length] == blob.data
        at += 0x20 + before + length + behind
    assert at == len(chain)


def test_secondary_data_is_the_same_bytes_as_in_the_source(tmp_path: Path) -> None:
    made = make(BY_NAME["kernel"], tmp_path)
    assert (tmp_path / "MEMORY.DMP").read_bytes().endswith(made.small.secondary)
    assert made.small.secondary


def test_zeros_behind_the_secondary_data_are_not_copied(tmp_path: Path) -> None:
    write(BY_NAME["kernel"], tmp_path / "MEMORY.DMP")
    assert run("minify", tmp_path / "MEMORY.DMP", tmp_path / "usual.dmp").status == 0
    with (tmp_path / "MEMORY.DMP").open("ab") as file:
        file.write(bytes(1_800_000))
    assert run("minify", tmp_path / "MEMORY.DMP", tmp_path / "small.dmp").status == 0
    assert (tmp_path / "small.dmp").read_bytes() == (tmp_path / "usual.dmp").read_bytes()


def test_a_source_without_secondary_data_gives_a_small_dump_without(tmp_path: Path) -> None:
    sample = BY_NAME["kernel"]
    made = make(replace(sample, machine=replace(sample.machine, secondary=())), tmp_path)
    assert made.small.secondary == b""
    assert "secondary" not in made.report
