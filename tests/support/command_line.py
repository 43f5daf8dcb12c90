"""Runs of the command line for tests: in this process, or as a process of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from windbg_ext.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Outcome:
    """The result of a run: exit status, standard output, standard error."""

    status: int
    out: str
    err: str


def run(*arguments: object) -> Outcome:
    """Run `windbg-ext` with these arguments in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = main([str(argument) for argument in arguments])
    return Outcome(status, out.getvalue(), err.getvalue())


def command(*arguments: object) -> list[str]:
    """Return the command that runs `windbg-ext` with these arguments as a process of its own."""
    return [sys.executable, "-m", "windbg_ext", *(str(argument) for argument in arguments)]


def environment(**changes: str) -> Mapping[str, str]:
    """Return the environment for such a process: that of this one, extended so that the package can be imported."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **changes}


def run_process(*arguments: object, timeout: float = 60, **changes: str) -> Outcome:
    """Run `windbg-ext` as a process of its own, without a terminal. changes: environment variables."""
    done = subprocess.run(
        command(*arguments), env=environment(**changes), capture_output=True, timeout=timeout, check=False
    )
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())


def run_changed(change: Callable[[], object], *arguments: object) -> Outcome:
    """Run `windbg-ext` in a copy of this process that was changed first: fewer rights, less room."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            change()
            outcome = run(*arguments)
        except BaseException:
            outcome = Outcome(-1, "", traceback.format_exc())
        os.write(writing, json.dumps(astuple(outcome)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return Outcome(*json.loads(text))


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder with its content. Folders and broken links have none."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def refusal(folder: Path, *arguments: object) -> str:
    """Run `windbg-ext minify`, which must refuse: status 3, one line of error, no output, an unchanged folder.

    Return the line.
    """
    before = contents(folder)
    line = refusal_of(run("minify", *arguments))
    assert contents(folder) == before
    return line


def refusal_of(outcome: Outcome) -> str:
    """Assert exit status 3, one line on standard error, and no standard output. Return the line."""
    assert outcome.status == 3, outcome
    assert outcome.err.startswith("windbg-ext: "), outcome
    assert outcome.err.endswith("\n"), outcome
    assert len(outcome.err.splitlines()) == 1, outcome
    assert outcome.out == "", outcome
    return outcome.err.rstrip("\n")
