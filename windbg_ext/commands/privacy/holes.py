"""Data blocks of a small dump with holes in them, and the windows that a hole takes along."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from windbg_ext.commands.privacy.kept import merged, without
from windbg_ext.dump.small import BlockExtent
from windbg_ext.dump.small_file import DataBlock
from windbg_ext.memory.blocks import without_overlaps
from windbg_ext.memory.paging import PAGE_SIZE

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


def overlapping(windows: Sequence[Span], span: Span) -> list[Span]:
    """Return the windows, in ascending order and each shorter than a page, that hold any of a span."""
    found = []
    for index in range(bisect_left(windows, (span[0] - PAGE_SIZE,)), len(windows)):
        if windows[index][0] >= span[1]:
            break
        if windows[index][1] > span[0]:
            found.append(windows[index])
    return found
