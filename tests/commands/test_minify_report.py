"""The report of minify as JSON: the keys that scripts rely on, and numbers that add up to the file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.command_line import run
from support.small_dump_file import SmallDumpFile
from support.source_memory import SourceMemory

from samples.builder import SAMPLES, write
from windbg_ext import MinifyOptions, MinifyReport, UsageError, minify

if TYPE_CHECKING:
    from pathlib import Path

    from samples.builder import Sample

LARGE = tuple(sample for sample in SAMPLES if sample.large)
BY_NAME = {sample.name: sample for sample in SAMPLES}
each_sample = pytest.mark.parametrize("sample", LARGE, ids=lambda sample: str(sample.name))


def reported(sample: Sample, folder: Path, *options: str) -> Any:
    write(sample, folder / "MEMORY.DMP")
    outcome = run("minify", folder / "MEMORY.DMP", folder / "small.dmp", "--json", *options)
    assert outcome.err == ""
    return json.loads(outcome.out)


@each_sample
def test_the_keys_are_those_that_are_promised(tmp_path: Path, sample: Sample) -> None:
    report = reported(sample, tmp_path, "--size", "64K")
    assert {"source", "destination", "bytes", "parts", "left_out", "processors", "modules"} <= set(report)
    assert report["parts"]
    assert report["left_out"]
    assert all(set(part) == {"part", "bytes", "blocks"} for part in report["parts"])
    assert all(set(lost) == {"part", "why"} for lost in report["left_out"])
    assert all(lost["part"] and lost["why"] for lost in report["left_out"])


@each_sample
def test_it_names_the_files_and_counts_what_is_in_the_small_dump(tmp_path: Path, sample: Sample) -> None:
    report, small = reported(sample, tmp_path), SmallDumpFile(tmp_path / "small.dmp")
    assert report["source"] == str(tmp_path / "MEMORY.DMP")
    assert report["destination"] == str(tmp_path / "small.dmp")
    assert report["bytes"] == len(small.data)
    assert report["processors"] == len(sample.machine.processors)
    assert report["modules"] == len(small.drivers) == len(SourceMemory(sample).modules())


@each_sample
@pytest.mark.parametrize("options", [[], ["--size", "100000"], ["--size", "64K"]], ids=str)
def test_the_bytes_of_the_parts_and_of_the_list_of_blocks_add_up_to_the_file(
    tmp_path: Path, sample: Sample, options: list[str]
) -> None:
    report, small = reported(sample, tmp_path, *options), SmallDumpFile(tmp_path / "small.dmp")
    parts = sum(part["bytes"] for part in report["parts"])
    end_mark, gaps = 4, 9 * 7  # a part begins at a multiple of 8
    overhead = len(small.data) - parts - 16 * small.block_count
    assert end_mark <= overhead <= end_mark + gaps


@each_sample
def test_the_blocks_of_the_parts_hold_the_bytes_of_the_data_blocks(tmp_path: Path, sample: Sample) -> None:
    report, small = reported(sample, tmp_path), SmallDumpFile(tmp_path / "small.dmp")
    names = [part["part"] for part in report["parts"]]
    blocks = report["parts"][names.index("processors") : names.index("secondary data")]
    assert sum(part["bytes"] for part in blocks) == sum(len(data) for _, data in small.blocks)
    assert sum(part["blocks"] for part in blocks) >= small.block_count


def test_the_library_gives_the_same_report(tmp_path: Path) -> None:
    expected = reported(BY_NAME["kernel"], tmp_path)
    steps: list[tuple[str, int, int]] = []
    report = minify(
        tmp_path / "MEMORY.DMP",
        str(tmp_path / "small.dmp"),
        MinifyOptions(overwrite=True),
        progress=lambda doing, done, total: steps.append((doing, done, total)),
    )
    assert isinstance(report, MinifyReport)
    assert report.bytes == expected["bytes"]
    assert [(part.part, part.bytes, part.blocks) for part in report.parts] == [
        (part["part"], part["bytes"], part["blocks"]) for part in expected["parts"]
    ]
    assert [(lost.part, lost.why) for lost in report.left_out] == [
        (lost["part"], lost["why"]) for lost in expected["left_out"]
    ]
    assert steps
    assert all(0 <= done <= total for _, done, total in steps)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 65535}, "64K"),
        ({"comment": "x" * 128}, "--comment"),
        ({"comment": "\u00fc"}, "--comment"),
        ({"comment": "a\0b"}, "--comment"),
    ],
    ids=str,
)
def test_the_library_says_wrong_use_by_an_exception_before_there_is_a_file(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        MinifyOptions(**wrong)


def test_text_from_the_dump_and_from_paths_is_shown_without_control_characters(tmp_path: Path) -> None:
    folder = tmp_path / "red\x1b[31m\nfolder"
    folder.mkdir()
    write(BY_NAME["kernel"], folder / "MEMORY.DMP")
    outcome = run("minify", folder / "MEMORY.DMP")
    assert outcome.status == 0
    assert outcome.out.isascii()
    assert all(line.isprintable() for line in outcome.out.splitlines())
    assert "red\\x1b[31m\\nfolder" in outcome.out.splitlines()[0]
