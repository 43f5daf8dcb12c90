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

    from windbg_ext.render.document import Document, FileCommand
    from windbg_ext.sources.progress import Progress


RED, PLAIN = "\x1b[31m", "\x1b[0m"


def terminal_width() -> int:
    """Return the width of the terminal. argparse asks shutil, which takes long to import, again for every option."""
    return _named_width() or _width_of(sys.__stdout__) or 80


def _width_of_output() -> int | None:
    """Return the width that a report may take, None where nothing limits it: in a file or a pipe."""
    return _named_width() or _width_of(sys.stdout) if _is_terminal(sys.stdout) else None


def _named_width() -> int | None:
    """Return the width that the user names in COLUMNS."""
    try:
        return int(os.environ["COLUMNS"]) or None
    except (KeyError, ValueError):
        return None


def _width_of(stream: TextIO | None) -> int | None:
    try:
        return os.get_terminal_size(stream.fileno()).columns or None  # type: ignore[union-attr]  # None: see below
    except (AttributeError, ValueError, OSError):  # no standard output, a closed one, no terminal
        return None


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # it is closed
        return False


def shows_colours(stream: TextIO | None) -> bool:
    """Tell whether a stream is a terminal with colours and its user wants them (https://no-color.org)."""
    if not _is_terminal(stream) or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    if sys.platform == "win32":
        from colorama import just_fix_windows_console  # tqdm brings it

        just_fix_windows_console()
    return True


class Terminal:
    """Standard output and standard error; a progress bar on standard error if that is a terminal."""

    open_dump = None

    def show(self, document: Document) -> None:
        """Show a report: as wide as the terminal, with colours where it shows them."""
        from windbg_ext.render.text import write_text  # --help and --version should not wait for it

        self.write(write_text(document, _width_of_output(), colour=shows_colours(sys.stdout)))

    def suggest(self, *commands: str | FileCommand) -> None:
        """Suggest nothing: there is no debugger."""

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
        from windbg_ext.render.lines import MAX_TEXT, shortened  # as above

        if sys.stderr is None:  # a process without it: pythonw, 2>&-
            return
        shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
        text = f"windbg-ext: {shortened(shown, MAX_TEXT)}"
        try:
            print(f"{RED}{text}{PLAIN}" if shows_colours(sys.stderr) else text, file=sys.stderr, flush=True)
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
