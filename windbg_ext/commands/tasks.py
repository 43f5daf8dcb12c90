"""Tasks on any executor, one per file: bounded in number, a lost one tried once more, the rest cancelled at the end."""

from __future__ import annotations

import queue
from contextlib import closing
from typing import TYPE_CHECKING, Generic, TypeVar

from windbg_ext.errors import DumpError
from windbg_ext.sources.local import current_folder, full_path

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from concurrent.futures import Executor, Future
    from typing import Callable

Task = TypeVar("Task")
Result = TypeVar("Result")

MAX_IN_FLIGHT = 1000
"""Tasks that an executor has at once: enough for every processor of a cluster, and no more than 2 MB of futures."""
TRIES = 2
"""How often a task is given to a worker: one that has ended two is taken for the reason."""
KILLED_BY_DASK = "KilledWorker"
"""The error of distributed.scheduler, which is not imported here."""
SECONDS_BETWEEN_LOOKS = 0.5
"""Windows tells a thread that waits for an answer of Ctrl+C only when the wait is over."""


def folder_for(executor: Executor | None) -> str | None:
    """Return the current folder for workers that are started elsewhere; None where all are in it already."""
    if executor is None:
        return None
    from windbg_ext.commands.workers import LocalWorkers  # multiprocessing: only with an executor

    return None if isinstance(executor, LocalWorkers) else current_folder()


def seen_from(folder: str | None, path: str) -> str:
    """Return a path as a worker opens it that was started in another folder than this one."""
    return path if folder is None else full_path(path, folder)


class Done(Generic[Task, Result]):
    """A task that came to an end. error: why there is no result, None where there is one."""

    def __init__(self, task: Task, result: Result | None, error: BaseException | None) -> None:
        self.task = task
        self.error = error
        self._result = result

    @property
    def result(self) -> Result:
        """What the function returned. Raise the error where there is one."""
        if self.error is not None:
            raise self.error
        return self._result  # type: ignore[return-value]  # without an error there is a result, which may be None


def run_tasks(
    function: Callable[[Task], Result],
    tasks: Iterable[Task],
    executor: Executor | None,
    *,
    tries: int = TRIES,
    at_once: int | None = None,
) -> Generator[Done[Task, Result], None, None]:
    """Call a function for each task, and yield each when it is done, in any order. Tasks are taken as there is room.

    executor: None calls it in this process, where an error is raised as it is. tries: how often a task is given to a
    worker whose workers die; after the first time it waits until it can be alone, since a scheduler may blame it for
    what another task did. at_once: tasks that the executor has at once, at most MAX_IN_FLIGHT. Close the generator to
    cancel the tasks that have not begun.
    """
    if executor is None:
        for task in tasks:
            yield Done(task, function(task), None)
        return
    run = _Run(function, executor, tries)
    with closing(run.all(((task, 1) for task in tasks), at_once or MAX_IN_FLIGHT)) as arriving:
        yield from arriving
    while run.lost:
        again, run.lost = run.lost, []
        with closing(run.all(again, 1)) as arriving:
            yield from arriving


class _Run(Generic[Task, Result]):
    """lost: tasks whose worker died, each with the number of its next attempt."""

    def __init__(self, function: Callable[[Task], Result], executor: Executor, tries: int) -> None:
        self._function, self._executor, self._tries = function, executor, tries
        self._in_flight: dict[int, tuple[Task, int, Future[Result]]] = {}
        self._arrived: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._submitted = 0
        self.lost: list[tuple[Task, int]] = []

    def all(self, tasks: Iterable[tuple[Task, int]], at_once: int) -> Generator[Done[Task, Result], None, None]:
        """Yield the tasks when they are done, but those that are lost and to be tried again."""
        waiting = iter(tasks)
        exhausted = False
        try:
            while True:
                while not exhausted and len(self._in_flight) < at_once:
                    try:
                        task, attempt = next(waiting)
                    except StopIteration:
                        exhausted = True
                        break
                    refused = self._submit(task, attempt)
                    if refused is not None:
                        yield Done(task, None, refused)
                if not self._in_flight:
                    return
                done = self._take(self._next())
                if done is not None:
                    yield done
        finally:
            for _, _, future in self._in_flight.values():
                future.cancel()

    def _submit(self, task: Task, attempt: int) -> Exception | None:
        """Give a task to the executor. Return why it does not take it: it is broken, or was shut down."""
        try:
            future = self._executor.submit(self._function, task)
        except Exception as error:
            return error
        self._submitted += 1
        number = self._submitted
        self._in_flight[number] = task, attempt, future
        future.add_done_callback(lambda _: self._arrived.put(number))
        return None

    def _next(self) -> int:
        while True:
            try:
                return self._arrived.get(timeout=SECONDS_BETWEEN_LOOKS)
            except queue.Empty:
                continue

    def _take(self, number: int) -> Done[Task, Result] | None:
        """Return a task that has ended; None if it is to be tried again."""
        from concurrent.futures import CancelledError  # with an executor it is there already

        task, attempt, future = self._in_flight.pop(number)
        error: BaseException | None
        try:
            error = future.exception()
        except CancelledError as cancelled:
            error = cancelled
        if error is None:
            return Done(task, future.result(), None)
        if _is_loss(error) and attempt < self._tries:
            self.lost.append((task, attempt + 1))
            return None
        return Done(task, None, error)


def _is_loss(error: BaseException) -> bool:
    """Tell whether an error says that the worker died, and not what the task did."""
    from windbg_ext.commands.workers import WorkerLostError  # multiprocessing: only with an executor

    return isinstance(error, WorkerLostError) or type(error).__name__ == KILLED_BY_DASK


def as_dump_error(error: BaseException) -> DumpError:
    """Return what a user is told of a task that its executor gave up."""
    from concurrent.futures import TimeoutError as TooLong  # CPython 3.9 and 3.10 have one of their own

    from windbg_ext.commands.workers import WorkerLostError  # as above

    if isinstance(error, WorkerLostError):
        return DumpError("worker process", str(error), "if memory ran out, try fewer --jobs")
    if isinstance(error, TooLong):
        why = str(error) or "took longer than the executor allows"
        return DumpError("worker process", why, "try this file alone, without a time limit")
    why = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")
    return DumpError("executor", f"did not do the task ({why})", "the same command tries it again")
