"""Read errors that a whole process meets: a disk that ends early, and bad sectors in the middle of a file."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.command_line import ROOT, contents, refusal_of, run, run_process
from support.disks import loop_disk, shrink
from support.failing_source import REASON, Disk
from support.small_dump_file import SmallDumpFile

from samples.builder import SAMPLES, build

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has loop devices and LD_PRELOAD")

KERNEL = next(sample for sample in SAMPLES if sample.name == "kernel")
BLOB = 2 << 20
READ_AHEAD = 256 << 10
"""So much before the first bad sector may be lost, too: the system reads ahead in large pieces."""


# --- a disk from whose end on the system itself reports errors ---


def test_of_a_dump_on_a_disk_that_fails_the_rest_is_saved(tmp_path: Path) -> None:
    data = build(KERNEL)
    chain = len(data) - data.rindex(b"DumpBlob")
    lost = struct.pack("<I16sIII", 0x20, bytes(range(16)), BLOB, 0, 0) + b"\x5a" * BLOB
    with loop_disk(tmp_path, 4 << 20, "MEMORY.DMP", data + lost) as disk:
        bad = len(data) + BLOB // 2
        shrink(disk, "MEMORY.DMP", bad)
        outcome = run_process("minify", disk / "MEMORY.DMP", tmp_path / "small.dmp", "--json")
        kind = run_process("dumpkind", disk / "MEMORY.DMP")
    assert outcome.status == 1, outcome
    (why,) = [item["why"] for item in json.loads(outcome.out)["left_out"] if item["part"] == "secondary data"]
    match = re.fullmatch(rf"blob (\d+) cannot be read at 0x([0-9a-f]+) \({REASON}\)", why)
    assert match, why
    assert int(match[1]) == len(KERNEL.machine.secondary)
    assert bad - (1 << 20) - READ_AHEAD <= int(match[2], 16) <= bad
    assert SmallDumpFile(tmp_path / "small.dmp").secondary == data[-chain:]
    assert kind.status == 0  # nobody asked for what is in the blob
    print(f"disk fails from 0x{bad:x} on: {why}")


def test_a_dump_on_a_disk_that_fails_where_the_kernel_lies_is_refused(tmp_path: Path) -> None:
    with loop_disk(tmp_path, 4 << 20, "MEMORY.DMP", build(KERNEL)) as disk:
        shrink(disk, "MEMORY.DMP", 0x8000)
        (tmp_path / "made").mkdir()
        for command in (
            ("minify", disk / "MEMORY.DMP", tmp_path / "made" / "small.dmp", "--salvage"),
            ("dumpkind", disk / "MEMORY.DMP"),
            ("pagefilefit", disk / "MEMORY.DMP"),
        ):
            outcome = run_process(*command)
            assert f"({REASON})" in outcome.out + outcome.err
            assert "Traceback" not in outcome.err
            if command[0] == "minify":
                print(refusal_of(outcome))
    assert contents(tmp_path / "made") == {}


# --- bad sectors in the middle ---


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that lets reads fail, compiled."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    path = tmp_path_factory.mktemp("library") / "failing_reads.so"
    if {" ", ":"} & set(str(path)):
        pytest.skip("LD_PRELOAD takes blanks and colons for the end of a name")
    source = ROOT / "tests" / "support" / "failing_reads.c"
    done = subprocess.run([compiler, "-shared", "-fPIC", "-o", path, source, "-ldl"], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"{compiler}: {done.stderr.decode().strip()}")
    return path


@pytest.mark.parametrize("start", [0x1A000, 0x20000, 0x3A000, 0x56000])
def test_a_process_that_meets_bad_sectors_does_what_the_tests_in_this_process_show(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: int
) -> None:
    source, destination = tmp_path / "MEMORY.DMP", tmp_path / "small.dmp"
    source.write_bytes(build(KERNEL))
    met = run_process(
        *("minify", source, destination, "--salvage", "--json"),
        LD_PRELOAD=str(library),
        FAILING_FILE=str(source),
        FAILING_START=str(start),
        FAILING_END=str(start + 0x1000),
    )
    written = contents(tmp_path)
    destination.unlink(missing_ok=True)
    Disk(((start, start + 0x1000),)).put_under_every_file(monkeypatch)
    assert run("minify", source, destination, "--salvage", "--json") == met
    assert contents(tmp_path) == written
    assert f"({REASON})" in met.out + met.err
    print(f"bad sectors at 0x{start:x}: exit status {met.status}, {len(written) - 1} file")
