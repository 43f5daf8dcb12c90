"""A source that cannot be read everywhere: what can be saved is saved, what is lost is listed with place and reason."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import pytest
from command_line import Outcome, contents, refusal_of, run
from failing_source import REASON, Disk
from small_dump_file import SmallDumpFile
from source_memory import SourceMemory

from samples.builder import SAMPLES, build
from samples.builder.plausible import USER_PROCESS

if TYPE_CHECKING:
    from pathlib import Path

    from samples.builder import Sample

PAGE = 0x1000
BY_NAME = {sample.name: sample for sample in SAMPLES}
SWEPT = [BY_NAME[name] for name in ("complete", "complete-bitmap", "kernel-la57", "ranges-kernel")]
"""One of each layout; the pages of the second do not lie on multiples of their size."""
each_swept = pytest.mark.parametrize("sample", SWEPT, ids=lambda sample: str(sample.name))
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
    """Give (start, end) of what is told as unreadable."""
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
            assert memory.read(address, len(block), None if address >> 63 else USER_PROCESS) == block
        lost = places(made.left_out("pages"))
        of_chain = [why for why in made.left_out("secondary data") if f"cannot be read ({REASON})" in why]
        assert bool(lost or of_chain) == bool(disk.failed)
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
    for command, *options in (("dumpkind", "-v"), ("dumpkind", "--json"), ("pagefilefit", "--json")):
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
