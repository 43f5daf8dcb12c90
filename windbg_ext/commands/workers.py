"""Tasks in worker processes, one at a time in each. A worker that dies costs the task that it had, and no other.

concurrent.futures has no such promise: there, a worker that dies breaks the pool and fails every task that is left.
Workers are started anew ("spawn") on every system: a forked copy of a process with threads may hang.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, Callable, NoReturn, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess
    from types import FrameType

T = TypeVar("T")
R = TypeVar("R")

MOST_WORKERS = 60
"""Windows waits for no more than 63 things at once."""
SECONDS_TO_STOP = 30
SIGNALS = {getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)}


@dataclass(frozen=True)
class Lost:
    """Instead of an answer: the worker died over its task. how: its end, as the system tells."""

    how: str


@dataclass
class _Worker:
    """A worker process. number: of the task that it has; None while it starts."""

    process: BaseProcess
    number: int | None = None


def run_in_workers(
    do: Callable[[T], R], tasks: Mapping[int, T], jobs: int
) -> Generator[tuple[int, R | Lost], None, None]:
    """Do the tasks in at most `jobs` processes; gives the number and the answer of each when it is there.

    do, tasks and answers are pickled; `do` catches what may go wrong in it. Whoever leaves in the middle, because of
    Ctrl+C for example, leaves no worker behind: each unwinds from what it is at. Where no process can be started, this
    one does the tasks.
    """
    waiting = deque(tasks.items())
    wanted = min(jobs, len(waiting), MOST_WORKERS)
    workers: dict[Connection, _Worker] = {}
    ended: list[BaseProcess] = []
    try:
        while waiting or workers:
            while waiting and len(workers) < wanted:
                try:
                    _start(do, workers)
                except OSError:  # too many processes, no memory
                    wanted = len(workers)
            if not workers:
                number, task = waiting.popleft()
                yield number, do(task)
                continue
            ready = wait(list(workers))
            for connection, worker in [each for each in workers.items() if each[0] in ready]:
                done, worker.number = worker.number, None
                answer: R | Lost
                try:
                    answer = connection.recv()
                except (EOFError, OSError):
                    del workers[connection]
                    connection.close()
                    _end(worker.process)
                    answer = Lost(_how(worker.process.exitcode))
                    if done is None:  # it could not even start, so another one would not
                        wanted = len(workers)
                else:
                    if waiting:
                        worker.number, task = waiting.popleft()
                        with suppress(OSError):  # it has died: reading from it will tell
                            connection.send(task)
                    else:
                        del workers[connection]
                        connection.close()  # it takes this for the end
                        ended.append(worker.process)
                if done is not None:
                    yield done, answer
    finally:
        for connection, worker in workers.items():
            if os.name != "nt":  # there it unwinds nothing; a worker has got Ctrl+C itself, or ends with its task
                worker.process.terminate()
            connection.close()
        for process in (*ended, *(worker.process for worker in workers.values())):
            _end(process)


def _start(do: Callable[[T], R], workers: dict[Connection, _Worker]) -> None:
    context = get_context("spawn")
    if os.name != "nt":
        resource_tracker.ensure_running()  # or else it is started within, and undoes the block on CPython 3.9
    with _signals_blocked():
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, do), daemon=True)
        try:
            process.start()
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        workers[ours] = _Worker(process)


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Start a process in this block: it inherits that signals wait until it is ready, and none comes between."""
    if os.name == "nt":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(process: BaseProcess) -> None:
    """Wait for the end of a process, but not for long."""
    process.join(SECONDS_TO_STOP)
    if process.is_alive():
        process.kill()
        process.join()


def _how(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"was ended by signal {-exit_code}"
    return f"ended with exit status {exit_code}"


def _serve(connection: Connection, do: Callable[[Any], object]) -> None:
    """Be a worker: say that it is ready, then answer task after task until nobody asks any more."""
    with suppress(KeyboardInterrupt):
        with suppress(EOFError, OSError):
            _take_signals()
            connection.send(None)
            while True:
                connection.send(do(connection.recv()))
        for number in SIGNALS:  # the end of the process is not to be disturbed
            signal.signal(number, signal.SIG_IGN)


def _take_signals() -> None:
    """Unwind once when the worker is to end, and not again, so that what is cleaned up on the way is.

    A terminal sends Ctrl+C to all its processes; the one that started the workers then ends them by SIGTERM. Windows
    has no such signal.
    """

    def stop(number: int, _frame: FrameType | None) -> NoReturn:
        signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    if os.name == "nt":
        signal.signal(signal.SIGINT, stop)
        return
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
