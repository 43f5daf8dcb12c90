"""Runs of the command line in a Python for Windows, and folders that it sees as shares."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine.engine import windows_path
from engine.kd import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.engine import Engine


@contextmanager
def share_of(engine: Engine, folder: Path) -> Iterator[str]:
    """Let Wine show a folder as a share."""
    if sys.platform == "win32":
        pytest.skip("a share of this machine takes an administrator")
    server = Path(engine.python[0]).parent / "prefix" / "dosdevices" / "unc" / f"server-{os.getpid()}"
    server.mkdir(parents=True)
    link = server / "dumps"
    link.symlink_to(folder)
    try:
        yield f"\\\\{server.name}\\dumps"
    finally:
        link.unlink()
        server.rmdir()


def answer_of(engine: Engine, script: Path, told: Path, *words: str) -> dict[str, Any]:
    """Run a script in the Windows Python, which writes its answer into the file that its last word names."""
    environment = {**os.environ, "PYTHONPATH": windows_path(REPOSITORY)}
    command = [*engine.python, windows_path(script), *words, windows_path(told)]
    quiet = subprocess.DEVNULL
    subprocess.run(command, env=environment, stdin=quiet, stdout=quiet, stderr=quiet, timeout=120)
    found: dict[str, Any] = json.loads(told.read_text(encoding="utf-8"))
    return found
