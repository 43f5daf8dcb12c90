"""The memory that goes into a small dump: pieces that never overlap, within the room that is left in the file."""

from __future__ import annotations

from bisect import bisect_right
from itertools import groupby
from typing import TYPE_CHECKING

from windbg_ext.dump.small import DataBlock

if TYPE_CHECKING:
    from windbg_ext.memory.virtual import Piece


class SavedMemory:
    """Pieces of memory by address. Adding what is there already costs nothing."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._data: dict[int, bytes] = {}

    def missing(self, address: int, length: int) -> list[tuple[int, int]]:
        """Give the (start, end) gaps of an address range that no piece covers."""
        gaps = []
        at, end = address, address + length
        index = max(bisect_right(self._starts, at) - 1, 0)
        while at < end:
            if index == len(self._starts) or self._starts[index] >= end:
                gaps.append((at, end))
                break
            start = self._starts[index]
            if start > at:
                gaps.append((at, start))
            at = max(at, start + len(self._data[start]))
            index += 1
        return gaps

    def add(self, piece: Piece) -> None:
        """Add a piece that lies in a gap."""
        self._starts.insert(bisect_right(self._starts, piece.address), piece.address)
        self._data[piece.address] = piece.data

    def pages(self) -> list[int]:
        """Give the addresses of the pages that hold any of it, rising."""
        pages: dict[int, None] = {}
        for start in self._starts:
            for page in range(start & ~0xFFF, start + len(self._data[start]), 0x1000):
                pages[page] = None
        return list(pages)

    def blocks(self) -> tuple[DataBlock, ...]:
        """Give all of it, pieces that touch merged into one block."""
        merged: list[DataBlock] = []
        run = 0
        keys = []
        for index, start in enumerate(self._starts):
            previous = self._starts[index - 1] if index else 0
            run += not index or previous + len(self._data[previous]) != start
            keys.append((run, start))
        for _, group in groupby(keys, key=lambda key: key[0]):
            starts = [start for _, start in group]
            merged.append(DataBlock(starts[0], b"".join(self._data[start] for start in starts)))
        return tuple(merged)
