"""Ctrl+C and a request to end while the small dump is written: nothing is left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from support.command_line import ROOT, Outcome, command, contents, environment
from support.dump_file import copy_with_blob
from support.minify_process import finish, start_writing, temporary_files
from support.small_dump_file import SmallDumpFile

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no signals that a process can send another one")

SAMPLE = ROOT / "samples" / "kernel.dmp"
LARGEST_BLOB = 0xFFFF0000
OLD = b"an older file"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a dump with 4 GiB of secondary data, all holes, which takes time to copy."""
    return copy_with_blob(SAMPLE, tmp_path, LARGEST_BLOB)


def interrupt(source: Path, number: signal.Signals, *options: str) -> Outcome:
    """Run minify and send it a signal once some of the small dump is on the disk."""
    process = start_writing(source, source.with_name("small.dmp"), *options)
    process.send_signal(number)
    return finish(process)


@pytest.mark.parametrize(
    "number", [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
)
def test_an_interrupted_run_leaves_nothing_behind(source: Path, number: signal.Signals) -> None:
    outcome = interrupt(source, number)
    assert outcome.status == 130
    assert outcome.err == "windbg-ext: interrupted; nothing was left behind\n"
    assert outcome.out == ""
    assert [path.name for path in source.parent.iterdir()] == ["MEMORY.DMP"]


def test_an_interrupted_run_keeps_the_file_that_it_was_to_replace(source: Path) -> None:
    destination = source.with_name("small.dmp")
    destination.write_bytes(OLD)
    assert interrupt(source, signal.SIGINT, "--overwrite").status == 130
    assert destination.read_bytes() == OLD
    assert {path.name for path in source.parent.iterdir()} == {"MEMORY.DMP", "small.dmp"}


def test_whenever_it_is_interrupted_the_small_dump_is_whole_or_not_there(tmp_path: Path) -> None:
    shutil.copy(SAMPLE, tmp_path / "MEMORY.DMP")
    destination = tmp_path / "small.dmp"
    began = time.monotonic()
    subprocess.run(command("minify", tmp_path / "MEMORY.DMP", destination), env=environment(), check=True)
    duration = time.monotonic() - began
    whole = destination.read_bytes()
    moments = 12
    for moment in range(moments):
        destination.unlink(missing_ok=True)
        process = subprocess.Popen(
            command("minify", tmp_path / "MEMORY.DMP", destination),
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(duration * (moment + 1) / moments)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
        assert temporary_files(tmp_path) == []
        assert contents(tmp_path).get("small.dmp", whole) == whole
    assert SmallDumpFile(tmp_path / "MEMORY.DMP").u32(0xF98) == 6
