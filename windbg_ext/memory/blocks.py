"""The virtual memory that a small dump holds: its data blocks, its stack and its debugger data block."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from windbg_ext.errors import NotInDumpError
from windbg_ext.memory.virtual import Piece

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from windbg_ext.dump.file import DumpFile
    from windbg_ext.dump.small import BlockExtent


class BlockMemory:
    """Extents of virtual memory in a file; where two overlap, the one that starts last wins."""

    def __init__(self, file: DumpFile, extents: Iterable[BlockExtent]) -> None:
        self._file = file
        self._extents = sorted((extent for extent in extents if extent.size), key=lambda extent: extent.address)
        self._starts = [extent.address for extent in self._extents]
        self._longest = max((extent.size for extent in self._extents), default=0)

    def read(self, address: int, length: int) -> bytes:
        """Read exactly `length` bytes; NotInDumpError where the first missing byte is."""
        pieces = []
        at = address
        for piece in self.present(address, length):
            if piece.address != at:
                break
            pieces.append(piece.data)
            at += len(piece.data)
        if at != address + length:
            raise NotInDumpError(at)
        return b"".join(pieces)

    def present(self, address: int, length: int) -> Iterator[Piece]:
        """Give what the blocks hold between address and address + length, addresses rising."""
        at, end = address, address + length
        while at < end:
            extent = self._covering(at)
            if extent is None:
                index = bisect_right(self._starts, at)
                if index == len(self._starts) or self._starts[index] >= end:
                    return
                at = self._starts[index]
                continue
            skip = at - extent.address
            upto = min(end, extent.address + extent.size)
            yield Piece(at, self._file.read_field("data block", extent.offset + skip, upto - at))
            at = upto

    def _covering(self, address: int) -> BlockExtent | None:
        index = bisect_right(self._starts, address) - 1
        while index >= 0 and self._starts[index] + self._longest > address:
            extent = self._extents[index]
            if address < extent.address + extent.size:
                return extent
            index -= 1
        return None
