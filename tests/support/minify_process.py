"""`windbg-ext minify` as a separate process that a test watches, stops or kills while it writes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from support.command_line import Outcome, command, environment

if TYPE_CHECKING:
    from pathlib import Path

ALL_SECONDARY_DATA = ("--size", "1T")
"""Without a size, long secondary data is left out."""
DEADLINE = 60
"""Seconds after which a test gives up."""
STOPS = """
import os, signal, sys
fsync = os.fsync
def stop_before(file):
    os.kill(os.getpid(), signal.SIGSTOP)
    fsync(file)
os.fsync = stop_before
from windbg_ext.cli import main
sys.exit(main())
"""


def start(source: Path, destination: Path, *options: str) -> subprocess.Popen[str]:
    """Start it."""
    return _started(command("minify", source, destination, *ALL_SECONDARY_DATA, *options))


def start_stopping(source: Path, destination: Path, *options: str) -> subprocess.Popen[str]:
    """Start it and wait until it has stopped itself: all is written, but nothing has the name of the destination."""
    _, _, _, *arguments = command("minify", source, destination, *ALL_SECONDARY_DATA, *options)
    process = _started([sys.executable, "-c", STOPS, *arguments])
    state = os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    assert state is not None
    assert state.si_code == os.CLD_STOPPED, process.communicate()
    return process


def _started(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        arguments,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> Outcome:
    """Wait for its end."""
    out, err = process.communicate(timeout=DEADLINE)
    return Outcome(process.returncode, out, err)


def temporary_files(folder: Path) -> list[Path]:
    """Return the files that are being written or were left behind."""
    return [path for path in folder.iterdir() if path.suffix == ".tmp"]


def start_writing(source: Path, destination: Path, *options: str) -> subprocess.Popen[str]:
    """Start it and wait until more than 1 MB of the small dump is on the disk, which should become a lot larger."""
    before = set(temporary_files(destination.parent))
    process = start(source, destination, *options)
    end = time.monotonic() + DEADLINE
    while not any(path.stat().st_size > 1 << 20 for path in temporary_files(destination.parent) if path not in before):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.001)
    return process
