"""The real debugger engine: Microsoft's dbgeng.dll from the pykd wheel, one short process per session (session.py).

On Windows it runs in a CPython 3.9 that has pykd; on Linux in the Windows Python that setup.sh puts under Wine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SESSION_SCRIPT = Path(__file__).with_name("session.py")
SETUP_HINT = "run tests/engine/setup.sh once to get it"
ATTEMPTS = 2
"""On a machine under load Wine now and then ends a program before it has begun."""
SECONDS_PER_SESSION = 120


class MissingEngineError(Exception):
    """This machine has no engine. The text says what to do about it."""


class EngineError(Exception):
    """The engine did not open a dump, or a session ended early."""


@dataclass(frozen=True)
class Answer:
    """What the engine printed for one command, or while it opened the dump: (kind, text) in order.

    The kinds are the engine's own (DEBUG_OUTPUT_*): Normal, Error, Warning, Symbols ...
    """

    outputs: tuple[tuple[str, str], ...]

    def of_kinds(self, *kinds: str) -> str:
        return "".join(text for kind, text in self.outputs if kind in kinds)

    @property
    def text(self) -> str:
        return "".join(text for _, text in self.outputs)


@dataclass(frozen=True)
class Session:
    """A finished session: what the engine printed when it opened the dump, and one answer per command, in order."""

    opening: Answer
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Engine:
    """python: the command that starts a CPython 3.9 for Windows with pykd."""

    python: tuple[str, ...]

    @classmethod
    def find(cls) -> Engine:
        """Return the engine of this machine. Raise MissingEngineError if there is none."""
        return cls(_native_python() if sys.platform == "win32" else _python_under_wine())

    def ask(self, dump: Path, commands: Sequence[str]) -> Session:
        """Open `dump` and run `commands` one after the other. Raise EngineError if that fails."""
        with tempfile.TemporaryDirectory(prefix="engine-") as folder:
            request, answer = Path(folder, "request.json"), Path(folder, "answer.json")
            request.write_text(json.dumps({"dump": windows_path(dump), "commands": list(commands)}), encoding="utf-8")
            # PYTHONPATH and the like are for the Python of the tests, not for that of the engine.
            environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
            # An empty symbol path means Microsoft's symbol server; with an empty folder, all sessions are alike.
            environment["_NT_SYMBOL_PATH"] = windows_path(Path(folder))
            command = [*self.python, *map(windows_path, (SESSION_SCRIPT, request, answer))]
            for _ in range(ATTEMPTS):
                # No pipes: Wine's services inherit them, outlive the session by seconds, and keep them open.
                quiet = subprocess.DEVNULL
                try:
                    subprocess.run(
                        command, env=environment, stdin=quiet, stdout=quiet, stderr=quiet, timeout=SECONDS_PER_SESSION
                    )
                except subprocess.TimeoutExpired:
                    raise EngineError(f"{dump}: no end of the session after {SECONDS_PER_SESSION} s") from None
                if answer.exists():
                    break
            else:
                raise EngineError(f"{dump}: the session ended without an answer, {ATTEMPTS} times")
            document = json.loads(answer.read_text(encoding="utf-8"))
        if "problem" in document:
            raise EngineError(f"{dump}: the engine did not open it: {document['problem']}")
        return Session(_answer(document["opening"]), tuple(map(_answer, document["answers"])))


def windows_path(path: Path) -> str:
    """Return a path as a Windows program sees it. Wine shows the root of a Linux machine as drive Z:."""
    full = str(path.resolve())
    return full if sys.platform == "win32" else "Z:" + full.replace("/", "\\")


def _answer(outputs: list[list[str]]) -> Answer:
    return Answer(tuple((kind, text) for kind, text in outputs))


def _native_python() -> tuple[str, ...]:
    for python in ((sys.executable,), ("py", "-3.9")):
        try:
            if subprocess.run([*python, "-c", "import pykd"], capture_output=True).returncode == 0:
                return python
        except FileNotFoundError:
            continue
    raise MissingEngineError("no debugger engine: neither this Python nor `py -3.9` has pykd (pip install pykd)")


def _python_under_wine() -> tuple[str, ...]:
    home = Path(os.environ.get("ENGINE_HOME") or Path.home() / ".cache" / "windbg-ext-engine")
    python = home / "winpython"
    if not python.exists():
        raise MissingEngineError(f"no debugger engine in {home}; {SETUP_HINT}")
    return (str(python),)
