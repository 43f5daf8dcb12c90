"""A file that is read here and there, never whole.

Positional reads instead of a mapping: a mapped file that shrinks, or whose disk or network share fails, kills the
process that touches it (SIGBUS; an in-page error on Windows, where that process is WinDbg itself). A read says so.
"""

from __future__ import annotations

import os
from _thread import allocate_lock  # what threading.Lock is, without the 3 ms that threading takes to import
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from windbg_ext.errors import DumpError

if TYPE_CHECKING:
    from types import TracebackType


LONGEST_PLAIN_PATH = 200
"""Characters. Windows ends at 260, and a temporary file beside a destination has up to 22 more in its name."""
DEVICE_PREFIXES = ("\\\\?\\", "\\\\.\\")


def system_path(path: str | os.PathLike[str], longest: int = LONGEST_PLAIN_PATH) -> str:
    r"""Give a path as the system takes it. Windows opens a long one only in full, with \\?\ before it.

    Others stay as they are: that prefix switches off `/`, `..` and device names.
    """
    plain = os.fspath(path)
    if os.name != "nt" or plain.startswith(DEVICE_PREFIXES):
        return plain
    full = os.path.abspath(plain)  # noqa: PTH100 - Path.resolve goes to the disk
    if len(full) <= longest or full.startswith(DEVICE_PREFIXES):
        return plain
    return f"\\\\?\\UNC{full[1:]}" if full.startswith("\\\\") else f"\\\\?\\{full}"


class Content(Protocol):
    """Bytes to be read here and there."""

    @property
    def size(self) -> int:
        """Their number."""

    @property
    def reach(self) -> int:
        """How many of them, from the first on, can be read; those of a packed file perhaps not to the end."""

    def seek(self, offset: int, /) -> object:
        """Set where the next read begins."""

    def read(self, length: int, /) -> bytes | None:
        """Read up to `length` bytes; OSError as the system reports it."""

    def close(self) -> None:
        """Let go of them."""


class PlainFile:
    """A file's own bytes."""

    def __init__(self, named: Path) -> None:
        path = Path(system_path(named))
        try:
            if path.is_fifo():  # opening it would wait for a writer
                raise DumpError("file", "is a pipe", "store what comes out of it in a file first", str(named))
            file = path.open("rb", buffering=0)
            self.size = self.reach = file.seek(0, os.SEEK_END)
        except OSError as error:
            if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises where looking is not allowed
                raise DumpError("file", "is a folder", "name the dump in it", str(named)) from None
            if isinstance(error, FileNotFoundError) and path.is_symlink():
                why = f"is a link to {path.readlink()}, which is not there"
                raise DumpError("file", why, "name the dump itself", str(named)) from None
            advice = "run as administrator, or get the right to read it" if isinstance(error, PermissionError) else ""
            raise DumpError("file", f"cannot be opened ({error.strerror})", advice, str(named)) from None
        self.seek, self.read, self.close = file.seek, file.read, file.close


class DumpFile:
    """A file opened read-only. `size` is its length in bytes when it was opened.

    content: what is read instead of the file's own bytes, where it is packed.
    """

    def __init__(self, path: str | os.PathLike[str], content: Content | None = None) -> None:
        self.path = Path(path)
        self._content: Content = content or PlainFile(self.path)
        self.bytes_read = 0
        self._lock = allocate_lock()

    @property
    def size(self) -> int:
        """The number of bytes."""
        return self._content.size

    @property
    def reach(self) -> int:
        """How many of them, from the first on, can be read."""
        return self._content.reach

    def read(self, offset: int, length: int) -> bytes:
        """Read up to `length` bytes from `offset`; fewer where the file ends. OSError as the system reports it."""
        room = self.size - offset
        if room <= 0:  # no seek: an offset out of a damaged dump may be more than the system can take
            return b""
        pieces: list[bytes] = []
        if length > room:  # also where the file has grown since
            length = room
        with self._lock:
            self._content.seek(offset)
            while length > 0:
                piece = self._content.read(length)
                if not piece:
                    break
                pieces.append(piece)
                length -= len(piece)
                self.bytes_read += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def read_field(self, field: str, offset: int, length: int) -> bytes:
        """Read exactly `length` bytes that are called `field`; where they are not all there, a DumpError."""
        try:
            data = self.read(offset, length)
        except OSError as error:
            raise DumpError(
                field, f"cannot be read at 0x{offset:x} ({error.strerror})", "copy the dump again"
            ) from None
        if len(data) < length:
            raise self._cut(field, offset, offset + length, offset + len(data))
        return data

    def _cut(self, field: str, start: int, end: int, there: int) -> DumpError:
        """Tell why bytes from start to end are not all there, only those up to `there`."""
        if end <= self.size:
            why = f"ends at 0x{there:x}, the file has become shorter since it was opened"
            return DumpError(field, why, "something still writes it: wait until that is done")
        why = f"lies at 0x{start:x} to 0x{end:x}, the file ends at 0x{self.size:x}"
        return DumpError(field, why, "the file is cut short: copy it again from where it was made")

    def close(self) -> None:
        """Close the file; reading from it is an error from now on."""
        self._content.close()

    def __enter__(self) -> DumpFile:
        """Use the file in a with statement."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the file."""
        self.close()
