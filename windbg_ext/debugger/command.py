"""A bang command from its words to its exit status, whoever runs it: pykd in the debugger, or a program beside it."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from windbg_ext.debugger import overview
from windbg_ext.debugger.parser import BangParser, asks_for_help
from windbg_ext.debugger.spelling import Spelling, spelled
from windbg_ext.errors import UsageError
from windbg_ext.interface.session import Session
from windbg_ext.interface.status import DONE, INTERRUPTED, INTERRUPTION, status_of
from windbg_ext.render.document import Document, Links, Section

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import Callable

    from windbg_ext.interface.command import Command
    from windbg_ext.render.document import FileCommand
    from windbg_ext.sources.progress import Progress

LOG = "windbg-ext.log"
INTERNAL_ERROR = 70
"""A fault of this program: EX_SOFTWARE of sysexits.h."""
NO_LINK, NOT_WAITING = getattr(os, "O_NOFOLLOW", 0), getattr(os, "O_NONBLOCK", 0)
"""Windows has neither; its folder for temporary files is the user's own."""
BATCH_SCRIPT = "batch.wds"


class Output(Protocol):
    """Where a bang command's output goes."""

    def show(self, document: Document) -> None:
        """Show a report."""

    def write(self, text: str) -> None:
        """Show text as it is."""

    def complain(self, line: str) -> None:
        """Show an error, one line."""

    def progress(self) -> AbstractContextManager[Progress]:
        """Show progress while the block runs."""


class BangConsole:
    """What a command prints to in a debugger: its messages as they are typed there, its suggestions at the end."""

    def __init__(self, output: Output, open_dump: str | None) -> None:
        self.open_dump = open_dump
        self.spelling: Callable[[str], str] = str
        self.suggested: tuple[str | FileCommand, ...] = ()
        self._output = output

    def show(self, document: Document) -> None:
        """Show a report."""
        self._output.show(spelled(document, self.spelling))

    def write(self, text: str) -> None:
        """Show text as it is, such as JSON."""
        self._output.write(text)

    def complain(self, line: str) -> None:
        """Show an error, one line."""
        self._output.complain(self.spelling(line))

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Show progress while the block runs."""
        with self._output.progress() as follow:
            yield follow

    def suggest(self, *commands: str | FileCommand) -> None:
        """Keep what is suggested until the command is done."""
        self.suggested = commands


class BangSession(Session, Protocol):
    """The session that a bang command is typed in."""

    @property
    def is_process(self) -> bool:
        """Tell whether a process is debugged, or its dump, and no kernel."""

    def target(self) -> object:
        """Return the session's `Target`. Raise DumpError or UsageError if it has none."""


class Bang(Protocol):
    """What runs bang commands: its session, its output, and what was typed."""

    @property
    def session(self) -> BangSession:
        """The session of the debugger."""

    @property
    def output(self) -> Output:
        """Where the output goes."""

    @property
    def words(self) -> Sequence[str]:
        """The name of the command, and what was typed behind it."""

    @property
    def script(self) -> str:
        """The name of the running debugger script without its folder; empty if there is none."""

    @property
    def works_by(self) -> str:
        """What runs the commands, in a few words."""


def run_bang(bang: Bang, commands: Sequence[Command]) -> int:
    """Run the bang command that the user typed and return the exit status. For a batch script, print that, too."""
    batch = bang.script == BATCH_SCRIPT
    console = BangConsole(bang.output, bang.session.open_dump)
    status = _status(lambda: run(bang, commands, console), console)
    if batch:
        console.write(f"windbg-ext: exit status {status}")
    elif console.suggested:
        console.write("")
        console.show(Document((Section("", (Links("Next", console.suggested),)),)))
    return status


def _status(work: Callable[[], int], console: BangConsole) -> int:
    try:
        return status_of(work, console)
    except SystemExit:  # pykd raises it for Ctrl+Break
        console.complain(INTERRUPTION)
        return INTERRUPTED
    except Exception as error:
        console.complain(f"internal error ({type(error).__name__}), please report it with {_log(error)}")
        return INTERNAL_ERROR


def run(bang: Bang, commands: Sequence[Command], console: BangConsole) -> int:
    """Run a command and return the exit status."""
    named = {command.name: command for command in commands}
    name, *given = bang.words or [""]
    if name == overview.NAME:
        if overview.LOADED in given:
            console.write(overview.banner(commands))
        else:
            console.show(overview.overview(commands, bang.works_by))
        return DONE
    if name not in named:
        raise UsageError(f"{name!r} is not one of {', '.join(named)}: load the aliases that windbg-setup wrote")
    command = named[name]
    console.spelling = Spelling(command, commands, given)
    parser = BangParser(command)
    if asks_for_help(given):
        console.write(parser.format_help().rstrip())
        return DONE
    session = bang.session
    facts = command.add_session_facts
    # a command that only takes facts needs no target: a running machine has none, but its facts can be read; and of a
    # process there is nothing that it could read
    target: Callable[[], object] = session.target if facts is None else _no_target
    open_dump = None if facts is not None and session.is_process else session.open_dump
    options = parser.parse(given, open_dump, target)
    typed = () if facts is None else facts(options, session)
    if typed and not getattr(options, "json", False):
        console.write(f"Taken from this session: {' '.join(typed)}\n")
    return command.run(options, console)


def _no_target() -> None:
    """Return what a command reads that only takes facts of the session."""


def _log(error: Exception) -> str:
    """Write an error's traceback to the log and return its path."""
    path = Path(tempfile.gettempdir(), LOG)
    try:
        with os.fdopen(_open_log(path), "a", encoding="utf-8", errors="backslashreplace") as log:
            log.write("".join(traceback.format_exception(type(error), error, error.__traceback__)))
    except OSError as refused:
        return f"what you did: {path} cannot be written ({refused.strerror})"
    return str(path)


def _open_log(path: Path) -> int:
    """Return a descriptor that appends to the log.

    Others may write to the folder for temporary files. Raise OSError where they have put a link, a pipe or another name
    of some file into the log's place.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | NO_LINK | NOT_WAITING, 0o600)
    there = os.fstat(descriptor)
    if not stat.S_ISREG(there.st_mode) or there.st_nlink > 1:
        os.close(descriptor)
        raise OSError(errno.EPERM, "it is no file of its own")
    return descriptor
