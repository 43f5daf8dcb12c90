"""Measurements from dumps: RAM, their own size, and the size of a kernel dump of the machine."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from samples.builder import SAMPLES, build
from samples.builder.physical import PAGE_SIZE
from windbg_ext.commands.pagefilefit import (
    DumpKind,
    HandFigures,
    PagefileFitReport,
    PagingFile,
    Verdict,
    pagefilefit,
)
from windbg_ext.errors import DumpError

if TYPE_CHECKING:
    from pathlib import Path

    from samples.builder.catalog import Sample
    from windbg_ext.structs.structure import Value

MB, GB = 1 << 20, 1 << 30
BY_NAME = {sample.name: sample for sample in SAMPLES}
KIND_OF = {
    "complete": DumpKind.COMPLETE,
    "complete-bitmap": DumpKind.COMPLETE,
    "active": DumpKind.ACTIVE,
    "kernel": DumpKind.KERNEL,
    "kernel-la57": DumpKind.KERNEL,
    "ranges-kernel": DumpKind.KERNEL,
    "ranges-active": DumpKind.ACTIVE,
    "ranges-complete": DumpKind.COMPLETE,
}
"""samples/README.md"""
each_sample = pytest.mark.parametrize("name", KIND_OF)
WRITTEN_BY_KERNEL, DID_NOT_FIT, LIVE = 1 << 3, 1 << 2, 1 << 4
UNSET = b"PAGE" * 175


def ram_of(sample: Sample) -> int:
    return sum(run.page_count for run in sample.machine.ram) * PAGE_SIZE


def report_of(folder: Path, name: str, hand: HandFigures | None = None, **header: Value) -> PagefileFitReport:
    path = folder / f"{name}.dmp"
    path.write_bytes(build(BY_NAME[name], header=header))
    return pagefilefit(path, by_hand=hand)


def physical_memory_block(pages: int, *runs: tuple[int, int]) -> bytes:
    """Build a PhysicalMemoryBlock. runs: (first page frame, count)."""
    block = struct.pack("<I4xQ", len(runs), pages) + b"".join(struct.pack("<QQ", *run) for run in runs)
    return block + UNSET[len(block) :]


def fixed(size: int) -> HandFigures:
    return HandFigures(paging_files=(PagingFile("C:\\pagefile.sys", size, size),))


@each_sample
def test_ram_is_that_of_the_physical_memory_block(tmp_path: Path, name: str) -> None:
    report = report_of(tmp_path, name)
    assert report.ram == ram_of(BY_NAME[name])
    assert report.ram_from == "the physical memory block of the dump"
    assert report.architecture.name == "x64"


@each_sample
def test_a_dump_is_the_measure_of_its_own_kind(tmp_path: Path, name: str) -> None:
    report = report_of(tmp_path, name)
    assert report.kind(KIND_OF[name]).measured == len(build(BY_NAME[name]))


@pytest.mark.parametrize("name", ["kernel", "kernel-la57", "ranges-kernel"])
def test_a_kernel_dump_is_the_measure_of_an_automatic_one_too(tmp_path: Path, name: str) -> None:
    report = report_of(tmp_path, name)
    size = len(build(BY_NAME[name]))
    assert [kind.measured for kind in report.kinds] == [None, size, size, None, None]


@pytest.mark.parametrize("name", ["complete", "complete-bitmap", "active", "ranges-active", "ranges-complete"])
def test_complete_and_active_dumps_tell_what_a_kernel_dump_would_take(tmp_path: Path, name: str) -> None:
    """Expected: headers and bitmap, counted pages and secondary data, all from the builder."""
    report = report_of(tmp_path, name)
    assert report.kernel_pages
    kernel = report.kind(DumpKind.KERNEL)
    assert kernel.measured is not None
    from_pages = kernel.measured - report.kernel_pages * PAGE_SIZE
    limit = max(run.base_page + run.page_count for run in BY_NAME[name].machine.ram)
    first_page = -(-(0x2038 + (limit + 7) // 8) // PAGE_SIZE) * PAGE_SIZE
    assert 0 < from_pages - first_page < PAGE_SIZE
    assert report.kind(DumpKind.AUTOMATIC).measured == kernel.measured


def test_more_appended_to_a_dump_does_not_count(tmp_path: Path) -> None:
    data = build(BY_NAME["kernel"])
    path = tmp_path / "kernel.dmp"
    path.write_bytes(data + bytes(MB))
    assert pagefilefit(path).kind(DumpKind.KERNEL).measured == len(data)


def test_a_dump_that_is_cut_short_is_still_the_measure_of_what_it_should_be(tmp_path: Path) -> None:
    data = build(BY_NAME["complete"])
    path = tmp_path / "cut.dmp"
    path.write_bytes(data[: len(data) * 3 // 4])
    report = pagefilefit(path)
    pages_end = 0x2000 + ram_of(BY_NAME["complete"])
    assert report.kind(DumpKind.COMPLETE).measured in (pages_end, len(data))


def test_required_dump_space_counts_where_it_is_more_than_the_file(tmp_path: Path) -> None:
    ram = ram_of(BY_NAME["kernel"])
    report = report_of(tmp_path, "kernel", RequiredDumpSpace=ram + MB)
    assert report.kind(DumpKind.KERNEL).measured == ram + MB
    assert any("RequiredDumpSpace" in source.says for source in report.kind(DumpKind.KERNEL).sources)


@pytest.mark.parametrize("absurd", [1 << 50, (1 << 64) - 1])
def test_an_absurd_required_dump_space_is_noted_and_left_out_of_account(tmp_path: Path, absurd: int) -> None:
    report = report_of(tmp_path, "kernel", RequiredDumpSpace=absurd)
    assert report.kind(DumpKind.KERNEL).measured == len(build(BY_NAME["kernel"]))
    assert any("RequiredDumpSpace" in note for note in report.notes)


def test_a_dump_that_did_not_fit_says_so_and_is_no_measure(tmp_path: Path) -> None:
    report = report_of(tmp_path, "kernel", Attributes=DID_NOT_FIT)
    assert report.did_not_fit
    assert report.kind(DumpKind.KERNEL).measured is None
    assert any("InsufficientDumpfileSize" in advice.text for advice in report.advice)


def test_a_small_dump_in_place_of_a_larger_one_says_so(tmp_path: Path) -> None:
    """Attributes 0xC, as a real small dump has them."""
    hand = HandFigures(ram=16 * GB)
    report = report_of(tmp_path, "small", hand, Attributes=0xC)
    assert report.did_not_fit
    assert report.kind(DumpKind.SMALL).measured == len(build(BY_NAME["small"]))


def test_attributes_that_were_never_set_are_not_decoded(tmp_path: Path) -> None:
    report = report_of(tmp_path, "kernel", Attributes=0x45474150)
    assert not report.did_not_fit
    assert report.kind(DumpKind.KERNEL).measured


def test_a_live_dump_is_noted(tmp_path: Path) -> None:
    assert any("live dump" in note for note in report_of(tmp_path, "kernel", Attributes=LIVE).notes)


def test_a_debuggers_small_dump_without_ram_asks_for_it(tmp_path: Path) -> None:
    with pytest.raises(DumpError, match="give --ram"):
        report_of(tmp_path, "small", PhysicalMemoryBlock=UNSET)


def test_with_ram_by_hand_it_is_read(tmp_path: Path) -> None:
    report = report_of(tmp_path, "small", HandFigures(ram=16 * GB), PhysicalMemoryBlock=UNSET)
    assert (report.ram, report.ram_from) == (16 * GB, "--ram")
    assert report.kind(DumpKind.SMALL).measured is None


def test_a_small_dump_with_a_physical_memory_block_tells_ram(tmp_path: Path) -> None:
    block = physical_memory_block(0x40000, (0x100, 0x40000))
    report = report_of(tmp_path, "small", PhysicalMemoryBlock=block)
    assert report.ram == GB


@pytest.mark.parametrize(
    ("runs", "pages"),
    [
        ([(1, 0x1000)], 0xFFFF_FFFF_FFFF_F000),
        ([(1, 0x1000)], 1 << 36 | 1),
        ([(1, 1 << 37)], 1 << 37),
        ([(1, (1 << 64) - 1)], 0x1000),
        ([(1, 0)], 0),
    ],
)
def test_a_negative_or_absurd_ram_is_refused(tmp_path: Path, runs: list[tuple[int, int]], pages: int) -> None:
    with pytest.raises(DumpError, match=r"PhysicalMemoryBlock.*(make no sense|beyond)"):
        report_of(tmp_path, "kernel", PhysicalMemoryBlock=physical_memory_block(pages, *runs))


def test_an_absurd_ram_does_not_matter_with_ram_by_hand(tmp_path: Path) -> None:
    block = physical_memory_block(1 << 60, (1, 0x1000))
    assert report_of(tmp_path, "kernel", HandFigures(ram=GB), PhysicalMemoryBlock=block).ram == GB


def test_runs_that_contradict_the_number_of_pages_are_noted_and_the_larger_counts(tmp_path: Path) -> None:
    block = physical_memory_block(0x30000, (1, 0x20000))
    report = report_of(tmp_path, "kernel", PhysicalMemoryBlock=block)
    assert report.ram == 0x30000 * PAGE_SIZE
    assert any("contradicts itself" in note for note in report.notes)


# --- measures in the answers ---


@pytest.mark.parametrize(("less", "verdict"), [(0, Verdict.FITS), (1, Verdict.DOES_NOT_FIT)])
def test_the_measure_of_a_kernel_dump_decides_what_the_worst_case_leaves_open(
    tmp_path: Path, less: int, verdict: Verdict
) -> None:
    size = 0x400_0000
    report = report_of(tmp_path, "kernel", fixed(size - less), RequiredDumpSpace=size)
    assert [report.kind(kind).verdict for kind in (DumpKind.KERNEL, DumpKind.AUTOMATIC)] == [verdict, verdict]
    assert report.kind(DumpKind.KERNEL).needs == ram_of(BY_NAME["kernel"]) + 128 * MB


def test_an_active_dump_takes_no_less_than_the_kernel_dump_that_was_measured(tmp_path: Path) -> None:
    size = 0x400_0000
    report = report_of(tmp_path, "kernel", fixed(size - 1), RequiredDumpSpace=size)
    assert report.kind(DumpKind.ACTIVE).verdict is Verdict.DOES_NOT_FIT


def test_a_complete_dump_needs_the_safe_figure_though_one_took_less(tmp_path: Path) -> None:
    ram = ram_of(BY_NAME["complete"])
    report = report_of(tmp_path, "complete", fixed(ram + 200 * MB))
    assert report.kind(DumpKind.COMPLETE).verdict is Verdict.CANNOT_BE_TOLD


def test_a_small_dump_may_take_more_than_the_pages_say(tmp_path: Path) -> None:
    block = physical_memory_block(0x40000, (0x100, 0x40000))
    sample = BY_NAME["small"]
    assert sample.format is not None
    path = tmp_path / "small.dmp"
    data = bytearray(build(sample, header={"PhysicalMemoryBlock": block, "Attributes": WRITTEN_BY_KERNEL}))
    size_of_dump = struct.unpack_from("<I", data, 0x2004)[0]
    triage_end = struct.unpack_from("<I", data, 0x2008)[0]
    longer = 3 * MB
    struct.pack_into("<II", data, 0x2004, longer, longer - 4)
    tail = data[size_of_dump:]
    data[triage_end:] = bytes(longer - 4 - triage_end) + b"TRGD" + tail
    path.write_bytes(data)
    report = pagefilefit(path, by_hand=fixed(2 * MB))
    assert report.kind(DumpKind.SMALL).measured == longer + len(tail)
    assert report.kind(DumpKind.SMALL).verdict is Verdict.DOES_NOT_FIT


def test_progress_is_told(tmp_path: Path) -> None:
    calls: list[tuple[str, int, int]] = []
    path = tmp_path / "complete.dmp"
    path.write_bytes(build(BY_NAME["complete"]))
    pagefilefit(path, progress=lambda *call: calls.append(call))
    assert {doing for doing, _, _ in calls} == {"counting kernel pages"}
    assert calls[-1][1] == calls[-1][2]


def test_a_dump_of_ram_and_a_window_counts_what_is_mapped(tmp_path: Path) -> None:
    """Without the 1 GB page over all RAM, a kernel dump is smaller than a complete one."""
    sample = BY_NAME["ranges-complete"]
    path = tmp_path / "no-window.dmp"
    path.write_bytes(build(replace(sample, machine=replace(sample.machine, window=0))))
    pages = pagefilefit(path).kernel_pages
    assert pages is not None
    assert 0 < pages * PAGE_SIZE < ram_of(sample)
