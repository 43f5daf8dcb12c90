"""The scripts with which WinDbg finds this installation, and a check that the parts fit together.

This module does not import pykd: it also runs in a Python that pykd does not support, and says so.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import json
import os
import re
import struct
import sys
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from windbg_ext.errors import DestinationError
from windbg_ext.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from windbg_ext.interface.command import Command

PACKAGE = Path(__file__).parents[1]
SCRIPTS = next(path for path in (PACKAGE / "scripts", PACKAGE.with_name("scripts")) if path.is_dir())
"""Folder of the templates: inside an installed package, beside the package in a checkout."""
BANG = Path(__file__).with_name("bang.py")
FILES = (
    *("load.wds", "run.wds", "unload.wds", "batch.wds", "menu.txt", "windbg-ext.js", "triage.js"),
    *("config.xml", "ManifestVersion.txt", "Manifest/manifest.1.xml"),
)

LAST_PYTHON = (3, 9)
"""The newest Python that pykd's wheels are made for."""
OLDEST_PYKD = (0, 3, 4, 15)


@dataclass(frozen=True)
class Parts:
    """What a debugger loads: the DLL of a Python, pykd, and this package's script, as paths that a script can hold."""

    python: str
    pykd: str
    bang: str


def default_folder() -> Path | None:
    """Return the folder that the scripts go to, None on a system without WinDbg."""
    local = os.environ.get("LOCALAPPDATA", "") if sys.platform == "win32" else ""
    return Path(local, "windbg-ext") if local else None


def problems() -> Iterator[str]:
    """Yield one line for each problem that keeps WinDbg from running these commands, with what to do about it."""
    version = sys.version_info[:2]
    if sys.platform != "win32":
        yield "this is not Windows: run windbg-setup with the Python that is on the machine with WinDbg"
        return
    if version > LAST_PYTHON:
        yield (
            f"this is Python {version[0]}.{version[1]}, pykd is made for 3.9 at most: "
            "py -3.9 -m pip install windbg-ext, then py -3.9 -m windbg_ext windbg-setup"
        )
        return
    try:
        pykd = importlib.metadata.version("pykd")
    except importlib.metadata.PackageNotFoundError:
        yield f'there is no pykd for this Python: "{sys.executable}" -m pip install pykd'
        return
    if tuple(map(int, re.findall(r"\d+", pykd))) < OLDEST_PYKD:
        yield f'pykd {pykd} is too old: "{sys.executable}" -m pip install --upgrade pykd'
    for what, path in (("Python's DLL", _python_dll()), ("pykd", _pykd()), ("windbg_ext", BANG)):
        if not path.is_file():
            yield f"{what} is not where it should be: there is no {path}"
        elif not fits_a_script(script_path(path)):
            yield f"{path} has characters that a debugger script cannot hold: install to a folder with a plain name"


def bitness() -> int:
    """Return 64 or 32; the debugger must have as many bits."""
    return struct.calcsize("P") * 8


def find_parts() -> Parts:
    """Return the paths of this installation."""
    return Parts(*(script_path(path) for path in (_python_dll(), _pykd(), BANG)))


def _python_dll() -> Path:
    return Path(sys.base_prefix, f"python{sys.version_info[0]}{sys.version_info[1]}.dll")


def _pykd() -> Path:
    found = importlib.util.find_spec("pykd")
    return Path(found.origin if found and found.origin else "pykd").with_name("pykd.pyd")


def fits_a_script(path: str) -> bool:
    """Tell whether a debugger script can hold a path: scripts are plain ASCII, and `;` ends a command."""
    return re.fullmatch(r"[ !#-:<-z|}~]+", path) is not None and "${" not in path


def script_path(path: Path) -> str:
    """Return a path for a script: the short (8.3) name if the long name does not fit or has blanks."""
    if (fits_a_script(str(path)) and " " not in str(path)) or sys.platform != "win32":
        return str(path)
    buffer = ctypes.create_unicode_buffer(1024)
    length = ctypes.windll.kernel32.GetShortPathNameW(str(path), buffer, len(buffer))
    return buffer.value if length else str(path)


def scripts(parts: Parts, folder: str, commands: Sequence[Command]) -> dict[str, str]:
    """Return the files to write, content by relative path. `folder` is where they go, as a script can hold it."""
    names = [command.name for command in commands]
    run = str(PureWindowsPath(folder, "run.wds"))
    values = {
        "PYTHON": parts.python,
        "PYKD": parts.pykd,
        "BANG": parts.bang,
        "VERSION": __version__,
        "VERSION4": _four_numbers(__version__),
        "NAMES": ", ".join(f"!{name}" for name in names),
        # ${/v:name} is the name itself: without it, loading twice would replace an alias's name by its value
        "ALIASES": "\n".join(f'aS ${{/v:!{name}}} $$>a<"{run}" {name}' for name in names),
        "UNALIASES": "\n".join(f"ad /q ${{/v:!{name}}}" for name in names),
        "MENU": "\n".join(f' {{"{command.summary}"}} {{"!{command.name}"}}' for command in commands),
        "RUN_JS": json.dumps(run),
        "COMMANDS_JS": json.dumps(names),
        "TRIAGE_JS": json.dumps(_triage(commands)),
        "FOLDER_XML": escape(folder, {'"': "&quot;"}),
        "FUNCTION_ALIASES": "\n".join(_function_alias(command) for command in commands),
    }
    return {file: _filled(SCRIPTS.joinpath(file).read_text(encoding="ascii"), values) for file in FILES}


def _triage(commands: Sequence[Command]) -> list[str]:
    """Return the names of the commands that the triage script runs, in its order."""
    places = {command.triage: command.name for command in commands if command.triage is not None}
    return [places[place] for place in sorted(places)]


def write_scripts(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files over those of an earlier version. Raise DestinationError if that fails."""
    try:
        for place in (folder, folder / "Manifest"):
            place.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content.replace("\n", "\r\n").encode("ascii"))
    except OSError as error:
        raise DestinationError("scripts", f"cannot be written ({error.strerror})", path=str(folder)) from None


def remove_scripts(folder: Path) -> list[Path]:
    """Remove the files of `write_scripts`, and the folders if they are empty then. Return the removed files."""
    removed = [folder / name for name in FILES if (folder / name).is_file()]
    for path in removed:
        path.unlink()
    for emptied in (folder / "Manifest", folder):
        if emptied.is_dir() and not any(emptied.iterdir()):
            emptied.rmdir()
    return removed


def _filled(template: str, values: Mapping[str, str]) -> str:
    return re.sub(r"@(\w+)@", lambda place: values[place[1]], template)


def _four_numbers(version: str) -> str:
    numbers = re.findall(r"\d+", version)[:4]
    return ".".join((numbers + ["0"] * 4)[:4])


def _function_alias(command: Command) -> str:
    return f"""\
          <FunctionAlias Name="{command.name}">
            <AliasItem>
              <Syntax><![CDATA[!{command.name}]]></Syntax>
              <Description><![CDATA[{command.summary}]]></Description>
            </AliasItem>
          </FunctionAlias>"""
