"""Progress: a bar on a terminal for long work, nothing if standard error is no terminal."""

from __future__ import annotations

import gzip
import os
import re
import shutil
from typing import TYPE_CHECKING

import pytest
from support.command_line import ROOT, run, run_process
from support.dump_file import copy_with_blob
from support.terminal import run_on_terminal

if TYPE_CHECKING:
    from pathlib import Path

SAMPLE = ROOT / "samples" / "complete.dmp"
BLOB = 63 << 20


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a dump with 63 MiB of secondary data, which is copied in many steps."""
    return copy_with_blob(SAMPLE, tmp_path, BLOB)


on_posix = pytest.mark.skipif(os.name == "nt", reason="needs a pseudo terminal")


@on_posix
def test_a_terminal_shows_a_bar_that_is_gone_at_the_end(source: Path) -> None:
    status, out, shown = run_on_terminal("minify", source)
    assert status == 0
    assert out.startswith(str(source.parent))
    assert re.search(r"copying secondary data +\|", shown)
    assert "\n" not in shown
    assert shown.split("\r")[-1].strip() == ""


@on_posix
@pytest.mark.parametrize("command", ["minify", "pagefilefit"])
def test_a_terminal_shows_how_far_unpacking_is(source: Path, command: str) -> None:
    packed = source.with_name("MEMORY.DMP.gz")
    packed.write_bytes(gzip.compress(source.read_bytes(), 1))
    status, _, shown = run_on_terminal(command, packed)
    assert status == 0
    assert re.search(r"unpacking the gzip file +\|", shown)


@on_posix
def test_over_many_files_there_is_one_bar_of_files(tmp_path: Path) -> None:
    for name in ("a.dmp", "b.dmp", "c.dmp"):
        shutil.copy(SAMPLE, tmp_path / name)
    status, out, shown = run_on_terminal("minify", tmp_path)
    assert status == 0
    assert "3 files: 3 written" in out
    assert re.search(r"\rfiles +\|.*\| 3/3 \[", shown)
    assert "\n" not in shown
    assert shown.split("\r")[-1].strip() == ""


@on_posix
def test_an_error_on_a_terminal_is_one_line_of_its_own(source: Path) -> None:
    source.write_bytes(source.read_bytes()[:0x3000])
    status, out, shown = run_on_terminal("minify", source)
    assert (status, out) == (3, "")
    lines = [line.strip() for line in re.split(r"[\r\n]+", shown) if line.strip()]
    assert [line for line in lines if "windbg-ext: " in line] == lines[-1:]
    assert re.fullmatch(r"\x1b\[31mwindbg-ext: .*\x1b\[0m", lines[-1])


def test_piped_there_is_no_bar(source: Path) -> None:
    outcome = run_process("minify", source)
    assert (outcome.status, outcome.err) == (0, "")
    assert "copying" not in outcome.out
    assert "\r" not in outcome.out.replace("\r\n", "\n")


def test_in_a_program_that_has_redirected_standard_error_there_is_no_bar(source: Path) -> None:
    outcome = run("minify", source)
    assert (outcome.status, outcome.err) == (0, "")
