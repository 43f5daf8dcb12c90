"""What runs in a worker process of `workers`: task after task from a pipe.

It imports little, since every worker does so: concurrent.futures alone brings logging.
"""

from __future__ import annotations

import os
import pickle
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from types import FrameType

SIGNALS = {getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)}
"""What ends a process from outside and can be handled; a worker starts with them blocked."""


def serve(connection: Connection) -> None:
    """Be a worker: say that it is ready, then answer task after task until nobody asks any more."""
    with suppress(KeyboardInterrupt):
        with suppress(EOFError, OSError):
            _take_signals()
            connection.send_bytes(b"ready")
            while True:
                connection.send_bytes(_answer(connection.recv_bytes()))
        for number in SIGNALS:  # the end of the process is not to be disturbed
            signal.signal(number, signal.SIG_IGN)


def _answer(task: bytes) -> bytes:
    """Call the function of a task. Return its result or what it raised, pickled."""
    try:
        fn, args, kwargs = pickle.loads(task)
        return pickle.dumps((True, fn(*args, **kwargs)))
    except Exception as error:
        try:
            return pickle.dumps((False, error))
        except Exception:  # an exception that holds what cannot be pickled
            return pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))


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
