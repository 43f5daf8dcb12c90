"""A file whose protocol fsspec speaks asynchronously: every request of a round is under way at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from windbg_ext.errors import DumpError
from windbg_ext.sources.remote.transport import (
    MAX_CONNECTIONS,
    SLOWEST,
    STALL_SECONDS,
    TransientError,
    explained,
    missing_file,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence
    from typing import Callable

    from windbg_ext.sources.remote.transport import Answer, State
    from windbg_ext.sources.source import Range

    Read = Callable[[int, int], Awaitable[bytes]]
    Explain = Callable[[BaseException], "TransientError | DumpError"]

Result = TypeVar("Result")
Told = TypeVar("Told")
First = TypeVar("First")


class AsyncFile:
    """A file that is read by a coroutine. explain: what an exception of its library means."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        read: Read,
        explain: Explain,
        state: State,
        first: bytes,
        close: Callable[[], None],
    ) -> None:
        self.state, self.first = state, first
        self._loop, self._read, self._explain, self._close = loop, read, explain, close

    def fetch(self, ranges: Sequence[Range]) -> list[Answer]:
        """Ask for all ranges at once."""
        return run(self._loop, self._fetch(ranges))

    async def _fetch(self, ranges: Sequence[Range]) -> list[Answer]:
        free = asyncio.Semaphore(MAX_CONNECTIONS)

        async def answer(asked: Range) -> Answer:
            async with free:
                try:
                    return await in_time(asked.length, self._read(asked.offset, asked.length))
                except Exception as error:
                    return explained(error, self._explain)

        return list(await asyncio.gather(*map(answer, ranges)))

    def confirm(self) -> int:
        """Return 0: every answer said that it is of the same file."""
        return 0

    def close(self) -> None:
        """Close the connections."""
        self._close()


async def in_time(length: int, answer: Awaitable[Result]) -> Result:
    """Return an answer of at most `length` bytes. Raise TimeoutError where it takes longer than it may."""
    return await asyncio.wait_for(answer, STALL_SECONDS + length / SLOWEST)


def run(loop: asyncio.AbstractEventLoop, coroutine: Awaitable[Result]) -> Result:
    """Return what a coroutine does in fsspec's event loop."""
    from fsspec.asyn import sync

    async def awaited() -> Result:
        return await coroutine

    result: Result = sync(loop, awaited)
    return result


async def both(told: Awaitable[Told], first: Awaitable[First]) -> tuple[Told, First | None]:
    """Ask for two things at once. Raise what the first raises; where the second raises anything, it is None."""
    answers = await asyncio.gather(told, first, return_exceptions=True)
    if isinstance(answers[0], BaseException):
        raise answers[0]
    return answers[0], None if isinstance(answers[1], BaseException) else answers[1]


def explain_connection(error: BaseException) -> TransientError | DumpError:
    """Return what an exception of aiohttp, or of the system, means."""
    import ssl

    import aiohttp

    if isinstance(error, (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError, ssl.SSLError)):
        cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
        why = getattr(cause, "verify_message", "") or "encryption cannot be agreed upon"
        advice = "SSL_CERT_FILE names a file with the authorities to trust"
        return DumpError("server", f"is not trusted ({why})", advice)
    if isinstance(error, aiohttp.ClientConnectorError):
        return cannot_connect(error.os_error)
    if isinstance(error, aiohttp.ClientPayloadError):
        return TransientError("the answer broke off")
    if isinstance(error, (aiohttp.ClientConnectionError, ConnectionError)):
        return TransientError("the connection was closed")
    if isinstance(error, FileNotFoundError):
        return missing_file()
    if isinstance(error, PermissionError):
        return DumpError("file", "may not be read", "check who you are for the server: docs/remote.md")
    if isinstance(error, OSError) and error.strerror:
        return TransientError(f"the connection failed ({error.strerror})")
    return DumpError("server", f"answers what cannot be understood ({type(error).__name__})", "check the URL")


def cannot_connect(error: OSError) -> TransientError | DumpError:
    """Return why there is no connection. A name that is not known will not be after a pause."""
    import socket

    if isinstance(error, socket.gaierror):
        return DumpError("server", "its name is not known", "check the URL")
    return TransientError(f"cannot connect ({error.strerror or type(error).__name__})")
