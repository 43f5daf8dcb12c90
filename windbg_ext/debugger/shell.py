"""Bang commands in a Python of its own, which `.shell` starts: no pykd, so it may be any Python.

    run.wds:  .block { .shell -ci "||;al" -t 8640 C:\\...\\python.exe "C:\\...\\shell_bang.py" }

`-ci` pipes what the debugger prints for `||` and `al` into standard input: which dump is open, and the arguments of the
script. They never pass through cmd, which would interpret some of their characters. A dump is opened by its path.
Everything that needs the debugger itself is missing: live targets, links, progress, Ctrl+Break.
"""

from __future__ import annotations

import io
import sys
from contextlib import contextmanager
from pathlib import PureWindowsPath
from typing import TYPE_CHECKING

from windbg_ext.debugger.command import run_bang
from windbg_ext.debugger.listing import open_system, script_arguments, words_behind
from windbg_ext.errors import UsageError
from windbg_ext.interface.registry import COMMANDS
from windbg_ext.interface.status import WRONG_USE
from windbg_ext.render.lines import MAX_TEXT, plain, shortened
from windbg_ext.render.text import WIDTH, write_text
from windbg_ext.sources.local import is_file
from windbg_ext.sources.progress import no_progress
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from windbg_ext.render.document import Document
    from windbg_ext.sources.progress import Progress

MAX_LISTING = 1 << 20
"""Bytes of what the debugger lists; a command line has 4,096 characters at most."""
NEEDS_PYKD = (
    "this Python runs beside the debugger and reads files only: a live target needs pykd (windbg-setup tells how)"
)


class ShellSession(NamedTuple):
    """A debugger's session, of which only the listings are known."""

    open_dump: str | None
    is_process: bool

    def target(self) -> object:
        """Raise UsageError: only pykd reads a session."""
        raise UsageError(NEEDS_PYKD)

    def physical_memory(self) -> None:
        """Return None: only pykd tells."""

    def kernel_use(self) -> None:
        """Return None: only pykd tells."""

    def paging_files(self) -> Sequence[tuple[str | None, int, int]]:
        """Return nothing: only pykd tells."""
        return ()


class ShellOutput:
    """Standard output, which the debugger shows as plain text."""

    def show(self, document: Document) -> None:
        """Show a report."""
        self.write(write_text(document, WIDTH))

    def write(self, text: str) -> None:
        """Show text as it is, such as JSON."""
        print(text, flush=True)

    def complain(self, line: str) -> None:
        """Show an error as one line."""
        self.write(f"windbg-ext: {shortened(plain(line), MAX_TEXT)}")

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Show nothing: the debugger has no place for it."""
        yield no_progress


class _ShellBang(NamedTuple):
    session: ShellSession
    output: ShellOutput
    words: Sequence[str]
    script: str
    works_by: str = "a program beside the debugger, without pykd"


def main(words: Sequence[str] = ()) -> int:
    """Run the bang command that the user typed and return the exit status. words: it, unless a script passes it on."""
    if sys.platform == "win32":  # the debugger speaks the code page of the system, whichever mode Python is in
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(encoding="mbcs", errors="backslashreplace")
    listing = _listing()
    arguments = script_arguments(listing)
    given = _typed(words) or words_behind(arguments)
    output = ShellOutput()
    if any(word.endswith(";") for word in _typed(words)):
        output.complain("a ; does not end a command here, .shell hands it on: type one command a line")
        return WRONG_USE
    script = PureWindowsPath(arguments.get(0, "")).name
    return run_bang(_ShellBang(session_of(listing), output, given, script), COMMANDS)


def _typed(words: Sequence[str]) -> list[str]:
    """Return words that the debugger put behind the program; the semicolon that a script ends with is none of them."""
    return list(words[:-1] if words[-1:] == [";"] else words)


def _listing() -> str:
    """Return what the debugger lists, as lines that end as pykd has them."""
    if sys.stdin is None:
        return ""
    data = sys.stdin.buffer.read(MAX_LISTING)
    return data.decode("mbcs" if sys.platform == "win32" else "utf-8", "replace").replace("\r\n", "\n")


def session_of(listing: str) -> ShellSession:
    """Return the session of a listing."""
    system = open_system(listing)
    return ShellSession(system.path if system.path and is_file(system.path) else None, system.user)
