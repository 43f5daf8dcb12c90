"""From a bang command to its report: the same commands that the command line runs.

    as !minify $$>a<C:\\...\\run.wds minify        an alias that runs a script file with arguments
    run.wds:  !py -g C:\\...\\bang.py               which ends up in `main`

Every error is one line in the command window, and the session goes on.
"""

from __future__ import annotations

import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from windbg_ext.debugger.console import DebuggerConsole
from windbg_ext.debugger.machine import DebuggedMachine
from windbg_ext.debugger.parser import BangParser, asks_for_help
from windbg_ext.debugger.session import arguments, attach, dump_path, script_name
from windbg_ext.debugger.target import session_target
from windbg_ext.errors import UsageError
from windbg_ext.interface.registry import COMMANDS
from windbg_ext.interface.status import DONE, INTERRUPTED, INTERRUPTION, status_of
from windbg_ext.render.document import Document, Links, Section

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LOG = "windbg-ext.log"
INTERNAL_ERROR = 70
"""A fault of this program: EX_SOFTWARE of sysexits.h."""

BATCH_SCRIPT = "batch.wds"


def main() -> None:
    """Run the bang command that the user typed. For a batch script, print the exit status, too."""
    attach()
    console = DebuggerConsole()
    status = _status(console)
    if script_name() == BATCH_SCRIPT:
        console.write(f"windbg-ext: exit status {status}")


def _status(console: DebuggerConsole) -> int:
    try:
        return status_of(lambda: run(arguments(), console), console)
    except SystemExit:  # pykd raises it for Ctrl+Break
        console.complain(INTERRUPTION)
        return INTERRUPTED
    except Exception as error:
        console.complain(f"internal error ({type(error).__name__}), please report it with {_log(error)}")
        return INTERNAL_ERROR


def run(words: Sequence[str], console: DebuggerConsole) -> int:
    """Run a command, given its name and its arguments, and return the exit status."""
    commands = {command.name: command for command in COMMANDS}
    name, *given = words or [""]
    if name not in commands:
        raise UsageError(f"{name!r} is not one of {', '.join(commands)}: load the aliases that windbg-setup wrote")
    command = commands[name]
    parser = BangParser(command)
    if asks_for_help(given):
        console.write(parser.format_help().rstrip())
        return DONE
    machine = DebuggedMachine(dump_path())
    # a command that only takes facts needs no target: a running machine has none, but its facts can be read
    session: Callable[[], object] = session_target if command.add_session_facts is None else _no_target
    options = parser.parse(given, machine.open_dump, session)
    as_json = getattr(options, "json", False)
    typed = () if command.add_session_facts is None else command.add_session_facts(options, machine)
    if typed and not as_json:
        console.write(f"Taken from this session: {' '.join(typed)}\n")
    status = command.run(options, console)
    if not as_json:
        ours = set() if machine.open_dump is not None else {f"!{other}" for other in commands}  # they need a file
        suggested = tuple(suggestion for suggestion in command.next if suggestion not in ours)
        if suggested:
            console.write("")
            console.show(Document((Section("", (Links("Next", suggested),)),)))
    return status


def _no_target() -> None:
    """Return what a command reads that only takes facts of the session."""


def _log(error: Exception) -> str:
    """Write an error's traceback to the log and return its path."""
    path = Path(tempfile.gettempdir(), LOG)
    try:
        with path.open("a", encoding="utf-8", errors="backslashreplace") as log:
            log.write("".join(traceback.format_exception(type(error), error, error.__traceback__)))
    except OSError as refused:
        return f"what you did: {path} cannot be written ({refused.strerror})"
    return str(path)
