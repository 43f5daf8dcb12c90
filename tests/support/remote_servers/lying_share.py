"""Samba with answers that are altered on the way: those to guests have no signature that would tell."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER, COMMAND, STATUS, SUCCESS = 64, 12, 8, 0
"""MS-SMB2, 2.2.1.2: its length, and where it has the command and the status of an answer."""
NEGOTIATE, CREATE, READ, QUERY_DIRECTORY, QUERY_INFO = 0, 5, 8, 14, 16

Alter = Callable[[int, bytes], bytes]
"""Takes a command, and the answer without its header; returns the answer that is sent."""


def with_numbers(command: int, at: int, length: int, number: int) -> Alter:
    """Put a number into each answer to a command, at a place behind the header."""

    def alter(answered: int, body: bytes) -> bytes:
        if answered != command or len(body) < at + length:
            return body
        return body[:at] + number.to_bytes(length, "little") + body[at + length :]

    return alter


@contextmanager
def lying_share(port: int, alter: Alter) -> Iterator[int]:
    """Stand before a Samba. Yield the port."""
    listening = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                server = socket.create_connection(("127.0.0.1", port))
                threading.Thread(target=_pass_on, args=(client, server, None), daemon=True).start()
                threading.Thread(target=_pass_on, args=(server, client, alter), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.close()


def _pass_on(taken: socket.socket, given: socket.socket, alter: Alter | None) -> None:
    with suppress(OSError), taken, given, taken.makefile("rb") as messages:
        while head := messages.read(4):
            message = messages.read(int.from_bytes(head, "big"))
            if alter is not None and message[:4] == b"\xfeSMB":
                (status,) = struct.unpack_from("<I", message, STATUS)
                (command,) = struct.unpack_from("<H", message, COMMAND)
                if status == SUCCESS:
                    message = message[:HEADER] + alter(command, message[HEADER:])
            given.sendall(len(message).to_bytes(4, "big") + message)
