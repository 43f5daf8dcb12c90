"""Run a command as in the debugger, whose stand-in prints the markup that it is given: `python as_dml.py WORD...`.

The options are those of the command line, so that every command line can be run with both writers.
"""

from __future__ import annotations

import sys
from types import ModuleType

MAX_OUTPUT = 16 << 10
"""Characters of markup behind which the engine drops the rest."""


class Debugger(ModuleType):
    """pykd, as far as the console needs it."""

    def isWindbgExt(self) -> bool:  # noqa: N802 - the name is pykd's
        return True

    def dprint(self, text: str, dml: bool = False) -> None:
        assert dml
        assert len(text) < MAX_OUTPUT, "the engine drops the rest"
        sys.stdout.write(text)

    def setStatusMessage(self, text: str) -> None:  # noqa: N802 - the name is pykd's
        pass


def main() -> int:
    """Run the command and return its exit status."""
    sys.modules["pykd"] = Debugger("pykd")
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # it is a TextIOWrapper
    from windbg_ext.cli.main import build_parser
    from windbg_ext.debugger.command import BangConsole
    from windbg_ext.debugger.console import DebuggerConsole
    from windbg_ext.interface.status import status_of
    from windbg_ext.render.document import Document, Links, Section

    console = BangConsole(DebuggerConsole(), None)

    def work() -> int:
        options = build_parser(sys.argv[1:]).parse_args()
        return int(options.run(options, console))

    status = status_of(work, console)
    if console.suggested:
        console.show(Document((Section("", (Links("Next", console.suggested),)),)))
    return status


if __name__ == "__main__":
    sys.exit(main())
