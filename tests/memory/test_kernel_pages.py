"""How many pages the kernel half maps: what the builder put there, and what a naive walk finds."""

from __future__ import annotations

import itertools
import struct
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.dumps_at_hand import LARGE_64_BIT, given_dumps, unpacked
from support.raw_dump import TABLES, RawDump

from samples.builder import SAMPLES, build
from samples.builder.address_space import AddressSpace
from samples.builder.kernel import DEVICE_FRAME
from samples.builder.page_tables import KERNEL_PAGE, X64, PageSize
from samples.builder.physical import PAGE_SIZE, runs_of
from samples.builder.tweaks import loop_page_tables
from windbg_ext.dump import open_dump
from windbg_ext.kernel import DumpTarget
from windbg_ext.limits import MAX_FRAME_BLOCKS, MAX_KERNEL_PAGES, MAX_KERNEL_TABLES, Limit, LimitError
from windbg_ext.memory import kernel_pages
from windbg_ext.memory.kernel_pages import FrameSet, KernelPages

if TYPE_CHECKING:
    from pathlib import Path

    from samples.builder.catalog import Sample
    from samples.builder.crashed_machine import CrashedMachine
    from samples.builder.page_tables import PageTables
    from windbg_ext.dump import Dump

BY_NAME = {sample.name: sample for sample in SAMPLES}
LARGE_SAMPLES = [sample for sample in SAMPLES if sample.large]
PRESENT, TRANSITION, PROTOTYPE, LARGE = 0x1, 0x800, 0x400, 0x80
FRAME = 0x000F_FFFF_FFFF_F000
POOL = 0xFFFFA000_00000000
"""Kernel addresses that the samples do not use."""


def counted(path: Path) -> KernelPages:
    with open_dump(path) as dump:
        count = DumpTarget(dump).count_kernel_pages()
    assert count is not None
    return count


def naive_count(dump: Dump, tables: PageTables) -> int:
    """Walk the kernel half entry by entry, with every page frame in a set, and count those that are RAM.

    tables: how the builder lays page tables; of PAE, the tables of its second level are the roots.
    """
    assert dump.pages is not None
    seen: set[int] = set()

    def page_of(table: int) -> bytes:
        assert dump.pages is not None
        at = dump.pages.offset_of(table)
        return b"" if at is None else dump.source.read(at, PAGE_SIZE)

    def walk(table: int, level: int, first: int = 0) -> None:
        for (entry,) in list(struct.iter_unpack(tables.entry, page_of(table)))[first:]:
            if not entry & PRESENT and entry & (TRANSITION | PROTOTYPE) != TRANSITION:
                continue
            pfn = (entry & tables.frame_bits) >> 12
            if level == 1:
                seen.add(pfn)
            elif entry & PRESENT and tables.is_large(entry) and (level == 2 or (level == 3 and tables.huge_pages)):
                size = tables.pages(level)
                seen.update(range(pfn // size * size, pfn // size * size + size))
            else:
                walk(pfn, level - 1)

    base = dump.header.directory_table_base
    if tables.root_pages == 1:
        walk((base & FRAME) >> 12, tables.levels, tables.entries // 2)
    else:
        for pointer in struct.unpack_from("<4Q", page_of(base >> 12), base & 0xFE0)[2:]:
            walk(pointer >> 12, tables.levels)
    runs = [range(run.base_page, run.base_page + run.page_count) for run in dump.header.physical_memory or ()]
    return sum(any(pfn in run for run in runs) for pfn in seen)


def frames_of_the_kernel_half(sample: Sample) -> set[int]:
    """Return the page frames of RAM that the builder puts into the kernel half, noted while it does so.

    Every page that it maps there, and the page tables of the process that crashed: the entry of its root for itself
    maps them all into the kernel half.
    """
    mapped: list[tuple[AddressSpace, int, int, PageSize]] = []
    real_map = AddressSpace.map

    def noting_map(
        space: AddressSpace, address: int, pfn: int, flags: int | None = None, size: PageSize = PageSize.SMALL
    ) -> None:
        real_map(space, address, pfn, flags, size)
        mapped.append((space, address, pfn, size))

    made: list[CrashedMachine] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AddressSpace, "map", noting_map)
        build(sample, tweak=made.append)
    crashed = made[0]
    space = crashed.space_of(crashed.machine.processors[crashed.machine.crashed].current_thread)
    frames: set[int] = set()
    for mapper, address, pfn, size in mapped:
        tables = space.tables
        if not tables.is_user(address):
            frames.update(range(pfn, pfn + tables.pages(size)))
        if not tables.is_user(address) or mapper is space:
            frames.update(space.entry(address, level)[0] for level in range(size, tables.levels + 1))
    # the self-map shows the pages of the highest level, in use or not
    tables = space.tables
    firsts = range(0, tables.root_entries, tables.entries)
    frames.update(space.entry(first << tables.shift(tables.levels), tables.levels)[0] for first in firsts)
    return {pfn for pfn in frames if pfn in crashed.memory}


def without_window(sample: Sample) -> Sample:
    """Leave out the 1 GB page, which shows all of RAM and so hides whether anything else is counted."""
    return replace(sample, machine=replace(sample.machine, window=0))


def written(folder: Path, sample: Sample) -> Path:
    path = folder / sample.file_name
    path.write_bytes(build(sample))
    return path


@pytest.mark.parametrize("sample", LARGE_SAMPLES, ids=lambda sample: str(sample.name))
def test_every_page_that_the_builder_put_into_the_kernel_half_is_counted_once(tmp_path: Path, sample: Sample) -> None:
    plain = without_window(sample)
    expected = frames_of_the_kernel_half(plain)
    assert counted(written(tmp_path, plain)) == KernelPages(len(expected), 0)


@pytest.mark.parametrize("sample", LARGE_SAMPLES, ids=lambda sample: str(sample.name))
def test_a_page_of_1_gb_counts_with_the_ram_in_it_and_nothing_in_it_counts_again(
    tmp_path: Path, sample: Sample
) -> None:
    expected = frames_of_the_kernel_half(sample)
    assert counted(written(tmp_path, sample)) == KernelPages(len(expected), 0)


@pytest.mark.parametrize("sample", LARGE_SAMPLES, ids=lambda sample: str(sample.name))
def test_the_count_is_that_of_a_naive_walk(tmp_path: Path, sample: Sample) -> None:
    path = written(tmp_path, without_window(sample))
    with open_dump(path) as dump:
        assert counted(path).count == naive_count(dump, sample.machine.page_tables)


@pytest.mark.parametrize(
    ("name", "start"),
    [
        pytest.param("x86-complete", 0xC0000000, id="3 GB"),
        pytest.param("x86-pae-complete", 0xC0000000, id="3 GB with PAE", marks=pytest.mark.slow),
        pytest.param("x86-pae-complete", 0x88010000, id="within a page table", marks=pytest.mark.slow),
    ],
)
def test_the_kernel_of_x86_begins_where_the_boot_options_let_it(tmp_path: Path, name: str, start: int) -> None:
    sample = BY_NAME[name]
    machine = replace(sample.machine, variables={"MmSystemRangeStart": start})
    path = written(tmp_path, replace(sample, machine=machine))
    dump = RawDump(path.read_bytes(), TABLES[machine.page_tables.name])
    mapped = set()
    for address in range(start, 1 << 32, PAGE_SIZE):
        with suppress(KeyError):
            mapped.add(dump.translate(address)[0] >> 12)
    ram = {pfn for base, count in dump.runs() for pfn in range(base, base + count)}
    assert counted(path).count == len(mapped & ram)


@pytest.mark.skipif(not given_dumps(*LARGE_64_BIT), reason="WINDBG_EXT_DUMPS names no folder of large dumps")
def test_the_count_is_that_of_a_naive_walk_on_other_dumps(tmp_path: Path) -> None:
    compared = 0
    for packed in given_dumps(*LARGE_64_BIT):
        path = unpacked(packed, tmp_path)
        with open_dump(path) as dump:
            assert counted(path).count == naive_count(dump, X64), path.name
            compared += 1
        if path != packed:
            path.unlink()
    assert compared


# --- one difference at a time ---

ROOMY = runs_of((0x1, 0x9E), (0x100, 0x300))


def with_room(name: str) -> Sample:
    """Return a sample whose machine has page frames to spare."""
    plain = without_window(BY_NAME[name])
    return replace(plain, machine=replace(plain.machine, ram=ROOMY))


COMPLETE = with_room("complete-bitmap")


def difference(folder: Path, change: Callable[[CrashedMachine], object]) -> int:
    """Return how many pages more are counted after a change to the memory of a complete dump."""

    def tweak(crashed: CrashedMachine) -> None:
        change(crashed)

    before, after = folder / "before.dmp", folder / "after.dmp"
    before.write_bytes(build(COMPLETE))
    after.write_bytes(build(COMPLETE, tweak=tweak))
    return counted(after).count - counted(before).count


def pool_with_its_tables(crashed: CrashedMachine) -> int:
    """Map one page at POOL, with the three page tables that it takes; gives its page frame."""
    crashed.write(POOL, b"x")
    pfn = crashed.system.frame(POOL)
    assert pfn is not None
    return pfn


def test_one_page_more_counts_with_the_page_tables_that_map_it(tmp_path: Path) -> None:
    assert difference(tmp_path, pool_with_its_tables) == 4


@pytest.mark.parametrize(
    ("entry_bits", "expected"),
    [
        (KERNEL_PAGE, 5),
        (TRANSITION, 5),
        (TRANSITION | PROTOTYPE, 4),
        (PROTOTYPE, 4),
        (0, 4),
    ],
)
def test_a_second_page_counts_when_it_is_valid_or_in_transition(tmp_path: Path, entry_bits: int, expected: int) -> None:
    def map_second(crashed: CrashedMachine) -> None:
        pool_with_its_tables(crashed)
        crashed.system.map(POOL + PAGE_SIZE, crashed.memory.allocate(), entry_bits)

    assert difference(tmp_path, map_second) == expected


def test_a_page_that_is_mapped_twice_counts_once(tmp_path: Path) -> None:
    def map_again(crashed: CrashedMachine) -> None:
        crashed.system.map(POOL + PAGE_SIZE, pool_with_its_tables(crashed))

    assert difference(tmp_path, map_again) == 4


def test_memory_of_a_device_does_not_count(tmp_path: Path) -> None:
    def map_device(crashed: CrashedMachine) -> None:
        pool_with_its_tables(crashed)
        crashed.system.map(POOL + PAGE_SIZE, DEVICE_FRAME)

    assert difference(tmp_path, map_device) == 4


def test_a_user_page_does_not_count_but_the_page_tables_that_map_it_do(tmp_path: Path) -> None:
    def map_user_page(crashed: CrashedMachine) -> None:
        space = crashed.space_of(crashed.machine.processors[crashed.machine.crashed].current_thread)
        space.ensure(0x1234_5678_0000, PAGE_SIZE)

    assert difference(tmp_path, map_user_page) == 3


def test_page_tables_that_lead_back_to_themselves_come_to_an_end(tmp_path: Path) -> None:
    path = tmp_path / "loop.dmp"
    path.write_bytes(build(COMPLETE, tweak=loop_page_tables))
    assert counted(path) == KernelPages(1, 0)


def test_page_tables_that_are_not_in_the_dump_are_told(tmp_path: Path) -> None:
    def lose_a_table(crashed: CrashedMachine) -> None:
        pool_with_its_tables(crashed)
        crashed.left_out.add(crashed.system.entry(POOL, 1)[0])

    path = tmp_path / "active.dmp"
    path.write_bytes(build(with_room("ranges-active"), tweak=lose_a_table))
    assert counted(path).missing_tables == 1


def test_page_tables_that_lead_everywhere_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One page table names 512 page frames that are 64 MB apart."""

    def lead_everywhere(crashed: CrashedMachine) -> None:
        pool_with_its_tables(crashed)
        entries = (index << 14 << 12 | KERNEL_PAGE for index in range(512))
        crashed.memory.write(crashed.system.entry(POOL, 1)[0], 0, struct.pack("<512Q", *entries))

    path = tmp_path / "everywhere.dmp"
    path.write_bytes(build(COMPLETE, tweak=lead_everywhere))
    assert counted(path).count
    monkeypatch.setattr(kernel_pages, "MAX_FRAME_BLOCKS", MAX_FRAME_BLOCKS._replace(most=500))
    with pytest.raises(
        LimitError, match=r"page tables: asks for 51\d different places of RAM .*, at most 500 are read"
    ):
        counted(path)


@pytest.mark.parametrize(
    ("limit", "unit"), [(MAX_KERNEL_TABLES, "page tables"), (MAX_KERNEL_PAGES, "pages that page tables map")]
)
def test_page_tables_without_number_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: Limit, unit: str
) -> None:
    """More tables than pages of any sample: a directory names 512 tables, which are pages of another table at once."""

    def lead_to_many(crashed: CrashedMachine) -> None:
        pool_with_its_tables(crashed)
        entries = struct.pack("<512Q", *((0x200 + index) << 12 | KERNEL_PAGE for index in range(512)))
        for level in (1, 2):
            crashed.memory.write(crashed.system.entry(POOL, level)[0], 0, entries)

    path = tmp_path / "many.dmp"
    path.write_bytes(build(COMPLETE, tweak=lead_to_many))
    assert counted(path).count
    name = next(name for name, value in vars(kernel_pages).items() if value is limit)
    monkeypatch.setattr(kernel_pages, name, limit._replace(most=500))
    with pytest.raises(LimitError, match=rf"page tables: asks for \d+ {unit}, at most 500 are read"):
        counted(path)


def test_without_a_physical_memory_block_nothing_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "unset.dmp"
    path.write_bytes(build(COMPLETE, header={"PhysicalMemoryBlock": b"PAGE" * 175}))
    with open_dump(path) as dump:
        assert DumpTarget(dump).count_kernel_pages() is None


def test_a_small_dump_has_no_page_tables_to_count(tmp_path: Path) -> None:
    path = written(tmp_path, BY_NAME["small"])
    with open_dump(path) as dump:
        assert DumpTarget(dump).count_kernel_pages() is None


# --- sets of page frames ---

FRAMES = st.integers(0, 1 << 19)
RUNS = st.lists(st.tuples(FRAMES, st.integers(0, 5000)), max_size=6)


@pytest.mark.parametrize("shift", [9, 10], ids=["2 MB", "4 MB"])
@given(
    small=st.lists(FRAMES, max_size=50),
    large=st.lists(FRAMES, max_size=5),
    huge=st.lists(FRAMES, max_size=1),
    runs=RUNS,
)
def test_a_set_of_frames_counts_what_lies_in_runs(
    shift: int, small: list[int], large: list[int], huge: list[int], runs: list[tuple[int, int]]
) -> None:
    frames = FrameSet()
    frames.add_large(large, shift)
    frames.add(small)
    frames.add_large(huge, 18)
    expected = set(small)
    for pfn in large:
        expected.update(range(pfn >> shift << shift, (pfn >> shift) + 1 << shift))
    for pfn in huge:
        expected.update(range(pfn >> 18 << 18, (pfn >> 18) + 1 << 18))
    ram = set(itertools.chain.from_iterable(range(base, base + count) for base, count in runs))
    assert frames.count_in(runs) == len(expected & ram)


def test_progress_ends_at_the_number_of_tables_of_the_last_level(tmp_path: Path) -> None:
    path = written(tmp_path, COMPLETE)
    calls: list[tuple[int, int]] = []
    with open_dump(path) as dump:
        DumpTarget(dump).count_kernel_pages(lambda done, total: calls.append((done, total)))
    assert calls[-1][0] == calls[-1][1] > 1
    assert all(done <= total for done, total in calls)
