"""The options of a command in the debugger's manner: `/o` like `-o`, and the open dump where no dump is named."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Any, Callable, NoReturn, Protocol

from windbg_ext.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from windbg_ext.cli.console import Console

HELP_SWITCHES = ("-?", "/?", "-h", "/h", "-help", "/help", "--help")
HELP_EPILOG = """\
Without a source, the open dump is meant. Switches begin with / or -. Text and paths with blanks go in quotes.
"""


class Command(Protocol):
    """A module of this package: one command, its options and how it is run."""

    @property
    def NAME(self) -> str:  # noqa: N802 - a module's constant
        """What the user types."""

    @property
    def DESCRIPTION(self) -> str:  # noqa: N802 - a module's constant
        """What the command does."""

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options; the first positional one names the dump to read."""

    def run(self, options: argparse.Namespace, console: Console) -> int:
        """Do it; gives the exit status."""


class BangParser(argparse.ArgumentParser):
    """Reads what follows a bang command. Wrong use is a UsageError instead of the end of the process.

    `--size` is also `-size`, `/size`, and a short `-o` is also `/o`. The positional arguments may all be left out; what
    is given fills them from the last one: `!minify DESTINATION`, `!minify SOURCE DESTINATION`.
    """

    def __init__(self, command: Command) -> None:
        super().__init__(
            prog=f"!{command.NAME}",
            description=command.DESCRIPTION,
            epilog=HELP_EPILOG,
            prefix_chars="-/",
            add_help=False,
            allow_abbrev=False,
        )
        self._positional: list[str] = []
        self._reads_sessions = getattr(command, "READS_SESSIONS", False)
        command.add_options(self)

    def add_argument(self, *names: Any, **declared: Any) -> argparse.Action:  # as argparse declares it
        """Declare an option of the command line with all its spellings here, or an argument that may be left out."""
        if not names[0].startswith("-"):
            declared["nargs"] = "*" if declared.get("nargs") in ("+", "*") else "?"
            self._positional.append(names[0])
            return super().add_argument(*names, **declared)
        plain = [name.lstrip("-") for name in names]
        spellings = dict.fromkeys((*(f"/{name}" for name in plain), *(f"-{name}" for name in plain), *names))
        action = super().add_argument(*spellings, **declared)
        action.option_strings = [spelling for spelling in spellings if spelling.startswith("/")]  # what the help shows
        return action

    def error(self, message: str) -> NoReturn:
        """Raise the message as a UsageError."""
        raise UsageError(f"{self.prog}: {message}; {self.prog} -? shows how it is used")

    def parse(
        self, arguments: Sequence[str], open_dump: str | None, session: Callable[[], object]
    ) -> argparse.Namespace:
        """Read the arguments. What to read, if it is not named, is `open_dump`, the path of the dump in the session.

        session: gives the session as a target where there is no dump; UsageError for a command that reads files only.
        """
        known = self._option_string_actions
        arguments = [word.replace("/", "\\") if word.startswith("//") else word for word in arguments]  # on a share
        spelled = [word.lower() if word[:1] == "/" and word.lower() in known else word for word in arguments]
        for word in spelled:
            if re.fullmatch(r"/\w+", word) and word not in known:
                self.error(f"there is no switch {word}")
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


def asks_for_help(arguments: Sequence[str]) -> bool:
    """Tell whether the user wants to see how a command is used."""
    return any(argument.lower() in HELP_SWITCHES for argument in arguments)
