"""Where a command's output goes, and how its progress is shown."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from windbg_ext.commands.progress import Progress, no_progress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager


class Console(Protocol):
    """What a command needs to talk to its user."""

    def write(self, text: str) -> None:
        """Show a report."""

    def complain(self, line: str) -> None:
        """Show an error, one line."""

    def progress(self) -> AbstractContextManager[Progress]:
        """Show progress while the block runs."""


class Terminal:
    """Standard output and standard error; a progress bar on standard error if that is a terminal."""

    def write(self, text: str) -> None:
        """Show a report."""
        print(text)

    def complain(self, line: str) -> None:
        """Show an error, one line, whatever characters the names in it have."""
        shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
        print(f"windbg-ext: {shown}", file=sys.stderr)

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Show a progress bar while the block runs, none where standard error is not a terminal."""
        if not sys.stderr.isatty():
            yield no_progress
            return
        from tqdm import tqdm  # only here: importing it takes longer than many a command

        with tqdm(file=sys.stderr, leave=False, bar_format="{desc} |{bar}| {n_fmt}/{total_fmt} [{elapsed}]") as bar:

            def follow(doing: str, done: int, total: int) -> None:
                bar.set_description_str(doing, refresh=False)
                bar.total, bar.n = total, done
                bar.refresh(nolock=False) if done == total else bar.update(0)

            yield follow
