"""A document as text in letters of one width.

The layout keeps what each piece of a line means, so that a writer with links (`dml`) can use it too.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TYPE_CHECKING

from windbg_ext.render.document import (
    Address,
    Answer,
    Bars,
    Code,
    Column,
    Command,
    DumpFile,
    Facts,
    FileCommand,
    Headline,
    Links,
    MemoryMap,
    ModuleName,
    Notes,
    Reference,
    ShellCommand,
    Span,
    Steps,
    Table,
    WebPage,
    WrittenFile,
)
from windbg_ext.render.figures import megabytes, size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from windbg_ext.render.document import Block, Document, Inline

WIDTH = 110
"""Characters of a line of text that flows; tables may be wider."""
MIN_WIDTH = 40
"""Characters of a narrow window, for which nothing is made narrower any more."""
MIN_LAST = 24
"""Characters of the last column that a line has at least room for, or other columns are left out."""
MAX_CELL = 260
"""Characters of a cell of a table, which makes its whole column as wide: MAX_PATH, the longest path that most programs
for Windows take. A longer text is cut in its middle; JSON and CSV have all of it."""
MAX_TEXT = 2000
"""Characters of any other text, such as a note or a title: more than fills a window."""
ELLIPSIS = "..."
INDENT = "  "
GAP = "  "
BAR = 40
"""Characters of a bar of full length."""
PAGE_SIZE = 4096
"""Bytes of a page, on x86, x64 and ARM64 alike."""

Piece = tuple[str, Span]
"""What is shown, and what it means: the same string where it means nothing but itself."""
Line = tuple[Piece, ...]

COLOURS = {True: "\x1b[32m", False: "\x1b[31m", None: "\x1b[33m"}
"""Of an answer that is good, bad or neither, as ECMA-48 (SGR) has them: green, red, yellow."""
NO_COLOUR = "\x1b[0m"


def write_text(document: Document, width: int | None = None, *, colour: bool = False) -> str:
    """Return the document as lines of text, without an end behind the last one.

    width: characters of a line, None: as many as tables take. colour: with the codes of a terminal for verdicts.
    """
    return "\n".join(map(coloured if colour else shown, lines(document, width)))


def coloured(line: Line) -> str:
    """Return the text of a line, its verdicts in colours."""
    return "".join(
        f"{COLOURS[span.good]}{text}{NO_COLOUR}" if isinstance(span, Answer) else text for text, span in line
    )


def text_of(inline: Inline) -> str:
    """Return what is shown of a text, as one line."""
    return shown(_line(inline))


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


def lines(document: Document, width: int | None = None) -> Iterator[Line]:
    """Yield the lines of the document; an empty one is between sections. width: as for `write_text`."""
    window = None if width is None else max(width, MIN_WIDTH)
    for number, section in enumerate(document.sections):
        if number:
            yield ()
        if section.title:
            yield _short((section.title,), MAX_TEXT)
        for block in section.blocks:
            # the marks of a list stand where other blocks are indented
            indent = INDENT if section.title and not isinstance(block, Steps) else ""
            room = None if window is None else window - len(indent)
            for line in _block_lines(block, room, min(WIDTH, window or WIDTH) - len(indent)):
                yield (_same(indent), *line)


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
        for text, span in (*line, _same("\n")):
            parts = [(text, span)]
            if len(text) > longest:
                parts = [_same(text[start : start + longest]) for start in range(0, len(text), longest)]
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
    return ((_same(line),) for line in text.split("\n"))


def shown(line: Line) -> str:
    """Return the text of a line or of a piece of a document."""
    return "".join([text for text, _ in line])


def _same(text: str) -> Piece:
    return text, text


def _piece(span: Span) -> Piece:
    if isinstance(span, str):
        return _same(plain(span))
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


def _line(inline: Inline) -> Line:
    return tuple(map(_piece, inline))


def _short(inline: Inline, longest: int) -> Line:
    """Return a text as a line that has lost its middle if it is too long."""
    line = _line(inline)
    length = len(shown(line))
    if length <= longest:
        return line
    half = (longest - len(ELLIPSIS)) // 2
    return (*_cut(line, 0, half), _same(ELLIPSIS), *_cut(line, length - half, length))


def _cut(line: Line, start: int, end: int) -> Iterator[Piece]:
    """Yield the pieces of a line from one character to another; one that is divided is no link any more."""
    at = 0
    for text, span in line:
        part = text[max(0, start - at) : max(0, end - at)]
        if part:
            yield (part, span) if part == text or isinstance(span, Answer) else _same(part)
        at += len(text)


def _trimmed(pieces: list[Piece]) -> Line:
    """Return a line without the blanks at its end."""
    while pieces and not pieces[-1][0].strip():
        pieces.pop()
    if pieces and pieces[-1][0].endswith(" "):
        pieces[-1] = _same(pieces[-1][0].rstrip())
    return tuple(pieces)


def _wrapped(line: Line, width: int, *, whole: bool = True) -> Iterator[Line]:
    """Yield a text in lines of at most `width` characters. whole: words stay whole, such as names of settings."""
    import textwrap

    text, at = shown(line), 0
    for part in textwrap.wrap(text, max(1, width), break_on_hyphens=False, break_long_words=not whole):
        at = text.index(part, at)
        yield tuple(_cut(line, at, at + len(part)))


def _block_lines(block: Block, width: int | None, flowing: int) -> Iterator[Line]:
    """Yield the lines of a block. width: of the window, None if it has any; flowing: of texts that go on below."""
    if isinstance(block, Headline):
        return _wrapped(_short((block.answer,), MAX_TEXT), flowing)
    if isinstance(block, Facts):
        return _in_columns([(_line((label,)), _short(value, MAX_TEXT)) for label, value in block.rows])
    if isinstance(block, Table):
        return _table_lines(block, width, flowing)
    if isinstance(block, Notes):
        return _note_lines(block, width)
    if isinstance(block, Steps):
        return _step_lines(block, flowing)
    if isinstance(block, Bars):
        return (_line((line,)) for line in _bar_lines(block))
    if isinstance(block, MemoryMap):
        return _map_lines(block)
    return _link_lines(block)


def _note_lines(notes: Notes, width: int | None) -> Iterator[Line]:
    """Yield a line for each note; one without a label goes on below where the window ends."""
    for label, text in notes.rows:
        line = _short((f"{label}: ", text) if label else (text,), MAX_TEXT)
        yield from (line,) if label or width is None else _wrapped(line, width)


def _table_lines(table: Table, width: int | None, flowing: int) -> Iterator[Line]:
    if table.flowing:
        return _flowing_lines(table, flowing)
    if table.compact and width is not None and any(column.rank for column in table.columns):
        return _fitted_lines(table, width)
    rows = [tuple([_short(cell, MAX_CELL) for cell in row]) for row in table.rows]
    if table.compact:
        return _in_columns([*_head(rows, table.columns), *rows])
    return _drawn_lines(rows, table.columns) if table.columns else _in_columns(rows)


def _head(rows: Sequence[Sequence[Line]], columns: Sequence[Column]) -> Iterator[Sequence[Line]]:
    """Yield the headers and the rule below them."""
    headers = [_line((column.header,)) for column in columns]
    yield headers
    yield [(_same("-" * max(len(shown(cell)) for cell in column)),) for column in zip(headers, *rows)]


def _in_columns(rows: Sequence[Sequence[Line]]) -> Iterator[Line]:
    """Yield rows whose cells begin in line. Not by tabulate: its import takes longer than `dumpkind` of most dumps."""
    lengths = [[len(shown(cell)) for cell in row] for row in rows]
    widths = [max(column) for column in zip(*lengths)]
    for row, taken in zip(rows, lengths):
        pieces: list[Piece] = []
        for cell, length, width in zip(row, taken, widths):
            pieces += cell
            pieces.append(_same(" " * (width - length) + GAP))
        yield _trimmed(pieces)


def _fitted_lines(table: Table, width: int) -> Iterator[Line]:
    """Yield a table with as many of its columns as fit a line; the texts of the last one may take several."""
    longest = max(MIN_LAST, width // 3)
    last = len(table.columns) - 1
    rows = [
        [_short(cell, MAX_TEXT if place == last else longest) for place, cell in enumerate(row)] for row in table.rows
    ]
    widths = [
        max(len(column.header), *(len(shown(row[place])) for row in rows)) if rows else len(column.header)
        for place, column in enumerate(table.columns)
    ]
    widths[last] = min(widths[last], MIN_LAST)
    kept = list(range(len(table.columns)))
    while sum(widths[place] + len(GAP) for place in kept) - len(GAP) > width:
        least = max(kept, key=lambda place: table.columns[place].rank)
        if not table.columns[least].rank:
            break
        kept.remove(least)
    room = max(MIN_LAST, width - sum(widths[place] + len(GAP) for place in kept if place != last))
    drawn: list[Sequence[Line]] = []
    for row in rows:
        texts = list(_wrapped(row[last], room, whole=False)) or [()] if last in kept else [()]
        for number, text in enumerate(texts):
            start = [() if number else row[place] for place in kept if place != last]
            drawn.append([*start, text] if last in kept else start)
    yield from _in_columns([*_head(drawn, [table.columns[place] for place in kept]), *drawn])


def _padded(row: Sequence[Line], columns: Sequence[Column]) -> Iterator[Piece]:
    """Yield the pieces of the cells, each as wide as its column and with the gap behind it."""
    for cell, column in zip(row, columns):
        blanks = _same(" " * ((column.width or 0) - len(shown(cell))))
        yield from (blanks, *cell) if column.right else (*cell, blanks)
        yield _same(GAP)


def _flowing_lines(table: Table, width: int) -> Iterator[Line]:
    for *cells, text in table.rows:
        start = tuple(_padded([_short(cell, MAX_CELL) for cell in cells], table.columns))
        taken = len(shown(start))
        for line in _wrapped(_short(text, MAX_TEXT), width - taken):
            yield (*start, *line)
            start = (_same(" " * taken),)


def _drawn_lines(rows: Sequence[Sequence[Line]], columns: Sequence[Column]) -> Iterator[Line]:
    """Yield a table with headers as tabulate draws it."""
    from tabulate import tabulate  # not for `dumpkind` to wait for, see _in_columns

    header, rule, *drawn = tabulate(
        [[shown(cell) for cell in row] for row in rows],
        headers=[plain(column.header) for column in columns],
        colalign=["right" if column.right else "left" for column in columns],
        disable_numparse=True,
    ).split("\n")
    yield from ((_same(header),), (_same(rule),))
    widths = [len(dashes) for dashes in rule.split(GAP)]
    ends = accumulate(width + len(GAP) for width in widths)
    places = [(end - len(GAP) - width, end - len(GAP)) for width, end in zip(widths, ends)]
    for row, line in zip(rows, drawn):
        yield tuple(_in_place(line, row, columns, places))


def _in_place(
    drawn: str, row: Sequence[Line], columns: Sequence[Column], places: Sequence[tuple[int, int]]
) -> Iterator[Piece]:
    """Yield a drawn row with its cells in the places of their texts, so that they keep their meaning."""
    done = 0
    for cell, column, (start, end) in zip(row, columns, places):
        text = shown(cell)
        if text == text.strip():  # others were drawn without the blanks around them, and stay as drawn
            at = end - len(text) if column.right else start
            yield _same(drawn[done:at])
            yield from cell
            done = at + len(text)
    yield _same(drawn[done:])


def _step_lines(block: Steps, width: int) -> Iterator[Line]:
    for text, details in block.steps:
        mark = "- "
        for line in _wrapped(_short((text,), MAX_TEXT), width - len(mark)):
            yield (_same(mark), *line)
            mark = " " * len(mark)
        for detail in details:
            command = isinstance(detail[0], ShellCommand)  # which is of no use if it is not whole
            yield (_same(INDENT * 2), *(_line(detail) if command else _short(detail, MAX_TEXT)))


def _bar_lines(bars: Bars) -> Iterator[str]:
    """Draw the room, and below it what each kind takes. Room is rounded down and needs up: too little looks like it."""
    label = max(map(len, ("room", *(bar.kind for bar in bars.kinds))))

    def drawn(first_mark: str, first: int | None, second_mark: str, second: int | None, add: int) -> str:
        ends = [min(BAR, max(1, (figure * BAR + add) // bars.scale)) if figure else 0 for figure in (first, second)]
        return f"|{first_mark * ends[0] + second_mark * max(0, ends[1] - ends[0]):{BAR}}|"

    room = drawn("=", bars.now, ">", bars.at_most, 0)
    yield f"{'room':{label}} {room}  = now  > at most; the whole bar is {megabytes(bars.scale)}"
    for bar in bars.kinds:
        yield f"{bar.kind:{label}} {drawn('#', bar.measured, '-', bar.needed, bars.scale - 1)}  {bar.answer.text}"
    yield f"{'':{label}}  # measured on this machine  - needs, by Microsoft's safe figure"


def _map_lines(memory: MemoryMap) -> Iterator[Line]:
    missing = "" if memory.missing is None else f", {memory.missing:,} pages of RAM left out"
    scale = size(memory.pages_per_slice * PAGE_SIZE)
    yield _line((f"Physical memory: {memory.present:,} pages in the file{missing}; a character is {scale}",))
    strip = "".join(_mark(present, ram, memory.pages_per_slice) for present, ram in memory.slices)
    yield _line((f"{INDENT}[{strip}]  # all, + some, . left out, blank no RAM",))
    runs = [(_line((f"page frame 0x{base:x}",)), _line((f"{pages:,} of RAM",))) for base, pages in memory.runs]
    yield from ((_same(INDENT), *line) for line in _in_columns(runs))


def _mark(present: int, ram: int, pages: int) -> str:
    """Return the character for a slice of memory; where no RAM is known of, all of it may be."""
    if present:
        return "#" if present >= (ram or pages) else "+"
    return "." if ram else " "


def _link_lines(links: Links) -> Iterator[Line]:
    spans: list[Span] = [f"{links.label}:"]
    for number, command in enumerate(links.commands):
        spans += [GAP if number else " ", Command(command) if isinstance(command, str) else command]
    yield _line(tuple(spans))
