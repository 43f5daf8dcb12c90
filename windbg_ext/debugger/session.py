"""What the debugger tells about the open session."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from pathlib import PureWindowsPath

import pykd

from windbg_ext.errors import DumpError
from windbg_ext.kernel import Machine
from windbg_ext.sources.local import is_file

MACHINES = {"AMD64": Machine.AMD64, "I386": Machine.I386, "ARM64": Machine.ARM64}
NAME, VALUE = slice(1, 17), slice(18, -1)
"""Columns of the listing that `al` prints; a blank ends the value."""


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
    found = script_aliases(command("al"))
    return [found[number] for number in sorted(found) if number]


def script_name() -> str:
    """Return the name of the running debugger script without its folder; empty if there is none."""
    return PureWindowsPath(script_aliases(command("al")).get(0, "")).name


def script_aliases(listing: str) -> dict[int, str]:
    """Return the values of $arg0 (the script itself), $arg1, $arg2 ... by number, from what `al` prints."""
    lines = listing.split("\n")
    names = (re.fullmatch(r"\$arg(\d+) *", line[NAME]) for line in lines)
    return {int(name[1]): line[VALUE] for name, line in zip(names, lines) if name}


def dump_path() -> str | None:
    """Return the path of the open dump, or None for a live target or a file on another machine."""
    systems = re.search(r"^\.[ \d]+.*?: (.+)$", command("||"), re.MULTILINE)
    path = systems[1].rstrip() if systems else ""
    return path if pykd.isDumpAnalyzing() and is_file(path) else None


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
