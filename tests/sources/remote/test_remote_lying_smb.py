"""Shares made to hold us up: what comes before a login is written by hand, what comes later is Samba's, altered."""

from __future__ import annotations

import sys
from itertools import chain
from typing import TYPE_CHECKING

import pytest
from hostile_files.case import Command
from hostile_files.checks import broken
from hostile_files.process import run
from support.remote_servers import samba
from support.remote_servers.hostile import Answer, forever, hostile_server
from support.remote_servers.lying_share import (
    CREATE,
    NEGOTIATE,
    QUERY_DIRECTORY,
    QUERY_INFO,
    READ,
    Alter,
    lying_share,
    with_numbers,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory of a process: Linux only"),
]
Y = b"y" * 0x10000

BEFORE_A_LOGIN: dict[str, tuple[Answer, str]] = {
    "announces a message of 4 GB": (lambda _: chain([b"\xff\xff\xff\xff"], forever(Y)), "server: sends more than"),
    "announces messages of 16 MB": (lambda _: forever(b"\0\xff\xff\xff" + Y), ""),
    "sends messages without end": (lambda _: forever(b"\0\0\1\0\xfeSMB" + bytes(252)), ""),
}


@pytest.mark.parametrize("name", ["a.dmp", "folder/"])
@pytest.mark.parametrize(("answer", "line"), BEFORE_A_LOGIN.values(), ids=BEFORE_A_LOGIN)
def test_a_server_of_shares_that_greets_so_is_given_up(answer: Answer, line: str, name: str, tmp_path: Path) -> None:
    with hostile_server(answer, speaks_first=True) as server:
        check(Command(("dumpkind", f"smb://127.0.0.1:{server.port}/open/{name}"), (3,), line), tmp_path)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, files: Path) -> Iterator[int]:
    with samba.samba(tmp_path_factory.mktemp("samba"), files) as port:
        yield port


ALTERED: dict[str, tuple[str, Alter, str]] = {
    # where the numbers stand: MS-SMB2, 2.2.4 (MaxReadSize), 2.2.20 (DataLength); MS-FSCC, 2.4.34 (EndOfFile)
    "sends no byte at once": ("small.dmp", with_numbers(NEGOTIATE, 32, 4, 0), "server: sends no more than 0 bytes"),
    "sends one byte at once": ("small.dmp", with_numbers(NEGOTIATE, 32, 4, 1), "server: sends no more than 1 byte"),
    "says that the file is longer": ("small.dmp", with_numbers(QUERY_INFO, 8 + 40, 8, 1 << 60), "connection"),
    "sends answers without a byte": ("small.dmp", with_numbers(READ, 4, 4, 0), "connection: the answer was cut short"),
    "says that more came than did": ("small.dmp", with_numbers(READ, 4, 4, 0xFFFFFFF), ""),
    "opens another sort of thing": ("small.dmp", with_numbers(CREATE, 0, 2, 7), ""),
    "lists nothing that can be read": ("sub/", with_numbers(QUERY_DIRECTORY, 8, 8, 0xFFFFFFFFFFFFFFFF), ""),
}


@pytest.mark.parametrize(("name", "alter", "line"), ALTERED.values(), ids=ALTERED)
def test_a_share_that_lies_is_given_up(name: str, alter: Alter, line: str, port: int, tmp_path: Path) -> None:
    with lying_share(port, alter) as lying:
        statuses = (3,) if line else (0, 3)  # 0: what it told is of no use to whoever reads
        check(Command(("dumpkind", f"smb://127.0.0.1:{lying}/open/{name}"), statuses, line), tmp_path)


def test_a_share_that_changes_nothing_is_read(port: int, tmp_path: Path) -> None:
    with lying_share(port, lambda command, body: body) as lying:
        check(Command(("dumpkind", f"smb://127.0.0.1:{lying}/open/small.dmp"), (0,)), tmp_path)


def check(command: Command, folder: Path) -> None:
    """Run a command within limits: what it may take is nothing that a server can tell."""
    nobody = (("NETRC", str(folder / "none")),)
    with_nobody = Command(command.arguments, command.statuses, command.field, environment=nobody)
    problems = list(broken(with_nobody, run(with_nobody, folder), 0))
    assert not problems, "\n".join(problems)
