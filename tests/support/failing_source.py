"""A source on a failing disk: some bytes cannot be read, or nothing can be read after some reads.

It replaces the files that `windbg_ext` opens; tests/support/failing_reads.c does the same to a whole process.
"""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from windbg_ext.sources.local import LocalFile

if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path

    import pytest

REASON = os.strerror(errno.EIO)


@dataclass
class Disk:
    """bad: (start, end) of the bytes that cannot be read; reads_left: number of reads before all fail.

    Counts reads and failed reads.
    """

    bad: tuple[tuple[int, int], ...] = ()
    reads_left: int = sys.maxsize
    reads: int = 0
    failed: int = field(default=0)

    def put_under_every_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put every dump that is opened on this disk."""
        monkeypatch.setattr("windbg_ext.sources.open.LocalFile", self.open)
        monkeypatch.setattr("support.dump_file.LocalFile", self.open)

    def open(self, path: Path) -> LocalFile:
        """Open a file on this disk."""
        source = LocalFile(path)
        source._file = FailingFile(source._file, source.size, self)  # type: ignore[assignment]  # what is read of it
        return source


class FailingFile:
    """An open file on such a disk. Like the system, it reads up to the first bad byte."""

    def __init__(self, file: FileIO, size: int, disk: Disk) -> None:
        self._file = file
        self._size = size
        self._disk = disk
        self._at = 0
        self.close, self.fileno = file.close, file.fileno

    def seek(self, offset: int) -> int:
        self._at = offset
        return offset

    def read(self, length: int) -> bytes:
        self._disk.reads += 1
        end = min([self._at + length, *(start for start, end in self._disk.bad if end > self._at)])
        if end <= self._at < self._size or self._disk.reads > self._disk.reads_left:
            self._disk.failed += 1
            raise OSError(errno.EIO, REASON)
        self._file.seek(self._at)
        data = self._file.read(end - self._at) or b""
        self._at += len(data)
        return data
