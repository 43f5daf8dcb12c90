"""Messages name switches and commands as they are typed here: `/size` for `--size`, `!minify` for our own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from windbg_ext.interface.command import Argument
from windbg_ext.render.document import (
    Column,
    Command,
    DumpFile,
    DumpText,
    FileCommand,
    Message,
    ModuleName,
    ShellCommand,
    Table,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Callable

    from windbg_ext.interface.command import Command as BangCommand
    from windbg_ext.interface.command import Option
    from windbg_ext.render.document import Document, Inline

SWITCH = re.compile(r"(?<![\w-])--([a-z][a-z-]*)(?![\w-])")
NOT_OURS = (Column, Command, DumpFile, DumpText, FileCommand, ModuleName, ShellCommand)
"""Nodes whose texts stay as they are."""


class Spelling:
    """How the messages of a command are spelled in a debugger.

    command: the one that runs; commands: all of them; words: what was typed behind it.
    """

    def __init__(self, command: BangCommand, commands: Sequence[BangCommand], words: Sequence[str]) -> None:
        self._switches: dict[str, str] = {}
        for other in (command, *commands):
            for option in other.options:
                if not isinstance(option, Argument) and not option.command_line_only:
                    self._switches.setdefault(option.dest.replace("_", "-"), _spelling(option, words))
        self._names = re.compile(rf"\bwindbg-ext ({'|'.join(re.escape(other.name) for other in commands)})\b")

    def __call__(self, text: str) -> str:
        """Return a message of this program as it is spelled in a debugger."""
        text = SWITCH.sub(lambda found: self._switches.get(found[1], found[0]), text)
        return self._names.sub(lambda found: f"!{found[1]}", text)


def _spelling(option: Option, words: Sequence[str]) -> str:
    """Return a switch as the user typed it, or else its short form with a slash."""
    plain = {name.lstrip("-") for name in option.names}
    typed = (word.partition("=")[0] for word in words if word[:1] in ("/", "-") and word != "-")
    named = next((word for word in typed if word.lstrip("/-").lower() in plain), None)
    return named or "/" + option.names[0].lstrip("-")


def spelled(document: Document, spelling: Callable[[str], str]) -> Document:
    """Return a document with its own texts in a spelling; names, comments and commands stay as they are."""
    return cast("Document", _spelled(document, spelling))


def _spelled(node: object, spelling: Callable[[str], str]) -> object:
    if isinstance(node, str):
        return spelling(node)
    if isinstance(node, Table) and not node.flowing:
        return node._replace(rows=tuple([_with_message(row, spelling) for row in node.rows]))
    if isinstance(node, NOT_OURS) or not isinstance(node, tuple):
        return node
    parts = tuple([_spelled(part, spelling) for part in node])
    return type(node)(*parts) if hasattr(node, "_fields") else parts  # type: ignore[arg-type]  # a named tuple


def _with_message(row: tuple[Inline, ...], spelling: Callable[[str], str]) -> tuple[Inline, ...]:
    """Return a row of a table with the message at its end, if there is one, in a spelling."""
    *cells, last = row or ((),)
    if len(last) == 1 and isinstance(last[0], Message):
        return (*cells, (Message(spelling(last[0].text)),))
    return row
