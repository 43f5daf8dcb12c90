"""The scripts with which WinDbg finds this installation: over pykd where it is there, else over `.shell`.

This module does not import pykd: it also runs in a Python that pykd does not support.
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
from urllib.request import url2pathname
from xml.sax.saxutils import escape

from windbg_ext.debugger import overview
from windbg_ext.debugger.overview import LOADED, LOADING
from windbg_ext.errors import DestinationError
from windbg_ext.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from windbg_ext.interface.command import Command

PACKAGE = Path(__file__).parents[1]
SCRIPTS = next(path for path in (PACKAGE / "scripts", PACKAGE.with_name("scripts")) if path.is_dir())
"""Folder of the templates: inside an installed package, beside the package in a checkout."""
BANG = Path(__file__).with_name("bang.py")
SHELL_BANG = Path(__file__).with_name("shell_bang.py")
FILES = (
    *("load.wds", "run.wds", "unload.wds", "batch.wds", "menu.txt", "windbg-ext.js", "triage.js"),
    *("config.xml", "ManifestVersion.txt", "Manifest/manifest.1.xml"),
)

OLDEST_PYKD = (0, 3, 4, 15)
TENS_OF_SECONDS = 8640
"""A day, as `.shell -t` counts. By default it asks after ten seconds whether to wait on, and a batch hangs there.

Measured on dbgeng 10.0.15063, which takes `-t` only behind `-ci`."""


@dataclass(frozen=True)
class Parts:
    """What runs the commands, as paths that a script can hold.

    python: the DLL of a Python that pykd loads into the debugger or, without pykd, the program that `.shell` starts;
    pykd: None without it; bang: this package's script.
    """

    python: str
    pykd: str | None
    bang: str

    def load(self) -> str:
        """Return what the scripts begin with that load this."""
        return "" if self.pykd is None else f".load {self.python}\n.load {self.pykd}\n"

    def run(self) -> str:
        """Return the command that runs a bang command, which finds the arguments of the script itself.

        A block, because `.shell` takes all of a script that follows it.
        """
        if self.pykd is None:
            return f".block {{ {self._shell} }}"
        return f'!pykd.pyd.py -g "{self.bang}"'

    def say_loaded(self, folder: str) -> str:
        """Return the lines that say what was loaded or, if nothing was, what to do. folder: of the scripts."""
        again = f"run windbg-setup again: {setup_command(folder)}"
        if self.pykd is None:
            hint = f"windbg-ext is not loaded, the line above says why: {again}"
            return f".block {{ {self._shell} windbg-ext {LOADED} & if errorlevel 1 echo {hint} }}"
        hint = f"windbg-ext is not loaded, the lines above say why (the debugger must be {bitness()}-bit): {again}"
        return "\n".join(
            (
                # a trap, which Python makes harmless; an alias is known from the next block on. No .if: after a script
                # of pykd's that failed, it does nothing
                f"aS ${{/v:{LOADING}}} .echo {hint}",
                f".block {{ {self.run()} }}",
                f".block {{ ${{{LOADING}}} }}",
                f".block {{ ad /q ${{/v:{LOADING}}} }}",
            )
        )

    @property
    def _shell(self) -> str:
        python = f'"{self.python}"' if " " in self.python else self.python
        return f'.shell -ci "||;al" -t {TENS_OF_SECONDS} {python} "{self.bang}"'


def default_folder() -> Path | None:
    """Return the folder that the scripts go to, None on a system without WinDbg."""
    local = os.environ.get("LOCALAPPDATA", "") if sys.platform == "win32" else ""
    return Path(local, "windbg-ext") if local else None


def problems() -> Iterator[str]:
    """Yield one line for each problem that keeps WinDbg from running these commands, with what to do about it."""
    if sys.platform != "win32":
        yield "this is not Windows: run windbg-setup with the Python that is on the machine with WinDbg"
        return
    pykd = _pykd_version()
    if pykd is not None and tuple(map(int, re.findall(r"\d+", pykd))) < OLDEST_PYKD:
        yield f"pykd {pykd} is too old: {this_python()} -m pip install --upgrade pykd"
    for what, path in _files(with_pykd=pykd is not None):
        if not path.is_file():
            yield f"{what} is not where it should be: there is no {path}"
        elif not fits_a_script(script_path(path)):
            yield f"{path} has characters that a debugger script cannot hold: install to a folder with a plain name"


def hints() -> Iterator[str]:
    """Yield what to know where everything works, one line each."""
    if _pykd_version() is not None:
        return
    yield (
        "Without pykd, the commands run beside the debugger: they read dumps, but no live target; their output has no "
        "links, nothing shows progress, and Ctrl+Break does not end them."
    )
    yield "With pykd, whose wheels end at Python 3.9, they run inside the debugger:"
    yield f"  {install_command()}"
    yield "  py -3.9 -m windbg_ext windbg-setup"
    shell = os.environ.get("SHELL", "")
    if shell and PureWindowsPath(shell).stem.lower() != "cmd":
        yield (
            f"The environment variable SHELL is {shell}: a debugger that is started from here runs that instead of "
            'cmd, and may hang. Start it elsewhere, or remove the variable first: set "SHELL="'
        )


def install_command() -> str:
    """Return the command that installs this package for Python 3.9, from where it came: it is on no package index."""
    return f'py -3.9 -m pip install "{_origin()}"'


def setup_command(folder: str) -> str:
    """Return what runs windbg-setup for the scripts in a folder, whatever PATH has."""
    usual = default_folder()
    named = "" if usual is not None and folder == script_path(usual) else f" --folder {in_quotes(folder)}"
    return f"{this_python()} -m windbg_ext windbg-setup{named}"


def this_python() -> str:
    """Return what starts this Python at a prompt: without quotes if possible, which PowerShell takes for a text."""
    return in_quotes(script_path(Path(sys.executable)))


def in_quotes(path: str) -> str:
    """Return a path as it is typed at a prompt: in quotes if it needs them."""
    return path if re.fullmatch(r"[\w:\\/.~-]+", path) else f'"{path}"'


def _origin() -> str:
    """Return the checkout or the wheel that this was installed from, as far as that is known."""
    if PACKAGE.with_name("pyproject.toml").is_file():
        return str(PACKAGE.parent)
    try:
        recorded = importlib.metadata.distribution("windbg-ext").read_text("direct_url.json")  # PEP 610
        url = str(json.loads(recorded or "{}").get("url", ""))
    except (importlib.metadata.PackageNotFoundError, ValueError, OSError):
        url = ""
    return url2pathname(url[len("file:") :]) if url.startswith("file:") else "windbg_ext-VERSION-py3-none-any.whl"


def _pykd_version() -> str | None:
    """Return the version of pykd, None where this Python has none."""
    try:
        return importlib.metadata.version("pykd")
    except importlib.metadata.PackageNotFoundError:
        return None


def _files(*, with_pykd: bool) -> tuple[tuple[str, Path], ...]:
    """Return what the scripts name."""
    if with_pykd:
        return ("Python's DLL", _python_dll()), ("pykd", _pykd()), ("windbg_ext", _installed(BANG))
    return ("Python", Path(sys.executable)), ("windbg_ext", _installed(SHELL_BANG))


def _installed(script: Path) -> Path:
    """Return a script of this package where pip installed it, or where it is if this version is not installed.

    In a checkout, `python -m windbg_ext` runs the code there: once it is installed from there, that folder may go.
    """
    try:
        distribution = importlib.metadata.distribution("windbg-ext")
    except importlib.metadata.PackageNotFoundError:
        return script
    installed = Path(str(distribution.locate_file(str(script.relative_to(PACKAGE.parent)))))
    return installed if distribution.version == __version__ and installed.is_file() else script


def bitness() -> int:
    """Return 64 or 32; the debugger must have as many bits."""
    return struct.calcsize("P") * 8


def find_parts() -> Parts:
    """Return the paths of this installation."""
    if _pykd_version() is None:
        return Parts(script_path(Path(sys.executable)), None, script_path(_installed(SHELL_BANG)))
    return Parts(*(script_path(path) for path in (_python_dll(), _pykd(), _installed(BANG))))


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
    aliases = (*names, overview.NAME)
    run = str(PureWindowsPath(folder, "run.wds"))
    values = {
        "LOAD": parts.load(),
        "RUN": parts.run(),
        "SAY_LOADED": parts.say_loaded(folder),
        "VERSION": __version__,
        "VERSION4": _four_numbers(__version__),
        "NAMES": ", ".join(f"!{name}" for name in names),
        # ${/v:name} is the name itself: without it, loading twice would replace an alias's name by its value
        "ALIASES": "\n".join(f'aS ${{/v:!{name}}} $$>a<"{run}" {name}' for name in aliases),
        "UNALIASES": "\n".join(f"ad /q ${{/v:!{name}}}" for name in aliases),
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
