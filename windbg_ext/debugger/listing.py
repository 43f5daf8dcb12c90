"""What the debugger's listings say: `||`, the open systems, and `al`, the aliases. Measured with dbgeng 10.0.15063."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM = re.compile(r"^\.[ \d]+(?P<what>.*?): (?P<path>.+)$", re.MULTILINE)
"""The current system, behind a dot: `.  0 64-bit Full kernel dump: C:\\MEMORY.DMP`."""
NAME, VALUE = slice(1, 17), slice(18, -1)
"""Columns of the listing that `al` prints; a blank ends the value."""


class OpenSystem(NamedTuple):
    """What a session has open. path: of the dump, None for a live target; user: it is a process, and no kernel."""

    path: str | None
    user: bool


def open_system(listing: str) -> OpenSystem:
    """Return what `||` lists as the current system."""
    found = SYSTEM.search(listing)
    if found is None or " dump" not in found["what"].lower():
        return OpenSystem(None, user=found is not None and "user" in found["what"].lower())
    return OpenSystem(found["path"].rstrip(), user="user" in found["what"].lower())


def script_arguments(listing: str) -> Mapping[int, str]:
    """Return the values of $arg0 (the script itself), $arg1, $arg2 ... by number, from what `al` prints."""
    lines = listing.split("\n")
    names = (re.fullmatch(r"\$arg(\d+) *", line[NAME]) for line in lines)
    return {int(name[1]): line[VALUE] for name, line in zip(names, lines) if name}


def words_behind(arguments: Mapping[int, str]) -> list[str]:
    """Return what was typed behind a script: its arguments in their order."""
    return [arguments[number] for number in sorted(arguments) if number]
