"""Virtual memory in which some bytes are known better than where it is read from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.memory.virtual import Piece

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.memory.virtual import VirtualMemory


class OverlaidMemory:
    """Memory with other bytes at an address, as far as there is memory."""

    def __init__(self, memory: VirtualMemory, address: int, data: bytes) -> None:
        self.layouts = memory.layouts
        self._memory = memory
        self._start, self._end = address, address + len(data)
        self._data = data

    def read(self, address: int, length: int) -> bytes:
        """Read exactly `length` bytes. Raise the errors of the memory below where some are missing."""
        return self._laid_over(address, self._memory.read(address, length))

    def present(self, address: int, length: int) -> Iterator[Piece]:
        """Yield what can be read between address and address + length, in pieces in ascending order."""
        for piece in self._memory.present(address, length):
            yield Piece(piece.address, self._laid_over(piece.address, piece.data))

    def _laid_over(self, address: int, data: bytes) -> bytes:
        start, end = max(address, self._start), min(address + len(data), self._end)
        if start >= end:
            return data
        known = self._data[start - self._start : end - self._start]
        return data[: start - address] + known + data[end - address :]
