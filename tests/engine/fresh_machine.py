"""A machine with Pythons for Windows as their installers leave them, and its command prompt; under Wine.

What is typed there works on an installation of its own, not on this checkout: pip installs from wheels that setup.sh
fetched, and `py` is a stand-in for Windows' launcher.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engine.engine import MissingEngineError, windows_path
from engine.kd import Kd

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS = 300
"""For a line; pip takes fifteen where nothing else runs."""
LAUNCHED = {"PY_3_9": "windows", "PY_NEWEST": "newer"}
"""The variables of wine/py.c, and the folders that setup.sh has these Pythons in."""


class Typed(NamedTuple):
    """What a line of the command prompt has come to."""

    status: int
    shown: str


@dataclass(frozen=True)
class FreshMachine:
    """home: the folder of setup.sh; folder: where the Pythons are, in folders called as there."""

    home: Path
    folder: Path

    @classmethod
    def make(cls, folder: Path, *pythons: str) -> FreshMachine:
        """Install Pythons of setup.sh, with pip and nothing else. Raise MissingEngineError if one is not there."""
        home = Path(os.environ.get("ENGINE_HOME") or Path.home() / ".cache" / "windbg-ext-engine")
        for python in pythons:
            if not all((home / needed).exists() for needed in (python, "for-pip", "pip", "launcher", "cmd")):
                raise MissingEngineError(f"nothing to install {python} with at {home}: run tests/engine/setup.sh again")
            _install(home / python, home / "pip", folder / python)
        return cls(home, folder)

    @property
    def local_app_data(self) -> Path:
        return self.folder / "AppData" / "Local"

    def type(self, line: str, where: Path, variables: Mapping[str, str] | None = None) -> Typed:
        """Type a line at the command prompt, in a folder. No Python is on PATH, only the launcher."""
        self.local_app_data.mkdir(parents=True, exist_ok=True)
        output, script = self.folder / "output.txt", self.folder / "line.bat"
        pythons = {name: self.folder / python for name, python in LAUNCHED.items() if (self.folder / python).exists()}
        values = {
            "PATH": f"{windows_path(self.home / 'launcher')};C:\\windows\\system32",
            "LOCALAPPDATA": windows_path(self.local_app_data),
            "PYTHONHOME": "",  # of the wrapper
            "SHELL": "",  # of this machine
            "PIP_CONFIG_FILE": "nul",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": windows_path(self.home / "for-pip"),
            "PIP_NO_COMPILE": "1",  # half the time
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            **{name: windows_path(python) for name, python in pythons.items()},
            **(variables or {}),
        }
        settings = [f"@set {name}={value}" for name, value in values.items()]
        lines = [*settings, f"@cd /d {windows_path(where)}", f'@{line} >"{windows_path(output)}" 2>&1', ""]
        script.write_bytes("\r\n".join(lines).encode())
        inherited = {name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}
        quiet = subprocess.DEVNULL
        command = [str(self.home / "cmd"), "/c", windows_path(script)]
        done = subprocess.run(command, env=inherited, stdin=quiet, stdout=quiet, stderr=quiet, timeout=SECONDS)
        return Typed(done.returncode, output.read_text(encoding="utf-8", errors="replace").replace("\r\n", "\n"))

    def kd(self, python: str) -> Kd:
        """Return the debugger, in which a DLL of that Python finds its folder; on Windows, from the registry."""
        program = self.folder / f"kd-{python}"
        home = windows_path(self.folder / python).replace("\\", "\\\\")
        program.write_text(re.sub(r"PYTHONHOME='[^']*'", f"PYTHONHOME='{home}'", (self.home / "kd").read_text()))
        program.chmod(0o755)
        return Kd(program)


def _install(python: Path, pip: Path, to: Path) -> None:
    packages = to / "Lib" / "site-packages"
    packages.mkdir(parents=True)
    for path in (*python.glob("python*"), *python.glob("VCRUNTIME140.dll")):
        shutil.copy(path, to / path.name)
    (to / "DLLs").symlink_to(python / "DLLs")
    for path in (python / "Lib").iterdir():
        if path.name != packages.name:
            (packages.parent / path.name).symlink_to(path)
    for path in pip.iterdir():
        (packages / path.name).symlink_to(path)
