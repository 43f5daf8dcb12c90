"""Tables as lines of text: as wide as they are, or fitted into a window."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from windbg_ext.render.lines import MAX_TEXT, line_of, plain, same, short_line, shown, trimmed, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from windbg_ext.render.document import Column, Table
    from windbg_ext.render.lines import Line, Piece

MIN_LAST = 24
"""Characters of the last column that a line has at least room for, or other columns are left out."""
MAX_CELL = 260
"""Characters of a cell of a table, which makes its whole column as wide: MAX_PATH, the longest path that most programs
for Windows take. A longer text is cut in its middle; JSON and CSV have all of it."""
GAP = "  "


def table_lines(table: Table, width: int | None, flowing: int) -> Iterator[Line]:
    """Yield the lines of a table. width: of the window, None if it has any; flowing: of texts that go on below."""
    if table.flowing:
        return _flowing_lines(table, flowing)
    if table.compact and width is not None and any(column.rank for column in table.columns):
        return _fitted_lines(table, width)
    rows = [tuple([short_line(cell, MAX_CELL) for cell in row]) for row in table.rows]
    if table.compact:
        return in_columns([*_head(rows, table.columns), *rows])
    return _drawn_lines(rows, table.columns, width) if table.columns else in_columns(rows)


def _head(rows: Sequence[Sequence[Line]], columns: Sequence[Column]) -> Iterator[Sequence[Line]]:
    """Yield the headers and the rule below them."""
    headers = [line_of((column.header,)) for column in columns]
    yield headers
    yield [(same("-" * max(len(shown(cell)) for cell in column)),) for column in zip(headers, *rows)]


def in_columns(rows: Sequence[Sequence[Line]]) -> Iterator[Line]:
    """Yield rows whose cells begin in line. Not by tabulate: its import takes longer than `dumpkind` of most dumps."""
    lengths = [[len(shown(cell)) for cell in row] for row in rows]
    widths = [max(column) for column in zip(*lengths)]
    for row, taken in zip(rows, lengths):
        pieces: list[Piece] = []
        for cell, length, width in zip(row, taken, widths):
            pieces += cell
            pieces.append(same(" " * (width - length) + GAP))
        yield trimmed(pieces)


def _fitted_lines(table: Table, width: int) -> Iterator[Line]:
    """Yield a table with as many of its columns as fit a line; the texts of the last one may take several."""
    longest = max(MIN_LAST, width // 3)
    last = len(table.columns) - 1
    rows = [
        [short_line(cell, MAX_TEXT if place == last else longest) for place, cell in enumerate(row)]
        for row in table.rows
    ]
    widths = [
        max(len(column.header), *(len(shown(row[place])) for row in rows)) if rows else len(column.header)
        for place, column in enumerate(table.columns)
    ]
    widths[last] = min(widths[last], MIN_LAST)
    kept = _kept(widths, table.columns, width)
    room = max(MIN_LAST, width - sum(widths[place] + len(GAP) for place in kept if place != last))
    drawn: list[Sequence[Line]] = []
    for row in rows:
        texts = list(wrapped(row[last], room, whole=False)) or [()] if last in kept else [()]
        for number, text in enumerate(texts):
            start = [() if number else row[place] for place in kept if place != last]
            drawn.append([*start, text] if last in kept else start)
    yield from in_columns([*_head(drawn, [table.columns[place] for place in kept]), *drawn])


def _kept(widths: Sequence[int], columns: Sequence[Column], width: int) -> list[int]:
    """Return the places of the columns that a line has room for, without those of the highest ranks."""
    kept = list(range(len(columns)))
    while sum(widths[place] + len(GAP) for place in kept) - len(GAP) > width:
        least = max(kept, key=lambda place: columns[place].rank)
        if not columns[least].rank:
            break
        kept.remove(least)
    return kept


def _padded(row: Sequence[Line], columns: Sequence[Column]) -> Iterator[Piece]:
    """Yield the pieces of the cells, each as wide as its column and with the gap behind it."""
    for cell, column in zip(row, columns):
        blanks = same(" " * ((column.width or 0) - len(shown(cell))))
        yield from (blanks, *cell) if column.right else (*cell, blanks)
        yield same(GAP)


def _flowing_lines(table: Table, width: int) -> Iterator[Line]:
    for *cells, text in table.rows:
        start = tuple(_padded([short_line(cell, MAX_CELL) for cell in cells], table.columns))
        taken = len(shown(start))
        if width - taken < max(MIN_LAST, width // 3):  # a narrow window: below the other cells
            yield trimmed(list(start))
            taken = (table.columns[0].width or 0) + len(GAP)
            start = (same(" " * taken),)
        for line in wrapped(short_line(text, MAX_TEXT), width - taken):
            yield (*start, *line)
            start = (same(" " * taken),)


def _drawn_lines(rows: Sequence[Sequence[Line]], columns: Sequence[Column], width: int | None) -> Iterator[Line]:
    """Yield a table with headers as tabulate draws it; a window that is too narrow for that shows what fits."""
    from tabulate import tabulate  # not for `dumpkind` to wait for, see _in_columns

    header, rule, *drawn = tabulate(
        [[shown(cell) for cell in row] for row in rows],
        headers=[plain(column.header) for column in columns],
        colalign=["right" if column.right else "left" for column in columns],
        disable_numparse=True,
    ).split("\n")
    if width is not None and len(rule) > width and any(column.rank for column in columns):
        yield from _narrow_lines(rows, columns, width)
        return
    yield from ((same(header),), (same(rule),))
    widths = [len(dashes) for dashes in rule.split(GAP)]
    ends = accumulate(width + len(GAP) for width in widths)
    places = [(end - len(GAP) - width, end - len(GAP)) for width, end in zip(widths, ends)]
    for row, line in zip(rows, drawn):
        yield tuple(_in_place(line, row, columns, places))


def _narrow_lines(rows: Sequence[Sequence[Line]], columns: Sequence[Column], width: int) -> Iterator[Line]:
    """Yield a table whose columns are as narrow as their cells, and as many of them as fit a line."""
    grid = [[line_of((column.header,)) for column in columns], *rows]
    widths = [max(len(shown(cell)) for cell in cells) for cells in zip(*grid)]
    kept = _kept(widths, columns, width)
    drawn: list[Sequence[Line]] = [[_aligned(row[at], widths[at], columns[at]) for at in kept] for row in grid]
    drawn.insert(1, [(same("-" * widths[at]),) for at in kept])
    yield from in_columns(drawn)


def _aligned(cell: Line, width: int, column: Column) -> Line:
    blanks = width - len(shown(cell))
    return (same(" " * blanks), *cell) if column.right and blanks else cell


def _in_place(
    drawn: str, row: Sequence[Line], columns: Sequence[Column], places: Sequence[tuple[int, int]]
) -> Iterator[Piece]:
    """Yield a drawn row with its cells in the places of their texts, so that they keep their meaning."""
    done = 0
    for cell, column, (start, end) in zip(row, columns, places):
        text = shown(cell)
        if text == text.strip():  # others were drawn without the blanks around them, and stay as drawn
            at = end - len(text) if column.right else start
            yield same(drawn[done:at])
            yield from cell
            done = at + len(text)
    yield same(drawn[done:])
