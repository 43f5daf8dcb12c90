"""Unusual dumps: headers alone, live dumps, summaries of 64-bit Windows, and Windows XP."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.command_line import run
from support.small_dump_file import SmallDumpFile

from samples.builder import SAMPLES, build, write
from samples.builder.physical import runs_of
from samples.builder.plausible import plausible_machine
from samples.builder.versions import WINDOWS_XP
from samples.builder.writers import Complete, HeaderOnly
from windbg_ext.structs.header import Attributes

if TYPE_CHECKING:
    from pathlib import Path

    from samples.builder import Sample

BY_NAME = {sample.name: sample for sample in SAMPLES}
each_width = pytest.mark.parametrize("name", ["kernel", "x86-pae-kernel", "arm64-kernel"])


def dumpkind(path: Path) -> dict[str, object]:
    (report,) = json.loads(run("dumpkind", path, "--json").out)["dumps"]
    assert isinstance(report, dict)
    return report


def written(folder: Path, sample: Sample) -> Path:
    path = folder / "MEMORY.DMP"
    write(sample, path)
    return path


@each_width
def test_a_header_alone_is_told_as_one_and_holds_no_memory(tmp_path: Path, name: str) -> None:
    sample = replace(BY_NAME[name], format=HeaderOnly())
    path = written(tmp_path, sample)
    report = dumpkind(path)
    assert (report["kind"], report["complete"], report["problem"]) == ("header-only", True, None)
    assert run("pagefilefit", path).status == 0
    refused = run("minify", path, tmp_path / "small.dmp")
    assert (refused.status, refused.out) == (3, "")
    assert refused.err == f"windbg-ext: {path}: DumpType: 3 holds no memory; name a dump that does\n"


@each_width
def test_a_live_dump_is_told_as_one_and_gives_a_small_dump_that_still_says_so(tmp_path: Path, name: str) -> None:
    sample = BY_NAME[name]
    live = replace(sample, format=replace(sample.format, attributes=int(Attributes.LIVE_DUMP_GENERATED_DUMP)))  # type: ignore[type-var]
    path = written(tmp_path, live)
    assert dumpkind(path)["kind"] == "live"
    assert "a live dump" in run("pagefilefit", path).out
    assert run("minify", path, tmp_path / "small.dmp").status == 0
    small = SmallDumpFile(tmp_path / "small.dmp")
    assert small.u32(0x1050 if small.offsets.pointer == 8 else 0x8A0) == Attributes.LIVE_DUMP_GENERATED_DUMP


def test_a_summary_of_64_bit_windows_is_recognized_and_refused(tmp_path: Path) -> None:
    path = tmp_path / "MEMORY.DMP"
    path.write_bytes(build(BY_NAME["kernel"], header={"DumpType": 2}))
    assert dumpkind(path)["kind"] == "kernel"
    refused = run("minify", path, tmp_path / "small.dmp")
    assert refused.status == 3
    assert "an old kernel summary dump" in refused.err


def test_windows_xp_gives_a_small_dump_with_every_processor(tmp_path: Path) -> None:
    """Its debugger data block ends before the offsets, so they are those that were measured on the engine."""
    machine = plausible_machine(
        WINDOWS_XP, runs_of((0x1, 0x1F), (0x40, 0x24), (0x400, 0x5)), 0x400, processors=3, crashed=1
    )
    path = written(tmp_path, replace(BY_NAME["x86-complete"], machine=machine, format=Complete()))
    assert (dumpkind(path)["architecture"], dumpkind(path)["build"]) == ("x86", 2600)
    assert run("minify", path, tmp_path / "small.dmp").status == 0
    small = SmallDumpFile(tmp_path / "small.dmp")
    for processor in machine.processors:
        context = small.memory(processor.pcr + 0x120 + 0x1C, 0x2CC)  # KPCR.PrcbData, KPRCB.ProcessorState
        assert context is not None
        assert struct.unpack_from("<I", context, 0xC4) == (processor.registers["Esp"],)
    assert [driver.base for driver in small.drivers][: len(machine.modules)] == [item.base for item in machine.modules]
