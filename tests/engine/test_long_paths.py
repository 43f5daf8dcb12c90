"""Paths of more than 260 characters, which Windows takes only with a prefix. Wine takes them without it, too."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dumps import SAMPLES
from engine import windows_path
from kd import REPOSITORY

if TYPE_CHECKING:
    from engine import Engine

SCRIPT = Path(__file__).with_name("long_paths.py")


@pytest.fixture(scope="module")
def answer(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("long")
    environment = {**os.environ, "PYTHONPATH": windows_path(REPOSITORY)}
    words = map(windows_path, (SCRIPT, SAMPLES / "kernel.dmp", folder / "below", folder / "answer.json"))
    quiet = subprocess.DEVNULL
    subprocess.run([*engine.python, *words], env=environment, stdin=quiet, stdout=quiet, stderr=quiet, timeout=120)
    found: dict[str, Any] = json.loads((folder / "answer.json").read_text())
    return found


def test_every_command_reads_and_writes_them(answer: dict[str, Any]) -> None:
    said = [(words[0], status, error) for words, status, error in answer["runs"]]
    source = answer["runs"][0][0][1]
    assert len(source) > 300
    small = source.replace("MEMORY.DMP", "small.dmp")
    exists = f"windbg-ext: {small}: destination: exists; give another name or --overwrite (/o in WinDbg)\n"
    itself = f"windbg-ext: {source}: destination: is the source itself; name another file\n"
    folder = f"windbg-ext: {source[: -len('MEMORY.DMP') - 1]}: file: is a folder; name the dump in it\n"
    assert said == [
        ("dumpkind", 0, ""),
        ("dumpkind", 0, ""),
        ("pagefilefit", 0, ""),
        ("minify", 0, ""),
        ("minify", 0, ""),
        ("minify", 3, exists),
        ("minify", 0, ""),
        ("minify", 3, itself),
        ("pagefilefit", 3, folder),
    ]
    assert answer["names"] == ["MEMORY-small.dmp", "MEMORY.DMP", "MEMORY.DMP.gz", "small.dmp"]


def test_only_long_ones_get_the_prefix(answer: dict[str, Any]) -> None:
    """Microsoft's "Naming Files, Paths, and Namespaces"."""
    assert answer["paths"] == [
        ["C:\\x.dmp", "C:\\x.dmp"],
        ["\\\\server\\share\\x.dmp", "\\\\server\\share\\x.dmp"],
        ["\\\\server\\share\\" + "x" * 300, "\\\\?\\UNC\\server\\share\\" + "x" * 300],
        ["C:/a/../" + "x" * 300, "\\\\?\\C:\\" + "x" * 300],
    ]
