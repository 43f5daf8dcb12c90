"""Pieces of text as markup. Whatever a text holds stays text: it is escaped here, and controls are shown as escapes.

This is the one place where markup is put together from strings, because a report of 10,000 dumps has a million pieces;
everything that is not a number or a word of this module goes through `_safe`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from windbg_ext.render.document import (
    Address,
    Answer,
    Code,
    DumpFile,
    DumpText,
    FileCommand,
    Message,
    ModuleName,
    Reference,
    ShellCommand,
    WebPage,
    WrittenFile,
)
from windbg_ext.render.lines import MAX_TEXT, on_file, shortened
from windbg_ext.render.text_tables import MAX_CELL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from windbg_ext.render.document import Inline, Span

MAX_NAME = 80
"""Characters of most names and texts."""
MAX_TIP = 160
"""Characters of a text of a picture."""
COLOURS = 8
"""Colours that modules are told apart by; the next ones have none."""
MARKS = {True: ("good", "\u2713"), False: ("bad", "\u2717"), None: ("open", "?")}
"""The class of a verdict, and a sign for those who do not see its colour."""


def visible(text: str) -> str:
    """Return a text whose control characters, direction marks and halves of characters are shown as escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def tip(text: str) -> str:
    """Return a text for a picture, which is no longer than a line."""
    return shortened(visible(text[:MAX_TEXT]), MAX_TIP)


def _safe(text: str) -> str:
    return str(escape(visible(text)))


class Spans:
    """Texts as markup. colours: the class of each module that is told apart by a colour.

    room: characters that texts longer than MAX_NAME may take; when they are used up, such texts are cut to MAX_NAME
    characters without a tooltip.
    """

    def __init__(self, colours: Mapping[str, int], room: int) -> None:
        self._colours = colours
        self._room = room

    def inline(self, spans: Inline, longest: int = MAX_CELL) -> Markup:
        """Return a text with what its pieces mean."""
        return Markup("".join([self._span(span, longest) for span in spans]))

    def text(self, text: str, longest: int = MAX_TEXT) -> Markup:
        """Return a text as markup. One that is too long loses its middle; a tooltip has up to MAX_TEXT characters."""
        return Markup(self._text(text, longest))

    def _text(self, text: str, longest: int) -> str:
        whole = visible(text[: 2 * MAX_TEXT])
        if len(whole) <= MAX_NAME:
            return str(escape(whole))
        taken = min(len(whole), longest) + (min(len(whole), MAX_TEXT) if len(whole) > longest else 0)
        if taken > self._room:
            return str(escape(shortened(whole, MAX_NAME)))
        self._room -= taken
        if len(whole) <= longest:
            return str(escape(whole))
        return f'<span title="{escape(shortened(whole, MAX_TEXT))}">{escape(shortened(whole, longest))}</span>'

    def _span(self, span: Span, longest: int) -> str:
        if isinstance(span, str):
            return self._text(span, longest)
        if isinstance(span, (DumpText, DumpFile, Message)):
            return self._text(span.shown if isinstance(span, DumpFile) else span.text, longest)
        if isinstance(span, FileCommand):
            return f"<kbd>{_safe(on_file(span))}</kbd>"
        if isinstance(span, Address):
            return f"<code>0x{span.value:0{span.digits}x}</code>"
        if isinstance(span, ModuleName):
            return self._module(span.name, longest)
        if isinstance(span, Code):
            if span.module is None:
                return f"<code>0x{span.address:x}</code>"
            return f"{self._module(span.module, longest)}<code>+0x{span.offset:x}</code>"
        if isinstance(span, Answer):
            return str(self.answer(span))
        if isinstance(span, WebPage):
            return f'<a href="{_safe(span.address)}" rel="noreferrer noopener">{_safe(span.title)}</a>'
        if isinstance(span, Reference):
            return f'<sup><a href="#f{span.number:d}" aria-label="Source {span.number:d}">{span.number:d}</a></sup>'
        if isinstance(span, ShellCommand):
            return f'<kbd class="shell">{_safe(span.text)}</kbd>'  # of no use if it is not whole
        return f"<kbd>{_safe(span.path if isinstance(span, WrittenFile) else span.text)}</kbd>"

    def answer(self, span: Answer) -> Markup:
        """Return a verdict with its sign."""
        name, sign = MARKS[span.good]
        text = self._text(span.text, MAX_TEXT)
        return Markup(f'<span class="answer {name}"><b aria-hidden="true">{sign}</b> {text}</span>')

    def _module(self, name: str, longest: int) -> str:
        colour = self._colours.get(name)
        dot = "" if colour is None else f'<i class="dot c{colour}"></i>'
        return f"{dot}{self._text(name, longest)}"


def colours_of(names: Iterable[str]) -> dict[str, int]:
    """Return a colour for each module, in the order in which they come first; those after COLOURS have none."""
    found: dict[str, int] = {}
    for name in names:
        if name not in found:
            found[name] = len(found)
            if len(found) == COLOURS:
                break
    return found
