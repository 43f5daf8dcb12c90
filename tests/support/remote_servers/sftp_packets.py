"""Requests and answers of SFTP, packet by packet."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Callable, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

INIT, OPEN, CLOSE, READ, LSTAT, FSTAT, OPENDIR, READDIR, STAT = 1, 3, 4, 5, 7, 8, 11, 12, 17
VERSION, STATUS, HANDLE, DATA, NAME, ATTRIBUTES = 2, 101, 102, 103, 104, 105
"""Numbers of messages (draft-ietf-secsh-filexfer-02, 3)."""
END_OF_FILE = 1
HAS_SIZE, HAS_MODE, HAS_TIMES = 1, 4, 8
A_FILE, A_FOLDER = 0o100644, 0o40755


class Asked(NamedTuple):
    """A request. offset, length: of a READ."""

    kind: int
    number: int
    offset: int
    length: int


Answer = Callable[[Asked], "Iterable[bytes] | None"]
"""Yields packets, or whatever else is sent instead; None where the honest answer is right."""


def packet(kind: int, content: bytes) -> bytes:
    return struct.pack(">IB", len(content) + 1, kind) + content


def text(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def data(asked: Asked, content: bytes) -> bytes:
    return packet(DATA, struct.pack(">I", asked.number) + text(content))


def status(asked: Asked, code: int) -> bytes:
    return packet(STATUS, struct.pack(">II", asked.number, code) + text(b"") + text(b""))


def attributes(size: int, *, mode: int = A_FILE, changed_at: int = 1) -> bytes:
    return struct.pack(">IQIII", HAS_SIZE | HAS_MODE | HAS_TIMES, size, mode, changed_at, changed_at)


def told(asked: Asked, size: int, *, changed_at: int = 1) -> bytes:
    return packet(ATTRIBUTES, struct.pack(">I", asked.number) + attributes(size, changed_at=changed_at))


def names(asked: Asked, found: Iterable[bytes], *, mode: int = A_FILE, count: int | None = None) -> bytes:
    entries = [text(name) + text(b"") + attributes(1, mode=mode) for name in found]
    return packet(NAME, struct.pack(">II", asked.number, len(entries) if count is None else count) + b"".join(entries))


def honest(asked: Asked, content: bytes) -> bytes:
    """Answer a request for the one file that there is; folders are empty."""
    if asked.kind == INIT:
        return packet(VERSION, struct.pack(">I", 3))
    if asked.kind in (OPEN, OPENDIR):
        return packet(HANDLE, struct.pack(">I", asked.number) + text(b"h"))
    if asked.kind in (STAT, LSTAT, FSTAT):
        return told(asked, len(content))
    if asked.kind == READ and asked.offset < len(content):
        return data(asked, content[asked.offset : asked.offset + asked.length])
    return status(asked, 0 if asked.kind == CLOSE else END_OF_FILE)


def requested(request: bytes) -> Asked:
    kind, number = struct.unpack_from(">BI", request)
    offset = length = 0
    if kind == READ:
        handle = int.from_bytes(request[5:9], "big")
        offset, length = struct.unpack_from(">QI", request, 9 + handle)
    return Asked(kind, number, offset, length)
