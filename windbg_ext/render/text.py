"""A document as text in letters of one width."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.render.document import (
    Answer,
    Bars,
    Command,
    Facts,
    Headline,
    Links,
    MemoryMap,
    Notes,
    ShellCommand,
    Span,
    Steps,
    Table,
)
from windbg_ext.render.figures import megabytes, size
from windbg_ext.render.lines import MAX_TEXT, line_of, same, short_line, shown, wrapped
from windbg_ext.render.text_tables import GAP, in_columns, table_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.render.document import Block, Document
    from windbg_ext.render.lines import Line

WIDTH = 110
"""Characters of a line of text that flows; tables may be wider."""
MIN_WIDTH = 40
"""Characters of a narrow window, for which nothing is made narrower any more."""
INDENT = "  "
BAR = 40
"""Characters of a bar of full length."""
PAGE_SIZE = 4096
"""Bytes of a page, on x86, x64 and ARM64 alike."""

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


def lines(document: Document, width: int | None = None) -> Iterator[Line]:
    """Yield the lines of the document; an empty one is between sections. width: as for `write_text`."""
    window = None if width is None else max(width, MIN_WIDTH)
    for number, section in enumerate(document.sections):
        if number:
            yield ()
        if section.title:
            yield short_line((section.title,), MAX_TEXT)
        for block in section.blocks:
            # the marks of a list stand where other blocks are indented
            indent = INDENT if section.title and not isinstance(block, Steps) else ""
            room = None if window is None else window - len(indent)
            for line in _block_lines(block, room, min(WIDTH, window or WIDTH) - len(indent)):
                yield (same(indent), *line)


def _block_lines(block: Block, width: int | None, flowing: int) -> Iterator[Line]:
    """Yield the lines of a block. width: of the window, None if it has any; flowing: of texts that go on below."""
    if isinstance(block, Headline):
        return wrapped(short_line((block.answer,), MAX_TEXT), flowing)
    if isinstance(block, Facts):
        return in_columns([(line_of((label,)), short_line(value, MAX_TEXT)) for label, value in block.rows])
    if isinstance(block, Table):
        return table_lines(block, width, flowing)
    if isinstance(block, Notes):
        return _note_lines(block, width)
    if isinstance(block, Steps):
        return _step_lines(block, flowing)
    if isinstance(block, Bars):
        return (line_of((line,)) for line in _bar_lines(block))
    if isinstance(block, MemoryMap):
        return _map_lines(block)
    return _link_lines(block)


def _note_lines(notes: Notes, width: int | None) -> Iterator[Line]:
    """Yield a line for each note; one without a label goes on below where the window ends."""
    for label, text in notes.rows:
        line = short_line((f"{label}: ", text) if label else (text,), MAX_TEXT)
        yield from (line,) if label or width is None else wrapped(line, width)


def _step_lines(block: Steps, width: int) -> Iterator[Line]:
    for text, details in block.steps:
        mark = "- "
        for line in wrapped(short_line((text,), MAX_TEXT), width - len(mark)):
            yield (same(mark), *line)
            mark = " " * len(mark)
        for detail in details:
            command = isinstance(detail[0], ShellCommand)  # which is of no use if it is not whole
            yield (same(INDENT * 2), *(line_of(detail) if command else short_line(detail, MAX_TEXT)))


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
    missing = "" if memory.missing is None else f", {memory.missing - memory.cut:,} pages of RAM left out"
    missing += f", {memory.cut:,} cut off" if memory.cut else ""
    scale = size(memory.pages_per_slice * PAGE_SIZE)
    yield line_of((f"Physical memory: {memory.present:,} pages in the file{missing}; a character is {scale}",))
    strip = "".join(_mark(present, ram, memory.pages_per_slice) for present, ram in memory.slices)
    yield line_of((f"{INDENT}[{strip}]  # all, + some, . left out, blank no RAM",))
    runs = [(line_of((f"page frame 0x{base:x}",)), line_of((f"{pages:,} of RAM",))) for base, pages in memory.runs]
    yield from ((same(INDENT), *line) for line in in_columns(runs))


def _mark(present: int, ram: int, pages: int) -> str:
    """Return the character for a slice of memory; where no RAM is known of, all of it may be."""
    if present:
        return "#" if present >= (ram or pages) else "+"
    return "." if ram else " "


def _link_lines(links: Links) -> Iterator[Line]:
    spans: list[Span] = [f"{links.label}:"]
    for number, command in enumerate(links.commands):
        spans += [GAP if number else " ", Command(command) if isinstance(command, str) else command]
    yield line_of(tuple(spans))
