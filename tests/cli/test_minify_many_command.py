"""`minify` of a folder, a wildcard or a list: report, JSON, exit statuses, and runs that are ended early."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.command_line import ROOT, command, contents, environment, refusal_of, run, run_process
from support.dump_file import copy_with_blob
from support.minify_process import ALL_SECONDARY_DATA

from windbg_ext import minify

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLE = ROOT / "samples" / "kernel.dmp"
LARGEST_BLOB = 0xFFFF0000
DUMPS = 40
"""Number of files of a run that is killed after the first few."""

on_posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no signals that a process can send another one")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two dumps, a bad file between them, and a small dump."""
    for name in ("a.dmp", "sub/c.dmp"):
        (tmp_path / "dumps" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SAMPLE, tmp_path / "dumps" / name)
    (tmp_path / "dumps" / "b.dmp").write_bytes(b"no dump at all")
    shutil.copy(ROOT / "samples" / "small.dmp", tmp_path / "dumps")
    return tmp_path / "dumps"


def document(*arguments: object) -> Any:
    outcome = run("minify", *arguments, "--json")
    assert outcome.err == ""
    return json.loads(outcome.out)


# --- the report ---


def test_the_table_has_a_row_for_each_file_and_the_sums_below(folder: Path, tmp_path: Path) -> None:
    outcome = run("minify", folder, tmp_path / "out")
    assert (outcome.status, outcome.err) == (1, "")
    lines = outcome.out.splitlines()
    assert lines[0].split() == ["File", "Outcome", "Size", "Reason"]
    rows = {words[0]: words[1:] for words in (re.split(" {2,}", line) for line in lines[2:6])}
    size = (tmp_path / "out" / "a-small.dmp").stat().st_size
    assert rows[str(folder / "a.dmp")] == rows[str(folder / "sub" / "c.dmp")] == ["written", f"{size / 1024:.1f} KB"]
    assert rows[str(folder / "b.dmp")][0] == "failed"
    assert rows[str(folder / "b.dmp")][1].startswith("Signature: ")
    assert rows[str(folder / "small.dmp")] == ["skipped", "is a small memory dump already"]
    assert lines[6:] == ["", "4 files: 2 written, 1 skipped, 1 failed"]


KEYS = {"source", "destination", "outcome", "problem"}
CONTENTS = {
    *("bytes", "parts", "left_out", "processors", "modules", "complete", "saved_memory", "shared", "verify", "traffic"),
    "scrub",
}


def test_json_has_the_report_of_each_file_and_the_sums(folder: Path, tmp_path: Path) -> None:
    report = document(folder, tmp_path / "out")
    assert set(report) == {"files", "written", "incomplete", "skipped", "failed"}
    assert [report[key] for key in ("written", "incomplete", "skipped", "failed")] == [2, 0, 1, 1]
    assert all(set(file) == KEYS | CONTENTS for file in report["files"])
    first, bad, small, last = report["files"]
    assert (first["source"], first["outcome"], first["problem"]) == (str(folder / "a.dmp"), "written", None)
    assert first["destination"] == str(tmp_path / "out" / "a-small.dmp")
    assert last["destination"] == str(tmp_path / "out" / "sub" / "c-small.dmp")
    assert (bad["outcome"], small["outcome"]) == ("failed", "skipped")
    assert {bad[key] for key in CONTENTS} == {None}
    alone = document(folder / "a.dmp", tmp_path / "alone.dmp")
    assert {key: first[key] for key in CONTENTS} == {key: alone[key] for key in CONTENTS}
    assert set(alone) == CONTENTS | {"source", "source_bytes", "destination"}


def test_options_hold_for_every_file(folder: Path) -> None:
    report = document(folder, "--size", "64K", "--comment", "for all", "--jobs", "1")
    assert [file["outcome"] for file in report["files"]] == ["incomplete", "failed", "skipped", "incomplete"]
    for name in ("a-small.dmp", "sub/c-small.dmp"):
        data = (folder / name).read_bytes()
        assert len(data) <= 64 << 10
        assert b"for all\0" in data[:0x2000]


# --- exit statuses ---


def test_everything_done_or_skipped_is_exit_status_0(folder: Path) -> None:
    (folder / "b.dmp").unlink()
    assert run("minify", folder).status == 0
    assert run("minify", folder).status == 0


@pytest.mark.parametrize("options", [["--size", "64K"], []], ids=["incomplete", "failed"])
def test_something_incomplete_or_failed_is_exit_status_1(folder: Path, options: list[str]) -> None:
    if options:
        (folder / "b.dmp").unlink()
    assert run("minify", folder, *options).status == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["FOLDER", "--unique"],
        ["FOLDER", "--jobs", "0"],
        ["FOLDER", "--jobs", "many"],
        ["FOLDER", "--size", "1"],
        ["FOLDER", "out", "--list", "list"],
        [],
    ],
    ids=lambda arguments: " ".join(arguments) or "nothing",
)
def test_wrong_use_is_exit_status_2_and_nothing_is_written(folder: Path, arguments: list[str]) -> None:
    before = contents(folder)
    assert run("minify", *(folder if word == "FOLDER" else word for word in arguments)).status == 2
    assert contents(folder) == before


def test_a_folder_a_wildcard_or_a_list_without_a_dump_is_exit_status_3(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "list").write_text("\n")
    assert "holds no file" in refusal_of(run("minify", tmp_path / "empty"))
    assert "no file fits" in refusal_of(run("minify", tmp_path / "*.dmp"))
    assert "names no file" in refusal_of(run("minify", "--list", tmp_path / "list"))
    assert "No such file" in refusal_of(run("minify", "--list", tmp_path / "none"))
    assert "Is a directory" in refusal_of(run("minify", "--list", tmp_path)) or os.name == "nt"


# --- lists ---


def test_a_list_names_the_sources_and_the_one_argument_is_the_destination(folder: Path, tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text(f"{folder / 'a.dmp'}\n\n{folder / 'none.dmp'}\n")
    report = document("--list", listed, tmp_path / "out")
    assert [file["outcome"] for file in report["files"]] == ["written", "failed"]
    assert report["files"][0]["destination"] == str(Path(tmp_path, "out", *folder.parts[1:], "a-small.dmp"))
    assert {file["outcome"] for file in document("--list", listed)["files"]} == {"written", "failed"}
    assert (folder / "a-small.dmp").is_file()


def test_a_list_may_come_from_standard_input(folder: Path) -> None:
    done = subprocess.run(
        command("minify", "--list", "-", "--json"),
        env=environment(),
        input=os.fsencode(f"{folder / 'a.dmp'}\n{folder / 'sub' / 'c.dmp'}\n"),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["written"] == 2


def test_standard_input_that_is_closed_is_an_error() -> None:
    program = "import sys; sys.stdin = None; from windbg_ext.cli import main; sys.exit(main(['minify', '--list', '-']))"
    done = subprocess.run([sys.executable, "-c", program], env=environment(), capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"standard input: is closed" in done.stderr


# --- runs that are ended in the middle ---


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the small dump of the sample."""
    path = tmp_path_factory.mktemp("whole") / "small.dmp"
    minify(SAMPLE, path)
    return path.read_bytes()


def written(folder: Path) -> list[Path]:
    return sorted(folder.glob("*-small.dmp"))


def temporary_files(folder: Path) -> list[Path]:
    return sorted(folder.glob(".*.tmp"))


def sizes(folder: Path) -> list[int]:
    """Return the sizes of the temporary files that are there; one may go while this looks."""
    found = []
    for path in temporary_files(folder):
        with suppress(FileNotFoundError):
            found.append(path.stat().st_size)
    return found


def start(*arguments: object) -> subprocess.Popen[str]:
    """Start minify in its own process group, as a shell does."""
    return subprocess.Popen(
        command("minify", *arguments),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(process: subprocess.Popen[str], reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not reached():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.001)


@on_posix
@pytest.mark.parametrize("victim", ["the run", "the run and its workers"])
def test_a_run_that_was_killed_goes_on_where_it_stopped(tmp_path: Path, whole: bytes, victim: str) -> None:
    for number in range(DUMPS):
        shutil.copy(SAMPLE, tmp_path / f"{number:02}.dmp")
    process = start(tmp_path, "--jobs", 2)
    wait_for(process, lambda: len(written(tmp_path)) >= 3)
    if victim == "the run":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
    assert process.communicate(timeout=30)[0] == ""  # the workers are gone, too, or they would hold the pipe open
    done = {path: path.stat() for path in written(tmp_path)}
    assert 3 <= len(done) < DUMPS, "it was killed too late to tell anything"
    assert all(path.read_bytes() == whole for path in done)
    assert victim != "the run" or temporary_files(tmp_path) == []

    again = run("minify", tmp_path, "--jobs", 2)
    assert again.status == 0
    assert (
        again.out.splitlines()[-1] == f"{DUMPS + len(done)} files: {DUMPS - len(done)} written, {2 * len(done)} skipped"
    )
    assert len(written(tmp_path)) == DUMPS
    assert all(path.read_bytes() == whole for path in written(tmp_path))
    left = {path.name[1:].rsplit(".", 2)[0] for path in temporary_files(tmp_path)}
    assert left <= {path.name for path in done}  # killed before the temporary file was removed
    for path, before in done.items():
        assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """Return a folder with two dumps, and one with 4 GiB of secondary data, all holes, which takes time to copy."""
    copy_with_blob(SAMPLE, tmp_path, LARGEST_BLOB)
    for name in ("a.dmp", "b.dmp"):
        shutil.copy(SAMPLE, tmp_path / name)
    return tmp_path


def in_the_middle(process: subprocess.Popen[str], folder: Path) -> None:
    """Wait until two files are done and part of the third is on the disk; it is the only temporary file."""
    wait_for(process, lambda: len(written(folder)) == 2 and [size > 1 << 20 for size in sizes(folder)] == [True])


@on_posix
@pytest.mark.parametrize("jobs", [pytest.param(1, marks=pytest.mark.slow), 2])
@pytest.mark.parametrize(
    ("number", "to_all"),
    [(signal.SIGINT, True), (signal.SIGINT, False), (signal.SIGTERM, True), (signal.SIGTERM, False)]
    + [(signal.SIGHUP, True)] * hasattr(signal, "SIGHUP"),
    ids=str,
)
def test_ctrl_c_stops_all_workers_and_leaves_whole_files_only(
    slow: Path, whole: bytes, number: signal.Signals, to_all: bool, jobs: int
) -> None:
    (slow / "MEMORY.DMP").rename(slow / "c.dmp")
    process = start(slow, *ALL_SECONDARY_DATA, "--jobs", jobs)
    in_the_middle(process, slow)
    if to_all:  # as a terminal does
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert re.fullmatch(
        "windbg-ext: interrupted; [12] of 3 files are done, none is half-written; "  # 1: it had not heard of the second
        "the same command goes on from there\n",
        err,
    )
    assert out == ""
    assert temporary_files(slow) == []
    assert [path.name for path in written(slow)] == ["a-small.dmp", "b-small.dmp"]
    assert all(path.read_bytes() == whole for path in written(slow))


def worker_that_has(path: Path, run: int) -> int:
    """Return the process, a child of the run, that has this file open."""
    for process in map(int, Path(f"/proc/{run}/task/{run}/children").read_text().split()):
        for file in Path(f"/proc/{process}/fd").iterdir():
            with suppress(FileNotFoundError):  # it was closed meanwhile
                if file.readlink() == path:
                    return process
    raise AssertionError(f"no worker has {path} open")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds the worker in /proc")
@pytest.mark.slow
def test_the_file_of_a_worker_that_is_killed_is_tried_once_more(slow: Path) -> None:
    process = start(slow, "--jobs", 2, "--json")
    wait_for(process, lambda: bool(temporary_files(slow)))
    os.kill(worker_that_has(temporary_files(slow)[0], process.pid), signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, "")  # all of the secondary data is more than usual
    assert {file["outcome"] for file in json.loads(out)["files"]} == {"written", "incomplete"}
    assert temporary_files(slow) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds the worker in /proc")
def test_a_file_whose_workers_are_killed_costs_itself_only_and_leaves_nothing_behind(slow: Path) -> None:
    process = start(slow, *ALL_SECONDARY_DATA, "--jobs", 2, "--json")
    in_the_middle(process, slow)
    (temporary,) = temporary_files(slow)
    os.kill(worker_that_has(temporary, process.pid), signal.SIGKILL)
    wait_for(process, lambda: temporary_files(slow) not in ([], [temporary]))
    (second,) = (path for path in temporary_files(slow) if path != temporary)
    os.kill(worker_that_has(second, process.pid), signal.SIGKILL)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (1, "")
    files = {Path(file["source"]).name: file for file in json.loads(out)["files"]}
    assert {name: file["outcome"] for name, file in files.items()} == {
        "MEMORY.DMP": "failed",
        "a.dmp": "written",
        "b.dmp": "written",
    }
    assert files["MEMORY.DMP"]["problem"].startswith("worker process: was ended by signal 9; ")
    assert temporary_files(slow) == []


@on_posix
def test_whenever_it_is_interrupted_there_are_whole_files_only_and_no_traceback(tmp_path: Path, whole: bytes) -> None:
    for name in ("a.dmp", "b.dmp", "c.dmp", "d.dmp"):
        shutil.copy(SAMPLE, tmp_path / name)
    began = time.monotonic()
    assert run_process("minify", tmp_path, "--jobs", 2).status == 0
    duration = time.monotonic() - began
    moments = 8
    for moment in range(moments):
        for path in written(tmp_path):
            path.unlink()
        process = start(tmp_path, "--jobs", 2)
        time.sleep(0.1 + duration * moment / moments)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=120)
        run = (moment, process.returncode, err)
        assert temporary_files(tmp_path) == [], run
        assert all(path.read_bytes() == whole for path in written(tmp_path)), run
        if process.returncode == 130:
            assert [line[:24] for line in err.splitlines()] == ["windbg-ext: interrupted;"], run
