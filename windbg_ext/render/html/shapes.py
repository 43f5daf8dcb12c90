"""Where the shapes of pictures lie. Across, everything is a share of the width in percent, so that a picture fits a
phone as well as paper; down, and in letters, it is pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.render.figures import megabytes, size
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.render.document import MemoryMap
    from windbg_ext.render.page import AddressMap, AddressRange, FitBars, Parts, Ranking, Timeline

PAGE_SIZE = 4096
MAP_COLUMNS = 64
LEAST = 0.35
"""Percent of the width that what is there at all takes: less could not be seen."""
MAX_LABEL = 305
"""Pixels of a label beside its number: what a phone has room for."""
CAPITAL, THIN, OTHER = 9.0, 4.5, 8.0
THIN_LETTERS = frozenset(" .,:/fijlrt")
"""Pixels of a letter of 13 pixels in DejaVu Sans, which is as wide as any system's font: of most, rounded up."""


class Box(NamedTuple):
    """A rectangle. kind: its class; tip: what a pointer over it shows."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    tip: str


class Label(NamedTuple):
    """A text. anchor: start, middle or end."""

    x: float
    y: float
    text: str
    anchor: str = "start"
    kind: str = ""


class Line(NamedTuple):
    """An upright line."""

    x: float
    top: float
    bottom: float
    kind: str


class Drawing(NamedTuple):
    """A picture. height: in pixels."""

    height: float
    boxes: tuple[Box, ...]
    labels: tuple[Label, ...] = ()
    lines: tuple[Line, ...] = ()


def share(part: int, whole: int) -> float:
    """Return a part in percent of a whole, between 0 and 100."""
    return max(0.0, min(100.0, 100 * part / whole)) if whole > 0 else 0.0


def percent(part: int, whole: int) -> str:
    """Return a share as people read it."""
    if not part or not whole:
        return "0 %"
    exact = 100 * part / whole
    return f"{exact:.1f} %" if exact >= 0.1 else "under 0.1 %"


def draw_parts(node: Parts) -> Drawing:
    """Draw the parts of a whole in one bar, to scale: what is smaller than a hair is as wide as a hair."""
    total = max(node.total, sum(part.bytes for part in node.parts))
    boxes, at = [], 0.0
    widths = [max(LEAST, share(part.bytes, total)) for part in node.parts]
    squeeze = min(1.0, 100 / sum(widths)) if widths else 1.0
    for number, (part, width) in enumerate(zip(node.parts, widths)):
        tip = f"{part.name}: {part.bytes:,} bytes, {percent(part.bytes, total)}"
        boxes.append(Box(at, 0, width * squeeze, 44, f"c{number % 12}", tip))
        at += width * squeeze
    return Drawing(44, tuple(boxes))


ROW, CELLS = 46, 22
"""Pixels of a row of the map of memory, and of its cells below the addresses."""


def draw_physical(memory: MemoryMap) -> Drawing:
    """Draw physical memory in rows of equal slices; slices that are all the same are one box."""
    boxes: list[Box] = []
    labels: list[Label] = []
    rows = [memory.slices[at : at + MAP_COLUMNS] for at in range(0, len(memory.slices), MAP_COLUMNS)]
    for number, row in enumerate(rows):
        top, first = number * ROW, number * MAP_COLUMNS
        labels.append(Label(0, top + 13, physical(first * memory.pages_per_slice), kind="mono"))
        end = physical((first + len(row)) * memory.pages_per_slice)
        if len(row) == MAP_COLUMNS:
            labels.append(Label(100, top + 13, end, "end", "mono"))
        boxes += _cells(memory, row, first, top + ROW - CELLS - 5)
    return Drawing(len(rows) * ROW, tuple(boxes), tuple(labels))


def _cells(memory: MemoryMap, row: tuple[tuple[int, int], ...], first: int, top: float) -> Iterator[Box]:
    width, start = 100 / MAP_COLUMNS, 0
    while start < len(row):
        end = start + 1
        while end < len(row) and row[end] == row[start]:
            end += 1
        present, ram = row[start]
        per = memory.pages_per_slice
        where = f"{physical((first + start) * per)} to {physical((first + end) * per)}"
        each = f" in each {size(per * PAGE_SIZE)}" if end - start > 1 else ""
        kind, tip = _state(present, ram, per)
        x, wide = start * width, (end - start) * width
        yield Box(x, top, wide, CELLS, "left" if kind == "some" else kind, f"{where}: {tip}{each}")
        if kind == "some":
            high = max(2.0, CELLS * present / max(present, ram or per))
            yield Box(x, top + CELLS - high, wide, high, "some", f"{where}: {tip}{each}")
        start = end


def _state(present: int, ram: int, pages: int) -> tuple[str, str]:
    if present:
        whole = present >= (ram or pages)
        return "all" if whole else "some", f"{present:,} of {ram:,} pages of RAM are in the dump"
    return ("left", f"{ram:,} pages of RAM were left out") if ram else ("none", "no RAM")


def physical(page_frame: int) -> str:
    """Return the physical address of a page frame."""
    return f"0x{page_frame * PAGE_SIZE:x}"


STRIP = 62


def draw_addresses(node: AddressMap) -> Drawing:
    """Draw a strip of ranges for user mode and one for the kernel: wider where more was saved, with gaps between."""
    boxes: list[Box] = []
    labels: list[Label] = []
    halves = [(name, [found for found in node.ranges if found.user is user]) for name, user in HALVES]
    halves = [(name, ranges) for name, ranges in halves if ranges]
    for number, (name, ranges) in enumerate(halves):
        top = number * STRIP
        amount = sum(found.bytes for found in ranges)
        labels.append(Label(0, top + 13, f"{name}: {size(amount)} in {len(ranges):,} ranges"))
        boxes += _strip(ranges, top + 20)
    return Drawing(len(halves) * STRIP, tuple(boxes), tuple(labels))


HALVES = (("User mode", True), ("Kernel mode", False))
BETWEEN = 0.4


def _strip(ranges: list[AddressRange], top: float) -> Iterator[Box]:
    weights = [found.bytes**0.5 for found in ranges]
    room = 100 - BETWEEN * (len(ranges) - 1)
    at, whole = 0.0, sum(weights)
    for found, weight in zip(ranges, weights):
        wide = room * weight / whole
        tip = f"0x{found.start:x} to 0x{found.end:x}: {found.bytes:,} bytes saved in {found.blocks:,} blocks"
        yield Box(at, top, wide, 32, "left", tip)
        high = max(3.0, 32 * min(1.0, found.bytes / max(1, found.end - found.start)))
        yield Box(at, top + 32 - high, wide, high, "user" if found.user else "all", tip)
        at += wide + BETWEEN


MARK_ROW, FIT_ROW = 18, 44


def draw_fits(node: FitBars) -> Drawing:
    """Draw a bar for each kind, and upright lines with their names above: each name has a row of its own."""
    figures = [mark.bytes for mark in node.marks]
    figures += [figure for fit in node.fits for figure in (fit.needs, fit.floor, fit.measured) if figure]
    scale = max(figures, default=0) or 1
    # the lines begin at their names: in this order, hardly any name is crossed by another's line
    left = sorted((mark for mark in node.marks if 2 * mark.bytes <= scale), key=lambda mark: mark.bytes)
    right = sorted((mark for mark in node.marks if 2 * mark.bytes > scale), key=lambda mark: -mark.bytes)
    marks = [*left, *right]
    top = len(marks) * MARK_ROW + 6
    height = top + len(node.fits) * FIT_ROW
    labels, lines = [], []
    for number, mark in enumerate(marks):
        x = share(mark.bytes, scale)
        y = number * MARK_ROW + 13
        anchor, aside = ("start", 0.8) if x < 33 else ("end", -0.8) if x > 67 else ("middle", 0.0)
        labels.append(Label(x + aside, y, f"{mark.name} {megabytes(mark.bytes)}", anchor))
        lines.append(Line(min(x, 99.9), y + 4 if anchor == "middle" else y - 11, height, mark.kind))
    boxes: list[Box] = []
    for number, fit in enumerate(node.fits):
        y = top + number * FIT_ROW
        labels.append(Label(0, y + 14, f"{fit.kind}{' (set)' if fit.chosen else ''}: {fit.answer.text}", kind="strong"))
        boxes.append(Box(0, y + 20, 100, 14, "track", ""))
        sizes = (("needs", "safe", fit.needs), ("floor", "floor", fit.floor), ("measured", "measured", fit.measured))
        for style, name, figure in sizes:
            if figure:
                inset = 3 if style == "floor" else 0
                wide = max(LEAST, share(figure, scale))
                boxes.append(
                    Box(0, y + 20 + inset, wide, 14 - 2 * inset, style, f"{fit.kind}, {name}: {megabytes(figure)}")
                )
    return Drawing(height, tuple(boxes), tuple(labels), tuple(lines))


TIMELINE = 150


def draw_timeline(node: Timeline) -> Drawing:
    """Draw a bar for each step of time."""
    most = max((bucket.crashes for bucket in node.buckets), default=0) or 1
    floor, top, steps = TIMELINE - 22, 20, len(node.buckets)
    wide = 100 / max(1, steps)
    boxes = []
    for number, bucket in enumerate(node.buckets):
        if bucket.crashes:
            high = max(2.0, (floor - top) * bucket.crashes / most)
            tip = f"{bucket.label}: {bucket.crashes:,}"
            gap = min(0.3, wide / 8)
            boxes.append(Box(number * wide + gap, floor - high, min(wide - 2 * gap, 6.0), high, "bar", tip))
    labels = [Label(0, 13, f"most in a {node.step}: {most:,}")]
    if node.buckets:
        labels.append(Label(0, TIMELINE - 5, node.buckets[0].label))
    if steps > 1:
        labels.append(Label(100, TIMELINE - 5, node.buckets[-1].label, "end"))
    return Drawing(TIMELINE, tuple(boxes), tuple(labels))


RANK = 36


def fitted(name: str) -> str:
    """Return a name that is cut where it would be wider than a label may be."""
    room = float(MAX_LABEL)
    for number, letter in enumerate(name):
        room -= CAPITAL if letter.isupper() else THIN if letter in THIN_LETTERS else OTHER
        if room < 0:
            return f"{name[: number - 2]}..."
    return name


def draw_ranking(node: Ranking) -> Drawing:
    """Draw a bar below each name."""
    most = max((count for _, count in node.rows), default=0) or 1
    boxes, labels = [], []
    for number, (name, count) in enumerate(node.rows):
        top = number * RANK
        tip = f"{name}: {count:,} of {node.total:,}, {percent(count, node.total)}"
        labels.append(Label(0, top + 14, fitted(name)))
        labels.append(Label(100, top + 14, f"{count:,}", "end", "strong"))
        boxes.append(Box(0, top + 20, 100, 8, "track", tip))
        boxes.append(Box(0, top + 20, max(LEAST, share(count, most)), 8, "bar", tip))
    return Drawing(len(node.rows) * RANK, tuple(boxes), tuple(labels))
