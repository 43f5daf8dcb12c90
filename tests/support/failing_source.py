"""A source on a disk that fails: bytes that cannot be read, or nothing any more after some reads.

It stands where `windbg_ext` opens a file; tests/support/failing_reads.c does the same to a whole process.
"""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from windbg_ext.dump.file import PlainFile

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

REASON = os.strerror(errno.EIO)


@dataclass
class Disk:
    """bad: (start, end) of the bytes that cannot be read; reads_left: how many reads work before none does any more.

    Counts what happens: reads, and those that failed.
    """

    bad: tuple[tuple[int, int], ...] = ()
    reads_left: int = sys.maxsize
    reads: int = 0
    failed: int = field(default=0)

    def put_under_every_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let every dump that is opened lie on this disk."""
        monkeypatch.setattr("windbg_ext.dump.file.PlainFile", lambda path: FailingFile(path, self))


class FailingFile:
    """The content of a file on such a disk. Like the system, it reads up to the first byte that it cannot read."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self._file = PlainFile(path)
        self._disk = disk
        self._at = 0
        self.size = self.reach = self._file.size
        self.close = self._file.close

    def seek(self, offset: int) -> None:
        self._at = offset

    def read(self, length: int) -> bytes:
        self._disk.reads += 1
        end = min([self._at + length, *(start for start, end in self._disk.bad if end > self._at)])
        if end <= self._at < self.size or self._disk.reads > self._disk.reads_left:
            self._disk.failed += 1
            raise OSError(errno.EIO, REASON)
        self._file.seek(self._at)
        data = self._file.read(end - self._at) or b""
        self._at += len(data)
        return data
