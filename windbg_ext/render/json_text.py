"""Reports as JSON that every parser takes: RFC 8259, and no text that UTF-8 cannot hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ENCODER = json.JSONEncoder(indent=2)
PIECE = 1 << 16
"""Characters that make a piece, if there are as many."""


def write_json(report: object) -> str:
    """Return a report as JSON, in ASCII.

    Names out of dumps and of files may hold half of a surrogate pair, which many parsers refuse, and then refuse the
    whole report. Such a half becomes the six characters that stand for it, as in \\ud800.
    """
    text = ENCODER.encode(report)
    return ENCODER.encode(_with_whole_characters(report)) if "\\ud" in text else text


def json_pieces(document: Mapping[str, object]) -> Iterator[str]:
    """Yield what `write_json` returns of an object, piece by piece, to be shown on lines of their own.

    A value that is an iterator stands for a list, and yields its items as JSON, one by one.
    """
    lines: list[str] = []
    length = 0
    for line in _lines(document):
        lines.append(line)
        length += len(line)
        if length >= PIECE:
            yield "\n".join(lines)
            lines, length = [], 0
    yield "\n".join(lines)


def _lines(document: Mapping[str, object]) -> Iterator[str]:
    yield "{"
    for number, (name, value) in enumerate(document.items(), 1):
        behind = "," if number < len(document) else ""
        if isinstance(value, Iterator):
            yield from _list(name, value, behind)
        else:
            yield _indented(f"{write_json(name)}: {write_json(value)}{behind}")
    yield "}"


def _list(name: str, items: Iterator[str], behind: str) -> Iterator[str]:
    """Yield a list of an object. An item is known to be the last one only when there is no other."""
    head, last = f"  {write_json(name)}: [", None
    for item in items:
        yield head if last is None else f"{last},"
        last = _indented(item, "    ")
    yield from (f"{head}]{behind}",) if last is None else (last, f"  ]{behind}")


def _indented(text: str, by: str = "  ") -> str:
    return by + text.replace("\n", "\n" + by)  # a line end within a string is escaped


def _with_whole_characters(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_with_whole_characters(key): _with_whole_characters(below) for key, below in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_whole_characters(below) for below in value]
    return value
