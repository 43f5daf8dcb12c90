"""minify of many dumps: where each small dump goes, which sources need none, and what can be wrong with one."""

from __future__ import annotations

import io
import os
import pickle
import re
import shutil
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from concurrent.futures import TimeoutError as FuturesTimeoutError
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

import pytest
from support.command_line import ROOT, contents
from support.small_dump_file import SmallDumpFile

from samples.builder import SAMPLES, build, write
from windbg_ext import BatchReport, DestinationError, DumpError, LocalWorkers, Outcome, UsageError, minify, minify_many
from windbg_ext.commands.minify.batch import kept_path, kept_url
from windbg_ext.commands.minify.options import MinifyOptions
from windbg_ext.commands.workers import TaskTimeoutError, WorkerLostError
from windbg_ext.sources.find import read_list

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

SAMPLE = ROOT / "samples" / "kernel.dmp"
KERNEL = next(sample for sample in SAMPLES if sample.name == "kernel")


def put(path: Path, sample: Path = SAMPLE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(sample, path))


def outcomes(report: BatchReport, folder: Path) -> dict[str, str]:
    """Return the outcome of each source by its path below the folder, in the order of the report."""
    return {Path(file.source).relative_to(folder).as_posix(): file.outcome.value for file in report.files}


def problem(report: BatchReport) -> str:
    (one,) = (file.problem for file in report.files if file.outcome is Outcome.FAILED)
    return one


# --- where the small dumps go ---


def test_every_dump_of_a_folder_gets_a_small_one_beside_it(tmp_path: Path) -> None:
    put(tmp_path / "a.dmp")
    put(tmp_path / "deep" / "er" / "MEMORY.DMP")
    report = minify_many(tmp_path)
    assert outcomes(report, tmp_path) == {"a.dmp": "written", "deep/er/MEMORY.DMP": "written"}
    assert report.complete
    minify(SAMPLE, tmp_path / "expected")
    expected = (tmp_path / "expected").read_bytes()
    assert (tmp_path / "a-small.dmp").read_bytes() == expected
    assert (tmp_path / "deep" / "er" / "MEMORY-small.dmp").read_bytes() == expected
    first = report.files[0]
    assert (first.destination, first.problem) == (tmp_path / "a-small.dmp", "")
    assert first.report is not None
    assert first.report.bytes == len(expected)


def test_a_destination_is_made_and_keeps_the_subfolders_of_a_folder(tmp_path: Path) -> None:
    for name in ("one", "two"):
        put(tmp_path / "from" / name / "MEMORY.DMP")
    minify_many(tmp_path / "from", tmp_path / "to" / "there")
    assert sorted(name for name in contents(tmp_path / "to") if name.endswith(".dmp")) == [
        str(Path("there", name, "MEMORY-small.dmp")) for name in ("one", "two")
    ]


def test_a_wildcard_keeps_the_folders_from_its_first_star_on(tmp_path: Path) -> None:
    for name in ("host1", "host2", "other"):
        put(tmp_path / name / "dumps" / "MEMORY.DMP")
    minify_many(str(tmp_path / "host*" / "dumps" / "*.DMP"), tmp_path / "to")
    assert {name for name in contents(tmp_path / "to") if name.endswith(".dmp")} == {
        str(Path(name, "dumps", "MEMORY-small.dmp")) for name in ("host1", "host2")
    }


def test_listed_files_keep_their_paths_as_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "one" / "MEMORY.DMP")
    put(tmp_path / "two" / "MEMORY.DMP")
    report = minify_many([Path("one", "MEMORY.DMP"), tmp_path / "two" / "MEMORY.DMP"], "to")
    absolute = Path("to", *tmp_path.parts[1:], "two", "MEMORY-small.dmp")
    assert [file.destination for file in report.files] == [Path("to", "one", "MEMORY-small.dmp"), absolute]
    assert report.complete


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        (PurePosixPath("a/b.dmp"), "a/b.dmp"),
        (PurePosixPath("./b.dmp"), "b.dmp"),
        (PurePosixPath("/var/a/b.dmp"), "var/a/b.dmp"),
        (PureWindowsPath(r"a\b.dmp"), "a/b.dmp"),
        (PureWindowsPath(r"C:\a\b.dmp"), "C/a/b.dmp"),
        (PureWindowsPath(r"C:b.dmp"), "C/b.dmp"),
        (PureWindowsPath(r"\a\b.dmp"), "a/b.dmp"),
        (PureWindowsPath(r"\\server\share$\a\b.dmp"), "server/share$/a/b.dmp"),
        (PureWindowsPath(r"\\?\C:\a\b.dmp"), "C/a/b.dmp"),
    ],
)
def test_the_path_below_a_destination_has_drive_and_share_as_folders(path: PurePosixPath, kept: str) -> None:
    assert kept_path(path).as_posix() == kept


def test_the_page_shows_where_the_files_of_a_list_go() -> None:
    page = (ROOT / "docs" / "commands" / "minify.md").read_text()
    shown = re.findall(r"`([^`]*crash[^`]*)`\s+becomes\s+`([^`]+)`", page)
    assert len(shown) == 3
    for listed, small in shown:
        kept = kept_url(listed) if "://" in listed else kept_path(PureWindowsPath(listed))
        assert [*kept.parts[:-1], f"{kept.stem}-small.dmp"] == small.split("\\")


def test_a_listed_path_that_leads_upwards_stays_below_the_destination(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "MEMORY.DMP")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (file,) = minify_many([Path("..", "MEMORY.DMP")], "to").files
    assert file.destination == Path("to", *tmp_path.parts[1:], "MEMORY-small.dmp")


def test_two_sources_of_one_destination_are_told_and_the_first_one_has_it(tmp_path: Path) -> None:
    put(tmp_path / "a.dmp")
    put(tmp_path / "a.hdmp", ROOT / "samples" / "complete.dmp")
    for overwrite in (False, True):
        report = minify_many(tmp_path, options=MinifyOptions(overwrite=overwrite))
        failed = next(file for file in report.files if file.outcome is Outcome.FAILED)
        assert failed.source == str(tmp_path / "a.hdmp")
        assert f"{tmp_path / 'a-small.dmp'} would be the small dump of {tmp_path / 'a.dmp'}, too" in failed.problem
        three_processors_of_kernel_dmp = 3
        assert SmallDumpFile(tmp_path / "a-small.dmp").u32(0x34) == three_processors_of_kernel_dmp


def test_a_file_that_is_listed_twice_is_done_once(tmp_path: Path) -> None:
    source = put(tmp_path / "a.dmp")
    report = minify_many([source, str(source), tmp_path / "." / "a.dmp"])
    assert outcomes(report, tmp_path) == {"a.dmp": "written"}


# --- what needs no small dump ---


def test_what_is_done_stays_untouched(tmp_path: Path) -> None:
    put(tmp_path / "a.dmp")
    minify_many(tmp_path)
    before = (tmp_path / "a-small.dmp").stat()
    put(tmp_path / "b.dmp")
    report = minify_many(tmp_path)
    assert outcomes(report, tmp_path) == {"a-small.dmp": "skipped", "a.dmp": "skipped", "b.dmp": "written"}
    assert [file.problem for file in report.files] == ["is a small memory dump already", "is done already", ""]
    after = (tmp_path / "a-small.dmp").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_of_every_kind_of_dump_the_next_run_finds_what_is_done(tmp_path: Path) -> None:
    (tmp_path / "dumps").mkdir()
    for sample in SAMPLES:
        write(sample, tmp_path / "dumps" / sample.file_name)
    minify_many(tmp_path / "dumps", tmp_path / "out")
    report = minify_many(tmp_path / "dumps", tmp_path / "out")
    assert {file.outcome for file in report.files} == {Outcome.SKIPPED}
    assert {file.problem for file in report.files} == {"is done already", "is a small memory dump already"}


def test_overwrite_makes_it_again(tmp_path: Path) -> None:
    put(tmp_path / "a.dmp")
    minify_many(tmp_path)
    report = minify_many(tmp_path, options=MinifyOptions(overwrite=True, comment="again"))
    assert outcomes(report, tmp_path) == {"a-small.dmp": "skipped", "a.dmp": "written"}
    assert b"again\0" in (tmp_path / "a-small.dmp").read_bytes()[:0x2000]


@pytest.mark.parametrize(
    "header",
    [{"SystemTime": 0x1DA4_0000_0000_0000}, {"BugCheckCode": 0x50}, {"BugCheckParameter": [9, 2, 3, 4]}],
    ids=lambda header: next(iter(header)),
)
def test_the_small_dump_of_an_earlier_crash_is_not_taken_for_that_of_this_one(
    tmp_path: Path, header: dict[str, int | list[int]]
) -> None:
    source = put(tmp_path / "MEMORY.DMP")
    minify_many([source])
    old = (tmp_path / "MEMORY-small.dmp").read_bytes()
    source.write_bytes(build(KERNEL, header=header))
    report = minify_many([source])
    assert f"{tmp_path / 'MEMORY-small.dmp'} exists and is the small dump of another crash" in problem(report)
    assert (tmp_path / "MEMORY-small.dmp").read_bytes() == old
    assert minify_many([source], options=MinifyOptions(overwrite=True)).complete


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_large_dump_is_never_replaced_and_is_named_with_what_converts_it(tmp_path: Path, overwrite: bool) -> None:
    source, there = put(tmp_path / "a.dmp"), tmp_path / "a-small.dmp"
    there.write_bytes(build(KERNEL))
    report = minify_many([source], options=MinifyOptions(overwrite=overwrite))
    assert problem(report) == (
        "destination: exists and is a kernel memory dump, which is never replaced; move it away; "
        f'to convert it: windbg-ext minify "{there}" DESTINATION'
    )
    assert there.read_bytes() == build(KERNEL)


@pytest.mark.parametrize("there", [b"", b"a file of somebody"], ids=["empty", "text"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_no_small_dump_is_never_replaced(tmp_path: Path, there: bytes, overwrite: bool) -> None:
    source = put(tmp_path / "a.dmp")
    (tmp_path / "a-small.dmp").write_bytes(there)
    report = minify_many([source], options=MinifyOptions(overwrite=overwrite))
    assert f"{tmp_path / 'a-small.dmp'} exists and is no small memory dump" in problem(report)
    assert (tmp_path / "a-small.dmp").read_bytes() == there


# --- what is wrong with one file ---


def test_a_bad_file_is_told_and_the_rest_is_done(tmp_path: Path) -> None:
    put(tmp_path / "a.dmp")
    (tmp_path / "b.dmp").write_bytes(b"no dump at all, but text")
    (tmp_path / "c.dmp").write_bytes(SAMPLE.read_bytes()[:0x3000])
    put(tmp_path / "d.dmp")
    report = minify_many(tmp_path)
    assert outcomes(report, tmp_path) == {"a.dmp": "written", "b.dmp": "failed", "c.dmp": "failed", "d.dmp": "written"}
    assert not report.complete
    assert [report.count(outcome) for outcome in Outcome] == [2, 0, 0, 2]
    assert report.files[1].problem.startswith("Signature: ")
    assert "the file" in report.files[2].problem
    assert str(tmp_path) not in report.files[1].problem, "the report names the file already"
    assert {name for name in contents(tmp_path) if "small" in name} == {"a-small.dmp", "d-small.dmp"}


def test_a_listed_file_that_is_not_there_or_a_folder_is_told(tmp_path: Path) -> None:
    put(tmp_path / "a.dmp")
    report = minify_many([tmp_path / "none.dmp", tmp_path, tmp_path / "a.dmp"])
    assert [file.outcome.value for file in report.files] == ["failed", "failed", "written"]
    assert "No such file" in report.files[0].problem
    assert "is a folder" in report.files[1].problem


def test_something_essential_left_out_is_told_with_its_name(tmp_path: Path) -> None:
    report = minify_many([put(tmp_path / "a.dmp")], options=MinifyOptions(size=64 << 10))
    assert outcomes(report, tmp_path) == {"a.dmp": "incomplete"}
    assert report.files[0].problem.startswith("left out: ")
    assert report.files[0].report is not None
    assert report.files[0].report.left_out[0].part in report.files[0].problem
    assert not report.complete


def test_a_fault_of_ours_costs_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(source: str, *_: object, **__: object) -> None:
        raise ZeroDivisionError(Path(source).name)

    monkeypatch.setattr("windbg_ext.commands.minify.batch.minify", fail)
    report = minify_many([put(tmp_path / "a.dmp"), put(tmp_path / "b.dmp")])
    assert [file.problem for file in report.files] == [
        f"minify: internal error (ZeroDivisionError: {name}); please report it" for name in ("a.dmp", "b.dmp")
    ]


def test_a_subfolder_that_cannot_be_read_is_told_and_the_rest_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "a.dmp")
    put(tmp_path / "closed" / "b.dmp")
    look_into = os.scandir

    def refuse(path: str | int) -> object:
        if isinstance(path, str) and Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", path)
        return look_into(path)

    monkeypatch.setattr("os.scandir", refuse)
    report = minify_many(tmp_path)
    assert outcomes(report, tmp_path) == {"a.dmp": "written", "closed": "failed"}
    assert report.files[1].destination is None
    assert report.files[1].problem == "folder: cannot be read (Permission denied); run with more rights"


def test_a_folder_without_a_dump_among_those_of_a_wildcard_is_told(tmp_path: Path) -> None:
    put(tmp_path / "a" / "a.dmp")
    (tmp_path / "b").mkdir()
    report = minify_many(str(tmp_path / "*"))
    assert outcomes(report, tmp_path) == {"a/a.dmp": "written", "b": "failed"}


# --- what is wrong with all of them ---


def test_a_folder_without_a_dump_and_a_wildcard_that_nothing_fits_are_errors(tmp_path: Path) -> None:
    for sources in (tmp_path, str(tmp_path / "*.dmp")):
        with pytest.raises(DumpError):
            minify_many(sources, tmp_path / "to")
    assert contents(tmp_path) == {}


def test_a_destination_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    source = put(tmp_path / "a.dmp")
    with pytest.raises(DestinationError, match="is no folder"):
        minify_many([source], source)


@pytest.mark.parametrize("options", [{"size": 1}, {"comment": "\N{SNOWMAN}"}])
def test_options_that_make_no_sense_cannot_be_made(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        MinifyOptions(**options)


# --- progress ---


@pytest.mark.parametrize("executor", [nullcontext, lambda: LocalWorkers(2)], ids=["none", "workers"])
def test_progress_counts_the_files(
    tmp_path: Path, executor: Callable[[], AbstractContextManager[Executor | None]]
) -> None:
    for name in ("a.dmp", "b.dmp", "c.dmp"):
        put(tmp_path / name)
    calls: list[tuple[str, int, int]] = []
    with executor() as given:
        minify_many(tmp_path, executor=given, progress=lambda *call: calls.append(call))
    assert calls == [("files", done, 3) for done in range(4)]


# --- executors ---


@pytest.mark.parametrize(
    "executor",
    [
        lambda: LocalWorkers(2),
        lambda: ThreadPoolExecutor(2),
        lambda: ProcessPoolExecutor(2, mp_context=get_context("spawn")),
    ],
    ids=["workers", "threads", "processes"],
)
def test_every_executor_does_the_same_as_this_process_in_the_same_order(
    tmp_path: Path, executor: Callable[[], Executor]
) -> None:
    for folder in ("serial", "parallel"):
        for sample in (ROOT / "samples").glob("*.dmp"):
            put(tmp_path / folder / sample.name, sample)
        (tmp_path / folder / "bad.dmp").write_bytes(b"bad")
    serial = minify_many(tmp_path / "serial")
    with executor() as given:
        parallel = minify_many(tmp_path / "parallel", executor=given)
    assert outcomes(parallel, tmp_path / "parallel") == outcomes(serial, tmp_path / "serial")
    assert contents(tmp_path / "parallel") == contents(tmp_path / "serial")


class Scripted(Executor):
    """Runs every task when it is submitted, unless it has another action for the file of that name."""

    def __init__(self, **raised: BaseException) -> None:
        self.raised = raised
        self.futures: list[Future[Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        fn, args, kwargs = pickle.loads(pickle.dumps((fn, args, kwargs)))  # as an executor with remote workers
        future: Future[Any] = Future()
        self.futures.append(future)
        error = self.raised.get(Path(args[0].source).stem)
        if isinstance(error, CancelledError):
            future.cancel()
        elif error is not None:
            future.set_exception(error)
        else:
            future.set_result(fn(*args, **kwargs))
        return future


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (BrokenExecutor("a process was\nterminated"), "did not do the task (BrokenExecutor: a process was terminated)"),
        (CancelledError(), "did not do the task (CancelledError)"),
        (WorkerLostError("was ended by signal 9"), "worker process: was ended by signal 9; if memory ran out"),
        (TaskTimeoutError("took longer than 9 seconds and was ended"), "worker process: took longer than 9 seconds"),
        (FuturesTimeoutError(), "worker process: took longer than the executor allows"),
        (KeyboardInterrupt(), "did not do the task (KeyboardInterrupt)"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_what_an_executor_raises_for_a_task_costs_that_file_and_leaves_nothing_behind(
    tmp_path: Path, error: BaseException, problem: str
) -> None:
    for name in ("a.dmp", "b.dmp", "c.dmp"):
        put(tmp_path / name)
    (tmp_path / ".b-small.dmp.0123456789abcdef.tmp").write_bytes(b"what a lost worker has left")
    report = minify_many(tmp_path, executor=Scripted(b=error))
    assert outcomes(report, tmp_path) == {"a.dmp": "written", "b.dmp": "failed", "c.dmp": "written"}
    assert problem in report.files[1].problem
    assert "\n" not in report.files[1].problem
    assert set(contents(tmp_path)) == {"a.dmp", "a-small.dmp", "b.dmp", "c.dmp", "c-small.dmp"}


def test_an_executor_that_takes_no_task_is_told_for_every_file(tmp_path: Path) -> None:
    for name in ("a.dmp", "b.dmp"):
        put(tmp_path / name)
    executor = ThreadPoolExecutor()
    executor.shutdown()
    report = minify_many(tmp_path, executor=executor)
    assert outcomes(report, tmp_path) == {"a.dmp": "failed", "b.dmp": "failed"}
    assert "cannot schedule new futures after shutdown" in report.files[0].problem


class Patient(ThreadPoolExecutor):
    """Counts the futures that are not done."""

    most = 0

    def __init__(self) -> None:
        super().__init__(1)
        self.submitted: list[Future[Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.submitted.append(super().submit(fn, *args, **kwargs))
        self.most = max(self.most, sum(not future.done() for future in self.submitted))
        return self.submitted[-1]


def test_an_executor_never_has_more_tasks_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("windbg_ext.commands.tasks.MAX_IN_FLIGHT", 3)
    for number in range(8):
        put(tmp_path / f"{number}.dmp")
    with Patient() as executor:
        assert minify_many(tmp_path, executor=executor).complete
    assert len(executor.submitted) == 8
    assert executor.most <= 3


def test_an_exception_of_progress_cancels_what_has_not_begun(tmp_path: Path) -> None:
    for number in range(8):
        put(tmp_path / f"{number}.dmp")

    def stop(_doing: str, done: int, _total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with Patient() as executor, pytest.raises(KeyboardInterrupt):
        minify_many(tmp_path, executor=executor, progress=stop)
    assert any(future.cancelled() for future in executor.submitted)
    assert 1 <= len([name for name in contents(tmp_path) if "small" in name]) < 8


# --- lists ---


@pytest.mark.parametrize(
    "data",
    [
        b"a b.dmp\nc.dmp\n",
        b"\n  \na b.dmp\r\n\r\nc.dmp",
        b"\xef\xbb\xbfa b.dmp\nc.dmp\n",
        "\ufeffa b.dmp\r\nc.dmp\r\n".encode("utf-16-le"),
        "\ufeffa b.dmp\r\nc.dmp\r\n".encode("utf-16-be"),
    ],
)
def test_a_list_has_a_path_on_each_line_that_is_not_blank(data: bytes) -> None:
    assert read_list(io.BytesIO(data), "list") == ["a b.dmp", "c.dmp"]


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_name_in_a_list_may_be_any_bytes() -> None:
    assert [os.fsencode(path) for path in read_list(io.BytesIO(b"\xff\xe4.dmp\n"), "list")] == [b"\xff\xe4.dmp"]


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"", "names no file"), (b" \n\r\n", "names no file"), (b"PAGEDU64\0\0", "is no text file")],
)
def test_a_list_without_a_path_is_an_error(data: bytes, why: str) -> None:
    with pytest.raises(DumpError, match=why):
        read_list(io.BytesIO(data), "list")


class Endless(io.RawIOBase):
    """A list that repeats itself for ever."""

    def __init__(self, text: bytes) -> None:
        super().__init__()
        self._text = text

    def read(self, length: int = -1) -> bytes:
        return (self._text * (length // len(self._text) + 1))[:length]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"a.dmp\n", "is longer than 16 MB"),
        (b" \n", "is longer than 16 MB"),
        (b"a", "has a line that is longer than any path"),
        (b"\0", "is no text file"),
    ],
)
def test_a_list_without_an_end_is_an_error(text: bytes, why: str) -> None:
    with pytest.raises(DumpError, match=why):
        read_list(Endless(text), "list")  # type: ignore[arg-type]  # all that is asked of it


def test_a_list_names_a_limited_number_of_files_and_may_repeat_them() -> None:
    lines = [b"%d.dmp\n" % number for number in range(20_000)]
    assert len(read_list(io.BytesIO(b"".join(lines) * 5), "list")) == 20_000
    with pytest.raises(DumpError, match="names more than 20,000 files; divide it"):
        read_list(io.BytesIO(b"".join([*lines, b"one more.dmp"])), "list")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_character_may_lie_where_a_piece_of_a_list_ends(encoding: str) -> None:
    names = ["n" * 99 + "\u00fc\U0001f4a5" * (5 + number % 7) + f"{number}.dmp" for number in range(2000)]
    assert read_list(io.BytesIO("\r\n".join(names).encode(encoding)), "list") == names
