"""Examples on the pages of README and manual: what is typed, and what the page shows as output.

A code block that begins with "$ " is a terminal. Commands are windbg-ext and `echo $?`. A line of three dots matches
any lines. Standard error comes after standard output.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, NamedTuple

from windbg_ext.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

TERMINAL = re.compile(r"^```\n(\$ [^`]*)^```$", re.MULTILINE)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANY_LINES = re.compile(r"^\.\.\.\n", re.MULTILINE)


class Example(NamedTuple):
    """A terminal on a page: commands, each with the output on the page."""

    page: str
    commands: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        """Return its page and its first command."""
        return f"{self.page}: {self.commands[0][0]}"


def terminals(page: str, text: str) -> list[Example]:
    """Find the terminals on a page."""
    return [Example(page, tuple(_commands(block))) for block in TERMINAL.findall(text)]


def _commands(block: str) -> list[tuple[str, str]]:
    parts = re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2]))


def scripts(text: str) -> list[str]:
    """Find the Python scripts on a page."""
    return PYTHON.findall(text)


def check(example: Example, capsys: pytest.CaptureFixture[str]) -> None:
    """Run the commands of an example in the current folder and compare what they print with what the page shows."""
    status = 0
    for command, shown in example.commands:
        program, *arguments = shlex.split(command)
        if program == "echo":
            printed = f"{status}\n"
        else:
            assert program == "windbg-ext", command
            status = main(arguments)
            out, err = capsys.readouterr()
            printed = "".join(f"{line.rstrip()}\n" for line in (out + err).splitlines())
        pattern = "(?:.*\n)*?".join(re.escape(part) for part in ANY_LINES.split(shown))
        assert re.fullmatch(pattern, printed), f"{command}\n{printed}"


def names_in(text: str) -> set[str]:
    """Return the words that a page has between backticks, including code blocks."""
    code = re.findall(r"`+([^`]+)`+", text)
    return {word for piece in code for word in re.findall(r"--?[A-Za-z][\w-]*|[A-Za-z_]\w*", piece)}


def json_keys(document: object) -> set[str]:
    """Collect the keys of a JSON document at every depth."""
    if isinstance(document, dict):
        return set(document).union(*map(json_keys, document.values()))
    if isinstance(document, list):
        return set().union(*map(json_keys, document))
    return set()


def pages_below(folder: Path) -> dict[str, str]:
    """Read the Markdown pages of a folder and its subfolders, by their paths."""
    found = sorted(folder.rglob("*.md"))
    return {path.relative_to(folder.parent).as_posix(): path.read_text(encoding="utf-8") for path in found}
