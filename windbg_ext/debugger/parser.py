"""The options of a command in the debugger's style: `/o` like `-o`, and the open dump if no dump is named."""

from __future__ import annotations

import argparse
import re
from functools import partial
from typing import TYPE_CHECKING, Callable, NoReturn

from windbg_ext.errors import UsageError
from windbg_ext.interface.command import Argument
from windbg_ext.interface.keywords import examples_text, keywords

if TYPE_CHECKING:
    from collections.abc import Sequence

    from windbg_ext.interface.command import Command, Option

HELP_SWITCHES = ("-?", "/?", "-h", "/h", "-help", "/help", "--help")
HELP_EPILOG = """\
Without a source, the open dump is meant. Switches begin with / or -. Text and paths with blanks go in quotes.
"""
WIDTH = 100
"""Characters of a line of help: argparse asks the system for the width of a window that it does not know."""


class BangParser(argparse.ArgumentParser):
    """Parses what follows a bang command. Wrong use raises UsageError and does not end the process.

    `--size` may be written `-size` or `/size`, and a short `-o` may be written `/o`. All positional arguments are
    optional; those that are given fill the last ones: `!minify DESTINATION`, `!minify SOURCE DESTINATION`.
    """

    def __init__(self, command: Command) -> None:
        super().__init__(
            prog=f"!{command.name}",
            usage=_usage(command),
            formatter_class=partial(argparse.HelpFormatter, width=WIDTH),
            description=command.description,
            epilog=HELP_EPILOG,
            prefix_chars="-/",
            add_help=False,
            allow_abbrev=False,
        )
        self._command = command
        self._positional: list[str] = []
        self._reads_sessions = command.reads_sessions
        for option in command.options:
            if isinstance(option, Argument):
                self._add_positional(option)
            elif option.command_line_only:
                self.set_defaults(**{option.dest: None})
            else:
                self._add_switch(option)

    def _add_positional(self, argument: Argument) -> None:
        self._positional.append(argument.name)
        self.add_argument(argument.name, **keywords(argument._replace(required=False)))

    def _add_switch(self, option: Option) -> None:
        plain = [name.lstrip("-") for name in option.names]
        spellings = dict.fromkeys((*(f"/{name}" for name in plain), *(f"-{name}" for name in plain), *option.names))
        declared = keywords(option)
        if option.alone:
            declared.update(nargs="?", const=option.alone)
        action = self.add_argument(*spellings, dest=option.dest, **declared)
        action.option_strings = [spelling for spelling in spellings if spelling.startswith("/")]  # what the help shows

    def error(self, message: str) -> NoReturn:
        """Raise the message as a UsageError."""
        raise UsageError(f"{self.prog}: {message}; {self.prog} -? shows how it is used")

    def _unknown(self, word: str) -> str:
        """Return what is wrong with a switch, and what to type here where it is one of `.dump`."""
        for pattern, instead in self._command.habits:
            if re.fullmatch(pattern, word[1:], re.IGNORECASE):
                return f"{word} is a switch of .dump: type {self.prog} FILE here, {instead}"
        return f"there is no switch {word}"

    def format_help(self) -> str:
        """Return the help, with examples."""
        return f"{super().format_help()}{examples_text(self.prog, self._command.bang_examples)}"

    def parse(
        self, arguments: Sequence[str], open_dump: str | None, session: Callable[[], object]
    ) -> argparse.Namespace:
        """Parse the arguments. If they name no dump, use `open_dump`, the path of the dump in the session.

        session: returns what the command reads if the session has no dump file. Raise UsageError for wrong use, and for
        a command that reads only files if there is none.
        """
        known = self._option_string_actions
        arguments = [word.replace("/", "\\") if word.startswith("//") else word for word in arguments]  # on a share
        spelled = [word.lower() if word[:1] in ("/", "-") and word.lower() in known else word for word in arguments]
        for word in spelled:
            if re.fullmatch(r"[-/]\w+", word) and word not in known:
                self.error(self._unknown(word))
        options = self.parse_args(spelled)
        dump, *others = self._positional
        if others and getattr(options, others[-1]) is None:
            setattr(options, others[-1], getattr(options, dump))
            setattr(options, dump, None)
        if not getattr(options, dump):
            if open_dump is None and not self._reads_sessions:
                self.error("this session has no dump file here: name one")
            source = session() if open_dump is None else open_dump
            setattr(options, dump, [source] if isinstance(getattr(options, dump), list) else source)
        return options


def _usage(command: Command) -> str:
    """Return how a command is used: the last argument is the one that stands alone."""
    names = [option.metavar or option.name for option in command.options if isinstance(option, Argument)]
    several = any(isinstance(option, Argument) and option.several for option in command.options)
    first = f"!{command.name} [switches] [{names[-1]}{' ...' if several else ''}]"
    return " or ".join((first, *([f"!{command.name} [switches] {' '.join(names)}"] if len(names) > 1 else [])))


def asks_for_help(arguments: Sequence[str]) -> bool:
    """Tell whether the user asks for help."""
    return any(argument.lower() in HELP_SWITCHES for argument in arguments)
