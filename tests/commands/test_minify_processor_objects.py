"""What a small dump holds of the objects that only a processor's control block (KPRCB) leads to."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.command_line import run
from support.small_dump_file import SmallDumpFile
from support.source_memory import SourceMemory

from samples.builder import write
from samples.builder.bug_checks import BUG_CHECKS
from samples.builder.machine import Placement
from samples.builder.places import X64_PLACES

if TYPE_CHECKING:
    from pathlib import Path

    from samples.builder import Sample

SAMPLE = BUG_CHECKS["ef"].sample
PROCESSORS = SAMPLE.machine.processors
OBJECTS = X64_PLACES.pool + 0x300000
TIMERS = 0x4E80
"""Where the heads of the lists are: somewhere in the KPRCB."""


def prcb(number: int) -> int:
    return PROCESSORS[number].pcr + SAMPLE.machine.version.number("OffsetPcrContainedPrcb")


def sample_with(*placements: Placement) -> Sample:
    machine = SAMPLE.machine
    return replace(SAMPLE, machine=replace(machine, placements=(*machine.placements, *placements)))


def minified(sample: Sample, folder: Path, *options: str) -> SmallDumpFile:
    write(sample, folder / "MEMORY.DMP")
    outcome = run("minify", *options, folder / "MEMORY.DMP", folder / "small.dmp")
    assert outcome.status == 0
    return SmallDumpFile(folder / "small.dmp")


def pointers(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}Q", *values)


def in_list(entries: list[int]) -> list[Placement]:
    """Return the entries (LIST_ENTRY) of a list, the first of which is its head."""
    behind, before = entries[1:] + entries[:1], entries[-1:] + entries[:-1]
    return [Placement(at, pointers(*links)) for at, *links in zip(entries, behind, before)]


def test_an_object_that_a_control_block_links_is_there_if_it_points_back(tmp_path: Path) -> None:
    # a timer in the middle of a driver's object, in a list that begins in the KPRCB; the other only looks like it
    timer, other, head = OBJECTS + 0x880, OBJECTS + 0x10880, prcb(SAMPLE.machine.crashed) + TIMERS
    sample = sample_with(
        *in_list([head, timer]),
        Placement(head + 0x10, pointers(other, other)),
        Placement(other, pointers(other, other)),
        Placement(timer - 0x880, b"in front of the timer".ljust(0x880, b".")),
        Placement(timer + 0x10, b"behind the timer".ljust(0x900, b".")),
    )
    small = minified(sample, tmp_path)
    assert small.memory(timer - 0x880, 0x880 + 0x910) is not None
    assert small.memory(other, 8) is None
    assert "objects linked with processors" in run("minify", "-v", "-o", tmp_path / "MEMORY.DMP", tmp_path / "x").out


def test_a_timer_of_any_processor_leads_to_its_object(tmp_path: Path) -> None:
    last = len(PROCESSORS) - 1
    assert last not in (0, SAMPLE.machine.crashed)
    timer = OBJECTS + 0x880
    sample = sample_with(
        *in_list([prcb(last) + TIMERS, timer]), Placement(timer + 0x10, b"its object".ljust(0x300, b"."))
    )
    assert minified(sample, tmp_path).memory(timer, 0x310) is not None


LIST_IN_OBJECT, ENTRY, OBJECT = 0x840, 0x340, 0x8E0
"""As in objects of a Bluetooth driver: where its list of devices begins, where their entries are, their bytes."""


def devices(count: int) -> tuple[Sample, list[int]]:
    """Return a machine with a timer in a driver's object that has a list of others, and where those begin."""
    owner, head = OBJECTS, prcb(0) + TIMERS
    others = [OBJECTS + 0x10000 + 0x2000 * number + 0x10 for number in range(count)]
    placements = [
        *in_list([head, owner + 0x880]),
        *(Placement(at, bytes([0x21 + number]) * OBJECT) for number, at in enumerate(others)),
        *in_list([owner + LIST_IN_OBJECT, *(at + ENTRY for at in others)]),
    ]
    return sample_with(*placements), others


def test_all_objects_of_its_list_are_there_with_it(tmp_path: Path) -> None:
    sample, others = devices(11)
    small, memory = minified(sample, tmp_path), SourceMemory(sample)
    for address in others:
        assert small.memory(address, OBJECT) == memory.read(address, OBJECT)


def test_a_list_that_may_be_the_whole_systems_is_not_followed(tmp_path: Path) -> None:
    sample, others = devices(40)
    small = minified(sample, tmp_path)
    assert sum(small.memory(address, 8) is not None for address in others) <= 2  # those that the owner points at


RECORDS, RECORDED = 0x8300, 0x300
"""Where a KPRCB points at what the processor ran last, and its length (measured on build 26100)."""


def recorded(numbers: dict[int, int]) -> tuple[Sample, list[int]]:
    """Return a machine in which KPRCBs point at such buffers, and where those are; numbers: lengths by processor."""
    buffers = [OBJECTS + 0x2000 * number + 0xF00 for number in range(len(PROCESSORS))]
    placements = []
    for number, length in numbers.items():
        pointer = struct.pack("<QII", buffers[number], 6, length)
        placements += [Placement(prcb(number) + RECORDS, pointer), Placement(buffers[number], b"." * RECORDED)]
    return sample_with(*placements), buffers


def test_what_the_crashed_processor_recorded_last_is_there(tmp_path: Path) -> None:
    crashed = SAMPLE.machine.crashed
    sample, buffers = recorded(dict.fromkeys(range(len(PROCESSORS)), RECORDED))
    small = minified(sample, tmp_path)
    assert small.memory(buffers[crashed], RECORDED) == b"." * RECORDED
    assert [number for number, at in enumerate(buffers) if small.memory(at, 8) is not None] == [crashed]


@pytest.mark.parametrize("length", [None, 0x400], ids=["nothing", "another length"])
def test_a_number_beside_a_pointer_is_no_length_if_another_processor_has_it_not(
    tmp_path: Path, length: int | None
) -> None:
    numbers = dict.fromkeys(range(len(PROCESSORS)), RECORDED)
    other = next(number for number in numbers if number != SAMPLE.machine.crashed)
    if length is None:
        del numbers[other]
    else:
        numbers[other] = length
    sample, buffers = recorded(numbers)
    assert minified(sample, tmp_path).memory(buffers[SAMPLE.machine.crashed], 8) is None
