"""Data blocks of a small dump with holes in them, and the windows that a hole takes along."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

from windbg_ext.commands.privacy.kept import merged, without
from windbg_ext.dump.small import BlockExtent
from windbg_ext.dump.small_file import DataBlock
from windbg_ext.memory.blocks import without_overlaps

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from windbg_ext.commands.privacy.kept import Span

ROOM = 1 << 32
"""More than a block has bytes."""


def in_order(blocks: Sequence[DataBlock]) -> tuple[DataBlock, ...]:
    """Return blocks in ascending order, each address in one of them, as `BlockMemory` reads them."""
    extents = [BlockExtent(block.address, ROOM * index, len(block.data)) for index, block in enumerate(blocks)]

    def piece(extent: BlockExtent) -> DataBlock:
        index, start = divmod(extent.offset, ROOM)
        return DataBlock(extent.address, blocks[index].data[start : start + extent.size])

    return tuple(map(piece, without_overlaps(extents)))


def without_spans(blocks: Iterable[DataBlock], cuts: Sequence[Span]) -> Iterable[DataBlock]:
    """Yield what is left of blocks outside of some spans."""
    for block in blocks:
        for start, end in without((block.address, block.address + len(block.data)), cuts):
            yield DataBlock(start, block.data[start - block.address : end - block.address])


def with_block(blocks: Sequence[DataBlock], more: DataBlock) -> tuple[DataBlock, ...]:
    """Return blocks, with what they do not have yet of one more."""
    spans = merged((block.address, block.address + len(block.data)) for block in blocks)
    gaps = without((more.address, more.address + len(more.data)), spans)
    new = [DataBlock(start, more.data[start - more.address : end - more.address]) for start, end in gaps]
    return tuple(sorted([*blocks, *new]))


class Windows:
    """Windows of memory in any order, of which many may be at one place."""

    def __init__(self, windows: Sequence[Span]) -> None:
        ascending = sorted(windows)
        by_end = sorted(windows, key=lambda span: span[1])
        self._starts, self._ends = [start for start, _ in ascending], [end for _, end in by_end]
        self._reach = list(accumulate((end for _, end in ascending), max))
        """For each start: the highest end of the windows up to there."""
        self._begin = list(accumulate((start for start, _ in reversed(by_end)), min))[::-1]
        """For each end: the lowest start of the windows from there on."""

    def around(self, span: Span) -> Span:
        """Return a span with all windows that hold any of it."""
        (start, end), (lowest, highest) = span, span
        begun = bisect_left(self._starts, end)
        if begun and self._reach[begun - 1] > start:
            highest = max(end, self._reach[begun - 1])
        index = bisect_right(self._ends, start)
        if index < len(self._ends) and self._begin[index] < end:
            lowest = min(start, self._begin[index])
        return lowest, highest
