"""The bang commands as the tests run them, and what the command line says to compare them with."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.engine import windows_path
from engine.kd import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

    from engine.engine import Engine
    from engine.kd import Kd

OF_SHELL = re.compile(r"^(<\.shell waiting .*>|\.shell: Process exited)\n?", re.MULTILINE)


def run_python(engine: Engine, *arguments: str) -> None:
    """Run the Python that has pykd, with this checkout to import from."""
    environment = {**os.environ, "PYTHONPATH": windows_path(REPOSITORY)}
    quiet = subprocess.DEVNULL
    subprocess.run([*engine.python, *arguments], env=environment, stdin=quiet, stdout=quiet, stderr=quiet, timeout=120)


def command_line(engine: Engine, folder: Path, *arguments: str, errors: bool = False) -> str:
    """Return what the command line prints under the debugger's Python; with errors, if asked for."""
    output = folder / "output.txt"
    # no standard error: on Windows NUL is a terminal, and a progress bar would want to be shown on it
    program = """
import sys
sys.stdout, sys.stderr = open(sys.argv[1], "w", encoding="utf-8"), None
if sys.argv[2]:
    sys.stderr = sys.stdout
from windbg_ext.cli import main
main(sys.argv[3:])
"""
    run_python(engine, "-c", program, windows_path(output), "errors" if errors else "", *arguments)
    return output.read_text(encoding="utf-8").strip("\n")


@dataclass(frozen=True)
class Scripts:
    """The folder that windbg-setup wrote; load: the line that loads everything."""

    folder: Path

    @property
    def load(self) -> str:
        return f"$$><{windows_path(self.folder / 'load.wds')}"

    def variant(self, folder: Path, run: str) -> Scripts:
        """Return the same scripts with another line behind the aliases."""
        folder.mkdir()
        old, new = windows_path(self.folder), windows_path(folder)
        for script in self.folder.glob("*.wds"):
            (folder / script.name).write_text(script.read_text().replace(old, new))
        (folder / "run.wds").write_text(f"{run}\n")
        return Scripts(folder)


def in_the_debugger(report: str) -> str:
    """Return a report of the command line with its switches as they are typed in the debugger."""
    return re.sub(r"(?<![\w-])--([a-z][a-z-]+)(?![\w-])", r"/\1", report)


def without_suggestions(answer: str) -> str:
    return re.sub(r"\n+Next: .*\Z", "", answer)


def sessions(page: str) -> list[list[tuple[str, str]]]:
    """Return the sessions of a page: what is typed, and what the page shows."""
    blocks = re.findall(r"^```text\n(.*?)^```$", (REPOSITORY / page).read_text(encoding="utf-8"), re.M | re.S)
    parts = [re.split(r"^2: kd> (.*)\n", block, flags=re.M)[1:] for block in blocks]
    return [list(zip(part[::2], part[1::2])) for part in parts]


def shell_answers(kd: Kd, target: Path | str, *commands: str) -> list[str]:
    """Return what commands show that `.shell` runs, without what that says of itself."""
    return [OF_SHELL.sub("", answer).strip("\n") for answer in kd.run(target, commands)]
