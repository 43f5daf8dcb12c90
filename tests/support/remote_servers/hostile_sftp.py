"""An SSH server that lets everybody in and whose SFTP answers are written by hand, packet by packet."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Callable, NamedTuple

import paramiko

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

INIT, OPEN, CLOSE, READ, LSTAT, FSTAT, OPENDIR, READDIR, STAT = 1, 3, 4, 5, 7, 8, 11, 12, 17
VERSION, STATUS, HANDLE, DATA, NAME, ATTRIBUTES = 2, 101, 102, 103, 104, 105
"""Numbers of messages (draft-ietf-secsh-filexfer-02, 3)."""
END_OF_FILE = 1
HAS_SIZE, HAS_MODE, HAS_TIMES = 1, 4, 8
A_FILE, A_FOLDER = 0o100644, 0o40755
USER, PASSWORD = "reader", "Geheimnis-52"


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


@contextmanager
def hostile_sftp(folder: Path, content: bytes, answer: Answer) -> Iterator[tuple[str, dict[str, str]]]:
    """Serve one file under every name. Yield the beginning of URLs, and the environment of somebody who may log in."""
    key = paramiko.ECDSAKey.generate()
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    (folder / ".ssh").mkdir(parents=True)
    (folder / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{port} {key.get_name()} {key.get_base64()}\n")
    netrc = folder / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n")
    netrc.chmod(0o600)
    open_ones: list[paramiko.Transport] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            open_ones.append(transport)
            transport.add_server_key(key)
            transport.set_subsystem_handler("sftp", _Subsystem, content, answer)
            transport.start_server(event=threading.Event(), server=_Everybody())

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"sftp://127.0.0.1:{port}", {"HOME": str(folder), "NETRC": str(netrc)}
    finally:
        listening.close()
        for transport in open_ones:
            transport.close()


class _Everybody(paramiko.ServerInterface):  # type: ignore[misc]  # mypy does not look into paramiko
    def check_auth_password(self, username: str, password: str) -> int:
        return int(paramiko.AUTH_SUCCESSFUL)

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return int(paramiko.OPEN_SUCCEEDED)


class _Subsystem(paramiko.SubsystemHandler):  # type: ignore[misc]  # nor here
    def __init__(self, channel: paramiko.Channel, name: str, server: object, content: bytes, answer: Answer) -> None:
        super().__init__(channel, name, server)
        self._content, self._answer = content, answer

    def start_subsystem(self, name: str, transport: object, channel: paramiko.Channel) -> None:
        try:
            with channel.makefile("rb") as requests:
                while head := requests.read(4):
                    asked = _read(requests.read(int.from_bytes(head, "big")))
                    answered = self._answer(asked)
                    for piece in [honest(asked, self._content)] if answered is None else answered:
                        channel.sendall(piece)
        except (OSError, EOFError):  # the other end has had enough
            pass


def _read(request: bytes) -> Asked:
    kind, number = struct.unpack_from(">BI", request)
    offset = length = 0
    if kind == READ:
        handle = int.from_bytes(request[5:9], "big")
        offset, length = struct.unpack_from(">QI", request, 9 + handle)
    return Asked(kind, number, offset, length)
