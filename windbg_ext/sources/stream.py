"""A binary stream that a caller of the library has opened, such as io.BytesIO, a file or an object in a bucket."""

from __future__ import annotations

import os
import stat
from _thread import allocate_lock
from typing import TYPE_CHECKING, BinaryIO

from windbg_ext.errors import DumpError
from windbg_ext.sources.source import identity_of, read_at, read_each

if TYPE_CHECKING:
    from collections.abc import Sequence

    from windbg_ext.sources.source import Identity, Range

NAMELESS = "stream"


class Stream:
    """A seekable binary stream. It stays open: whoever opened it closes it.

    Raise DumpError where it cannot be read at any place (a pipe), or is a stream of text.
    """

    def __init__(self, stream: BinaryIO) -> None:
        name = getattr(stream, "name", None)
        self.name = name if isinstance(name, str) else NAMELESS
        self.base_name = os.path.basename(self.name)
        self._stream = stream
        self._lock = allocate_lock()
        try:
            stream.seek(0, os.SEEK_END)
            self.size = self.reach = stream.tell()  # some streams, such as those of paramiko, return nothing from seek
            if not isinstance(stream.read(0), bytes):
                raise DumpError("stream", "is a stream of text", 'open the file with mode "rb"', self.name)
        except (OSError, ValueError, AttributeError) as error:  # io.UnsupportedOperation is the first two at once
            why = f"cannot be read at any place ({error})"
            raise DumpError("stream", why, "store what comes out of it in a file first", self.name) from None

    @property
    def identity(self) -> Identity | None:
        """Which file of this machine it is, None for any other stream."""
        status = self._status()
        return None if status is None else identity_of(status)

    @property
    def permissions(self) -> int | None:
        """The permission bits of the file, None for any other stream."""
        status = self._status()
        return None if status is None else stat.S_IMODE(status.st_mode)

    def _status(self) -> os.stat_result | None:
        try:
            return os.fstat(self._stream.fileno())
        except (OSError, ValueError, AttributeError):
            return None

    def beside(self, base_name: str) -> None:
        """Return None: a stream lies in no folder."""
        return

    def read(self, offset: int, length: int) -> bytes:
        """Read up to `length` bytes from `offset`; fewer where the stream ends."""
        with self._lock:
            return read_at(self._stream, offset, length, self.size)

    def read_many(self, ranges: Sequence[Range]) -> list[bytes]:
        """Read several ranges, one after the other."""
        return read_each(self, ranges)

    def close(self) -> None:
        """Leave the stream open."""
