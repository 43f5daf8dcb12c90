"""From arguments to an exit status: 0 done, 1 the answer is no, 2 wrong use, 3 the dump cannot be read."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from windbg_ext.cli import dumpkind, minify, pagefilefit, windbg_setup
from windbg_ext.cli.console import Terminal, drop_output
from windbg_ext.errors import DumpError, UsageError
from windbg_ext.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

DONE, NO, WRONG_USE, UNREADABLE, INTERRUPTED = 0, 1, 2, 3, 130
INTERRUPTION = "interrupted; nothing was left behind"

COMMANDS = (dumpkind, minify, pagefilefit)
"""What the command line and the debugger both have."""


class HelpFormatter(argparse.HelpFormatter):
    """Finds the width of the terminal as argparse does, but without shutil, which it would import for every option."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_terminal_width() - 2)


def _terminal_width() -> int:
    try:
        return int(os.environ["COLUMNS"]) or 80
    except (KeyError, ValueError):
        pass
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or 80  # type: ignore[union-attr]  # None: see below
    except (AttributeError, ValueError, OSError):  # no standard output, a closed one, no terminal
        return 80


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="windbg-ext",
        formatter_class=HelpFormatter,
        description="Small memory dumps out of large Windows kernel crash dumps.",
        epilog="Exit status: 0 done, 1 the answer is no, 2 wrong use, 3 a file cannot be read or written.",
    )
    parser.add_argument("--version", action="version", version=f"windbg-ext {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in (*COMMANDS, windbg_setup):
        sub = commands.add_parser(
            command.NAME, help=command.SUMMARY, description=command.DESCRIPTION, formatter_class=HelpFormatter
        )
        command.add_options(sub)
        if hasattr(command, "add_command_line_options"):
            command.add_command_line_options(sub)
        sub.set_defaults(run=command.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a path may hold what the terminal cannot show
            stream.reconfigure(errors="backslashreplace")
    try:
        status = _run(arguments, Terminal())
        if sys.stdout is not None:  # a process without it: pythonw, >&-
            sys.stdout.flush()
    except BrokenPipeError:  # the reader of --help has gone
        drop_output()
        return DONE
    return status


def _run(arguments: Sequence[str] | None, console: Terminal) -> int:
    try:
        options = build_parser().parse_args(arguments)
        with _terminable():
            return int(options.run(options, console))
    except SystemExit as leaving:  # after --help, --version and wrong use
        return int(leaving.code or DONE)
    except UsageError as error:
        console.complain(str(error))
        return WRONG_USE
    except DumpError as error:
        console.complain(str(error))
        return UNREADABLE
    except KeyboardInterrupt as interruption:
        console.complain(f"interrupted; {interruption}" if interruption.args else INTERRUPTION)
        return INTERRUPTED


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Let a request to end (SIGTERM, a closed terminal) unwind like Ctrl+C, so that no temporary file stays behind."""

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = {}
    for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores it for us
            with contextlib.suppress(ValueError):  # not the main thread: whoever runs us there handles signals
                before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
