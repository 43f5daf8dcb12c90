"""What a small dump holds of each bug check: what its parameters point at, by Microsoft's bug check code reference."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Callable

import pytest
from support.raw_dump import RawDump
from support.small_dump_file import SmallDumpFile
from support.source_memory import SourceMemory

from samples.builder import write
from samples.builder.bug_checks import BUG_CHECKS, EDGE, OBJECTS
from samples.builder.machine import Placement
from windbg_ext import MinifyOptions, minify, open_dump
from windbg_ext.commands.minify.crash import read_crash
from windbg_ext.commands.minify.parts import order
from windbg_ext.commands.minify.parts.processors import processors

if TYPE_CHECKING:
    from pathlib import Path

    from samples.builder.bug_checks import BugCheckSample
    from samples.builder.machine import Machine

each_bug_check = pytest.mark.parametrize("name", BUG_CHECKS)


def held(small: SmallDumpFile, address: int, length: int) -> bytes:
    """Return what of a range the blocks and the call stack hold; b"" where there is a gap."""
    data = b""
    pieces = [*small.blocks, (small.top_of_stack, small.call_stack)]
    while len(data) < length:
        at = address + len(data)
        start, piece = next(((start, piece) for start, piece in pieces if start <= at < start + len(piece)), (0, b""))
        if not piece:
            return b""
        data += piece[at - start :]
    return data[:length]


def test_every_bug_check_has_a_sample() -> None:
    of_samples = {bug_check.sample.machine.bug_check.plain_code for bug_check in BUG_CHECKS.values()}
    assert of_samples >= {0x133, 0x9F, 0x7A, 0x1A, 0xC4, 0xC9, 0x101, 0x1CA, 0x124, 0x139, 0xEF, 0x7E}
    powers = [made.sample.machine.bug_check.parameters[0] for name, made in BUG_CHECKS.items() if name[:2] == "9f"]
    assert powers == [1, 3, 4]


@pytest.mark.slow
@each_bug_check
def test_what_the_parameters_of_a_bug_check_point_at_is_in_the_small_dump(name: str, tmp_path: Path) -> None:
    bug_check = BUG_CHECKS[name]
    source, memory = tmp_path / "MEMORY.DMP", SourceMemory(bug_check.sample)
    write(bug_check.sample, source)
    report = minify(source, tmp_path / "small.dmp", MinifyOptions(verify=True))
    small = SmallDumpFile(tmp_path / "small.dmp")
    assert len(bug_check.expected) > 0
    for address, length in bug_check.expected:
        assert held(small, address, length) == memory.read(address, length), hex(address)
    assert report.verification is not None
    assert report.verification.differences == ()


@each_bug_check
def test_it_needs_no_windows_at_pointers_which_come_later(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = [part for part in order.PARTS if part.name not in ("windows at pointers", "other threads and their stacks")]
    assert len(kept) == len(order.PARTS) - 2
    monkeypatch.setattr(order, "PARTS", tuple(kept))
    bug_check = BUG_CHECKS[name]
    source, memory = tmp_path / "MEMORY.DMP", SourceMemory(bug_check.sample)
    write(bug_check.sample, source)
    minify(source, tmp_path / "small.dmp")
    small = SmallDumpFile(tmp_path / "small.dmp")
    for address, length in bug_check.expected:
        assert held(small, address, length) == memory.read(address, length), hex(address)


@pytest.mark.parametrize("name", ["101", "1ca"])
def test_the_processor_that_hangs_comes_first_with_its_registers_and_its_stack(name: str, tmp_path: Path) -> None:
    bug_check = BUG_CHECKS[name]
    write(bug_check.sample, tmp_path / "MEMORY.DMP")
    with open_dump(tmp_path / "MEMORY.DMP") as dump:
        ranges = list(processors(read_crash(dump.target)))
    prcb, context, stack = bug_check.expected
    assert bug_check.sample.machine.crashed == 0
    assert (ranges[0].address, ranges[1].address, ranges[2].address) == (prcb[0], context[0], stack[0])
    hanging = bug_check.sample.machine.processors[1].pcr
    assert hanging < prcb[0] < hanging + bug_check.sample.machine.version.number("SizePcr")


def test_without_the_watchdogs_block_no_buffer_is_taken_that_the_other_processors_lack(tmp_path: Path) -> None:
    sample = BUG_CHECKS["133-1-81"].sample
    address, length = BUG_CHECKS["133-1-81"].expected[-1]
    other = sample.machine.processors[1].pcr
    lacking = tuple(
        placement
        for placement in sample.machine.placements
        if not other < placement.address < other + sample.machine.version.number("SizePcr")
    )
    assert len(lacking) == len(sample.machine.placements) - 1
    write(replace(sample, machine=replace(sample.machine, placements=lacking)), tmp_path / "MEMORY.DMP")
    minify(tmp_path / "MEMORY.DMP", tmp_path / "small.dmp")
    assert held(SmallDumpFile(tmp_path / "small.dmp"), address, length) == b""


@pytest.mark.parametrize(
    ("length", "signature"), [(0xFFFFFFFF, b"CPER"), (0x1F38, b"CPE?")], ids=["endless", "no signature"]
)
def test_an_error_record_that_is_damaged_costs_no_more_than_it_can_be(
    tmp_path: Path, length: int, signature: bytes
) -> None:
    sample = BUG_CHECKS["124"].sample
    (record, _) = BUG_CHECKS["124"].expected[0]
    damaged = (Placement(record, signature), Placement(record + 0x14, length.to_bytes(4, "little")))
    machine = replace(sample.machine, placements=(*sample.machine.placements, *damaged))
    write(replace(sample, machine=machine), tmp_path / "MEMORY.DMP")
    minify(tmp_path / "MEMORY.DMP", tmp_path / "small.dmp")
    small = SmallDumpFile(tmp_path / "small.dmp")
    assert held(small, record, 0x80) != b""
    assert len(small.data) < 2 << 20


@pytest.mark.parametrize("name", ["9f-1", "9f-3", "9f-4"])
def test_devices_and_nodes_in_a_circle_are_walked_once(name: str, tmp_path: Path) -> None:
    sample = BUG_CHECKS[name].sample
    first = OBJECTS + EDGE
    circle = (
        Placement(first + 0x2000 + 0x18, first.to_bytes(8, "little")),  # the upper device object's AttachedDevice
        Placement(first + 0xA000 + 0x10, (first + 0xA000).to_bytes(8, "little")),  # the node's Parent
    )
    machine = replace(sample.machine, placements=(*sample.machine.placements, *circle))
    write(replace(sample, machine=machine), tmp_path / "MEMORY.DMP")
    assert minify(tmp_path / "MEMORY.DMP", tmp_path / "small.dmp").complete


def _moved(data: bytes, _: int) -> bytes:
    """Return a structure in which all fields behind the first 8 bytes lie 8 bytes further on."""
    return data[:8] + bytes(8) + data[8:-8]


def _of_ones(data: bytes, _: int) -> bytes:
    """Return a structure whose fields have all bits set, behind its type and size."""
    return data[:4] + b"\xff" * (len(data) - 4)


def _of_itself(data: bytes, address: int) -> bytes:
    """Return a structure whose every pointer is its own address, behind its type and size."""
    pointers = address.to_bytes(8, "little") * (len(data) // 8 + 1)
    return data[:4] + pointers[4 : len(data)]


def _leading_nowhere(data: bytes, _: int) -> bytes:
    """Return a structure whose every pointer is one of the kernel that nothing maps, behind its type and size."""
    pointers = (0xFFFF_A123_4567_8000).to_bytes(8, "little") * (len(data) // 8 + 1)
    return data[:4] + pointers[4 : len(data)]


DISTORTIONS: dict[str, Callable[[bytes, int], bytes]] = {
    "moved": _moved,
    "all ones": _of_ones,
    "itself": _of_itself,
    "nowhere": _leading_nowhere,
}
"""What a structure of another version of Windows may look like to code that knows this one."""
QUICK = {("9f-1", "nowhere"), ("133-0", "moved")}


def objects_of(bug_check: BugCheckSample) -> list[tuple[int, int]]:
    """Return (address, bytes) of the structures that the parameters lead to, of a long list the first few."""
    objects = [item for item in bug_check.expected if OBJECTS <= item[0] < OBJECTS + (1 << 24) and item[1] >= 16]
    return objects[:12]


@pytest.mark.parametrize(
    ("name", "distortion"),
    [
        pytest.param(name, distortion, marks=() if (name, distortion) in QUICK else pytest.mark.slow)
        for name, made in BUG_CHECKS.items()
        for distortion in DISTORTIONS
        if objects_of(made)
    ],
)
def test_a_structure_with_another_layout_costs_no_more_than_itself(name: str, distortion: str, tmp_path: Path) -> None:
    bug_check = BUG_CHECKS[name]
    machine = bug_check.sample.machine
    source, small = tmp_path / "MEMORY.DMP", tmp_path / "small.dmp"
    write(bug_check.sample, source)
    data = source.read_bytes()
    minify(source, small)
    usual, raw = SmallDumpFile(small), RawDump(data)
    for address, length in objects_of(bug_check):
        source.write_bytes(raw.written(address, DISTORTIONS[distortion](raw.read(address, length), address)))
        report = minify(source, small, MinifyOptions(verify=True, overwrite=True))
        assert report.complete
        assert report.verification is not None
        assert report.verification.differences == ()
        must_be_of_one_crash(SmallDumpFile(small), usual, machine)


def must_be_of_one_crash(small: SmallDumpFile, usual: SmallDumpFile, machine: Machine) -> None:
    """Compare all that does not come from the structures that a parameter leads to."""
    parts, expected = small.parts(), usual.parts()
    assert [name for name in parts if parts[name] != expected[name]] in ([], ["data blocks"])
    for processor in machine.processors:
        prcb = processor.pcr + machine.version.number("OffsetPcrContainedPrcb")
        assert held(small, prcb, machine.version.number("SizePrcb")) != b""
        assert held(small, processor.context, 0x4D0) != b""
        stack = processor.registers["Rsp"]
        assert held(small, stack, 0x100) == held(usual, stack, 0x100)
    assert len(small.data) < len(usual.data) + (1 << 20)
