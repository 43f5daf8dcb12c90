"""--size: the file stays under it by dropping the least important parts, and the report lists them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from support.command_line import contents, run
from support.small_dump_file import SmallDumpFile
from support.source_memory import SourceMemory

from samples.builder import SAMPLES, write
from samples.builder.versions import WINDOWS_11
from windbg_ext.commands.minify.collector import Wanted
from windbg_ext.commands.minify.parts import order

if TYPE_CHECKING:
    from pathlib import Path

    from samples.builder import Sample

LARGE = tuple(sample for sample in SAMPLES if sample.large)
BY_NAME = {sample.name: sample for sample in SAMPLES}

ORDER = (
    "headers, context, exception",
    "KPRCB",
    "ETHREAD",
    "EPROCESS",
    "call stack",
    "debugger data block",
    "driver list",
    "user-mode modules",
    "unloaded drivers",
    "MM information",
    "processors",
    "objects of the bug check",
    "data registered by drivers",
    "kernel variables",
    "code at instruction pointers",
    "surroundings of the crash",
    "pages at bug check parameters",
    "pages at registers",
    "lists of the bug check",
    "windows at pointers",
    "other threads and their stacks",
    "objects linked with processors",
    "objects linked with those of the bug check",
    "page-table entries",
    "secondary data",
)
"""The order of importance, in the words of the report."""
FOUND_THROUGH_OTHERS = {"other threads and their stacks", "page-table entries"}
"""Parts that may be missing unnoticed: they are found through parts that were dropped before."""
SIZES = {"64K": 65536, "96K": 98304, "128K": 131072, "256K": 262144, "1M": 1048576}

each_sample = pytest.mark.parametrize("sample", LARGE, ids=lambda sample: str(sample.name))


@dataclass(frozen=True)
class Run:
    """The parts of a report by name, what was left out by name, the file, the exit status."""

    parts: dict[str, int]
    left_out: dict[str, str]
    small: SmallDumpFile
    status: int


class Minified:
    """Runs of minify on the samples, each made once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runs: dict[tuple[str, ...], Run] = {}

    def __call__(self, sample: Sample, *options: str) -> Run:
        run = (sample.name, *options)
        if run not in self._runs:
            folder = self._folder / sample.name
            folder.mkdir(exist_ok=True)
            self._runs[run] = minify(sample, folder, *options)
        return self._runs[run]


@pytest.fixture(scope="module")
def minified(tmp_path_factory: pytest.TempPathFactory) -> Minified:
    return Minified(tmp_path_factory.mktemp("minified"))


def minify(sample: Sample, folder: Path, *options: str) -> Run:
    if not (folder / "MEMORY.DMP").exists():
        write(sample, folder / "MEMORY.DMP")
    outcome = run("minify", folder / "MEMORY.DMP", folder / "small.dmp", "--json", "--overwrite", *options)
    assert outcome.status in (0, 1)
    assert outcome.err == ""
    report = json.loads(outcome.out)
    parts = {part["part"]: part["bytes"] for part in report["parts"]}
    left_out: dict[str, str] = {}
    for lost in report["left_out"]:  # a part may be left out for two reasons
        left_out[lost["part"]] = "; ".join(filter(None, (left_out.get(lost["part"]), lost["why"])))
    return Run(parts, left_out, SmallDumpFile(folder / "small.dmp"), outcome.status)


def test_the_list_of_parts_is_in_the_order_of_importance() -> None:
    assert (*(part.name for part in order.PARTS), "secondary data") == ORDER


def test_one_more_entry_in_the_list_of_parts_is_one_more_part_of_the_small_dump(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = BY_NAME["active"]
    before = minify(sample, tmp_path)
    length = sample.machine.version.number("SizePrcb") + 0x180
    pcr = sample.machine.processors[0].pcr  # the small dump has only its KPRCB
    added = order.PlannedPart("KPCR", order.memory(lambda crash: [Wanted(pcr, length)]))
    monkeypatch.setattr(order, "PARTS", (*order.PARTS[:-1], added, order.PARTS[-1]))
    made = minify(sample, tmp_path)
    assert list(made.parts) == [*(part for part in ORDER[:-2] if part in before.parts), "KPCR", *ORDER[-2:]]
    (whole,) = (data for address, data in made.small.blocks if address <= pcr < address + len(data))
    assert SourceMemory(sample).read(pcr, length, None) in whole


@each_sample
@pytest.mark.parametrize("size", SIZES)
def test_the_file_is_not_larger_than_asked_for(minified: Minified, sample: Sample, size: str) -> None:
    made = minified(sample, "--size", size)
    assert len(made.small.data) <= SIZES[size]
    assert made.small.bytes_at(made.small.triage(0x8), 4) == b"TRGD"
    assert made.small.u64(0xFA0) == len(made.small.data)


@each_sample
@pytest.mark.parametrize("size", SIZES)
def test_what_is_dropped_is_the_end_of_the_order_of_importance_and_is_told(
    minified: Minified, sample: Sample, size: str
) -> None:
    whole, made = minified(sample), minified(sample, "--size", size)
    wanted = [part for part in ORDER if part in whole.parts]
    assert set(whole.parts) == set(wanted)
    kept = [part for part in wanted if part in made.parts]
    assert set(made.parts) == set(kept)
    assert kept == wanted[: len(kept)]
    # all kept parts are whole, except the last one, which may be cut
    assert all(made.parts[part] == whole.parts[part] for part in kept[:-1])
    dropped = [part for part in wanted if made.parts.get(part) != whole.parts[part]]
    told = [part for part, why in made.left_out.items() if f"--size {SIZES[size]}" in why]
    assert told == [part for part in ORDER if part in told]
    assert told[:1] == dropped[:1]
    assert set(dropped) - set(told) <= FOUND_THROUGH_OTHERS
    for part in told:
        assert made.left_out[part].startswith("the rest of it does not fit" if part in kept else "does not fit")
    assert made.status == (1 if dropped else whole.status)
    assert dropped or len(whole.small.data) <= SIZES[size]
    assert not dropped or len(whole.small.data) + 16 * 200 > SIZES[size]


@each_sample
def test_a_size_that_everything_fits_into_changes_nothing(minified: Minified, sample: Sample) -> None:
    whole = minified(sample)
    assert minified(sample, "--size", "16M").small.data == whole.small.data


@each_sample
def test_a_size_of_what_the_file_has_without_one_drops_little_of_it(minified: Minified, sample: Sample) -> None:
    # bytes that are counted for gaps, and for blocks that are merged later, may leave some room unused
    whole = minified(sample)
    made = minified(sample, "--size", str(len(whole.small.data) + 16 * 200))
    assert made.parts == whole.parts


@each_sample
@pytest.mark.parametrize("size", SIZES)
def test_what_did_go_in_is_still_the_memory_of_the_machine(minified: Minified, sample: Sample, size: str) -> None:
    made, memory = minified(sample, "--size", size), SourceMemory(sample)
    for address, data in made.small.blocks:
        assert memory.read(address, len(data), None if address >> 63 else "sample.exe") == data


@pytest.mark.parametrize("prcb", range(0xCF00, 0xD800, 0x100))
def test_nothing_is_kept_behind_the_first_part_that_does_not_fit_as_a_whole(tmp_path: Path, prcb: int) -> None:
    # the KPRCB leaves less and less room for what follows it
    sample = BY_NAME["active"]
    version = replace(WINDOWS_11, debugger_data={**WINDOWS_11.debugger_data, "SizePrcb": prcb, "SizePcr": prcb + 0x180})
    made = minify(replace(sample, machine=replace(sample.machine, version=version)), tmp_path, "--size", "64K")
    assert len(made.small.data) <= 65536
    kept = [part for part in ORDER if part in made.parts]
    assert kept == list(ORDER[: len(kept)])
    assert len(kept) < 7


@pytest.mark.parametrize("size", ["0", "1", "4K", "63K", "65535"])
def test_a_size_below_64k_is_wrong_use(tmp_path: Path, size: str) -> None:
    write(BY_NAME["kernel"], tmp_path / "MEMORY.DMP")
    outcome = run("minify", tmp_path / "MEMORY.DMP", tmp_path / "small.dmp", "--size", size)
    assert (outcome.status, outcome.out) == (2, "")
    assert "--size" in outcome.err
    assert "64K" in outcome.err
    assert set(contents(tmp_path)) == {"MEMORY.DMP"}
