"""From a bang command to its report, where pykd runs Python in the debugger.

    as !minify $$>a<C:\\...\\run.wds minify        an alias that runs a script file with arguments
    run.wds:  !py -g C:\\...\\bang.py               which ends up in `main`

Every error is one line in the command window, and the session goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.debugger.command import run_bang
from windbg_ext.debugger.console import DebuggerConsole
from windbg_ext.debugger.machine import DebuggedMachine
from windbg_ext.debugger.overview import LOADED, LOADING, NAME
from windbg_ext.debugger.session import arguments, attach, command, script_name
from windbg_ext.interface.registry import COMMANDS
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class _PykdBang(NamedTuple):
    session: DebuggedMachine
    output: DebuggerConsole
    words: Sequence[str]
    script: str
    works_by: str = "in the debugger, by pykd"


def main() -> None:
    """Run the bang command that the user typed."""
    attach()
    words = arguments()
    if f" {LOADING} .echo " in command("al"):  # what the load script runs next, and says that nothing was loaded
        command(f"aS ${{/v:{LOADING}}} $$ it was")
        words = [NAME, LOADED]
    run_bang(_PykdBang(DebuggedMachine.of_session(), DebuggerConsole(), words, script_name()), COMMANDS)
