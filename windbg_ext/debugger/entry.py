"""From a bang command to its report: the same command modules that the command line runs.

    as !minify $$>a<C:\\...\\run.wds minify        an alias that runs a script file with arguments
    run.wds:  !py -g C:\\...\\bang.py               which ends up in `main`

Whatever goes wrong is one line in the command window, and the session goes on.
"""

from __future__ import annotations

import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from windbg_ext.cli import pagefilefit
from windbg_ext.cli.bang import BangParser, asks_for_help
from windbg_ext.cli.main import COMMANDS, DONE, INTERRUPTED, INTERRUPTION, UNREADABLE, WRONG_USE
from windbg_ext.debugger.console import DebuggerConsole
from windbg_ext.debugger.paging_files import add_session_facts
from windbg_ext.debugger.session import arguments, attach, dump_path, script_name
from windbg_ext.debugger.target import session_target
from windbg_ext.errors import DumpError, UsageError
from windbg_ext.render.document import Document, Links, Section

if TYPE_CHECKING:
    from collections.abc import Sequence

LOG = "windbg-ext.log"
INTERNAL_ERROR = 70
"""A fault of this program: EX_SOFTWARE of sysexits.h."""

BATCH_SCRIPT = "batch.wds"
NEXT = {
    "dumpkind": ("!analyze -v", "!pagefilefit", "!minify"),
    "pagefilefit": ("!dumpkind", "!minify"),
    "minify": ("!analyze -v", "!dumpkind"),
}
"""What to try after a command."""


def main() -> None:
    """Run the bang command that the debugger was asked for; a batch script is told the exit status, too."""
    attach()
    console = DebuggerConsole()
    status = _status(console)
    if script_name() == BATCH_SCRIPT:
        console.write(f"windbg-ext: exit status {status}")


def _status(console: DebuggerConsole) -> int:
    try:
        return run(arguments(), console)
    except UsageError as error:
        console.complain(str(error))
        return WRONG_USE
    except DumpError as error:
        console.complain(str(error))
        return UNREADABLE
    except KeyboardInterrupt as interruption:
        console.complain(f"interrupted; {interruption}" if interruption.args else INTERRUPTION)
        return INTERRUPTED
    except SystemExit:  # pykd turns Ctrl+Break into the end of the script
        console.complain(INTERRUPTION)
        return INTERRUPTED
    except Exception as error:
        console.complain(f"internal error ({type(error).__name__}), please report it with {_log(error)}")
        return INTERNAL_ERROR


def run(words: Sequence[str], console: DebuggerConsole) -> int:
    """Run a command: its name and its arguments; gives the exit status."""
    commands = {command.NAME: command for command in COMMANDS}
    name, *given = words or [""]
    if name not in commands:
        raise UsageError(f"{name!r} is not one of {', '.join(commands)}: load the aliases that windbg-setup wrote")
    parser = BangParser(commands[name])
    if asks_for_help(given):
        console.write(parser.format_help().rstrip())
        return DONE
    open_dump = dump_path()
    # pagefilefit asks the session itself, for two numbers that also a machine that runs on has
    session = (lambda: None) if commands[name] is pagefilefit else session_target
    options = parser.parse(given, open_dump, session)
    as_json = getattr(options, "json", False)
    typed = add_session_facts(options, open_dump) if commands[name] is pagefilefit else []
    if typed and not as_json:
        console.write(f"Taken from this session: {' '.join(typed)}\n")
    status = int(commands[name].run(options, console))
    if not as_json:
        ours = set() if open_dump is None else {f"!{command}" for command in commands}  # they want a file
        suggested = tuple(command for command in NEXT.get(name, ()) if command in ours or " " in command)
        if suggested:
            console.write("")
            console.show(Document((Section("", (Links("Next", suggested),)),)))
    return status


def _log(error: Exception) -> str:
    """Write down where an error came from; gives the file."""
    path = Path(tempfile.gettempdir(), LOG)
    try:
        with path.open("a", encoding="utf-8", errors="backslashreplace") as log:
            log.write("".join(traceback.format_exception(type(error), error, error.__traceback__)))
    except OSError as refused:
        return f"what you did: {path} cannot be written ({refused.strerror})"
    return str(path)
