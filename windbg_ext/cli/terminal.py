"""The console of the command line: standard output, standard error, a progress bar."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from windbg_ext.render.document import Document
    from windbg_ext.sources.progress import Progress


class Terminal:
    """Standard output and standard error; a progress bar on standard error if that is a terminal."""

    def show(self, document: Document) -> None:
        """Show a report."""
        from windbg_ext.render.text import write_text  # --help and --version should not wait for it

        self.write(write_text(document))

    def write(self, text: str) -> None:
        """Show text as it is, such as JSON."""
        try:
            print(text, flush=True)
        except BrokenPipeError:  # the reader has gone: it has seen what it wanted
            drop_output()
        except OSError as error:
            drop_output()
            raise DumpError("standard output", f"cannot be written ({error.strerror})") from None

    def complain(self, line: str) -> None:
        """Show an error, one line, whatever characters the names in it have. Nobody is told where that is impossible.

        The exit status tells of the error, too.
        """
        from windbg_ext.render.text import MAX_TEXT, shortened  # as above

        if sys.stderr is None:  # a process without it: pythonw, 2>&-
            return
        shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
        try:
            print(f"windbg-ext: {shortened(shown, MAX_TEXT)}", file=sys.stderr, flush=True)
        except (OSError, ValueError):  # the disk is full, its reader has gone; it is closed
            sys.stderr = nowhere()

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Show a progress bar while the block runs, none where standard error is not a terminal."""
        if sys.stderr is None or not sys.stderr.isatty():
            from windbg_ext.sources.progress import no_progress  # only here: dumpkind shows no progress

            yield no_progress
            return
        from tqdm import tqdm  # only here: importing it takes longer than many a command

        with tqdm(file=sys.stderr, leave=False, bar_format="{desc} |{bar}| {n_fmt}/{total_fmt} [{elapsed}]") as bar:

            def follow(doing: str, done: int, total: int) -> None:
                bar.set_description_str(doing, refresh=False)
                bar.total, bar.n = total, done
                bar.refresh(nolock=False) if done == total else bar.update(0)

            yield follow


def drop_output() -> None:
    """Give up standard output, so that the interpreter's last flush of it cannot fail."""
    sys.stdout = nowhere()


def nowhere() -> TextIO:
    """Return a stream that takes everything."""
    return open(os.devnull, "w")  # noqa: PTH123  # it stays open
