"""The problems that windbg-setup finds, and its advice; machines are stand-ins, files are real."""

from __future__ import annotations

import importlib.metadata
import sys
from typing import TYPE_CHECKING

import pytest

from windbg_ext.cli import main
from windbg_ext.debugger import installation

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Imitate Windows with Python 3.9 and pykd, and return the folder that holds both."""
    (tmp_path / "python39.dll").write_bytes(b"")
    (tmp_path / "pykd.pyd").write_bytes(b"")
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(sys, "version_info", (3, 9, 13, "final", 0))
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    monkeypatch.setattr(importlib.metadata, "version", lambda name: {"pykd": "0.3.4.15"}[name])
    monkeypatch.setattr(installation, "_pykd", lambda: tmp_path / "pykd.pyd")
    monkeypatch.setattr(installation, "script_path", str)  # this machine has no short names
    return tmp_path


def test_nothing_is_wrong_where_everything_is_there(windows: Path) -> None:
    assert list(installation.problems()) == []


def test_another_system_is_told_where_to_run_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert ["this is not Windows" in problem for problem in installation.problems()] == [True]


@pytest.mark.parametrize("minor", [10, 13])
def test_a_python_that_pykd_is_not_made_for_is_told_with_the_commands_that_help(
    minor: int, windows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, minor, 0, "final", 0))
    (problem,) = installation.problems()
    assert f"Python 3.{minor}" in problem
    assert "py -3.9 -m pip install windbg-ext" in problem
    assert "py -3.9 -m windbg_ext windbg-setup" in problem


def test_a_missing_pykd_is_told(windows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    (problem,) = installation.problems()
    assert problem.startswith("there is no pykd")
    assert problem.endswith("-m pip install pykd")


@pytest.mark.parametrize(
    ("version", "fits"), [("0.3.4.9", False), ("0.3.4.15", True), ("0.3.5.0", True), ("1.0", True)]
)
def test_an_old_pykd_is_told(version: str, fits: bool, windows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _name: version)
    assert ["too old" in problem for problem in installation.problems()] == [True] * (not fits)


def test_a_python_without_its_dll_is_told(windows: Path) -> None:
    (windows / "python39.dll").unlink()
    (problem,) = installation.problems()
    assert problem == f"Python's DLL is not where it should be: there is no {windows / 'python39.dll'}"


def test_a_path_that_no_script_can_hold_is_told(windows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = windows / "a;b"
    folder.mkdir()
    (folder / "pykd.pyd").write_bytes(b"")
    monkeypatch.setattr(installation, "_pykd", lambda: folder / "pykd.pyd")
    (problem,) = installation.problems()
    assert "characters that a debugger script cannot hold" in problem


def test_setup_writes_the_scripts_and_says_what_to_type(
    windows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "scripts"
    assert main(["windbg-setup", "--folder", str(folder)]) == 0
    said = capsys.readouterr().out
    assert f"{installation.bitness()}-bit" in said
    assert "load.wds" in said
    assert str(windows / "pykd.pyd") in (folder / "load.wds").read_text()
    assert main(["windbg-setup", "--folder", str(folder), "--remove"]) == 0
    assert not folder.exists()


def test_print_writes_nothing(windows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "scripts"
    assert main(["windbg-setup", "--folder", str(folder), "--print"]) == 0
    assert f".load {windows / 'pykd.pyd'}" in capsys.readouterr().out
    assert not folder.exists()


def test_setup_that_finds_something_wrong_writes_nothing_and_has_status_1(
    windows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (windows / "python39.dll").unlink()
    folder = tmp_path / "scripts"
    assert main(["windbg-setup", "--folder", str(folder)]) == 1
    assert "Python's DLL" in capsys.readouterr().err
    assert not folder.exists()


def test_a_folder_that_cannot_be_made_is_one_line(
    windows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    assert main(["windbg-setup", "--folder", str(in_the_way / "scripts")]) == 3
    error = capsys.readouterr().err
    assert error.startswith("windbg-ext: ")
    assert len(error.splitlines()) == 1


def test_a_folder_with_blanks_is_quoted_within_the_quotes_of_a_command_line(
    windows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "with blanks"
    assert main(["windbg-setup", "--folder", str(folder)]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "-z MEMORY.DMP" in line]
    assert line.count('\\"') == 2
    assert line.endswith('batch.wds\\" minify small.dmp"')
