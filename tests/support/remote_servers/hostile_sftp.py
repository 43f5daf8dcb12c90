"""An SSH server that lets everybody in and whose SFTP answers are written by hand."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import paramiko

from support.remote_servers.sftp_packets import Answer, honest, requested

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USER, PASSWORD = "reader", "Geheimnis-52"


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
                    asked = requested(requests.read(int.from_bytes(head, "big")))
                    answered = self._answer(asked)
                    for piece in [honest(asked, self._content)] if answered is None else answered:
                        channel.sendall(piece)
        except (OSError, EOFError):  # the other end has had enough
            pass
