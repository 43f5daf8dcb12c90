"""The debugger as a console: text as DML, progress in the status bar."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pykd

from windbg_ext.render.dml import dml_text, link
from windbg_ext.render.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from windbg_ext.commands.progress import Progress

SECONDS_BETWEEN_MESSAGES = 0.2


class DebuggerConsole:
    """The command window of the open session. The engine shows plain text where there is no DML."""

    def write(self, text: str) -> None:
        """Show a report."""
        self.show(dml_text(text))

    def complain(self, line: str) -> None:
        """Show an error, one line."""
        self.show(dml_text(f"windbg-ext: {plain(line)}"))

    def suggest(self, commands: Iterable[str]) -> None:
        """Show what to try next."""
        links = "  ".join(link(command, command) for command in commands)
        if links:
            self.show(f"\nNext: {links}")

    def show(self, markup: str) -> None:
        """Show DML."""
        pykd.dprintln(markup, True)

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Show progress in the status bar while the block runs."""
        shown = time.monotonic()

        def follow(doing: str, done: int, total: int) -> None:
            nonlocal shown
            if time.monotonic() - shown > SECONDS_BETWEEN_MESSAGES:
                shown = time.monotonic()
                pykd.setStatusMessage(f"{doing}: {done:,} of {total:,}")

        try:
            yield follow
        finally:
            pykd.setStatusMessage("")
