"""Worker processes: every task gets an answer, whatever happens to its worker."""

from __future__ import annotations

import gc
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Executor, Future
from contextlib import suppress
from multiprocessing import active_children, resource_tracker, spawn
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.command_line import environment

from windbg_ext import LocalWorkers
from windbg_ext.commands.workers import TaskTimeoutError, WorkerLostError

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS = ("one", "two", "three", "four", "five")
MANY = 200
"""Tasks for workers that are killed again and again."""

on_posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no signals that a process can send another one")
on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    assert active_children() == []
    end = time.monotonic() + 10
    while threading.active_count() > 1:  # a thread that has done its work may take a moment to end
        assert time.monotonic() < end
        time.sleep(0.001)


def spelled(word: str) -> tuple[str, int]:
    return word.upper(), os.getpid()


def fatal(word: str) -> str:
    """Do to this process what the task says."""
    if word == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "exit":
        os._exit(7)
    if word == "leave":
        sys.exit(3)
    if word == "raise":
        raise ZeroDivisionError(word)
    return word


def slow(folder: Path) -> None:
    """Take a minute. Leave a file behind unless the stack is unwound."""
    try:
        (folder / f"{os.getpid()}.tmp").touch()
        time.sleep(60)
    finally:
        (folder / f"{os.getpid()}.tmp").unlink(missing_ok=True)


def stubborn(folder: Path) -> None:
    """End without unwinding the stack."""
    while True:
        with suppress(KeyboardInterrupt):
            slow(folder)


def wait_for_files(folder: Path, count: int) -> None:
    end = time.monotonic() + 30
    while len(list(folder.iterdir())) < count:
        assert time.monotonic() < end
        time.sleep(0.01)


class BreaksThere:
    """A worker cannot unpickle it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return fail_in_worker, ()

    def __call__(self, word: str) -> str:
        return word


def fail_in_worker() -> None:
    raise ImportError("in the worker")


class Awkward(Exception):  # noqa: N818
    """Cannot be unpickled as it is pickled."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first + second)


def raise_awkward() -> None:
    raise Awkward("a", "b")


def raise_unpicklable() -> None:
    raise ValueError(threading.Lock())


# --- tasks ---


@pytest.mark.parametrize("jobs", [1, 2, 100])
def test_every_task_is_done_by_a_process_of_its_own_and_by_no_more_of_them_than_asked_for(jobs: int) -> None:
    with LocalWorkers(jobs) as workers:
        answers = [future.result() for future in [workers.submit(spelled, word) for word in WORDS]]
    assert [word for word, _ in answers] == [word.upper() for word in WORDS]
    processes = {process for _, process in answers}
    assert os.getpid() not in processes
    assert len(processes) <= min(jobs, len(WORDS))


def test_it_is_an_executor_with_map_and_keyword_arguments() -> None:
    with LocalWorkers(2) as workers:
        assert isinstance(workers, Executor)
        assert list(workers.map(fatal, WORDS)) == list(WORDS)
        assert workers.submit(fatal, word="two").result() == "two"


def test_a_worker_does_one_task_after_the_other() -> None:
    with LocalWorkers(2) as workers:
        processes = {workers.submit(spelled, word).result()[1] for word in WORDS}
    assert len(processes) == 1


def test_without_tasks_no_process_is_started() -> None:
    with LocalWorkers(2):
        assert active_children() == []


def test_less_than_one_worker_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        LocalWorkers(0)


def test_what_a_task_raises_is_raised_by_its_future_and_its_worker_goes_on() -> None:
    with LocalWorkers(1) as workers:
        (_, before) = workers.submit(spelled, "one").result()
        with pytest.raises(ZeroDivisionError, match="raise"):
            workers.submit(fatal, "raise").result()
        with pytest.raises(ImportError, match="in the worker"):
            workers.submit(BreaksThere(), "one").result()
        with pytest.raises((pickle.PicklingError, AttributeError)):
            workers.submit(lambda: None).result()
        with pytest.raises(TypeError):
            workers.submit(raise_awkward).result()
        with pytest.raises(RuntimeError, match="ValueError"):
            workers.submit(raise_unpicklable).result()
        assert workers.submit(spelled, "one").result()[1] == before


# --- workers that die ---


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(
    ("word", "how"),
    [
        pytest.param("kill", "was ended by signal 9", marks=on_posix),
        ("exit", "ended with exit status 7"),
        ("leave", "ended with exit status 3"),
    ],
)
def test_a_worker_that_dies_costs_its_task_only(
    word: str, how: str, jobs: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with LocalWorkers(jobs) as workers:
        futures = [workers.submit(fatal, each) for each in ("one", word, "three", "four", word)]
    for index in (1, 4):
        error = futures[index].exception()
        assert isinstance(error, WorkerLostError)
        assert str(error) == how
    assert [futures[index].result() for index in (0, 2, 3)] == ["one", "three", "four"]


@on_posix
def test_workers_that_are_killed_at_any_moment_cost_no_more_tasks_than_there_were_kills() -> None:
    chance = random.Random(7)
    kills = 0
    with LocalWorkers(2) as workers:
        futures = [workers.submit(pause, 0.02) for _ in range(MANY)]
        while not all(future.done() for future in futures):
            time.sleep(chance.uniform(0, 0.2))
            victims = active_children()
            if victims and kills < 10:
                os.kill(chance.choice(victims).pid or 0, signal.SIGKILL)
                kills += 1
    lost = [error for error in (future.exception() for future in futures) if error is not None]
    assert {type(error) for error in lost} <= {WorkerLostError}
    assert len(lost) <= kills


def pause(seconds: float) -> None:
    time.sleep(seconds)


@on_posix
def test_a_worker_that_is_killed_while_it_waits_costs_nothing() -> None:
    with LocalWorkers(1) as workers:
        _, process = workers.submit(spelled, "one").result()
        os.kill(process, signal.SIGKILL)
        time.sleep(0.2)
        assert workers.submit(fatal, "two").result() == "two"


@on_posix
def test_where_workers_die_before_they_have_a_task_this_process_does_them() -> None:
    resource_tracker.ensure_running()
    before = spawn.get_executable()
    spawn.set_executable(shutil.which("false") or "")
    try:
        with LocalWorkers(2) as workers:
            futures = [workers.submit(spelled, word) for word in WORDS]
            assert [future.result() for future in futures] == [(word.upper(), os.getpid()) for word in WORDS]
            assert workers.submit(spelled, "six").result() == ("SIX", os.getpid())
    finally:
        spawn.set_executable(before)


@on_posix
def test_where_no_process_can_be_started_this_one_does_the_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("multiprocessing.util.spawnv_passfds", refuse)
    with LocalWorkers(2) as workers:
        assert [workers.submit(spelled, word).result()[1] for word in WORDS] == [os.getpid()] * len(WORDS)
        with pytest.raises(ZeroDivisionError):
            workers.submit(fatal, "raise").result()


def test_where_no_thread_can_be_started_this_one_does_the_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", refuse)
    with LocalWorkers(2) as workers:
        assert workers.submit(spelled, "one").result() == ("ONE", os.getpid())


@on_posix
def test_where_no_process_can_be_started_ctrl_c_unwinds_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)

    monkeypatch.setattr("multiprocessing.util.spawnv_passfds", refuse)
    with pytest.raises(KeyboardInterrupt), LocalWorkers(2) as workers:
        workers.submit(interrupt)


# --- time limit ---


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_task_that_takes_too_long_is_ended_and_the_others_go_on(jobs: int, tmp_path: Path) -> None:
    with LocalWorkers(jobs, time_limit=4) as workers:
        late = workers.submit(slow, tmp_path)
        others = [workers.submit(str.upper, word) for word in WORDS]  # a worker has to import nothing for them
        error = late.exception(timeout=30)
        assert isinstance(error, TaskTimeoutError)
        assert str(error) == "took longer than 4 s and was ended"
        assert [future.result() for future in others] == [word.upper() for word in WORDS]
    assert os.name == "nt" or list(tmp_path.iterdir()) == [], "it was not unwound"


def test_a_task_that_does_not_unwind_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("windbg_ext.commands.workers.SECONDS_TO_STOP", 0.5)
    with LocalWorkers(1, time_limit=1) as workers:
        assert isinstance(workers.submit(stubborn, tmp_path).exception(timeout=30), TaskTimeoutError)


def test_the_time_limit_is_for_one_task() -> None:
    with LocalWorkers(1, time_limit=3) as workers:
        for future in [workers.submit(time.sleep, 0.3) for _ in range(11)]:
            future.result()


# --- the end ---


def test_after_shutdown_tasks_are_done_and_no_other_one_is_taken() -> None:
    workers = LocalWorkers(1)
    futures = [workers.submit(fatal, word) for word in WORDS]
    workers.shutdown(wait=False)
    with pytest.raises(RuntimeError, match="after shutdown"):
        workers.submit(fatal, "one")
    assert [future.result() for future in futures] == list(WORDS)
    workers.shutdown()


def test_shutdown_cancels_what_no_worker_has_yet() -> None:
    workers = LocalWorkers(1)
    first = workers.submit(pause, 1)
    others = [workers.submit(fatal, word) for word in WORDS]
    while not first.running():
        time.sleep(0.01)
    workers.shutdown(cancel_futures=True)
    assert first.exception() is None
    assert all(future.cancelled() for future in others)


def test_a_future_that_is_cancelled_is_not_done(tmp_path: Path) -> None:
    with LocalWorkers(1) as workers:
        first = workers.submit(pause, 0.5)
        second = workers.submit(slow, tmp_path)
        assert second.cancel()
        assert workers.submit(fatal, "one").result() == "one"
    assert first.done()
    assert list(tmp_path.iterdir()) == []


@on_posix
def test_who_leaves_by_an_exception_unwinds_the_workers_and_cancels_the_rest(tmp_path: Path) -> None:
    began = time.monotonic()
    futures: list[Future[None]] = []
    with pytest.raises(KeyboardInterrupt), LocalWorkers(2) as workers:  # noqa: PT012
        futures += [workers.submit(slow, tmp_path) for _ in range(5)]
        wait_for_files(tmp_path, 2)
        raise KeyboardInterrupt
    assert time.monotonic() - began < 30
    assert list(tmp_path.iterdir()) == []
    assert all(future.done() for future in futures)
    assert [isinstance(future.exception(), WorkerLostError) for future in futures[:2]] == [True, True]
    assert [future.cancelled() for future in futures[2:]] == [True] * 3


def test_a_worker_that_does_not_unwind_is_killed_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("windbg_ext.commands.workers.SECONDS_TO_STOP", 0.5)
    with pytest.raises(ZeroDivisionError), LocalWorkers(1) as workers:  # noqa: PT012
        workers.submit(stubborn, tmp_path)
        wait_for_files(tmp_path, 1)
        raise ZeroDivisionError


@on_posix
def test_ctrl_c_while_tasks_are_waited_for_unwinds_the_workers(tmp_path: Path) -> None:
    main = os.getpid()

    def interrupt() -> None:
        wait_for_files(tmp_path, 1)
        os.kill(main, signal.SIGINT)

    interrupter = threading.Thread(target=interrupt)
    with pytest.raises(KeyboardInterrupt), LocalWorkers(1) as workers:  # noqa: PT012
        workers.submit(slow, tmp_path)
        interrupter.start()
    interrupter.join()
    assert list(tmp_path.iterdir()) == []


@on_posix
def test_signals_are_taken_again_after_workers_were_started() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with LocalWorkers(2) as workers:
        workers.submit(fatal, "one").result()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


@on_posix
def test_an_interpreter_that_ends_without_shutdown_leaves_no_process(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import time\nfrom windbg_ext import LocalWorkers\n"
        "if __name__ == '__main__':\n    print(LocalWorkers(1).submit(time.time).result() > 0)\n"
    )
    run = subprocess.run([sys.executable, script], env=environment(), capture_output=True, timeout=30, check=True)
    assert (run.stdout, run.stderr) == (b"True\n", b"")


@on_linux
def test_no_file_stays_open(capfd: pytest.CaptureFixture[str]) -> None:
    def run() -> int:
        with LocalWorkers(2) as workers:
            for word in (*WORDS, "exit"):
                workers.submit(fatal, word)
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir()))

    first = run()  # it starts what multiprocessing keeps for the next
    assert run() <= first  # fewer, where another test's leavings went
