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

from windbg_ext.cli.bang import BangParser, asks_for_help
from windbg_ext.cli.main import COMMANDS
from windbg_ext.debugger.console import DebuggerConsole
from windbg_ext.debugger.session import arguments, dump_path
from windbg_ext.errors import DumpError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from windbg_ext.cli.console import Console

LOG = "windbg-ext.log"


def main() -> None:
    """Run the bang command that the debugger was asked for."""
    console = DebuggerConsole()
    try:
        run(arguments(), console)
    except (UsageError, DumpError) as error:
        console.complain(str(error))
    except (KeyboardInterrupt, SystemExit):  # pykd turns Ctrl+Break into the end of the script
        console.complain("interrupted; nothing was left behind")
    except Exception as error:
        console.complain(f"internal error ({type(error).__name__}), please report it with {_log(error)}")


def run(words: Sequence[str], console: Console) -> None:
    """Run a command: its name and its arguments."""
    commands = {command.NAME: command for command in COMMANDS}
    name, *given = words or [""]
    if name not in commands:
        raise UsageError(f"{name!r} is not one of {', '.join(commands)}: load the aliases that windbg-setup wrote")
    parser = BangParser(commands[name])
    if asks_for_help(given):
        console.write(parser.format_help().rstrip())
        return
    options = parser.parse(given, dump_path())
    commands[name].run(options, console)


def _log(error: Exception) -> Path:
    """Write down where an error came from; gives the file."""
    path = Path(tempfile.gettempdir(), LOG)
    with path.open("a", encoding="utf-8", errors="backslashreplace") as log:
        log.write("".join(traceback.format_exception(type(error), error, error.__traceback__)))
    return path
