"""The lines that the manual and windbg-setup tell people to type, word for word at the command prompt of Windows.

They bring the commands into the debugger and take them out again. Each Python begins with pip and nothing else.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.dumps_at_hand import SAMPLES

from engine.bang_commands import shell_answers
from engine.engine import MissingEngineError, windows_path
from engine.fresh_machine import FreshMachine
from engine.kd import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

    from engine.kd import Kd

pytestmark = pytest.mark.skipif(os.name == "nt", reason="would install into the Pythons of this machine")

COMPLETE = SAMPLES / "complete.dmp"
GIT_BASH = r"C:\Program Files\Git\usr\bin\bash.exe"
BANNER = re.compile(r"^windbg-ext \S+: !dumpkind, !minify, !pagefilefit, !windbg-ext ", re.MULTILINE)


def fresh_machine(folder: Path, *pythons: str) -> FreshMachine:
    try:
        return FreshMachine.make(folder, *pythons)
    except MissingEngineError as missing:
        if os.environ.get("WINDBG_EXT_REQUIRE_ENGINE") == "1":
            pytest.fail(str(missing))
        pytest.skip(str(missing))


def typed_in(machine: FreshMachine, where: Path, *lines: str) -> str:
    """Type the lines, all of which must work, and return what the last one showed."""
    for line in lines:
        done = machine.type(line, where)
        assert done.status == 0, f"{line}\n{done.shown}"
    return done.shown


def after(heading: str, said: str) -> str:
    """Return the line to type that windbg-setup shows below a heading."""
    (line,) = re.findall(rf"^{heading}\n  (.*)$", said, re.MULTILINE)
    return str(line)


def removal_line(said: str) -> str:
    return said.splitlines()[-1].strip()


def build_wheel(folder: Path) -> Path:
    """Build the wheel of this checkout, with the Python of the tests."""
    found = ["--no-index", "--find-links", str(fresh_machine(folder).home / "for-pip")]
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", *found, "--no-deps", "-w", str(folder), str(REPOSITORY)]
    subprocess.run(build, check=True)
    (made,) = folder.glob("*.whl")
    return made


def test_the_lines_of_the_readme_bring_the_commands_into_the_debugger_and_those_to_remove_them_take_them_out(
    kd: Kd, tmp_path: Path
) -> None:
    machine = fresh_machine(tmp_path / "J R", "windows")  # a user's name with a blank
    install, setup = re.findall(r"^    (py -3\.9 .*)$", (REPOSITORY / "README.md").read_text(encoding="utf-8"), re.M)
    assert machine.type("py -3.9 -m pip install windbg-ext", REPOSITORY).status == 1  # it is on no index
    said = typed_in(machine, REPOSITORY, install, setup)
    load = after("In WinDbg, kd or cdb:", said)
    loaded, kind, overview = machine.kd("windows").run(COMPLETE, [load, "!dumpkind", "!windbg-ext"])
    assert BANNER.search(loaded)
    assert f"{windows_path(COMPLETE)}: complete memory dump" in kind
    assert re.search(r"^runs in +Python 3\.9\.\d+, in the debugger, by pykd$", overview, re.MULTILINE)
    user = load[len("$$><") :].partition("\\AppData\\")[0]  # with the short name of the folder
    run = (machine.local_app_data / "windbg-ext" / "run.wds").read_text()
    assert f'"{user}\\windows\\Lib\\' in run  # what pip installed, not this checkout

    folder = tmp_path / "my scripts"
    elsewhere = typed_in(machine, tmp_path, f'py -3.9 -m windbg_ext windbg-setup --folder "{windows_path(folder)}"')
    load = after("In WinDbg, kd or cdb:", elsewhere)
    (unload,) = re.findall(r"^  (.*)    in an open session$", elsewhere, re.MULTILINE)
    loaded, before, _, unloaded = machine.kd("windows").run(COMPLETE, [load, "al", unload, "al"])
    assert BANNER.search(loaded)
    assert "!minify" in before
    assert "!minify" not in unloaded
    assert machine.type("python -V", tmp_path).status != 0  # nothing of it is on PATH
    assert machine.type("windbg-ext --version", tmp_path).status != 0
    typed_in(machine, tmp_path, removal_line(elsewhere))
    assert not folder.exists()
    loaded, aliases = machine.kd("windows").run(COMPLETE, [load, "al"])
    assert "windbg-ext" not in loaded
    assert "!minify" not in aliases
    assert (machine.local_app_data / "windbg-ext" / "load.wds").exists()
    typed_in(machine, tmp_path, removal_line(said))
    assert not (machine.local_app_data / "windbg-ext").exists()


def test_a_wheel_file_stands_for_the_dot_and_the_hint_for_pykd_works_as_it_is_printed(
    newer_python: Path, kd: Kd, tmp_path: Path
) -> None:
    wheel = build_wheel(tmp_path)
    machine = fresh_machine(tmp_path, "newer", "windows")
    done = machine.type(f"py -m pip install {windows_path(wheel)}", tmp_path)
    assert done.status == 0, done.shown
    done = machine.type("py -m windbg_ext windbg-setup", tmp_path, {"SHELL": GIT_BASH})
    assert done.status == 0, done.shown
    for said in (
        "no live target",
        "no links",
        "Ctrl+Break does not end them",
        f"The environment variable SHELL is {GIT_BASH}: ",
    ):
        assert said in done.shown
    load = after("In WinDbg, kd or cdb:", done.shown)
    loaded, kind, overview = shell_answers(kd, COMPLETE, load, "!dumpkind", "!windbg-ext")
    assert BANNER.search(loaded)
    assert f"{windows_path(COMPLETE)}: complete memory dump" in kind
    assert re.search(r"^runs in +Python 3\.13\.\d+, .*without pykd$", overview, re.MULTILINE)
    hint = re.findall(r"^  (py -3\.9 .*)$", done.shown, re.MULTILINE)
    assert hint[0] == f'py -3.9 -m pip install "{windows_path(wheel)}"'
    said = typed_in(machine, tmp_path, *hint)
    loaded, overview = machine.kd("windows").run(COMPLETE, [after("In WinDbg, kd or cdb:", said), "!windbg-ext"])
    assert BANNER.search(loaded)
    assert "in the debugger, by pykd" in overview
    typed_in(machine, tmp_path, removal_line(said))
    assert not (machine.local_app_data / "windbg-ext").exists()
