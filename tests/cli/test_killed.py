"""Killed runs, and simultaneous runs to the same destination: the destination is whole or not there."""

from __future__ import annotations

import filecmp
import os
import random
import shutil
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from support.command_line import ROOT, contents, refusal_of, run_process
from support.dump_file import copy_with_blob
from support.minify_process import finish, start, start_stopping, temporary_files

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no signals that a process can send another one")

SAMPLE = ROOT / "samples" / "kernel.dmp"
LONG, SHORT = 64 << 20, 8 << 20
"""Bytes of secondary data. Writing the many takes about as long as the rest of a run, so that a kill may hit it."""
OLD = b"an older file"
KILLS = 20
RUNS_AT_ONCE = 6
OVERWRITE_OR_NOT = pytest.mark.parametrize("options", [[], ["--overwrite"]], ids=["new", "overwrite"])


def folder_with_dump(parent: Path, size: int) -> Path:
    folder = parent / "folder"
    folder.mkdir()
    copy_with_blob(SAMPLE, folder, size)
    return folder


# --- kill -9 ---


@pytest.mark.parametrize(
    "options", [pytest.param([], marks=pytest.mark.slow), ["--overwrite"]], ids=["new", "overwrite"]
)
def test_killed_at_random_moments_it_leaves_the_destination_whole_or_as_it_was(
    tmp_path: Path, options: list[str]
) -> None:
    folder = folder_with_dump(tmp_path, LONG)
    source, destination, whole = folder / "MEMORY.DMP", folder / "small.dmp", tmp_path / "whole.dmp"
    began = time.monotonic()
    assert finish(start(source, whole)).status == 0
    duration = time.monotonic() - began
    moments = random.Random(20)
    killed: Counter[str] = Counter()
    too_late = 0
    while (number := sum(killed.values())) < KILLS or killed["while writing"] < 3:
        if number and number % KILLS == 0:  # it was slower than the measured run
            assert number < 5 * KILLS
            duration *= 1.5
        destination.unlink(missing_ok=True)
        if options:
            destination.write_bytes(OLD)
        before = set(temporary_files(folder))
        began = time.monotonic()
        process = start(source, destination, *options)
        moment = duration * (number % KILLS + moments.random()) / KILLS  # spread over all parts of a run
        time.sleep(max(0, began + moment - time.monotonic()))
        process.kill()
        if finish(process).status != -signal.SIGKILL:  # it was faster than the measured run
            too_late += 1
            assert too_late <= 5 * KILLS
            duration *= 0.95
            continue
        written = destination.exists() and filecmp.cmp(destination, whole, shallow=False)
        assert written or (destination.read_bytes() == OLD if options else not destination.exists())
        assert len(temporary_files(folder)) <= 1  # each run removes what the run before left
        while_writing = set(temporary_files(folder)) - before
        killed["after" if written else "while writing" if while_writing else "before"] += 1
    print(f"{sum(killed.values())} kills of living runs: {dict(killed)}; {too_late} came too late")

    assert finish(start(source, destination, "--overwrite")).status == 0
    assert filecmp.cmp(destination, whole, shallow=False)
    assert {path.name for path in folder.iterdir()} == {"MEMORY.DMP", "small.dmp"}


def test_the_next_run_to_the_same_destination_clears_away_what_a_killed_one_left(tmp_path: Path) -> None:
    folder = folder_with_dump(tmp_path, SHORT)
    process = start_stopping(folder / "MEMORY.DMP", folder / "small.dmp")
    process.kill()
    assert finish(process).status == -signal.SIGKILL
    assert len(temporary_files(folder)) == 1
    assert run_process("minify", SAMPLE, folder / "other.dmp").status == 0
    assert len(temporary_files(folder)) == 1
    assert run_process("minify", SAMPLE, folder / "small.dmp").status == 0
    assert {path.name for path in folder.iterdir()} == {"MEMORY.DMP", "small.dmp", "other.dmp"}


# --- two at once ---


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    """Return what every run writes."""
    assert finish(start(folder_with_dump(tmp_path, SHORT) / "MEMORY.DMP", tmp_path / "whole.dmp")).status == 0
    return (tmp_path / "whole.dmp").read_bytes()


@OVERWRITE_OR_NOT
def test_a_run_leaves_alone_what_another_one_is_writing(tmp_path: Path, whole: bytes, options: list[str]) -> None:
    folder = tmp_path / "folder"
    first = start_stopping(folder / "MEMORY.DMP", folder / "small.dmp", *options)
    try:
        of_first = temporary_files(folder)
        second = finish(start(folder / "MEMORY.DMP", folder / "small.dmp", *options))
        assert temporary_files(folder) == of_first != []
    finally:
        first.send_signal(signal.SIGCONT)
    assert second.status == 0
    last = finish(first)
    if options:
        assert last.status == 0
    else:
        assert "destination: exists; give another name or --overwrite" in refusal_of(last)
    shutil.move(folder / "MEMORY.DMP", tmp_path)
    assert contents(folder) == {"small.dmp": whole}


@OVERWRITE_OR_NOT
def test_of_many_runs_at_once_one_writes_or_all_replace_each_other(
    tmp_path: Path, whole: bytes, options: list[str]
) -> None:
    folder = tmp_path / "folder"
    processes = [start(folder / "MEMORY.DMP", folder / "small.dmp", *options) for _ in range(RUNS_AT_ONCE)]
    outcomes = [finish(process) for process in processes]
    done = [outcome for outcome in outcomes if outcome.status == 0]
    assert len(done) == (RUNS_AT_ONCE if options else 1)
    for outcome in outcomes:
        if outcome.status:
            assert "destination: exists; give another name or --overwrite" in refusal_of(outcome)
    print(f"{RUNS_AT_ONCE} runs at once: {len(done)} done, {RUNS_AT_ONCE - len(done)} were told that the file exists")
    shutil.move(folder / "MEMORY.DMP", tmp_path)
    assert contents(folder) == {"small.dmp": whole}
