"""A source that cannot be read everywhere: what can be saved is saved, what is lost is listed with place and reason."""

from __future__ import annotations

import json
import random
import re
import struct
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import pytest
from support.command_line import Outcome, contents, refusal_of, run
from support.failing_source import REASON, Disk
from support.raw_dump import RawDump
from support.small_dump_file import SmallDumpFile
from support.source_memory import SourceMemory

from samples.builder import SAMPLES, build
from samples.builder.places import PLACES as PLACES_OF
from samples.builder.places import X64_PLACES
from samples.builder.plausible import USER_PROCESS

if TYPE_CHECKING:
    from pathlib import Path

    from samples.builder import Sample

PAGE = 0x1000
BY_NAME = {sample.name: sample for sample in SAMPLES}
SWEPT = [
    BY_NAME[name]
    for name in ("complete-bitmap", "active", "kernel-la57", "ranges-kernel", "arm64-kernel", "x86-pae-kernel")
]
"""Bitmaps and ranges, page tables of several kinds; pages of the first lie at no multiples of their size."""
IN_EVERY_RUN = ("complete-bitmap", "x86-pae-kernel")
each_swept = pytest.mark.parametrize(
    "sample",
    [
        pytest.param(sample, id=sample.name, marks=[] if sample.name in IN_EVERY_RUN else pytest.mark.slow)
        for sample in SWEPT
    ],
)
PLACE = re.compile(r"0x([0-9a-f]+) to 0x([0-9a-f]+) of the file cannot be read \(" + re.escape(REASON) + r"\)")


class Made(NamedTuple):
    """A run of minify: what it said, its report, the small dump, None where it refused."""

    outcome: Outcome
    report: dict[str, object]
    small: SmallDumpFile | None

    def left_out(self, part: str) -> list[str]:
        lost = self.report["left_out"]
        assert isinstance(lost, list)
        return [item["why"] for item in lost if item["part"] == part]


def minify(source: Path, disk: Disk, *options: str) -> Made:
    """Run minify with a source on a disk; it writes a whole file, or refuses with a line and leaves nothing."""
    destination = source.with_name("small.dmp")
    with pytest.MonkeyPatch.context() as patch:
        disk.put_under_every_file(patch)
        outcome = run("minify", source, destination, "--json", *options)
    if outcome.status not in (0, 1):
        refusal_of(outcome)
        assert set(contents(source.parent)) == {source.name}
        return Made(outcome, {}, None)
    assert outcome.err == ""
    small = SmallDumpFile(destination)
    destination.unlink()
    return Made(outcome, json.loads(outcome.out), small)


def places(lines: list[str]) -> list[tuple[int, int]]:
    """Return (start, end) of what is told as unreadable."""
    found = []
    for line in lines:
        match = PLACE.fullmatch(line)
        assert match, line
        found.append((int(match[1], 16), int(match[2], 16)))
    return found


# --- one bad sector after the other, all over the file ---


@each_swept
def test_whichever_4_kb_of_a_source_cannot_be_read_the_rest_is_saved_and_the_loss_is_listed(
    sample: Sample, tmp_path: Path
) -> None:
    source, memory = tmp_path / "MEMORY.DMP", SourceMemory(sample)
    data = build(sample)
    source.write_bytes(data)
    highest_bit = 8 * PLACES_OF[sample.machine.architecture.machine_type].pointer_size - 1
    untouched = minify(source, Disk()).small
    assert untouched is not None
    outcomes: Counter[str] = Counter()
    for start in range(0, len(data), PAGE):
        disk = Disk(((start, start + PAGE),))
        made = minify(source, disk, "--salvage")
        if made.small is None:
            assert f"({REASON})" in made.outcome.err
            outcomes["refused"] += 1
            continue
        for address, block in made.small.blocks:
            process = None if address >> highest_bit else USER_PROCESS
            assert memory.read(address, len(block), process) == block
        lost = places(made.left_out("pages"))
        of_chain = [why for why in made.left_out("secondary data") if f"cannot be read ({REASON})" in why]
        of_bitmap = [why for why in made.left_out("bitmap") if f"({REASON})" in why]
        assert bool(lost or of_chain or of_bitmap) == bool(disk.failed)
        assert all(low < start + PAGE and start < high for low, high in lost)
        assert made.outcome.status == (1 if disk.failed else 0)
        if not disk.failed:
            assert made.small.data == untouched.data
        outcomes["saved, the loss listed" if disk.failed else "never read"] += 1
    assert outcomes["saved, the loss listed"] > 10
    print(f"{sample.name}: {sum(outcomes.values())} places: {dict(outcomes)}")


@each_swept
def test_whichever_4_kb_of_a_dump_cannot_be_read_dumpkind_and_pagefilefit_say_so_where_they_need_them(
    sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "MEMORY.DMP"
    source.write_bytes(build(sample))
    for command, *options in (("dumpkind", "-v"), ("pagefilefit", "--json")):
        outcomes: Counter[str] = Counter()
        for start in range(0, source.stat().st_size, PAGE):
            disk = Disk(((start, start + PAGE),))
            disk.put_under_every_file(monkeypatch)
            outcome = run(command, source, *options)
            said = outcome.out + outcome.err
            assert (REASON in said) == bool(disk.failed), (hex(start), outcome)
            assert outcome.err.count("\n") == (outcome.status == 3)
            if outcome.status == 3:
                outcomes["refused"] += 1
                continue
            if command == "dumpkind":
                assert outcome.status == bool(disk.failed)
            outcomes["told with the answer" if disk.failed else "never read"] += 1
        print(f"{command} {sample.name}: {sum(outcomes.values())} places: {dict(outcomes)}")


def test_whichever_4_kb_of_a_small_dump_cannot_be_read_dumpkind_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "small.dmp"
    source.write_bytes(build(BY_NAME["small"]))
    for start in range(0, source.stat().st_size, PAGE):
        disk = Disk(((start, start + PAGE),))
        disk.put_under_every_file(monkeypatch)
        outcome = run("dumpkind", source)
        assert (REASON in outcome.out + outcome.err) == bool(disk.failed)
        assert outcome.err.count("\n") == (outcome.status == 3)


# --- one place of every kind ---


class Place(NamedTuple):
    """A page of the source by what lies there.

    refused: what the line says where nothing can be made of the rest, or only with --salvage; lost: parts that the
    report names with the place.
    """

    name: str
    refused: str = ""
    salvageable: bool = True
    lost: tuple[str, ...] = ()


PLACES = (
    Place("header", "DUMP_HEADER64: cannot be read at 0x0", salvageable=False),
    Place("bitmap", "bitmap header: cannot be read at 0x2000", salvageable=False),
    Place("highest page table", "KdDebuggerDataBlock: ", salvageable=False),
    Place("debugger data block", "KdDebuggerDataBlock: ", salvageable=False),
    Place("module list", "PsLoadedModuleList: ", lost=("PsLoadedModuleList",)),
    Place("control block of the processor that crashed", "KPRCB: ", lost=("KPRCB", "KPRCB of processor 0")),
    Place("control block of another processor", lost=("KPRCB of processor 1",)),
    Place("context buffers", lost=("context of processor 0", "context of processor 1")),
    Place("stack of the crash", lost=("call stack", "stack of processor 0", "page at bug check parameter 3")),
    Place("I/O objects"),
)


def offset_of(place: str, sample: Sample, data: bytes) -> int:
    """Find the page with something in a dump, by the builder's description of the machine."""
    raw, memory, machine = RawDump(data), SourceMemory(sample), sample.machine
    if place in ("header", "bitmap"):
        return 0 if place == "header" else 0x2000
    if place == "highest page table":
        return raw.pages[raw.u64(0x10) >> 12]
    head = raw.u64(0x20)
    address = {
        "debugger data block": raw.u64(0x80),
        "module list": raw.read_u64(head),
        "control block of the processor that crashed": memory.prcb(machine.crashed),
        "control block of another processor": memory.prcb(1 - machine.crashed),
        "context buffers": machine.processors[0].context,
        "stack of the crash": machine.processors[machine.crashed].registers["Rsp"],
        "I/O objects": X64_PLACES.objects,
    }[place]
    pfn = memory.crash_space.frame(address)
    assert pfn is not None
    return raw.pages[pfn]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: str(place.name))
def test_what_cannot_be_read_is_named_with_its_place_in_the_file_and_the_reason(place: Place, tmp_path: Path) -> None:
    sample = BY_NAME["complete-bitmap"]
    data = build(sample)
    source = tmp_path / "MEMORY.DMP"
    source.write_bytes(data)
    start = offset_of(place.name, sample, data)
    disk = Disk(((start, start + PAGE),))
    there = f"at 0x{start:x} of the file, where reading fails ({REASON})"

    made = minify(source, disk)
    if place.refused:
        assert place.refused in made.outcome.err
        assert f"at 0x{start:x}" in made.outcome.err
        assert f"({REASON})" in made.outcome.err
        assert ("; --salvage goes on without it" in made.outcome.err) == place.salvageable
        made = minify(source, disk, "--salvage")
    assert (made.small is not None) == place.salvageable
    if made.small is None:
        return
    assert made.outcome.status == 1
    assert places(made.left_out("pages")) == [(start, start + PAGE)]
    for part in place.lost:
        assert any(there in why for why in made.left_out(part)), part
    if not place.lost:
        assert made.left_out("windows at pointers") == ["2 of its addresses lie in pages that cannot be read"]
    drivers = {driver.base for driver in made.small.drivers}
    assert all((module.base in drivers) == (place.name != "module list") for module in sample.machine.modules)
    assert made.small.secondary == minify_without_errors(source).secondary


def minify_without_errors(source: Path) -> SmallDumpFile:
    small = minify(source, Disk()).small
    assert small is not None
    return small


def test_a_page_that_is_not_in_the_dump_is_told_apart_from_one_that_cannot_be_read(tmp_path: Path) -> None:
    sample = BY_NAME["kernel"]
    source = tmp_path / "MEMORY.DMP"
    source.write_bytes(build(sample))
    raw, memory = RawDump(source.read_bytes()), SourceMemory(sample)
    pfn = memory.crash_space.frame(X64_PLACES.objects)
    assert pfn is not None
    start = raw.pages[pfn]
    made = minify(source, Disk(((start, start + PAGE),)))
    absent, unreadable = sorted(made.left_out("windows at pointers"), key=lambda why: "cannot" in why)
    assert re.fullmatch(r"\d+ of its addresses lie in pages that are not in the source", absent)
    assert re.fullmatch(r"\d+ of its addresses lie in pages that cannot be read", unreadable)


# --- secondary data ---

SIZES = (5000, 3 << 20, 7000)
"""Bytes of the blobs of a chain."""


def chain_of_blobs() -> list[bytes]:
    """Return the header of a chain and its blobs: each is its own header of 0x20 bytes, data and padding."""
    header = struct.pack("<8sII", b"DumpBlob", 0x10, 0xF0004A61)
    content = random.Random(1)
    blobs = []
    for number, size in enumerate(SIZES):
        tag = UUID(int=number + 1).bytes_le
        blobs.append(struct.pack("<I16sIII", 0x20, tag, size, 0, -size % 16) + content.randbytes(size + -size % 16))
    return [header, *blobs]


@pytest.mark.parametrize(
    ("number", "bad", "kept", "piece", "why"),
    [
        (1, 2000, (0, 2, 3), 0, "blob 0 cannot be read at 0x{:x} ({})"),
        (2, 0x20, (0, 1, 3), 0, "blob 1 cannot be read at 0x{:x} ({})"),
        (2, (2 << 20) + 5, (0, 1, 3), 2 << 20, "blob 1 cannot be read at 0x{:x} ({})"),
        (3, 6999, (0, 1, 2), 0, "blob 2 cannot be read at 0x{:x} ({})"),
        (2, 0, (0, 1), 0, "the header of blob 1 at 0x{:x} cannot be read ({}): the rest is lost"),
        (0, 0, (), 0, "its beginning at 0x{:x} cannot be read ({})"),
    ],
    ids=["first", "start of a large one", "middle of a large one", "last", "header of one", "header of the chain"],
)
def test_of_secondary_data_every_blob_that_can_be_read_is_saved(
    tmp_path: Path, number: int, bad: int, kept: tuple[int, ...], piece: int, why: str
) -> None:
    data = build(BY_NAME["complete-bitmap"])
    start = data.rindex(b"DumpBlob")
    chain = chain_of_blobs()
    source = tmp_path / "MEMORY.DMP"
    source.write_bytes(data[:start] + b"".join(chain))
    begin = start + sum(map(len, chain[:number]))
    made = minify(source, Disk(((begin + bad, begin + bad + 1),)))
    assert made.small is not None
    assert made.outcome.status == 1
    expected = b"".join(chain[index] for index in kept)
    assert made.small.secondary == expected
    assert len(made.small.data) == made.small.u32(0xFA0) == made.report["bytes"]
    parts = made.report["parts"]
    assert isinstance(parts, list)
    assert sum(part["bytes"] for part in parts if part["part"] == "secondary data") == len(expected)
    assert made.left_out("secondary data") == [why.format(begin + piece, REASON)]


def test_many_blobs_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    data = build(BY_NAME["complete-bitmap"])
    start = data.rindex(b"DumpBlob")
    header = chain_of_blobs()[0]
    blobs = [struct.pack("<I16sIII", 0x20, bytes(16), 0x20, 0, 0) + bytes(0x20)] * 100
    source = tmp_path / "MEMORY.DMP"
    source.write_bytes(data[:start] + header + b"".join(blobs))
    bad = tuple((at + 0x20, at + 0x40) for at in range(start + 0x10, start + 0x10 + 100 * 0x40, 0x40))
    made = minify(source, Disk(bad))
    assert made.small is not None
    assert made.small.secondary == header
    *told, rest = made.left_out("secondary data")
    assert len(told) == 16
    assert rest == "84 more blobs cannot be read"


# --- a share that goes away ---


@pytest.mark.parametrize("options", [[], ["--salvage"]])
def test_whenever_a_source_goes_away_for_good_nothing_is_written(tmp_path: Path, options: list[str]) -> None:
    source = tmp_path / "MEMORY.DMP"
    source.write_bytes(build(BY_NAME["kernel"]))
    there = Disk()
    assert minify(source, there).small is not None
    for reads in range(there.reads):
        made = minify(source, Disk(reads_left=reads), *options)
        assert made.outcome.status == 3
        assert f"({REASON})" in made.outcome.err
    print(f"gone after each of {there.reads} reads: {there.reads} lines, no file")


@pytest.mark.parametrize("command", [["dumpkind", "-v"], ["pagefilefit"]])
def test_whenever_a_dump_goes_away_for_good_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    source = tmp_path / "MEMORY.DMP"
    source.write_bytes(build(BY_NAME["active"]))
    there = Disk()
    there.put_under_every_file(monkeypatch)
    run(*command, source)
    for reads in range(there.reads):
        Disk(reads_left=reads).put_under_every_file(monkeypatch)
        outcome = run(*command, source)
        assert f"({REASON})" in outcome.out + outcome.err
        assert outcome.err.count("\n") == (outcome.status == 3)
