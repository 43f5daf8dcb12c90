"""The Source protocol, through which all other layers read bytes, and helpers that all sources share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Protocol

from windbg_ext.errors import DumpError
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence


class Range(NamedTuple):
    """A stretch of a source: offset and length in bytes."""

    offset: int
    length: int


class Identity(NamedTuple):
    """The volume and the file number of a file (st_dev and st_ino), the same for all of its names."""

    volume: int
    file: int


class Source(Protocol):
    """Random access to bytes, wherever they lie. Threads may share it."""

    @property
    def name(self) -> str:
        """The name as reports and errors show it."""

    @property
    def base_name(self) -> str:
        """The last part of the name, without its folder."""

    @property
    def size(self) -> int:
        """Number of bytes when it was opened."""

    @property
    def reach(self) -> int:
        """Number of leading bytes that can be read: all of them, but in a packed file."""

    @property
    def identity(self) -> Identity | None:
        """Equal for two sources that are the same file; None where that cannot be told."""

    @property
    def permissions(self) -> int | None:
        """The permission bits of the file (st_mode), None where there are none."""

    def beside(self, base_name: str) -> str | None:
        """Return the name of a file in the same folder, None for a source that lies in no folder."""

    def read(self, offset: int, length: int) -> bytes:
        """Read up to `length` bytes from `offset`; fewer where the source ends. Raise OSError as the system does."""

    def read_many(self, ranges: Sequence[Range]) -> list[bytes]:
        """Read several ranges, each as `read` does. A source that is far away asks for all of them at once."""

    def close(self) -> None:
        """Release the source; reading from it afterwards is an error."""


def next_data(source: Source, offset: int) -> tuple[int, int]:
    """Return where the first bytes outside holes begin, at or behind an offset, and where the next hole does.

    Both are the size where there are none. Only a source with a method of this name knows its holes, which read as
    zeros and take no room on the disk; of any other, everything up to the end counts as bytes.
    """
    knows: Callable[[int], tuple[int, int]] | None = getattr(source, "next_data", None)
    return (offset, source.size) if knows is None else knows(offset)


class RawFile(Protocol):
    """An open file of the operating system, or what behaves like one."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Set where the next read begins."""

    def read(self, length: int = -1, /) -> bytes | None:
        """Read up to `length` bytes."""


def read_at(file: RawFile, offset: int, length: int, size: int) -> bytes:
    """Read up to `length` bytes from `offset` of a file of `size` bytes, in as many steps as the system takes."""
    room = size - offset
    if room <= 0:  # no seek: an offset out of a damaged dump may be more than the system can take
        return b""
    length = min(length, room)  # also where the file has grown since
    file.seek(offset)
    pieces: list[bytes] = []
    while length > 0:
        piece = file.read(length)
        if not piece:
            break
        pieces.append(piece)
        length -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def read_each(source: Source, ranges: Iterable[Range]) -> list[bytes]:
    """Read ranges one after the other, as `read_many` of a source whose reads cost no round trip."""
    return [source.read(offset, length) for offset, length in ranges]


def read_field(source: Source, field: str, offset: int, length: int) -> bytes:
    """Read exactly `length` bytes, which are called `field`. Raise DumpError where they are not all there."""
    try:
        data = source.read(offset, length)
    except OSError as error:
        raise _unreadable(field, offset, error) from None
    if len(data) < length:
        raise _cut(source, field, offset, offset + length, offset + len(data))
    return data


def read_fields(source: Source, field: str, ranges: Sequence[Range]) -> list[bytes]:
    """Read exactly these ranges, each called `field`, in one go. Raise DumpError where one is not all there."""
    try:
        found = source.read_many(ranges)
    except OSError as error:
        raise _unreadable(field, ranges[0].offset, error) from None
    for (offset, length), data in zip(ranges, found):
        if len(data) < length:
            raise _cut(source, field, offset, offset + length, offset + len(data))
    return found


def _unreadable(field: str, offset: int, error: OSError) -> DumpError:
    return DumpError(field, f"cannot be read at 0x{offset:x} ({error.strerror})", "copy the dump again")


def _cut(source: Source, field: str, start: int, end: int, there: int) -> DumpError:
    """Return the error for bytes from start to end of which only those up to `there` exist."""
    if end <= source.size:
        why = f"ends at 0x{there:x}, the file has become shorter since it was opened"
        return DumpError(field, why, "something still writes it: wait until that is done")
    why = f"lies at 0x{start:x} to 0x{end:x}, the file ends at 0x{source.size:x}"
    return DumpError(field, why, "the file is cut short: copy it again from where it was made")


def identity_of(status: os.stat_result) -> Identity:
    """Return the identity of a file whose status the system has told."""
    return Identity(status.st_dev, status.st_ino)
