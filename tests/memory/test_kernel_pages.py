"""How many pages the kernel half maps: what the builder put there, and what a naive walk finds."""

from __future__ import annotations

import itertools
import struct
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from samples.builder import SAMPLES, build
from samples.builder.address_space import KERNEL_PAGE, TRANSITION_PAGE, AddressSpace, PageSize
from samples.builder.catalog import Sample
from samples.builder.kernel import DEVICE_FRAME, CrashedMachine
from samples.builder.machine import Backing
from samples.builder.physical import PAGE_SIZE, PhysicalMemory, runs_of
from samples.builder.tweaks import loop_page_tables
from windbg_ext.dump import open_dump
from windbg_ext.kernel import DumpTarget
from windbg_ext.memory.kernel_pages import KernelPages, count_kernel_pages

if TYPE_CHECKING:
    from pathlib import Path

    from windbg_ext.dump import Dump

BY_NAME = {sample.name: sample for sample in SAMPLES}
LARGE_SAMPLES = [sample for sample in SAMPLES if sample.name != "small"]
PAGE_TABLE_SAMPLES = [BY_NAME["complete"], BY_NAME["kernel"], BY_NAME["kernel-la57"], BY_NAME["active"]]
PRESENT, TRANSITION, PROTOTYPE, LARGE = 0x1, 0x800, 0x400, 0x80
FRAME = 0x000F_FFFF_FFFF_F000
POOL = 0xFFFFA000_00000000
"""Kernel addresses that the samples do not use."""


def counted(path: Path) -> KernelPages:
    with open_dump(path) as dump:
        count = DumpTarget(dump).count_kernel_pages()
    assert count is not None
    return count


def naive_count(dump: Dump, levels: int) -> int:
    """Walk the kernel half entry by entry, with every page frame in a set, and count those that are RAM."""
    assert dump.pages is not None
    seen: set[int] = set()

    def walk(table: int, level: int, entries: range) -> None:
        assert dump.pages is not None
        at = dump.pages.offset_of(table)
        if at is None:
            return
        page = dump.file.read(at, PAGE_SIZE)
        for index in entries:
            (entry,) = struct.unpack_from("<Q", page, index * 8)
            if not entry & PRESENT and entry & (TRANSITION | PROTOTYPE) != TRANSITION:
                continue
            pfn = (entry & FRAME) >> 12
            if level == 0:
                seen.add(pfn)
            elif entry & PRESENT and entry & LARGE and level in (1, 2):
                size = 512**level
                seen.update(range(pfn // size * size, pfn // size * size + size))
            else:
                walk(pfn, level - 1, range(512))

    walk((dump.header.directory_table_base & FRAME) >> 12, levels - 1, range(256, 512))
    runs = [range(run.base_page, run.base_page + run.page_count) for run in dump.header.physical_memory or ()]
    return sum(any(pfn in run for run in runs) for pfn in seen)


class LaidOut(CrashedMachine):
    """Notes every frame that the builder maps into the kernel half, and the page tables that it makes."""


def frames_of_the_kernel_half(sample: Sample) -> set[int]:
    """Give what the builder puts into the kernel half, noted while it does so.

    Every page that it maps there, and the page tables of the process that crashed: its own entry for itself in the
    root maps them all.
    """
    mapped: set[int] = set()
    real_map = AddressSpace.map

    def noting_map(
        space: AddressSpace, address: int, pfn: int, flags: int | None = None, size: PageSize = PageSize.SMALL
    ) -> None:
        real_map(space, address, pfn, flags, size)
        if address >= 1 << 63:
            mapped.update(range(pfn, pfn + 512 ** (size - 1)))

    crashed: list[CrashedMachine] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AddressSpace, "map", noting_map)
        build(sample, tweak=crashed.append)
    machine = crashed[0]
    space = machine.space_of(machine.machine.processors[machine.machine.crashed].current_thread)
    tables = {space.root}
    for level in range(space.levels, 1, -1):
        for address in addresses_of(machine, space):
            tables.add(
                space.entry(address, level - 1)[0] if (address, level) in small_pages(space, address) else space.root
            )
    return {pfn for pfn in mapped | tables if pfn in machine.memory}
