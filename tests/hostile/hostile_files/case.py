"""What a hostile file is for the tests: a sentence, a function that writes it, and the commands to run on it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    from pathlib import Path

MB = 1 << 20

DUMP = "MEMORY.DMP"
"""The usual name of the hostile file in the folder of its case."""
REPORT = "report.html"
SMALL = "small.dmp"
"""The usual destination."""


@dataclass(frozen=True)
class Command:
    """A command line, and what must come of it.

    arguments: behind `windbg-ext`, to be run in the folder of the case; statuses: the exit statuses that are right;
    field: a word that the line on standard error must have, if there is one; never: words that no output may have;
    writes: names of the files that may be new afterwards; standard_input, standard_output, standard_error: a file to
    connect instead of the usual ones; longest_line, largest_output: characters and bytes of standard output; written:
    bytes that it may write in all, reports and temporary files included; seconds, peak_mb: what it may take; dml: it
    is run with the debugger's writer, which has one place for reports and complaints; environment: further variables.
    """

    arguments: tuple[str, ...]
    statuses: tuple[int, ...]
    field: str = ""
    never: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    standard_input: str = "/dev/null"
    standard_output: str = ""
    standard_error: str = ""
    longest_line: int = 4_000
    largest_output: int = 16 * MB
    written: int = 256 * MB
    seconds: float = 5.0
    peak_mb: int = 300
    dml: bool = False
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def json(self) -> bool:
        """Whether it is asked for JSON."""
        return "--json" in self.arguments

    def __str__(self) -> str:
        """Return the command line, cut where it is itself hostile."""
        shown = " ".join(ascii(word)[1:-1] for word in (*self.arguments, *["(DML)"] * self.dml))
        return shown if len(shown) <= 60 else shown[:57] + "..."


@dataclass(frozen=True)
class Case:
    """A hostile file. name: a sentence; write: makes it in an empty folder; slow: takes seconds to write or to read."""

    name: str
    write: Callable[[Path], None]
    commands: tuple[Command, ...]
    slow: bool = False

    def in_dml(self) -> Command | None:
        """Return the first command that reports to people, with all details, as a debugger runs it."""
        for command in self.commands:
            redirected = command.standard_output or command.standard_error
            if (
                command.arguments
                and not redirected
                and not {"--json", "--csv", "--help", "--version"} & set(command.arguments)
            ):
                name, *others = command.arguments
                details = ["-v"] if name == "dumpkind" and "-v" not in others else []
                return replace(command, arguments=(name, *details, *others), dml=True)
        return None


def into_catalog(case: Case) -> Command | None:
    """Return the command that takes the file of a case into a catalogue; None for a case that is not one dump."""
    first = case.commands[0]
    if first.arguments[:1] != ("dumpkind",) or DUMP not in first.arguments:
        return None
    arguments = ("dumpkind", DUMP, "--catalog", "fleet.db", "--jobs", "1")
    return Command(arguments, (0, 1), writes=("fleet.db",), seconds=first.seconds, peak_mb=first.peak_mb)


ALSO = (
    ("dumpkind", "--privacy", "-v"),
    ("minify", "--scrub", "--salvage", "--size", "1G"),
    ("dumpkind", "--symbols", "--json"),
    ("minify", "--html", REPORT),
)


def also(case: Case, turn: int) -> Command | None:
    """Return one of the commands that most families do not name, by turns; None for a case that is not one dump."""
    if not any(DUMP in command.arguments for command in case.commands):
        return None
    first, words = case.commands[0], ALSO[turn % len(ALSO)]
    destination = (SMALL,) * (words[0] == "minify")
    return Command(
        (*words, DUMP, *destination), (0, 1, 3), writes=(SMALL, REPORT), seconds=first.seconds, peak_mb=first.peak_mb
    )


def dumpkind(*statuses: int, field: str = "", **more: object) -> Command:
    """Return `dumpkind MEMORY.DMP`."""
    return replace(Command(("dumpkind", DUMP), statuses, field), **more)  # type: ignore[arg-type]  # its own fields


def dumpkind_json(*statuses: int, **more: object) -> Command:
    """Return `dumpkind -v --json MEMORY.DMP`."""
    return replace(Command(("dumpkind", "-v", "--json", DUMP), statuses), **more)  # type: ignore[arg-type]


def dumpkind_text(*statuses: int, **more: object) -> Command:
    """Return `dumpkind -v MEMORY.DMP`."""
    return replace(Command(("dumpkind", "-v", DUMP), statuses), **more)  # type: ignore[arg-type]


def dumpkind_html(*statuses: int, **more: object) -> Command:
    """Return `dumpkind --html report.html MEMORY.DMP`. A page of one dump has at most 150 KB."""
    command = Command(("dumpkind", "--html", REPORT, DUMP), statuses, writes=(REPORT,), written=1 * MB)
    return replace(command, **more)  # type: ignore[arg-type]


def minify(*statuses: int, field: str = "", **more: object) -> Command:
    """Return `minify MEMORY.DMP small.dmp`."""
    command = Command(("minify", DUMP, SMALL), statuses, field, writes=(SMALL,))
    return replace(command, **more)  # type: ignore[arg-type]


def salvage(*statuses: int, **more: object) -> Command:
    """Return `minify --salvage --json MEMORY.DMP small.dmp`."""
    command = Command(("minify", "--salvage", "--json", DUMP, SMALL), statuses, writes=(SMALL,))
    return replace(command, **more)  # type: ignore[arg-type]


def large(*statuses: int, **more: object) -> Command:
    """Return `minify --salvage --size 1G MEMORY.DMP small.dmp`."""
    command = Command(("minify", "--salvage", "--size", "1G", DUMP, SMALL), statuses, writes=(SMALL,))
    return replace(command, **more)  # type: ignore[arg-type]


def privacy(*statuses: int, **more: object) -> Command:
    """Return `dumpkind --privacy --json MEMORY.DMP`."""
    return replace(Command(("dumpkind", "--privacy", "--json", DUMP), statuses), **more)  # type: ignore[arg-type]


def scrub(*statuses: int, **more: object) -> Command:
    """Return `minify --scrub MEMORY.DMP small.dmp`."""
    command = Command(("minify", "--scrub", DUMP, SMALL), statuses, writes=(SMALL,))
    return replace(command, **more)  # type: ignore[arg-type]


def pagefilefit(*statuses: int, field: str = "", **more: object) -> Command:
    """Return `pagefilefit --ram 16G MEMORY.DMP`."""
    command = Command(("pagefilefit", "--ram", "16G", DUMP), statuses, field)
    return replace(command, **more)  # type: ignore[arg-type]


def hive(*statuses: int, field: str = "", **more: object) -> Command:
    """Return `pagefilefit --ram 16G --system-hive SYSTEM`."""
    command = Command(("pagefilefit", "--ram", "16G", "--system-hive", "SYSTEM"), statuses, field)
    return replace(command, **more)  # type: ignore[arg-type]


def hive_json(*statuses: int, **more: object) -> Command:
    """Return `pagefilefit --json --ram 16G --system-hive SYSTEM`."""
    command = Command(("pagefilefit", "--json", "--ram", "16G", "--system-hive", "SYSTEM"), statuses)
    return replace(command, **more)  # type: ignore[arg-type]


UNREADABLE_SMALL = (dumpkind(1), dumpkind_json(1), dumpkind_html(1), minify(3), pagefilefit(0, 3))
"""A small dump whose parts lie: `dumpkind` says so, `minify` takes no small dump in any case."""
ANY_LARGE = (
    *(dumpkind(0, 1), dumpkind_json(0, 1), dumpkind_html(0, 1)),
    *(minify(0, 1, 3), salvage(0, 1, 3), pagefilefit(0, 1, 3)),
)
"""A large dump whose header is right: `dumpkind` reports, the others may refuse what they meet."""
