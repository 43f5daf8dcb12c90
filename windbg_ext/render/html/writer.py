"""A page as HTML: the templates are filled by Jinja2, which escapes whatever it is not told to leave.

What a table may take of one page is bounded, whatever a dump holds: `Listing.most`.
"""

from __future__ import annotations

import base64
import hashlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from windbg_ext.render.document import Code, ModuleName
from windbg_ext.render.figures import megabytes, size
from windbg_ext.render.html import shapes
from windbg_ext.render.html.spans import Spans, colours_of, tip, visible
from windbg_ext.render.lines import MAX_TEXT, text_of
from windbg_ext.render.page import Catalogue, Fold, Listing
from windbg_ext.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from windbg_ext.render.document import Column, Inline
    from windbg_ext.render.page import Entry, Page, PageBlock, PageSection

MARK = "<!doctype html>\n<!-- a report of windbg-ext -->\n"
"""How every report begins: an older one may be replaced, any other file may not."""
RIGHT = ' class="r"'
LONG = ' class="long"'
MAX_WORD = 36
"""Characters: as long as the names of most bug checks. Words up to there stay whole; longer ones are broken."""
ROOM_FOR_LONG = 12_000
"""Characters that texts longer than a name may take of one page, each of which may be escaped by five."""
ROOM_OF_ENTRY = 4_000
"""The same for each entry of a catalogue: its cells, and the details behind it."""
ROOM_FOR_ROWS = 70_000
"""Bytes of all rows of all tables but a catalogue. With pictures (at most 40 KB), long texts and the style, that is
less than 150 KB."""
MANY = 500
"""Entries of a catalogue that have their details as lists."""
TEMPLATES = Path(__file__).with_name("templates")


def write_html(page: Page) -> Iterator[str]:
    """Yield the page in pieces."""
    catalogues = [block for section in page.sections for block in section.blocks if isinstance(block, Catalogue)]
    style, script = _asset("style.css"), _asset("script.js") if catalogues else ""
    entries = sum(len(found.entries) for found in catalogues)
    spans = Spans(colours_of(_modules(page.sections)), ROOM_FOR_LONG + ROOM_OF_ENTRY * entries)
    template = _environment(spans).get_template("page.html.j2")
    yield MARK
    yield from template.generate(
        page=page,
        version=__version__,
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
    )


def _asset(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8").strip()


def _policy(style: str, script: str) -> str:
    """Return the Content-Security-Policy: nothing at all but this style and, where there is one, this script."""
    parts = ["default-src 'none'", f"style-src {_hash(style)}", "base-uri 'none'", "form-action 'none'"]
    return "; ".join([*parts, f"script-src {_hash(script)}"] if script else parts)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _environment(spans: Spans) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        inline=spans.inline,
        text=spans.text,
        tip=tip,
        visible=visible,
        answer=spans.answer,
        size=size,
        megabytes=megabytes,
        number=_number,
        percent=shapes.percent,
        next=next,
        kind=lambda node: type(node).__name__,
    )
    environment.globals.update(
        rows_of=_Tables(spans).rows,
        page_size=shapes.PAGE_SIZE,
        physical=shapes.physical,
        entries_of=partial(_entries, spans),
        details_of=partial(_details, spans),
        draw_parts=shapes.draw_parts,
        draw_physical=shapes.draw_physical,
        draw_addresses=shapes.draw_addresses,
        draw_fits=shapes.draw_fits,
        draw_timeline=shapes.draw_timeline,
        draw_ranking=shapes.draw_ranking,
        ids=iter(range(1, 1_000_000)),
    )
    return environment


def _number(value: float) -> str:
    """Return a coordinate with no more digits than anybody can see."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _modules(sections: Iterable[PageSection]) -> Iterator[str]:
    """Yield the modules of the lists that are coloured."""
    for section in sections:
        for block in section.blocks:
            yield from _modules_of(block)


def _modules_of(block: PageBlock) -> Iterator[str]:
    if isinstance(block, Fold):
        for inner in block.blocks:
            yield from _modules_of(inner)
    elif isinstance(block, Listing) and block.coloured:
        for row in block.rows:
            for cell in row:
                yield from (span.name for span in cell if isinstance(span, ModuleName))
                yield from (span.module for span in cell if isinstance(span, Code) and span.module is not None)


class _Tables:
    """The tables of a page. Their rows share the room there is, so that a page stays small whatever they hold."""

    def __init__(self, spans: Spans) -> None:
        self._spans = spans
        self._room = ROOM_FOR_ROWS

    def rows(
        self, rows: Sequence[Sequence[Inline]], columns: Sequence[Column], cut: int, most: int
    ) -> tuple[list[Markup], int]:
        """Return the rows of a table as far as they may be shown, and how many are left out. most: bytes for them."""
        shown: list[Markup] = []
        right = [column.right for column in columns] or [False] * max(map(len, rows), default=0)
        for row in rows:
            markup = _row(self._spans, row, right)
            taken = len(markup.encode("utf-8", "backslashreplace"))
            if taken > min(most, self._room):
                break
            shown.append(markup)
            most -= taken
            self._room -= taken
        return shown, len(rows) - len(shown) + cut


def _row(spans: Spans, row: Sequence[Inline], right: Sequence[bool]) -> Markup:
    cells = [
        f"<td{RIGHT if is_right else LONG if _has_long_word(cell) else ''}>{spans.inline(cell)}</td>"  # all is markup
        for cell, is_right in zip(row, right)
    ]
    return Markup(f"<tr>{''.join(cells)}</tr>")


def _has_long_word(cell: Inline) -> bool:
    return any(len(word) > MAX_WORD for word in text_of(cell).split())


def _entries(spans: Spans, catalogue: Catalogue) -> Iterator[Markup]:
    """Yield the rows of a catalogue: the first cell is a link to what the row opens."""
    right = [column.right for column in catalogue.columns]
    for number, entry in enumerate(catalogue.entries, 1):
        cells = [
            f"<td{RIGHT if is_right else ''}{'' if value is None else f' data-v={value:d}'}>{spans.inline(cell)}</td>"
            for cell, value, is_right in zip(entry.cells[1:], entry.values[1:], right[1:])
        ]
        name = f'<td><a href="#d{number}">{spans.inline(entry.cells[0])}</a></td>'
        yield Markup(f"<tr>{name}{''.join(cells)}</tr>\n")


def _details(spans: Spans, catalogue: Catalogue) -> Iterator[Markup]:
    """Yield what the rows of a catalogue open; of very many it is lines of text, since a browser pays for elements."""
    show = _as_list if len(catalogue.entries) <= MANY else _as_lines
    for number, entry in enumerate(catalogue.entries, 1):
        yield Markup(f'<article id="d{number}"><h3>{spans.text(entry.title)}</h3>{show(spans, entry)}</article>\n')


def _as_list(spans: Spans, entry: Entry) -> Markup:
    facts = "".join(
        f"<div><dt>{spans.text(label)}</dt><dd>{spans.inline(value, MAX_TEXT)}</dd></div>"
        for label, value in entry.details
    )
    return Markup(f'<dl class="facts">{facts}</dl>')


def _as_lines(_: Spans, entry: Entry) -> Markup:
    lines = "\n".join([f"{label:12}{text_of(value)}" for label, value in entry.details])
    return Markup(f"<pre>{escape(lines)}</pre>")
