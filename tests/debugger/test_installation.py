"""The problems that windbg-setup finds, and its advice; machines are stand-ins, files are real."""

from __future__ import annotations

import importlib.metadata
import shlex
import string
import sys
from typing import TYPE_CHECKING

import pytest
from support.command_line import ROOT

from windbg_ext.cli import main
from windbg_ext.debugger import installation
from windbg_ext.version import __version__

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


def without_pykd(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)


@pytest.mark.parametrize("minor", [9, 13])
def test_without_pykd_any_python_will_do_and_setup_says_what_it_cannot(
    minor: int, windows: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without_pykd(monkeypatch)
    monkeypatch.setattr(sys, "version_info", (3, minor, 0, "final", 0))
    monkeypatch.delenv("SHELL", raising=False)
    assert main(["windbg-setup", "--folder", str(windows / "scripts")]) == 0
    said = capsys.readouterr().out
    for missing in ("no live target", "no links", "Ctrl+Break does not end them"):
        assert missing in " ".join(said.split())
    assert f'py -3.9 -m pip install "{ROOT}"' in said
    assert "py -3.9 -m windbg_ext windbg-setup" in said
    assert "SHELL" not in said
    assert f'.shell -ci "||;al" -t 8640 {sys.executable} ' in (windows / "scripts" / "run.wds").read_text()


@pytest.mark.parametrize(
    ("shell", "told"),
    [("/usr/bin/bash", True), (r"C:\Program Files\Git\bin\bash.exe", True), (r"C:\Windows\System32\CMD.EXE", False)],
)
def test_a_shell_that_the_debugger_would_start_instead_of_cmd_is_explained(
    shell: str, told: bool, windows: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without_pykd(monkeypatch)
    monkeypatch.setenv("SHELL", shell)
    assert main(["windbg-setup", "--folder", str(windows / "scripts")]) == 0
    said = capsys.readouterr().out
    assert (f"SHELL is {shell}: a debugger that is started from here runs that instead of cmd" in said) == told
    assert ('set "SHELL="' in said) == told


def test_where_pykd_is_the_variable_shell_is_no_matter(
    windows: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/bash")
    assert main(["windbg-setup", "--folder", str(windows / "scripts")]) == 0
    assert "SHELL" not in capsys.readouterr().out


def quoted(path: Path | str) -> str:
    """Return a path as a prompt takes it: the folder for temporary files may have a blank, too."""
    plain = set(string.ascii_letters + string.digits + "_:\\/.~-")
    return str(path) if set(str(path)) <= plain else f'"{path}"'


@pytest.mark.parametrize("blank", ["", " "])
def test_the_line_that_removes_names_the_folder_and_this_python_in_quotes_where_it_must(
    blank: str, windows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, python = tmp_path / f"my{blank}scripts", tmp_path / f"my{blank}python.exe"
    monkeypatch.setattr(sys, "executable", str(python))
    assert main(["windbg-setup", "--folder", str(folder)]) == 0
    line = capsys.readouterr().out.splitlines()[-1].strip()
    assert line == f"{quoted(python)} -m windbg_ext windbg-setup --folder {quoted(folder)} --remove"
    words = shlex.split(line)[3:]
    assert main(words) == 0
    assert not folder.exists()


def test_a_load_that_fails_tells_to_write_the_scripts_again_where_they_are(
    windows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    for words, named in (["--folder", str(tmp_path / "s")], f" --folder {quoted(tmp_path / 's')}"), ([], ""):
        assert main(["windbg-setup", *words]) == 0
        folder = tmp_path / ("s" if words else "windbg-ext")
        (line,) = [line for line in (folder / "load.wds").read_text().splitlines() if "windbg-setup again" in line]
        assert line.endswith(f"run windbg-setup again: {quoted(sys.executable)} -m windbg_ext windbg-setup{named}")


def test_the_scripts_lead_to_what_pip_installed_of_this_version_and_not_to_a_checkout(
    windows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = tmp_path / "site-packages"
    bang = packages / "windbg_ext" / "debugger" / "bang.py"
    bang.parent.mkdir(parents=True)
    bang.write_text("")

    class Distribution:
        version = "0.0.1"

        def locate_file(self, path: str) -> Path:
            return packages / path

    monkeypatch.setattr(importlib.metadata, "distribution", lambda _name: Distribution())
    assert installation.find_parts().bang == str(ROOT / "windbg_ext" / "debugger" / "bang.py")
    monkeypatch.setattr(Distribution, "version", __version__)
    assert installation.find_parts().bang == str(bang)
    bang.unlink()  # as after `pip install -e .`
    assert installation.find_parts().bang == str(ROOT / "windbg_ext" / "debugger" / "bang.py")


def test_what_was_installed_from_a_wheel_is_installed_again_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Distribution:
        def read_text(self, name: str) -> str:
            assert name == "direct_url.json"
            return '{"url": "file:///C:/wheels/windbg_ext-0.1.0-py3-none-any.whl", "archive_info": {}}'

    monkeypatch.setattr(installation, "PACKAGE", installation.PACKAGE / "elsewhere" / "windbg_ext")
    monkeypatch.setattr(importlib.metadata, "distribution", lambda _name: Distribution())
    assert installation.install_command().endswith('windbg_ext-0.1.0-py3-none-any.whl"')


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
