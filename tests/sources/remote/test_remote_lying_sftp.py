"""SSH servers made to hold us up, or to tell something else than they told before."""

from __future__ import annotations

import gc
import sys
import threading
import time
import weakref
from importlib.util import find_spec
from itertools import chain, count, cycle, repeat
from typing import TYPE_CHECKING

import pytest
from hostile_files.case import Command
from hostile_files.checks import broken
from hostile_files.machines import sample
from hostile_files.process import run
from support.remote_servers.hostile import forever, hostile_server
from support.remote_servers.process import missing
from support.remote_servers.sftp_packets import (
    A_FOLDER,
    DATA,
    END_OF_FILE,
    FSTAT,
    INIT,
    READ,
    READDIR,
    Answer,
    Asked,
    data,
    names,
    packet,
    status,
    told,
)

from windbg_ext.sources.remote.address import parse_address
from windbg_ext.sources.remote.sftp import SftpHandle
from windbg_ext.sources.source import Range

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager
    from pathlib import Path

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory of a process: Linux only"),
]
DUMP = sample("kernel")
Y = b"y" * 0x8000
HUGE = 1 << 62


def served(folder: Path, answer: Answer) -> AbstractContextManager[tuple[str, dict[str, str]]]:
    """Serve DUMP. Yield the beginning of URLs, and the environment of somebody who may log in."""
    try:
        from support.remote_servers.hostile_sftp import hostile_sftp
    except ImportError:
        missing("there is no paramiko")
    return hostile_sftp(folder / "home", DUMP, answer)


def only(kind: int, answer: Answer) -> Answer:
    """Answer requests of one kind so, and others honestly."""
    return lambda asked: answer(asked) if asked.kind == kind else None


def part(asked: Asked) -> bytes:
    return DUMP[asked.offset : asked.offset + asked.length]


def changing() -> Answer:
    """Tell another time of change each time."""
    times = count(1)
    return only(FSTAT, lambda asked: [told(asked, len(DUMP), changed_at=next(times))])


def shrinking() -> Answer:
    """Tell of a file that is cut to a quarter when it has been opened."""
    sizes = chain([len(DUMP)], repeat(len(DUMP) // 4))

    def answer(asked: Asked) -> Iterable[bytes] | None:
        if asked.kind == FSTAT:
            return [told(asked, next(sizes))]
        return [status(asked, END_OF_FILE)] if asked.kind == READ and asked.offset > len(DUMP) // 4 else None

    return answer


FILES: dict[str, tuple[Answer, str]] = {
    "says that it is longer": (only(FSTAT, lambda asked: [told(asked, HUGE)]), "connection: the answer was cut short"),
    "is shorter by now": (shrinking(), "file: has changed while it was read"),
    "is changed all the time": (changing(), "file: has changed while it was read"),
    "sends a thousand times what it was asked for": (
        only(READ, lambda asked: [data(asked, part(asked) * 1000)]),
        "server",
    ),
    "sends nothing": (only(READ, lambda asked: [data(asked, b"")]), "connection"),
    "sends a byte for each part": (only(READ, lambda asked: [data(asked, part(asked)[:1])]), ""),
    "sends answers that nobody asked for, without end": (
        only(READ, lambda asked: repeat(data(Asked(READ, 0x7FFFFFFF, 0, 0), Y))),
        "server: sends more than",
    ),
    "sends a packet of 4 GB": (only(READ, lambda asked: chain([b"\0\xff\xff\xff"], forever(Y))), "server"),
    "sends garbage": (only(READ, lambda asked: forever(Y)), ""),
    "sends a packet without content": (only(READ, lambda asked: repeat(packet(DATA, b""))), ""),
    "begins without a version": (only(INIT, lambda asked: forever(Y)), ""),
}


@pytest.mark.parametrize(("answer", "line"), FILES.values(), ids=FILES)
def test_an_ssh_server_that_sends_such_a_file_is_given_up(answer: Answer, line: str, tmp_path: Path) -> None:
    with served(tmp_path, answer) as (place, environment):
        command = ("dumpkind", f"{place}/a.dmp")
        check(Command(command, (3,), line, environment=tuple(environment.items())), tmp_path)


def test_short_answers_are_made_whole(tmp_path: Path) -> None:
    answer = only(READ, lambda asked: [data(asked, part(asked)[: max(1, asked.length // 2)])])
    with served(tmp_path, answer) as (place, environment):
        command = ("minify", f"{place}/a.dmp", "small.dmp")
        check(Command(command, (0,), writes=("small.dmp",), environment=tuple(environment.items())), tmp_path)


def nested() -> Answer:
    """List a folder that holds one, at every second request; the others are the end of the listing."""
    turns = cycle((True, False))
    return only(READDIR, lambda asked: [names(asked, [b"sub"], mode=A_FOLDER)] if next(turns) else None)


def numbered(asked: Asked) -> list[bytes]:
    return [names(asked, [b"f%d-%d.dmp" % (asked.number, at) for at in range(300)])]


FOLDERS: dict[str, tuple[Answer, str]] = {
    "has files without end": (only(READDIR, numbered), "20,000 files"),
    "has the same folder in it again and again": (nested(), "2,000 folders"),
    "says that it has four thousand million files": (
        only(READDIR, lambda asked: [names(asked, [], count=0xFFFFFFFF)]),
        "folder",
    ),
    "has names of a megabyte": (
        only(READDIR, lambda asked: [names(asked, [b"n" * (1 << 20)])]),
        "server: sends more than",
    ),
}


@pytest.mark.parametrize(("answer", "line"), FOLDERS.values(), ids=FOLDERS)
def test_a_folder_of_an_ssh_server_that_is_like_that_is_given_up(answer: Answer, line: str, tmp_path: Path) -> None:
    with served(tmp_path, answer) as (place, environment):
        command = ("dumpkind", f"{place}/folder/")
        check(Command(command, (3,), line, environment=tuple(environment.items())), tmp_path)


GREETINGS = {
    "a line without end": forever(b"y" * 0x10000),
    "lines without end": forever(b"yyy\r\n" * 10_000),
    "a packet without end": chain([b"SSH-2.0-x\r\n\x7f\xff\xff\xff"], forever(b"y" * 0x10000)),
}


@pytest.mark.parametrize("greeting", GREETINGS)
def test_a_server_that_greets_without_end_is_given_up(greeting: str, tmp_path: Path) -> None:
    with hostile_server(lambda _: GREETINGS[greeting], speaks_first=True) as server:
        url = f"sftp://reader@127.0.0.1:{server.port}/a.dmp"
        check(Command(("dumpkind", url), (3,), "", environment=(("HOME", str(tmp_path)),)), tmp_path)


def check(command: Command, folder: Path) -> None:
    """Run a command within limits: what it may take is nothing that a server can tell."""
    problems = list(broken(command, run(command, folder), 0))
    assert not problems, "\n".join(problems)


def test_a_connection_that_ends_while_requests_are_sent_shows_no_traceback_of_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if find_spec("paramiko") is None:
        missing("there is no paramiko")
    from paramiko import SSHException

    unhandled: list[object] = []
    monkeypatch.setattr(threading, "excepthook", unhandled.append)
    with served(tmp_path, lambda _: None) as (place, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        handle = SftpHandle(parse_address(f"{place}/a.dmp"))
        assert handle.state().size == len(DUMP)
        client, file = handle._client, handle._file
        assert client is not None
        assert file is not None

        def ended(*_: object) -> None:
            client.close()
            raise OSError("Socket is closed")

        monkeypatch.setattr(file.sftp, "_async_request", ended)
        before = threading.enumerate()
        with pytest.raises((OSError, EOFError, SSHException)):  # whichever comes first
            handle.read([Range(0, 100)])
        for sender in [thread for thread in threading.enumerate() if thread not in before]:
            sender.join(1)
        handle.close(broken=True)
    assert unhandled == []


def test_a_file_that_was_read_is_gone_at_once_and_not_left_to_the_garbage_collector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The collector may take the buffer before the file, whose finalizer then fails in a traceback."""
    with served(tmp_path, lambda _: None) as (place, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        handle = SftpHandle(parse_address(f"{place}/a.dmp"))
        gc.disable()
        try:
            assert handle.read([Range(0, 100)]) == [DUMP[:100]]
            file = handle._file
            assert file is not None
            seen = weakref.ref(file)
            del file
            handle.close(broken=False)
            until = time.monotonic() + 10  # the thread that sends requests may be about to end
            while seen() is not None and time.monotonic() < until:
                time.sleep(0.01)
            assert seen() is None
        finally:
            gc.enable()
