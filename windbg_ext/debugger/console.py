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
LONGEST_PIECE = 2000
"""Characters of text that are shown at once: the engine drops what lies behind 16 K of markup."""


class DebuggerConsole:
    """The command window of the open session. The engine shows plain text where there is no DML.

    Where a script of a shared interpreter has put a `sys.stdout` of its own in the debugger's place, pykd prints markup
    as it is: there it is plain text, too.
    """

    def __init__(self) -> None:
        self._dml = pykd.isWindbgExt()

    def write(self, text: str) -> None:
        """Show a report."""
        for piece in _pieces(text + "\n"):
            pykd.dprint(dml_text(piece) if self._dml else piece, self._dml)

    def complain(self, line: str) -> None:
        """Show an error, one line."""
        self.write(f"windbg-ext: {plain(line)}")

    def suggest(self, commands: Iterable[str]) -> None:
        """Show what to try next."""
        links = "  ".join(link(command, command) if self._dml else command for command in commands)
        if links:
            pykd.dprint(f"\nNext: {links}\n", self._dml)

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


def _pieces(text: str) -> Iterator[str]:
    """Split text, between lines where they are not too long themselves."""
    piece = ""
    for line in text.splitlines(keepends=True):
        if len(piece) + len(line) > LONGEST_PIECE:
            yield piece
            piece = ""
        while len(line) > LONGEST_PIECE:
            yield line[:LONGEST_PIECE]
            line = line[LONGEST_PIECE:]
        piece += line
    yield piece
