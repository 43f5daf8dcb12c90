"""What a server sends, counted where it comes in: before it is known to be an answer, a part of one, or nothing.

The libraries bound what one answer takes, but few bound how many come that nobody asked for.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, TypeVar

from windbg_ext.errors import DumpError
from windbg_ext.sources.remote.transport import COPY_IT

if TYPE_CHECKING:
    from collections.abc import Awaitable

Result = TypeVar("Result")
MAX_BESIDE = 512 << 10
"""Bytes that may come with an answer beside what was asked for: headers, redirects, the page of an error, keys."""


class Meter:
    """Bytes that may still come, over all connections. flooded: more came, and the connection was cut."""

    def __init__(self) -> None:
        self.flooded = False
        self._left = MAX_BESIDE

    def allow(self, length: int, *, beside: int = MAX_BESIDE) -> None:
        """Expect an answer of at most `length` bytes."""
        self._left += length + beside

    async def measured(self, length: int, answer: Awaitable[Result]) -> Result:
        """Return an answer of at most `length` bytes. Raise DumpError where much more than that comes."""
        self.allow(length)
        try:
            return await answer
        finally:  # what is raised here takes the place of what was made of the connection that was cut
            if self.flooded:
                raise flood()

    def take(self, length: int) -> bool:
        """Note that so many bytes came; tell whether they may be looked at."""
        self._left -= length
        self.flooded = self.flooded or self._left < 0
        return not self.flooded


class MeteredSocket(socket.socket):
    """A connection whose bytes are counted. After too many, it is at its end."""

    meter: Meter

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        """Return bytes that came; none where they were too many."""
        data = super().recv(bufsize, flags)
        return data if self.meter.take(len(data)) else b""


def connected(host: str, port: int, seconds: float, meter: Meter) -> MeteredSocket:
    """Connect to a server. Raise OSError where that takes longer, or is not possible."""
    made = socket.create_connection((host, port), seconds)
    metered = MeteredSocket(made.family, made.type, made.proto, made.detach())
    metered.meter = meter
    return metered


def flood() -> DumpError:
    """Return the error for a server that sends more than it was asked for."""
    return DumpError("server", "sends more than it was asked for, without end", COPY_IT)
