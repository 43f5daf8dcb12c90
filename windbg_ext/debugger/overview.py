"""`!windbg-ext`: which commands there are, which version this is, and where its manual lies."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from windbg_ext.render.document import Command, Document, Facts, Section, Table
from windbg_ext.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from windbg_ext.interface.command import Command as BangCommand

NAME = "windbg-ext"
LOADED = "/loaded"
"""What the load script gives this command, so that it says that all is loaded."""
LOADING = "windbg_ext_loading"
"""An alias of the load script, which says what to do unless this program takes it away."""
PACKAGE = Path(__file__).parents[1]
MANUAL = next((path for path in (PACKAGE / "docs", PACKAGE.with_name("docs")) if path.is_dir()), PACKAGE / "docs")
"""Folder of the manual: inside an installed package, beside the package in a checkout."""


def banner(commands: Sequence[BangCommand]) -> str:
    """Return the line that says what was loaded."""
    names = ", ".join(f"!{name}" for name in (*(command.name for command in commands), NAME))
    return f"windbg-ext {__version__}: {names} (-? behind each tells how it is used)"


def overview(commands: Sequence[BangCommand], works_by: str) -> Document:
    """Return what `!windbg-ext` shows. works_by: what runs the commands."""
    rows = tuple(((Command(f"!{command.name} -?"),), (command.summary,)) for command in commands)
    python = f"Python {'.'.join(map(str, sys.version_info[:3]))}, {works_by}"
    facts = Facts((("manual", (str(MANUAL / "windbg.md"),)), ("runs in", (python,))))
    return Document((Section(f"windbg-ext {__version__}", (Table(rows),)), Section("", (facts,))))
