"""Starting a server, waiting until it answers, and ending it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SECONDS_TO_START = 90.0
"""Programs in JavaScript take their time where several start at once, from a disk that has not read them yet."""
FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/sbin")


def program(name: str, package: str) -> str:
    """Return the path of a server; skip the test where it is not installed, or fail where CI asks for all of them."""
    found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(FOLDERS))
    if found is None:
        missing(f"{name} is not installed (Debian: {package})")
    return str(found)


def missing(why: str) -> None:
    """Skip a test, or fail it where CI asks for all servers."""
    if os.environ.get("WINDBG_EXT_REQUIRE_SERVERS"):
        pytest.fail(why)
    pytest.skip(why)


@contextmanager
def started(
    command: Sequence[str], port: int, log: Path, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends. It is a group of its own, so that what it started ends with it."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    try:
        _wait(process, port, log)
        yield process
    finally:
        _end(process)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    ends = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < ends:
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"{process.args!r} does not answer: {log.read_text(errors='replace')[-2000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            continue
        if number is signal.SIGTERM:
            continue  # what it started may be slower
    process.wait(5)
