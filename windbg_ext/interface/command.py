"""What a command is: data from which the command line, the bang commands, their help and WinDbg's scripts are made.

Every run waits for this module, so the values are named tuples (`dataclasses` takes 7 ms to import) and their
annotations are no strings, each of which a named tuple would compile.
"""

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, Optional, Union

from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.interface.console import Console
    from windbg_ext.interface.session import Session


class Argument(NamedTuple):
    """A value that the user types without a switch. Of a bang command none is required.

    name: the option's name for `run`; help: as argparse takes it, so a percent sign is written `%%`; metavar: what the
    help shows for the value; several: a list of values; required: whether the command line insists on it.
    """

    name: str
    help: str
    metavar: Optional[str] = None
    several: bool = False
    required: bool = False


class Option(NamedTuple):
    """A switch, with or without a value.

    names: its spellings on the command line, as in ("-o", "--overwrite"); help, metavar: as for an argument, and the
    help may show `%(default)s`; action: store a value, append it to a list, or store True; type: reads the value,
    ValueError with what is wrong with it; one_of: of all options with the same word here, one may be given;
    command_line_only: a debugger does not have it, and `run` finds None there; alone: in a debugger, the value of a
    switch that stands alone, "" where it needs one.
    """

    names: tuple[str, ...]
    help: str
    action: Literal["store", "append", "store_true"] = "store"
    type: Callable[[str], object] = str
    default: object = None
    choices: Optional[tuple[str, ...]] = None
    metavar: Optional[str] = None
    one_of: str = ""
    command_line_only: bool = False
    alone: str = ""

    @property
    def dest(self) -> str:
        """Return the option's name for `run`, which argparse makes from the first long spelling."""
        long = (name for name in self.names if name.startswith("--"))
        return next(long, self.names[0]).lstrip("-").replace("-", "_")


class Command(NamedTuple):
    """A command.

    name: what the user types; summary: a few words; description: the help's first paragraph; options: in the order of
    the help, the first argument names the dump to read; run: does it and returns the exit status; examples,
    bang_examples: (what follows the name, what that does) on the command line and in a debugger.

    In a debugger: habits: (a switch of `.dump`, as a pattern; why this command has none); triage: its place in the
    triage script, None if that does not run it; reads_sessions: without a dump file, the session itself is read. Then
    the first argument is the session's `Target` or, where there is `add_session_facts`, None. That function puts what
    the session tells into the options and returns what the user could have typed instead.
    """

    name: str
    summary: str
    description: str
    options: tuple[Union[Argument, Option], ...]
    run: Callable[[argparse.Namespace, "Console"], int]
    examples: tuple[tuple[str, str], ...] = ()
    bang_examples: tuple[tuple[str, str], ...] = ()
    habits: tuple[tuple[str, str], ...] = ()
    triage: Optional[int] = None
    reads_sessions: bool = False
    add_session_facts: Optional[Callable[[argparse.Namespace, "Session"], Sequence[str]]] = None
