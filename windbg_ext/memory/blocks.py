"""The virtual memory that a small dump holds: its data blocks, its stack and its debugger data block."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from typing import TYPE_CHECKING

from windbg_ext.dump.small import BlockExtent
from windbg_ext.errors import NotInDumpError
from windbg_ext.limits import MAX_PIECES
from windbg_ext.memory.virtual import Piece
from windbg_ext.sources import read_field
from windbg_ext.structs.layouts import LAYOUTS64

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from windbg_ext.limits import Budget
    from windbg_ext.sources import Source
    from windbg_ext.structs.layouts import Layouts


class BlockMemory:
    """Extents of virtual memory in a file; where two overlap, the one that starts last wins."""

    def __init__(
        self,
        source: Source,
        extents: Iterable[BlockExtent],
        layouts: Layouts = LAYOUTS64,
        budget: Budget | None = None,
    ) -> None:
        """budget: which each piece that is read draws on, None: any number of them is right."""
        self._budget = budget
        self.layouts = layouts
        self._mask = layouts.address_mask
        self._source = source
        self._given = extents

    @cached_property
    def _extents(self) -> list[BlockExtent]:
        return list(without_overlaps(self._given))  # when it is first read: dumpkind of small dumps never does

    @cached_property
    def _starts(self) -> list[int]:
        return [extent.address for extent in self._extents]

    def read(self, address: int, length: int) -> bytes:
        """Read exactly `length` bytes. Raise NotInDumpError where the first missing byte is."""
        pieces = []
        at = address = address & self._mask
        for piece in self.present(address, length):
            if piece.address != at:
                break
            pieces.append(piece.data)
            at += len(piece.data)
        if at != address + length:
            raise NotInDumpError(at)
        return b"".join(pieces)

    def present(self, address: int, length: int) -> Iterator[Piece]:
        """Yield what the blocks hold between address and address + length, in ascending order."""
        address &= self._mask
        end = address + length
        for index in range(max(0, bisect_right(self._starts, address) - 1), len(self._extents)):
            extent = self._extents[index]
            if extent.address >= end:
                return
            start, upto = max(address, extent.address), min(end, extent.address + extent.size)
            if start < upto:
                if self._budget is not None:
                    self._budget.draw(MAX_PIECES, 1, "data blocks")
                at = extent.offset + start - extent.address
                yield Piece(start, read_field(self._source, "data block", at, upto - start))


def without_overlaps(extents: Iterable[BlockExtent]) -> Iterator[BlockExtent]:
    """Cut extents so that each address is in one of them, that which started last; addresses rise."""
    begun: list[BlockExtent] = []
    at = 0
    for extent in (*sorted(extents, key=lambda extent: extent.address), None):
        while begun and (extent is None or at < extent.address):
            latest = begun[-1]
            end = latest.address + latest.size
            if end <= at:
                begun.pop()
                continue
            upto = end if extent is None else min(end, extent.address)
            yield BlockExtent(at, latest.offset + at - latest.address, upto - at)
            at = upto
        if extent is not None:
            at = extent.address
            begun.append(extent)
