"""What the source asks of each protocol, and how a protocol says that something went wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol, TypeVar, Union

from windbg_ext.errors import DumpError
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Callable

    from windbg_ext.sources.source import Range

Result = TypeVar("Result")
COPY_IT = "copy the file to this machine"
WHO = "docs/remote.md tells where to put credentials"
CONNECT_SECONDS = 10.0
"""For a connection to be there, its encryption included."""
STALL_SECONDS = 30.0
"""Without a byte of an answer."""
SLOWEST = 16 << 10
"""Bytes a second that an answer comes with at least."""
MAX_CONNECTIONS = 32
"""Requests under way at once: fifty four-KB answers a second from each, over a delay of 20 ms, fill 6 MB/s."""
MAX_REQUEST = 4 << 20
"""Bytes that are asked for at once; a longer stretch is several requests."""
FIRST_BYTES = 1 << 16
"""Bytes from the beginning of a file that opening it brings along: the header, and what mostly follows it."""


class TransientError(Exception):
    """A request that may work when it is tried again. why: without anything that could be a secret.

    after: seconds that the server asks to wait.
    """

    def __init__(self, why: str, after: float = 0.0) -> None:
        super().__init__(why)
        self.why = why
        self.after = after


class MissingFileError(DumpError):
    """There is no such file on the server."""


class State(NamedTuple):
    """By what a file is known to have changed: its size, and its ETag, generation or time of change as text."""

    size: int
    version: str


Failure = Union[TransientError, DumpError]
Answer = Union[bytes, TransientError, DumpError]
"""To one request: bytes, fewer than asked for if it broke off, or why there are none. DumpError: trying is no use."""


class RemoteFile(Protocol):
    """A file that one protocol has opened. `state` is as it was then, `first` its first bytes as far as they came."""

    @property
    def state(self) -> State:
        """Size and version when it was opened."""

    @property
    def first(self) -> bytes:
        """The first bytes, up to FIRST_BYTES."""

    def fetch(self, ranges: Sequence[Range]) -> list[Answer]:
        """Ask for all ranges at once. A file that has changed since it was opened is a DumpError."""

    def confirm(self) -> int:
        """Raise TransientError or DumpError where a change could have gone unnoticed so far, and there was one.

        Return how many requests that took.
        """

    def close(self) -> None:
        """Close the file and its connections."""


def missing_file(told: str = "") -> MissingFileError:
    """Return the error for a file that is not there. told: how the server said so."""
    return MissingFileError("file", f"is not there{told}", "check the URL")


def changed(what: str) -> DumpError:
    """Return the error for a file that is not what it was."""
    return DumpError("file", f"has changed while it was read ({what})", "something writes it: wait until that is done")


def difference(before: State, now: State) -> DumpError:
    """Return the error for a file whose state is not what it was."""
    if before.size != now.size:
        return changed(f"its size was {before.size:,}, now it is {now.size:,}")
    return changed("it was written again")


def within(seconds: float, ask: Callable[[], Result]) -> Result:
    """Return what a function returns, or raise what it raises; TransientError if it takes longer.

    For libraries without time limits of their own. The thread that waits ends with its connection, or the process.
    """
    import threading

    found: list[Result] = []
    raised: list[BaseException] = []

    def call() -> None:
        try:
            found.append(ask())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if not found:
        raise TransientError(f"no answer within {seconds:.0f} s")
    return found[0]


def keep_quiet(*libraries: str) -> None:
    """Let nothing that a library logs come to the terminal: what goes wrong is told in a line, without secrets."""
    import logging

    for name in libraries:
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())


CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")


def checked_range(told: str, offset: int, length: int) -> tuple[int, int]:
    """Return the length of a file and of the part of it that comes, by the Content-Range of an answer (RFC 9110, 14.4).

    Raise DumpError where it is not the part that was asked for.
    """
    found = CONTENT_RANGE.fullmatch(told)
    if found is None:
        raise DumpError("server", "does not tell which part of the file it sends (Content-Range)", COPY_IT)
    start, last, size = map(int, found.groups())
    if start != offset or last != min(offset + length, size) - 1:
        why = f"sends bytes {start:,} to {last:,} instead of {offset:,} to {min(offset + length, size) - 1:,}"
        raise DumpError("server", why, COPY_IT)
    return size, last + 1 - start


def code_of(error: BaseException) -> str:
    """Return the code of an error that an object store answered, empty if it is none."""
    response = getattr(error, "response", None) or getattr(error.__cause__, "response", None)
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Code", ""))
    return str(getattr(error, "status_code", None) or getattr(error, "code", None) or "")


def explained(error: BaseException, explain: Callable[[BaseException], Failure]) -> Failure:
    """Return what an exception means. Its text is never passed on: it may hold a URL with all that is in it."""
    import asyncio
    import socket

    if isinstance(error, (TransientError, DumpError)):
        return error
    if isinstance(error, (asyncio.TimeoutError, socket.timeout, TimeoutError)):
        return TransientError(f"no answer within {STALL_SECONDS:.0f} s")
    return explain(error)
