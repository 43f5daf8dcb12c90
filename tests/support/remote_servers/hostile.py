"""Servers that lie, or never end: each answer is written by hand, byte for byte."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Callable, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

OTHER_END_IS_GONE = (BrokenPipeError, ConnectionError, OSError)


class Request(NamedTuple):
    """What was asked for. path: with its query; first, last: of the range of bytes, 0 without one."""

    path: str
    first: int
    last: int


Answer = Callable[[Request], "Iterable[bytes]"]
"""Yields what is sent; the connection is closed behind it if `Closing` comes last."""


class HostileServer:
    """The port that a server listens on, and how many requests it has had."""

    def __init__(self, answer: Answer, *, speaks_first: bool) -> None:
        self.requests = 0
        self._answer, self._speaks_first = answer, speaks_first
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]

    def serve(self) -> None:
        """Take connections until the server is closed."""
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _talk(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as asked:
                while request := Request("", 0, 0) if self._speaks_first else _read(asked):
                    self.requests += 1
                    for piece in self._answer(request):
                        connection.sendall(piece)
                        if piece == CLOSE:
                            return
        except OTHER_END_IS_GONE:
            pass


CLOSE = b""
"""What an answer yields to have the connection closed."""


@contextmanager
def hostile_server(answer: Answer, *, speaks_first: bool = False) -> Iterator[HostileServer]:
    """Serve an answer to everything. speaks_first: before anything is asked for, as SSH servers do."""
    server = HostileServer(answer, speaks_first=speaks_first)
    threading.Thread(target=server.serve, daemon=True).start()
    try:
        yield server
    finally:
        server.close()


def _read(asked: Iterable[bytes]) -> Request | None:
    """Read the head of a request; None where the other end is done."""
    head = b""
    for line in asked:
        head += line
        if line == b"\r\n":
            break
    if not head:
        return None
    span = re.search(rb"(?i)\nrange: bytes=(\d+)-(\d+)", head)
    first, last = (int(span[1]), int(span[2])) if span else (0, 0)
    return Request(head.split()[1].decode(), first, last)


def head(status: str, *lines: str) -> bytes:
    """Return the head of an answer."""
    return ("\r\n".join((f"HTTP/1.1 {status}", *lines)) + "\r\n\r\n").encode()


def whole(content: bytes, kind: str = "text/html") -> bytes:
    """Return an answer with all of its content."""
    return head("200 OK", f"Content-Type: {kind}", f"Content-Length: {len(content)}") + content


def part_head(request: Request, *, size: int, length: int | None = None, shift: int = 0) -> bytes:
    """Return the head of an answer with a part of a file. size: of the file, as it says; shift: of the part."""
    last = min(request.last, size - 1)
    return head(
        "206 Partial Content",
        f"Content-Range: bytes {request.first + shift}-{last + shift}/{size}",
        f"Content-Length: {last + 1 - request.first if length is None else length}",
        'ETag: "one"',
    )


def forever(piece: bytes) -> Iterator[bytes]:
    """Yield something again and again."""
    while True:
        yield piece
