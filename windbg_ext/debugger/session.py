"""What the debugger says of the open session."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pykd

ALIAS = re.compile(r" \$arg(\d+) +(.*?) ?\Z")


def command(text: str) -> str:
    """Run a debugger command; gives what it prints, nothing if it fails."""
    try:
        return pykd.dbgCommand(text) or ""
    except pykd.DbgException:
        return ""


def arguments() -> list[str]:
    """Give the name of the bang command and what the user typed behind it.

    pykd of the wheel loses the arguments of `!py`. Those of the script that runs it (`$$>a<`) are aliases while it
    runs: $arg1, $arg2 ... `al` lists them. The bootstrapper passes them on, to whoever calls `!py` without a script.
    """
    passed = [argument for argument in sys.argv[1:] if argument]
    return passed or script_arguments(command("al"))


def script_arguments(aliases: str) -> list[str]:
    """Give $arg1, $arg2 ... out of what `al` prints."""
    found = {}
    for line in aliases.split("\n"):
        match = ALIAS.match(line)
        if match:
            found[int(match[1])] = match[2]
    return [found[number] for number in sorted(found) if number]


def dump_path() -> str | None:
    """Give the path of the open dump; None for a live target, or a file on another machine."""
    systems = re.search(r"^\.[ \d]+.*?: (.+)$", command("||"), re.MULTILINE)
    path = systems[1].rstrip() if systems else ""
    return path if pykd.isDumpAnalyzing() and Path(path).is_file() else None
