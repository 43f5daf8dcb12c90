"""Each command on each hostile file, in a process with limits: time, memory, output, exit status, nobody else's files.

The promise: any file, any command, at most 5 seconds of processor time beyond what its honest size needs, 300 MB, one
line, no traceback. `python tests/hostile/table.py` shows the figures of all of them.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hostile_files.case import also, into_catalog
from hostile_files.checks import broken, unexpected
from hostile_files.everything import all_cases
from hostile_files.process import bytes_on_disk, remove, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hostile_files.case import Case, Command

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="holes in files, and memory and bytes written of a process: Linux only"
)


class Folders:
    """The folder of the case that is being run; its files are written once for all of its commands."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self._case: Case | None = None
        self._folder = top

    def of(self, case: Case) -> Path:
        if case is not self._case:
            self.clear()
            self._folder = self._top / "case"
            self._folder.mkdir()
            case.write(self._folder)
            self._case = case
        return self._folder

    def clear(self) -> None:
        if self._case is not None:
            remove(self._folder)
            self._case = None


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folders]:
    folders = Folders(tmp_path_factory.mktemp("hostile"))
    yield folders
    folders.clear()


OF_PERSONS = "what is personal"
TAKE_SECONDS = "archives that swell"
"""The family whose files are large by what they unpack to."""
BY_TURNS = {OF_PERSONS, TAKE_SECONDS, "kernel structures", "pages and page tables"}
"""Families most of whose commands take seconds."""
OF_TEXT = "names and lists"
"""The family of what a report shows as it stands in a file."""
ONE_OF = 8
"""So many of them make one that runs by default."""
VARIED = re.compile(
    r"\([^)]*\)|(?<!\w)b?'.*"  # what stands in brackets or quotes
    r"|\b[A-Z][a-z]+[A-Z]\w*"  # names of fields
    r"|\b(gzip|xz|zstd|zip|CAB)\b|[\d,.^]+"  # archives, numbers
)
"""Where the names of cases differ that are variants of one."""


def _parameters() -> Iterator[object]:
    """Yield each command on each case.

    By default the first command runs on the first of several variants of a case, and on a part of those that take
    seconds; the debugger's writer on those whose text is hostile. All commands on the first of the variants, and one,
    by turns, on each of the others are slow. The rest is only run when it is asked for. The files of some families all
    take seconds, and count as variants of one.
    """
    swelling = 0
    seen = set()
    variants: Counter[tuple[str, str]] = Counter()
    for family, case in all_cases():
        swelling += family == TAKE_SECONDS
        sentence = family, VARIED.sub("", case.name)
        later = case.slow or sentence in seen or (family == TAKE_SECONDS and swelling % ONE_OF > 0)
        if not later:
            seen.add(sentence)
        dml, into = case.in_dml(), None if later else into_catalog(case)
        another = None if later else also(case, len(seen))
        commands = [command for command in (*case.commands, into, dml, another) if command is not None]
        at_once = () if later else (commands[0], dml) if family == OF_TEXT else (commands[0],)
        alike = (family, "") if family in BY_TURNS else sentence
        turn = variants[alike]
        variants[alike] += 1
        for number, command in enumerate(commands):
            name = f"{case.name}: {command}".encode("unicode_escape").decode()
            when = pytest.mark.slow if not turn or number == turn % len(commands) else pytest.mark.exhaustive
            yield pytest.param(case, command, id=name, marks=[] if command in at_once else [when])


@pytest.mark.parametrize(("case", "command"), [*_parameters()])
def test_a_hostile_file_cannot_hold_a_command_up(folders: Folders, case: Case, command: Command) -> None:
    folder = folders.of(case)
    outcome = run(command, folder)
    problems = list(broken(command, outcome, bytes_on_disk(folder)))
    if unexpected(command, outcome):  # the next command is to find the case as it was
        folders.clear()
    assert not problems, "\n".join([f"{case.name}: windbg-ext {command}", *problems])
