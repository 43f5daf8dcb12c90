"""Temporary files: one for what is unpacked, and what is wrong where there is no room."""

from __future__ import annotations

import os
from itertools import groupby
from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError
from windbg_ext.limits import MAX_TEMPORARY
from windbg_ext.sources.source import read_at

if TYPE_CHECKING:
    from windbg_ext.limits import Budget

MAX_PIECE = 1 << 20
"""Bytes that are unpacked at once."""
PAGE = 0x1000
ZEROS = bytes(MAX_PIECE + PAGE)


class TemporaryFile:
    """A file that nobody else sees and that is gone when it is closed, or when this process ends.

    Pages of zeros become holes where the file system has such; the others draw on the budget. size: bytes; flushed: as
    many of them can be read.
    """

    def __init__(self, budget: Budget, expected: int) -> None:
        self.size = self.flushed = 0
        self._budget = budget
        self._rest = b""
        import tempfile

        try:
            self._file = tempfile.TemporaryFile(prefix="windbg-ext-", buffering=0)  # noqa: SIM115 - it stays open
        except OSError as error:
            raise no_room(f"cannot be used ({error.strerror or error})", expected) from None

    def append(self, piece: bytes) -> None:
        """Write a piece behind the others, but for the last page that is not whole yet."""
        data = self._rest + piece
        whole = len(data) - len(data) % PAGE
        self._write(data[:whole], self.size - len(self._rest))
        self._rest = data[whole:]
        self.size += len(piece)

    def flush(self) -> None:
        """Write the page that is not whole."""
        self._write(self._rest, self.size - len(self._rest))
        self._file.truncate(self.size)
        self.flushed = self.size

    def read(self, offset: int, length: int) -> bytes:
        """Read up to `length` bytes from `offset` of what was flushed."""
        return read_at(self._file, offset, length, self.size)

    def close(self) -> None:
        """Remove the file."""
        self._file.close()

    def _write(self, data: bytes, at: int) -> None:
        if data == ZEROS[: len(data)]:
            return
        pages = range(0, len(data), PAGE)
        for zero, places in groupby(
            pages, key=lambda page: data[page : page + PAGE] == ZEROS[: len(data) - page][:PAGE]
        ):
            if not zero:
                run = list(places)
                piece = memoryview(data)[run[0] : run[-1] + PAGE]
                self._budget.draw(MAX_TEMPORARY, len(piece), "temporary file")
                self._file.seek(at + run[0])
                while len(piece):
                    piece = piece[self._file.write(piece) :]


def check_room(size: int) -> None:
    """Raise DumpError where the folder for temporary files has too little room for so many bytes."""
    import shutil
    import tempfile

    try:
        free = shutil.disk_usage(tempfile.gettempdir()).free
    except OSError as error:
        raise no_room(f"cannot be used ({error.strerror or error})", size) from None
    if free < size:
        raise no_room(f"has {free:,} bytes free", size)


def no_room(why: str, size: int) -> DumpError:
    """Return the error for a folder for temporary files that cannot take what is unpacked."""
    return unusable(f"{why}, unpacking takes {size:,}", "that much room, or unpack the file yourself")


def unusable(why: str, needed: str) -> DumpError:
    """Return an error about the folder for temporary files. needed: on another disk, and what else could be done."""
    import tempfile

    variable = "TEMP" if os.name == "nt" else "TMPDIR"
    where = f"temporary folder {tempfile.tempdir}" if tempfile.tempdir else "temporary folder"
    return DumpError(where, why, f"set {variable} to a folder on a disk with {needed}")
