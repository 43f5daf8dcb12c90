"""The debugger as a console: documents as DML, progress in the status bar."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pykd

from windbg_ext.render.dml import MAX_PIECE, verbatim_dml, write_dml
from windbg_ext.render.lines import MAX_TEXT, in_pieces, plain, shortened, shown, verbatim
from windbg_ext.render.text import WIDTH, write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from windbg_ext.render.document import Document
    from windbg_ext.sources.progress import Progress

SECONDS_BETWEEN_MESSAGES = 0.2


def window_width() -> int:
    """Return the width of a console debugger's window; WinDbg tells nobody that of its own."""
    try:
        return os.get_terminal_size().columns or WIDTH
    except (OSError, ValueError):
        return WIDTH


class DebuggerConsole:
    """The command window of the open session. The engine shows plain text where there is no DML.

    If a script in a shared interpreter has replaced `sys.stdout`, pykd would print markup as it is: the console writes
    plain text there, too.
    """

    def __init__(self) -> None:
        self._dml = pykd.isWindbgExt()

    def show(self, document: Document) -> None:
        """Show a report."""
        if self._dml:
            self._print(write_dml(document, window_width()))
        else:
            self.write(write_text(document, window_width()))

    def write(self, text: str) -> None:
        """Show text as it is, such as JSON."""
        self._print(verbatim_dml(text) if self._dml else map(shown, in_pieces(verbatim(text), MAX_PIECE)))

    def complain(self, line: str) -> None:
        """Show an error as one line."""
        self.write(f"windbg-ext: {shortened(plain(line), MAX_TEXT)}")

    def _print(self, pieces: Iterable[str]) -> None:
        for piece in pieces:
            pykd.dprint(piece, self._dml)

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
