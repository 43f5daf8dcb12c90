"""Every address that the builder placed reads back from the samples as it was placed, in all kinds of dump."""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import samples
from samples.builder import SAMPLES, Sample
from samples.builder.contexts import context_buffer
from samples.builder.images import image_header
from samples.builder.kernel import DEVICE_FRAME, crash
from samples.builder.machine import SYSTEM, Backing
from samples.builder.writers import Complete
from windbg_ext.dump import open_dump
from windbg_ext.errors import NotInDumpError, NotMappedError
from windbg_ext.kernel import DumpTarget

if TYPE_CHECKING:
    from collections.abc import Iterator

    from samples.builder.address_space import AddressSpace
    from samples.builder.crashed_machine import CrashedMachine
    from windbg_ext.memory import VirtualMemory

FOLDER = Path(samples.__file__).parent
LARGE = [sample for sample in SAMPLES if sample.large]
each_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
each_large_sample = pytest.mark.parametrize("sample", LARGE, ids=lambda sample: sample.name)


@cache
def crashed(name: str) -> CrashedMachine:
    """The memory of the machine as the builder has it."""
    return crash(next(sample.machine for sample in SAMPLES if sample.name == name))


def frames_in_dump(sample: Sample) -> set[int]:
    """The page frames that the builder was told to write."""
    if isinstance(sample.format, Complete):
        return {pfn for run in sample.machine.ram for pfn in range(run.base_page, run.base_page + run.page_count)}
    bitmap = sample.format.select(crashed(sample.name))  # type: ignore[attr-defined]  # bitmaps and ranges have it
    return {pfn for pfn in range(8 * len(bitmap)) if bitmap[pfn // 8] >> pfn % 8 & 1}


def mapped_pages(space: AddressSpace) -> Iterator[tuple[int, int]]:
    """(virtual address, page frame) of every page of an address space but the self-map; of large ones both ends."""

    tables = space.tables
    self_map = range(space.self_map, space.self_map + tables.root_pages)

    def walk(table: int, level: int, start: int, first: int = 0) -> Iterator[tuple[int, int]]:
        for index, (entry,) in enumerate(struct.iter_unpack(tables.entry, space.memory.read(table)), first):
            at = start | index << tables.shift(level)
            frame = (entry & tables.frame_bits) >> 12
            if not entry & 1 and not (level == 1 and entry & 0xC00 == 0x800):
                continue
            if level == tables.levels and index in self_map:
                continue
            if level == 1:
                yield at, frame
            elif tables.is_large(entry):
                last = tables.pages(level) - 1
                yield from ((at, frame), (at + (last << 12), frame + last))
            else:
                yield from walk(frame, level - 1, at)

    for number, root in enumerate(roots_of(space)):
        for address, frame in walk(root, tables.levels, 0, number * tables.entries):
            yield tables.canonical(address), frame


def roots_of(space: AddressSpace) -> list[int]:
    """The page frames of the tables of the highest level: one, or those that the four entries of PAE's root name."""
    base = space.directory_table_base
    if space.tables.root_pages == 1:
        return [base >> 12]
    pointers = struct.unpack_from("<4Q", space.memory.read(base >> 12), base & 0xFE0)
    return [pointer >> 12 for pointer in pointers]


@each_large_sample
def test_every_mapped_page_reads_back_or_is_told_to_be_missing(sample: Sample) -> None:
    machine, written = crashed(sample.name), frames_in_dump(sample)
    with open_dump(FOLDER / sample.file_name) as dump:
        target = DumpTarget(dump)
        read = 0
        for space in machine.spaces.values():
            memory = target.memory_of(machine.directory_table_base(space))
            for address, frame in mapped_pages(space):
                if frame in written:
                    assert memory.read(address, 0x1000) == machine.memory.read(frame), hex(address)
                    read += 1
                else:
                    with pytest.raises(NotInDumpError) as raised:
                        memory.read(address, 1)
                    assert raised.value.pfn == frame
    assert read > 50


def memory_of(target: DumpTarget, sample: Sample, process: str) -> VirtualMemory:
    machine = crashed(sample.name)
    return target.memory_of(machine.directory_table_base(machine.spaces[process]))


@each_large_sample
def test_placements_read_back_unless_the_dump_leaves_them_out(sample: Sample) -> None:
    written = frames_in_dump(sample)
    backings = set()
    with open_dump(FOLDER / sample.file_name) as dump:
        target = DumpTarget(dump)
        for placement in sample.machine.placements:
            memory = memory_of(target, sample, placement.process)
            frame = crashed(sample.name).spaces[placement.process].frame(placement.address)
            assert frame is not None
            backings.add(placement.backing)
            if frame in written:
                assert memory.read(placement.address, len(placement.data)) == placement.data
            else:
                with pytest.raises(NotInDumpError, match=f"page frame 0x{frame:x}, which is not in this dump"):
                    memory.read(placement.address, 1)
            if placement.backing is Backing.DEVICE:
                assert frame == DEVICE_FRAME
                assert frame not in written
    assert backings == set(Backing)


@each_large_sample
def test_user_memory_belongs_to_its_process_alone(sample: Sample) -> None:
    with open_dump(FOLDER / sample.file_name) as dump:
        target = DumpTarget(dump)
        for placement in sample.machine.placements:
            if placement.process != SYSTEM:
                with pytest.raises(NotMappedError):
                    memory_of(target, sample, SYSTEM).read(placement.address, 1)


@each_large_sample
def test_the_memory_of_the_crash_is_the_one_of_the_crashed_process(sample: Sample) -> None:
    machine = sample.machine
    process = machine.thread(machine.processors[machine.crashed].current_thread).process
    written = frames_in_dump(sample)
    with open_dump(FOLDER / sample.file_name) as dump:
        memory = DumpTarget(dump).memory
        for placement in machine.placements:
            frame = crashed(sample.name).spaces[placement.process].frame(placement.address)
            if placement.process == process and frame in written:
                assert memory.read(placement.address, len(placement.data)) == placement.data


@each_sample
def test_what_debuggers_look_at_first_reads_back(sample: Sample) -> None:
    """Registers, the crashed thread's stack, the kernel's image header: in the small sample too."""
    machine = sample.machine
    with open_dump(FOLDER / sample.file_name) as dump:
        memory = DumpTarget(dump).memory
        for processor in machine.processors:
            context = context_buffer(processor.registers, processor.extended_state, machine.architecture)
            assert memory.read(processor.context, len(context)) == context
            thread = machine.thread(processor.current_thread)
            words = struct.pack(f"<{len(thread.words)}{machine.architecture.pointer}", *thread.words)
            assert memory.read(thread.kernel_stack, len(words)) == words
        assert memory.read(machine.kernel.base, 0x1000) == image_header(machine.kernel, machine.architecture)


@each_large_sample
def test_images_and_their_code_read_back(sample: Sample) -> None:
    with open_dump(FOLDER / sample.file_name) as dump:
        memory = DumpTarget(dump).memory
        for module in sample.machine.modules:
            assert memory.read(module.base, 0x1000) == image_header(module, sample.machine.architecture)
            for offset, code in module.code.items():
                assert memory.read(module.base + offset, len(code)) == code


@each_large_sample
def test_the_self_map_shows_the_entry_of_every_small_page(sample: Sample) -> None:
    machine = crashed(sample.name)
    with open_dump(FOLDER / sample.file_name) as dump:
        memory = DumpTarget(dump).memory_of(machine.directory_table_base(machine.system))
        for thread in sample.machine.threads:
            table, offset = machine.system.entry(thread.address, 1)
            size = machine.system.tables.entry_size
            entry = machine.memory.read(table)[offset : offset + size]
            assert memory.read(machine.system.pte_address(thread.address), size) == entry


@pytest.mark.parametrize("sample", [item for item in LARGE if item.machine.window], ids=lambda sample: sample.name)
def test_physical_memory_shows_through_a_page_of_a_gigabyte(sample: Sample) -> None:
    machine, written = crashed(sample.name), frames_in_dump(sample)
    with open_dump(FOLDER / sample.file_name) as dump:
        memory = DumpTarget(dump).memory
        seen = [pfn for pfn in machine.memory.pages if pfn in written and pfn < 0x40000]
        for pfn in seen:
            assert memory.read(sample.machine.window + (pfn << 12), 0x1000) == machine.memory.read(pfn)
    assert len(seen) > 20
