"""Copying secondary data: blobs that cannot be read to their end are left out, whatever was written of them before."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from windbg_ext.commands.minify.account import SECONDARY_DATA, LeftOut, Part
from windbg_ext.errors import DumpError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.commands.progress import Progress
    from windbg_ext.kernel import Target

MOST_TOLD = 16
"""Blobs that are told one by one when they are lost."""


class SecondaryCopy:
    """The secondary data of a target on its way into a file. It may have gigabytes, so no blob is read before it is
    written.
    """

    def __init__(self, target: Target, out: BinaryIO, progress: Progress) -> None:
        """out: the file that every piece is written to as soon as it is given."""
        self._target, self._out, self._progress = target, out, progress
        self._lost: list[str] = []
        self._copied = 0

    def pieces(self) -> Iterator[bytes]:
        """Give the chain in pieces; where a blob turns out to be lost, the next piece goes where it began."""
        total = self._target.secondary_size
        for index, blob in enumerate(self._target.secondary_data(), -1):
            start, copied = self._out.tell(), self._copied
            try:
                for piece in blob:
                    yield piece
                    self._copied += len(piece)
                    self._progress("copying secondary data", self._copied, total)
            except DumpError as error:
                self._out.seek(start)
                self._copied = copied
                if index < 0:
                    self._lost.append(error.why)
                    return
                self._lost.append(f"blob {index} {error.why}")

    def left_out(self) -> Iterator[LeftOut]:
        """Tell what was lost."""
        for why in self._lost[:MOST_TOLD]:
            yield LeftOut(SECONDARY_DATA, why)
        if len(self._lost) > MOST_TOLD:
            yield LeftOut(SECONDARY_DATA, f"{len(self._lost) - MOST_TOLD:,} more blobs cannot be read")

    def corrected(self, part: Part) -> Part:
        """Give a part as it is after copying."""
        return replace(part, bytes=self._copied) if part.part == SECONDARY_DATA else part
