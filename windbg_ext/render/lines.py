"""A line of text as pieces that keep what each of them means, so that a writer with links can use it, too."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from windbg_ext.render.document import (
    Address,
    Answer,
    Code,
    DumpFile,
    FileCommand,
    ModuleName,
    Reference,
    ShellCommand,
    Span,
    WebPage,
    WrittenFile,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from windbg_ext.render.document import Inline

MAX_TEXT = 2000
"""Characters of any other text, such as a note or a title: more than fills a window."""
ELLIPSIS = "..."

Piece = tuple[str, Span]
"""What is shown, and what it means: the same string where it means nothing but itself."""
Line = tuple[Piece, ...]


def text_of(inline: Inline) -> str:
    """Return what is shown of a text, as one line."""
    return shown(line_of(inline))


def plain(text: str) -> str:
    """Make text from a dump or a path safe to print: letters stay, whatever moves the cursor or the text is escaped.

    Unicode counts control characters, marks of the direction, what has no width, other blanks than the usual one, line
    ends, surrogates and what is not assigned as not printable.
    """
    return UNUSUAL.sub(_escaped, text)


UNUSUAL = re.compile("[^ -~]+")


def _escaped(found: re.Match[str]) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in found[0])


def shortened(text: str, longest: int) -> str:
    """Return a text of at most `longest` characters: what is too long loses its middle."""
    if len(text) <= longest:
        return text
    half = (longest - len(ELLIPSIS)) // 2
    return f"{text[:half]}{ELLIPSIS}{text[-half:]}"


def in_pieces(lines: Iterable[Line], longest: int) -> Iterator[Line]:
    """Yield the lines, each with its end, in pieces of at most `longest` characters.

    A piece ends between lines, unless a line is too long itself. What has a meaning is divided only if it is
    longer than a piece.
    """
    piece: list[Piece] = []
    room = longest
    for line in lines:
        if sum(len(text) for text, _ in line) >= room:
            if piece:
                yield tuple(piece)
            piece, room = [], longest
        for text, span in (*line, same("\n")):
            parts = [(text, span)]
            if len(text) > longest:
                parts = [same(text[start : start + longest]) for start in range(0, len(text), longest)]
            for part in parts:
                if len(part[0]) > room:
                    yield tuple(piece)
                    piece, room = [], longest
                piece.append(part)
                room -= len(part[0])
    if piece:
        yield tuple(piece)


def verbatim(text: str) -> Iterator[Line]:
    """Yield the lines of a text that is shown as it is."""
    return ((same(line),) for line in text.split("\n"))


def shown(line: Line) -> str:
    """Return the text of a line or of a piece of a document."""
    return "".join([text for text, _ in line])


def same(text: str) -> Piece:
    """Return a piece that means nothing but itself."""
    return text, text


def _piece(span: Span) -> Piece:
    if isinstance(span, str):
        return same(plain(span))
    if isinstance(span, Address):
        return f"0x{span.value:0{span.digits}x}", span
    if isinstance(span, Code):
        return (
            f"0x{span.address:0{span.digits}x}" if span.module is None else f"{plain(span.module)}+0x{span.offset:x}"
        ), span
    if isinstance(span, ModuleName):
        return plain(span.name), span
    if isinstance(span, DumpFile):
        return plain(span.shown), span
    if isinstance(span, FileCommand):
        return plain(on_file(span)), span
    if isinstance(span, ShellCommand):
        return f"> {plain(span.text)}", span
    if isinstance(span, WrittenFile):
        return plain(span.path), span
    if isinstance(span, WebPage):
        return f"{span.title}: {span.address}", span
    if isinstance(span, Reference):
        return f" [{span.number}]", span
    return plain(span.text), span


def on_file(span: FileCommand) -> str:
    """Return a command on a file as the debugger takes it: `.opendump` reads all up to a semicolon, or a string."""
    path = span.path
    if span.command.startswith("!"):
        path = f'"{path}"' if " " in path or ";" in path else path
    elif ";" in path:
        path = '"{}"'.format(path.replace("\\", "\\\\"))
    return f"{span.command} {path}{span.then}"


def line_of(inline: Inline) -> Line:
    """Return a text as a line, safe to print."""
    return tuple(map(_piece, inline))


def short_line(inline: Inline, longest: int) -> Line:
    """Return a text as a line that has lost its middle if it is too long."""
    line = line_of(inline)
    length = len(shown(line))
    if length <= longest:
        return line
    half = (longest - len(ELLIPSIS)) // 2
    return (*_cut(line, 0, half), same(ELLIPSIS), *_cut(line, length - half, length))


def _cut(line: Line, start: int, end: int) -> Iterator[Piece]:
    """Yield the pieces of a line from one character to another; one that is divided is no link any more."""
    at = 0
    for text, span in line:
        part = text[max(0, start - at) : max(0, end - at)]
        if part:
            yield (part, span) if part == text or isinstance(span, Answer) else same(part)
        at += len(text)


def trimmed(pieces: list[Piece]) -> Line:
    """Return a line without the blanks at its end."""
    while pieces and not pieces[-1][0].strip():
        pieces.pop()
    if pieces and pieces[-1][0].endswith(" "):
        pieces[-1] = same(pieces[-1][0].rstrip())
    return tuple(pieces)


def wrapped(line: Line, width: int, *, whole: bool = True) -> Iterator[Line]:
    """Yield a text in lines of at most `width` characters. whole: words stay whole, such as names of settings."""
    import textwrap

    text, at = shown(line), 0
    for part in textwrap.wrap(text, max(1, width), break_on_hyphens=False, break_long_words=not whole):
        at = text.index(part, at)
        yield tuple(_cut(line, at, at + len(part)))
