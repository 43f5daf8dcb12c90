"""Worker processes behind `concurrent.futures.Executor`. A worker that dies costs the task that it had, and no other.

Each worker has a process, started anew ("spawn") on every system because a forked copy of a process with threads may
hang, a pipe of its own, and a thread that passes it one task at a time.

The libraries that were tried do not keep that promise (measured with CPython 3.13 on Linux):

- pebble 5.2.3: all its workers share one pipe. 20,000 tasks of 1 ms, two workers, and up to 15 times `kill -9` of one
  of them, 0.5 to 1 s apart: of three runs, one had a task without an answer after 100 s. In the other two the pool
  broke: about 340 tasks failed, and more than 15,000 had no answer. A worker that dies before it has told which task
  it took breaks the pool as well. A task that is ended does not unwind, so that its temporary file stays. A process
  that imports it takes 9 MB and 50 ms more, since it brings asyncio. Files a second are the same.
- loky 3.7.0: a worker that dies fails every task that is left, as with `concurrent.futures.ProcessPoolExecutor`. It has
  no time limit per task, and needs CPython 3.10.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
from collections import deque
from concurrent.futures import Executor, Future
from concurrent.futures import TimeoutError as FuturesTimeoutError
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import wait as wait_for_one
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from windbg_ext.commands.worker_process import SIGNALS, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess
    from types import TracebackType

    from typing_extensions import ParamSpec

    P = ParamSpec("P")

T = TypeVar("T")

MAX_TASK_SECONDS = 6 * 60 * 60
"""The slowest thing that a task does is to unpack. One processor unpacks at least 60 MB of an .xz file a second
(measured with program files, which are denser than most memory), so this is enough for 1 TiB."""
SECONDS_TO_STOP = 30
"""How long a worker may take to unwind before it is killed."""


class WorkerLostError(Exception):
    """The worker process died over its task; str() tells its end, as the system tells it."""


class TaskTimeoutError(FuturesTimeoutError):
    """The task took longer than the time limit, and its worker process was ended."""


class LocalWorkers(Executor):
    """An executor of at most `jobs` worker processes on this machine.

    Processes are started when there are tasks for them. Functions, arguments and results are pickled, and a script
    that uses this needs `if __name__ == "__main__"`. time_limit: seconds that a task may take, None for any time.

    A future raises WorkerLostError if the worker died over its task, and TaskTimeoutError if the task took too long;
    the other tasks go on. Where no process can be started, this one does the tasks.

    Use it in a `with` block: at its end, all tasks are done and the workers have gone. When an exception leaves the
    block (Ctrl+C, for example), no other task begins, and each worker unwinds from what it does and ends.
    """

    def __init__(self, jobs: int, *, time_limit: float | None = MAX_TASK_SECONDS) -> None:
        if jobs < 1:
            raise ValueError("jobs must be at least 1")
        self._wanted = jobs
        self._time_limit = time_limit
        self._changed = threading.Condition()  # it guards everything below, and the start and end of processes
        self._waiting: deque[_Call] = deque()
        self._workers: dict[threading.Thread, _Worker] = {}
        self._busy = 0
        self._closed = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Schedule a call of `fn` in a worker. Raise RuntimeError after `shutdown`."""
        call = _Call(fn, args, kwargs)
        with self._changed:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._waiting.append(call)
            if len(self._workers) < self._wanted and len(self._waiting) > len(self._workers) - self._busy:
                self._add_worker()
            self._changed.notify()
            if self._workers:
                return call.future
            self._waiting.remove(call)
        call.do_here()
        error = call.future.exception()
        if error is not None and not isinstance(error, Exception):  # Ctrl+C: this is the thread that it is for
            raise error
        return call.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no more tasks, and end the workers when the tasks are done.

        wait: return only then. cancel_futures: cancel the tasks that no worker has yet.
        """
        self._close(cancel=cancel_futures)
        if wait:
            self._wait_for_the_end(None)

    def stop(self) -> None:
        """Cancel the tasks that no worker has yet, and end the others: each worker unwinds from what it does.

        Windows has no signal for that: a worker there gets Ctrl+C itself, or ends with its task.
        """
        self._close(cancel=True)
        if os.name != "nt":
            self._end_all(kill=False)
        if not self._wait_for_the_end(SECONDS_TO_STOP):
            self._end_all(kill=True)
            self._wait_for_the_end(None)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self.stop()
            return
        try:
            self.shutdown()
        except BaseException:  # Ctrl+C while it waits
            self.stop()
            raise

    def _close(self, *, cancel: bool) -> None:
        with self._changed:
            self._closed = True
            cancelled = [self._waiting.pop() for _ in range(len(self._waiting) if cancel else 0)]
            self._changed.notify_all()
        for call in cancelled:
            call.future.cancel()
            call.future.set_running_or_notify_cancel()

    def _end_all(self, *, kill: bool) -> None:
        with self._changed:
            for worker in self._workers.values():
                if kill:
                    worker.process.kill()
                else:
                    worker.process.terminate()

    def _wait_for_the_end(self, seconds: float | None) -> bool:
        """Wait until no worker is left; tell whether that is so.

        Not by Thread.join: after Ctrl+C in it, CPython 3.9 takes the thread for ended.
        """
        with self._changed:
            return self._changed.wait_for(lambda: not self._workers, seconds)

    def _add_worker(self) -> None:
        """Start a process and its thread, which takes no signals, as long as it runs."""
        try:
            with _signals_blocked():
                worker = _start(self._changed)
                thread = threading.Thread(target=self._tend, args=(worker,), name="windbg-ext worker", daemon=True)
                self._workers[thread] = worker
                try:
                    thread.start()
                except RuntimeError:  # too many threads
                    del self._workers[thread]
                    worker.end(now=True)
                    raise
        except (OSError, RuntimeError):  # too many processes, no memory
            self._wanted = len(self._workers)

    def _tend(self, worker: _Worker) -> None:
        """Pass task after task to a worker, and start another one in place of one that died."""
        following: _Worker | None = worker
        while following is not None:
            worker, following = following, None
            if worker.is_ready():
                while (call := self._next(worker)) is not None and self._perform(call, worker):
                    pass
                worker.end()
                following = self._start_again()
            else:  # it could not even start, so another one would not
                worker.end()
                self._want_no_more()
        self._leave()

    def _next(self, worker: _Worker) -> _Call | None:
        """Wait for a task. None: there will be none, or the worker died while it waited."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting or not worker.lives():
                    return None
                call = self._waiting.popleft()
                if call.future.set_running_or_notify_cancel():
                    self._busy += 1
                    return call

    def _perform(self, call: _Call, worker: _Worker) -> bool:
        """Let a worker do a task; tell whether it can do another one."""
        result: object = None
        error: Exception | None = None
        try:
            result = worker.do(call, self._time_limit)
        except Exception as raised:
            error = raised
        with self._changed:  # before anybody hears of the answer, and has another task for the worker
            self._busy -= 1
        if error is None:
            call.future.set_result(result)
        else:
            call.future.set_exception(error)
        return not worker.has_ended

    def _start_again(self) -> _Worker | None:
        """Start a process for a thread whose process has ended, if there is anything to do."""
        with self._changed:
            if not self._waiting:
                return None
            with suppress(OSError):
                _block_signals()
                worker = self._workers[threading.current_thread()] = _start(self._changed)
                return worker
        self._want_no_more()
        return None

    def _want_no_more(self) -> None:
        with self._changed:
            self._wanted = len(self._workers) - 1

    def _leave(self) -> None:
        """End a thread without a worker; the last one does what no worker is left for."""
        while True:
            with self._changed:
                if len(self._workers) > 1 or not self._waiting:
                    del self._workers[threading.current_thread()]
                    self._changed.notify_all()
                    return
                call = self._waiting.popleft()
            call.do_here()


class _Call:
    """A function to call, and the future of its result."""

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.future: Future[Any] = Future()
        self._what = fn, args, kwargs

    def pickled(self) -> bytes:
        return pickle.dumps(self._what)

    def do_here(self) -> None:
        """Call it in this process, and set the future."""
        fn, args, kwargs = self._what
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = fn(*args, **kwargs)
        except BaseException as error:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


@dataclass
class _Worker:
    """A worker process and its pipe. guard: held while a process of the executor is started or its end is collected."""

    process: BaseProcess
    connection: Connection
    guard: threading.Condition
    has_ended: bool = field(default=False, init=False)

    def is_ready(self) -> bool:
        """Wait until it can take a task; False: it died before."""
        try:
            self.connection.recv_bytes()
        except (EOFError, OSError):
            return False
        return True

    def lives(self) -> bool:
        """Tell whether it waits for a task: all that can arrive from it then is the end of the pipe."""
        try:
            return not self.connection.poll()
        except OSError:
            return False

    def do(self, call: _Call, time_limit: float | None) -> object:
        """Let it do a task. Raise what that raises, WorkerLostError or TaskTimeoutError."""
        data = call.pickled()
        try:
            self.connection.send_bytes(data)
            answer = self.connection.recv_bytes() if self.connection.poll(time_limit) else None
        except (EOFError, OSError):
            self.end()
            raise WorkerLostError(_how(self.process.exitcode)) from None
        if answer is None:
            self.end(now=True)
            raise TaskTimeoutError(f"took longer than {time_limit:,g} s and was ended")
        succeeded, result = pickle.loads(answer)
        if not succeeded:
            raise result
        return result

    def end(self, *, now: bool = False) -> None:
        """Wait until it has ended, but not for long. now: it is not to finish what it does."""
        if self.has_ended:
            return
        self.has_ended = True
        self.connection.close()  # it takes this for the end
        if now:
            with self.guard:
                self.process.terminate()
        ended = wait_for_one([self.process.sentinel], SECONDS_TO_STOP)
        if not ended:
            with self.guard:
                self.process.kill()
            ended = wait_for_one([self.process.sentinel], SECONDS_TO_STOP)
        if ended:  # or else it hangs in a read from a share that has gone, and nothing can end it
            with self.guard:
                self.process.join()


def _start(guard: threading.Condition) -> _Worker:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs,), daemon=True)
    try:
        process.start()
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    return _Worker(process, ours, guard)


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Start a process in this block: it inherits that signals wait until it is ready, and none comes between."""
    if os.name == "nt":
        yield
        return
    before = _block_signals()
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _block_signals() -> set[signal.Signals | int]:
    if os.name == "nt":
        return set()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    resource_tracker.ensure_running()  # or else it is started within, and undoes the block on CPython 3.9
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    return before


def _how(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"was ended by signal {-exit_code}"
    return f"ended with exit status {exit_code}"
