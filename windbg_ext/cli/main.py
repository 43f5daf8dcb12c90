"""From arguments to an exit status: 0 done, 1 the answer is no, 2 wrong use, 3 the dump cannot be read."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from windbg_ext.cli.terminal import Terminal, terminal_width
from windbg_ext.errors import UsageError
from windbg_ext.interface.command import Argument
from windbg_ext.interface.keywords import examples_text, keywords
from windbg_ext.interface.status import DONE, status_of
from windbg_ext.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

    from windbg_ext.interface.command import Command


class _Parser(argparse.ArgumentParser):
    """A parser whose help and errors are written like any other report and error. examples: stand below the help."""

    examples: Sequence[tuple[str, str]] = ()

    def format_help(self) -> str:
        """Return the help, with examples."""
        return f"{super().format_help()}{examples_text(self.prog, self.examples)}"

    def _print_message(self, message: str, file: object = None) -> None:
        Terminal().write(message.rstrip("\n"))

    def error(self, message: str) -> NoReturn:
        """Raise the message as a UsageError."""
        raise UsageError(f"{message}; {self.prog} --help shows how it is used")


def build_parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Build the parser of the command line, with those commands and options only that the arguments can lead to.

    Nobody sees the others, and declaring them would delay every start by 2 %.
    """
    formatter = partial(argparse.HelpFormatter, width=terminal_width() - 2)
    parser = _Parser(
        prog="windbg-ext",
        formatter_class=formatter,
        description="Small memory dumps out of large Windows kernel crash dumps.",
        epilog="Exit status: 0 done, 1 the answer is no, 2 wrong use, 3 a file cannot be read or written.",
    )
    parser.add_argument("--version", action="version", version=f"windbg-ext {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in _commands(arguments):
        sub = commands.add_parser(
            command.name, help=command.summary, description=command.description, formatter_class=formatter
        )
        if command.name in arguments:
            _declare_options(sub, command)
            sub.examples = command.examples
        sub.set_defaults(run=command.run)
    return parser


def _commands(arguments: Sequence[str]) -> Sequence[Command]:
    """Return the command that the first argument names; all of them for what lists them, a help or an error."""
    first = arguments[0] if arguments else ""
    if first == "--version":  # the parser ends there
        return ()
    if first == "dumpkind":  # a look at a dump is too short to load the others for it
        from windbg_ext.interface.dumpkind import DUMPKIND

        return (DUMPKIND,)
    from windbg_ext.cli.windbg_setup import WINDBG_SETUP
    from windbg_ext.interface.registry import COMMANDS

    commands = (*COMMANDS, WINDBG_SETUP)
    return [command for command in commands if command.name == first] or commands


def _declare_options(parser: argparse.ArgumentParser, command: Command) -> None:
    groups: dict[str, argparse._MutuallyExclusiveGroup] = {}
    for option in command.options:
        if isinstance(option, Argument):
            parser.add_argument(option.name, **keywords(option))
        elif option.one_of:
            if option.one_of not in groups:
                groups[option.one_of] = parser.add_mutually_exclusive_group()
            groups[option.one_of].add_argument(*option.names, **keywords(option))
        else:
            parser.add_argument(*option.names, **keywords(option))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    if arguments is None:  # worker processes look for no modules in the current folder (CPython 3.11 and later)
        os.environ.setdefault("PYTHONSAFEPATH", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a path may hold what the terminal cannot show
            stream.reconfigure(errors="backslashreplace")
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words[:1] == ["bang"]:  # from a debugger, where switches are others
        from windbg_ext.debugger.shell import main as bang

        return bang(words[1:])
    return _run(words, Terminal())


def _run(words: Sequence[str], console: Terminal) -> int:
    def work() -> int:
        options, unknown = build_parser(words).parse_known_args(words)
        if unknown:  # of which the parser of all commands would only know its own help
            help_of = f"windbg-ext {options.command} --help"
            raise UsageError(f"unrecognized arguments: {' '.join(unknown)}; {help_of} shows how it is used")
        with _terminable():
            return int(options.run(options, console))

    try:
        return status_of(work, console)
    except SystemExit as leaving:  # after --help, --version and wrong use
        return int(leaving.code or DONE)


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
