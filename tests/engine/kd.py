"""A console debugger on the real engine: Microsoft's kd.exe on Windows, the stand-in of wine/kd.cpp on Linux."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.engine import SECONDS_PER_SESSION, SETUP_HINT, EngineError, MissingEngineError, windows_path

if TYPE_CHECKING:
    from collections.abc import Sequence

REPOSITORY = Path(__file__).parents[2]
KIT = Path(os.environ.get("PROGRAMFILES(X86)", ""), "Windows Kits", "10", "Debuggers", "x64", "kd.exe")
PROMPT = re.compile(r"^(?:\d+:\d+|(?:\d+: )?(?:l?kd|NoTarget))> (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Kd:
    """program: the debugger."""

    program: Path

    @classmethod
    def find(cls) -> Kd:
        """Return the debugger of this machine. Raise MissingEngineError if there is none."""
        if sys.platform == "win32":
            program = Path(os.environ.get("WINDBG_EXT_KD") or KIT)
            hint = "install the Debugging Tools for Windows, or name another kd.exe in WINDBG_EXT_KD"
        else:
            program = Path(os.environ.get("ENGINE_HOME") or Path.home() / ".cache" / "windbg-ext-engine", "kd")
            hint = SETUP_HINT
        if not program.exists():
            raise MissingEngineError(f"no console debugger at {program}; {hint}")
        return cls(program)

    def run(
        self, target: Path | str, commands: Sequence[str], *options: str, seconds: float = SECONDS_PER_SESSION
    ) -> list[str]:
        """Open a dump, or attach to a kernel if the target is a connection string, and type the commands.

        Return what is printed for each. Raise EngineError if the session ends early.
        """
        with tempfile.TemporaryDirectory(prefix="kd-") as folder:
            script = Path(folder, "commands.txt")
            # CRLF: the engine loses its place in a file with bare line feeds when one of its lines runs a script
            script.write_bytes("\r\n".join((*commands, "q", "")).encode())
            printed = self.run_line(target, f"$<{windows_path(script)}", *options, seconds=seconds)
        pieces = PROMPT.split(printed)[1:]  # command, output, command, output ...
        typed, answers = pieces[0::2], pieces[1::2]
        if [line.rstrip() for line in typed[: len(commands)]] != [line.rstrip() for line in commands]:
            raise EngineError(f"{target}: the session ended early:\n{printed}")
        return [answer.strip("\n") for answer in answers[: len(commands)]]

    def run_line(self, target: Path | str, line: str, *options: str, seconds: float = SECONDS_PER_SESSION) -> str:
        """Open a dump or attach to a kernel, run one line of commands, and return all that is printed.

        Raise EngineError if that fails.
        """
        with tempfile.TemporaryDirectory(prefix="kd-") as folder:
            log = Path(folder, "log.txt")
            environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
            environment.pop("SHELL", None)  # which `.shell` would start instead of cmd
            environment["_NT_SYMBOL_PATH"] = windows_path(Path(folder))
            opening = ("-k", target) if isinstance(target, str) else ("-z", windows_path(target))
            command = [str(self.program), *options, *opening, "-logo", windows_path(log), "-c", line]
            quiet = subprocess.DEVNULL
            process = subprocess.Popen(command, env=environment, stdin=quiet, stdout=quiet, stderr=quiet)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                raise EngineError(f"{target}: no end of {line} after {seconds} s") from None
            if not log.exists():
                raise EngineError(f"{target}: the debugger did not start (status {process.returncode})")
            return log.read_text(encoding="utf-8", errors="replace").replace("\r\n", "\n")
