"""Tasks in worker processes: every task gets an answer, whatever happens to the worker that had it."""

from __future__ import annotations

import os
import signal
import sys
from multiprocessing import active_children
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from windbg_ext.commands.workers import Lost, run_in_workers

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS = dict(enumerate(("one", "two", "three", "four", "five")))

on_posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no signals that a process can send another one")


@pytest.fixture(autouse=True)
def _no_worker_is_left() -> Iterator[None]:
    yield
    assert active_children() == []


def spelled(word: str) -> tuple[str, int]:
    return word.upper(), os.getpid()


def fatal(word: str) -> str:
    """Do what a task says to the process that has it."""
    if word == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "exit":
        os._exit(7)
    if word == "raise":
        raise ZeroDivisionError
    return word


class BreaksTheStart:
    """Cannot be unpickled by a worker."""

    def __reduce__(self) -> tuple[Any, ...]:
        return fail_in_worker, ()

    def __call__(self, word: str) -> str:
        return word


def fail_in_worker() -> None:
    raise ImportError("in the worker")


@pytest.mark.parametrize("jobs", [1, 2, 9])
def test_every_task_is_answered_by_a_process_of_its_own_and_by_no_more_of_them_than_asked_for(jobs: int) -> None:
    answers: dict[int, Any] = dict(run_in_workers(spelled, WORDS, jobs))
    assert {number: answer[0] for number, answer in answers.items()} == {n: word.upper() for n, word in WORDS.items()}
    processes = {process for _, process in answers.values()}
    assert os.getpid() not in processes
    assert len(processes) <= min(jobs, len(WORDS))


def test_without_tasks_there_is_nothing_to_do() -> None:
    assert list(run_in_workers(spelled, {}, 2)) == []


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(
    ("word", "how"),
    [
        pytest.param("kill", "was ended by signal 9", marks=on_posix),
        ("exit", "ended with exit status 7"),
        ("raise", "ended with exit status 1"),
    ],
)
def test_a_worker_that_dies_costs_its_task_only(
    word: str, how: str, jobs: int, capfd: pytest.CaptureFixture[str]
) -> None:
    answers = dict(run_in_workers(fatal, {**WORDS, 1: word, 4: word}, jobs))
    assert {n: answer for n, answer in answers.items() if n not in (1, 4)} == {0: "one", 2: "three", 3: "four"}
    assert answers[1] == answers[4] == Lost(how)


def test_where_workers_die_before_they_have_a_task_this_process_does_them(capfd: pytest.CaptureFixture[str]) -> None:
    assert dict(run_in_workers(BreaksTheStart(), WORDS, 2)) == WORDS


@on_posix
def test_where_no_process_can_be_started_this_one_does_the_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("multiprocessing.util.spawnv_passfds", refuse)
    answers: dict[int, Any] = dict(run_in_workers(spelled, WORDS, 2))
    assert {process for _, process in answers.values()} == {os.getpid()}
    assert len(answers) == len(WORDS)


def test_who_leaves_in_the_middle_leaves_no_worker_behind() -> None:
    answers = run_in_workers(spelled, WORDS, 2)
    next(answers)
    answers.close()
    assert active_children() == []


@on_posix
def test_signals_are_taken_again_after_workers_were_started() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    list(run_in_workers(spelled, WORDS, 2))
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts the open files in /proc")
def test_no_file_stays_open() -> None:
    list(run_in_workers(fatal, {**WORDS, 1: "exit"}, 2))  # starts what multiprocessing keeps for the next time
    before = len(list(Path("/proc/self/fd").iterdir()))
    list(run_in_workers(fatal, {**WORDS, 1: "exit"}, 2))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
