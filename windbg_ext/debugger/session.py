"""What the debugger tells about the open session."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import PureWindowsPath

import pykd

from windbg_ext.debugger.listing import open_system, script_arguments, words_behind
from windbg_ext.errors import DumpError
from windbg_ext.kernel import Machine
from windbg_ext.sources.local import is_file

MACHINES = {"AMD64": Machine.AMD64, "I386": Machine.I386, "ARM64": Machine.ARM64}


def attach() -> None:
    """Connect pykd to the open session. In the bootstrapper's Python, importing pykd does not connect it."""
    with suppress(pykd.DbgException):  # connected already: as the debugger's extension, or by an earlier script
        pykd.initialize()


def command(text: str) -> str:
    """Run a debugger command and return what it prints, or "" if it fails."""
    try:
        return pykd.dbgCommand(text) or ""
    except pykd.DbgException:
        return ""


def arguments() -> list[str]:
    """Return the name of the bang command and what the user typed behind it.

    pykd from the wheel loses the arguments of `!py`. The arguments of the script that runs `!py` (`$$>a<`) are aliases
    while the script runs: $arg1, $arg2 ... `al` lists them. The bootstrapper passes on the arguments of a `!py` that is
    called without a script.
    """
    passed = [argument for argument in sys.argv[1:] if argument]
    if passed:
        return passed
    return words_behind(script_arguments(command("al")))


def script_name() -> str:
    """Return the name of the running debugger script without its folder; empty if there is none."""
    return PureWindowsPath(script_arguments(command("al")).get(0, "")).name


def dump_path() -> str | None:
    """Return the path of the open dump, or None for a live target or a file on another machine."""
    path = open_system(command("||")).path
    return path if path is not None and pykd.isDumpAnalyzing() and is_file(path) else None


def is_process() -> bool:
    """Tell whether a process is debugged, or its dump, and no kernel."""
    return open_system(command("||")).user


def has_kernel_types() -> bool:
    """Tell whether the kernel's symbols are loaded. This never makes the engine look for them, which prints messages.

    The listing has `(pdb symbols)` for Microsoft's public symbols, and `(private pdb symbols)` for full ones.
    """
    return "pdb symbols)" in command("lm m nt")


def machine_type() -> Machine:
    """Return the type of the debugged machine. Raise DumpError if it is not supported."""
    name = str(pykd.getCPUType()).rpartition(".")[2]
    if name not in MACHINES:
        raise DumpError("session", f"a machine of type {name} is not known")
    return MACHINES[name]
