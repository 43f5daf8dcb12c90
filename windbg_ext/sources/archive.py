"""What all packed files share: choosing the member, unpacking it only as far as it is looked at, bounds, damage.

A member is kept in memory up to a bound, then on disk. How long it may be, its reader says: packed data that goes on
longer, as a bomb would, is not unpacked further, and what is expected must fit into the free space of the temporary
folder before anything is written there.
"""

from __future__ import annotations

import os
from _thread import allocate_lock
from itertools import chain, groupby
from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError
from windbg_ext.sources.source import read_at, read_each
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import IO, Callable

    from windbg_ext.sources.source import Identity, Progress, Range, Source

DUMP_ENDINGS = (".dmp", ".mdmp", ".hdmp", ".kdmp")
"""Of the names of dumps, which are looked for in archives and folders."""
MAX_LISTED = 8
"""Names of files in an archive in an error."""
MAX_IN_MEMORY = 64 << 20
"""Bytes: more than any small dump has, and than the header and the bitmap of a dump of 1 TiB of RAM take."""
MAX_WASTE = 2 * MAX_IN_MEMORY
"""Bytes of a packed file that may unpack to nothing; beyond them, it must unpack to half of its length."""
MAX_PIECE = 1 << 20
"""Bytes that are unpacked at once."""
PACKED_PIECE = 1 << 16
"""Bytes of a packed file that are read at once."""
UNKNOWN_SIZE = 1 << 62
SHORTEST = 8
"""Bytes. That a member is shorter shows before anything is asked of it."""
ZERO_PAGE = bytes(0x1000)


class DamagedError(Exception):
    """Packed data is damaged; the text says how."""


class Content(NamedTuple):
    """What a format finds in a packed file. size: bytes, None if that shows only at the end; pieces: the bytes."""

    size: int | None
    pieces: Iterator[bytes]


def choose_member(kind: str, names: Sequence[str]) -> int:
    """Return the index of the one dump among the files of an archive, by their names; DumpError if it is not clear."""
    found = [index for index, name in enumerate(names) if name.lower().endswith(DUMP_ENDINGS)]
    if len(names) == 1:
        return 0
    if len(found) == 1:
        return found[0]
    if not names:
        raise DumpError(f"{kind} file", "holds no file", "name the dump")
    listed = ", ".join(ascii(names[index]) for index in (found or range(len(names)))[:MAX_LISTED])
    more = len(found or names) - MAX_LISTED
    which = f"{listed} and {more:,} more" if more > 0 else listed
    what = "dumps" if found else "files, none of which is a dump by its name"
    raise DumpError(f"{kind} file", f"holds several {what}: {which}", "unpack it and name the one that is meant")


class PackedBytes:
    """The bytes of a packed file in their order. unpacked: how many bytes its reader has made of them so far.

    ended: nothing more comes. Raise DamagedError for a file that is long and nearly empty: packed data may go on for
    ever and hold nothing.
    """

    def __init__(self, source: Source, at: int = 0, end: int | None = None) -> None:
        self.unpacked = 0
        self.ended = False
        self._source, self._at, self._end = source, at, source.size if end is None else end
        self._read = 0

    def read(self, most: int) -> bytes:
        """Read on; fewer bytes than asked for where they end."""
        data = self._source.read(self._at, min(most, self._end - self._at))
        self._at += len(data)
        self._read += len(data)
        self.ended = not data
        if self._read > MAX_WASTE + 2 * self.unpacked:
            raise DamagedError("it unpacks to less than half of its length")
        return data


class ArchiveMember:
    """The dump inside a packed file, as a source. `size` is UNKNOWN_SIZE until it is known.

    It can be read here and there up to MAX_IN_MEMORY, and everywhere after `unpack`. Raise DumpError beyond what can be
    read, and where the packed file is damaged.
    """

    def __init__(self, packed: Source, kind: str, open_content: Callable[[Source], Content]) -> None:
        self.kind = kind
        self.name, self.base_name = packed.name, packed.base_name
        self._packed = packed
        self._open_content = open_content
        self._lock = allocate_lock()
        self._unpacked = bytearray()
        self._ended = False
        self._content: Content | None = None
        self._size: int | None = None
        self._disk: IO[bytes] | None = None

    @property
    def size(self) -> int:
        """Bytes of the member."""
        if self._size is None:
            told = self._open().size
            if told is not None:
                return told
            self._unpack_to(SHORTEST)
        return UNKNOWN_SIZE if self._size is None else self._size

    @property
    def reach(self) -> int:
        """Number of leading bytes that can be read."""
        return self.size if self._disk is not None else min(self.size, MAX_IN_MEMORY)

    @property
    def identity(self) -> Identity | None:
        """That of the packed file."""
        return self._packed.identity

    @property
    def permissions(self) -> int | None:
        """Those of the packed file."""
        return self._packed.permissions

    def beside(self, base_name: str) -> str | None:
        """Return the name of a file in the folder of the packed file."""
        return self._packed.beside(base_name)

    def read(self, offset: int, length: int) -> bytes:
        """Read up to `length` bytes from `offset`; fewer where the member ends."""
        length = min(length, self.size - offset)
        if length <= 0:
            return b""
        with self._lock:
            if self._disk is not None:
                return read_at(self._disk, offset, length, self.size)
            if offset + length > MAX_IN_MEMORY:
                why = f"0x{offset:x} is behind the first {MAX_IN_MEMORY >> 20} MB, the most that is looked into"
                raise DumpError(f"content of the {self.kind} file", why, "unpack the file first")
            self._unpack_to(offset + length)
            return bytes(self._unpacked[offset : offset + length])

    def read_many(self, ranges: Sequence[Range]) -> list[bytes]:
        """Read several ranges, one after the other."""
        return read_each(self, ranges)

    def find_end(self) -> None:
        """Unpack to the end to know the size, or as far as the bound allows."""
        if self.size == UNKNOWN_SIZE:
            self._unpack_to(MAX_IN_MEMORY)

    def unpack(self, expected: int, most: int, progress: Progress) -> None:
        """Unpack all of it, so that it can be read here and there; on disk what is too long to be kept in memory.

        expected: bytes that it should have by its own header; most: where it is cut off in any case. progress: called
        with what is being done, bytes done and bytes expected. Raise DumpError where there is too little room.
        """
        expected = min(expected, self.size)

        def follow(done: int) -> None:
            progress(f"unpacking the {self.kind} file", min(done, expected), expected)

        self._unpack_to(MAX_IN_MEMORY + 1, follow)
        if not self._ended:
            self._disk = self._unpack_to_disk(expected, most, follow)
            self._unpacked = bytearray()
            self._size = self._disk.seek(0, os.SEEK_END)
        self._size = min(self.size, most)

    def close(self) -> None:
        """Close the packed file and forget what was unpacked; a temporary file is gone."""
        self._unpacked = bytearray()
        if self._disk is not None:
            self._disk.close()
        self._packed.close()

    def _open(self) -> Content:
        if self._content is None:
            try:
                self._content = self._open_content(self._packed)
            except OSError as error:
                raise _unreadable(error) from None
        return self._content

    def _pieces(self, done: int) -> Iterator[bytes]:
        """Yield the rest of the member. done: bytes that were unpacked before."""
        try:
            for piece in self._open().pieces:
                yield piece
                done += len(piece)
        except DamagedError as error:
            why = f"damaged behind 0x{done:x} ({error})"
            raise DumpError(f"content of the {self.kind} file", why, "copy the file again") from None
        except OSError as error:
            raise _unreadable(error) from None

    def _unpack_to(self, end: int, follow: Callable[[int], None] = lambda done: None) -> None:
        if len(self._unpacked) >= end or self._ended:
            return
        for piece in self._pieces(len(self._unpacked)):
            self._unpacked += piece
            follow(len(self._unpacked))
            if len(self._unpacked) >= end:
                return
        self._ended = True
        self._size = len(self._unpacked)

    def _unpack_to_disk(self, expected: int, most: int, follow: Callable[[int], None]) -> IO[bytes]:
        def pieces() -> Iterator[bytes]:
            done, there = 0, len(self._unpacked)
            first = (bytes(self._unpacked[at : at + MAX_PIECE]) for at in range(0, there, MAX_PIECE))
            for piece in chain(first, self._pieces(there)):
                yield piece[: most - done]
                done += len(piece)
                follow(max(done, there))
                if done >= most:
                    return

        file = _temporary_file(expected)
        try:
            write_sparse(pieces(), file)
        except OSError as error:
            file.close()
            raise _no_room(f"cannot be written ({error.strerror})", expected) from None
        except BaseException:
            file.close()
            raise
        return file


def _unreadable(error: OSError) -> DumpError:
    return DumpError("file", f"cannot be read ({error.strerror or error})", "copy the file again")


def _temporary_file(size: int) -> IO[bytes]:
    """Return a file that nobody else sees and that is gone when it is closed, or when this process ends."""
    import shutil
    import tempfile

    try:
        free = shutil.disk_usage(tempfile.gettempdir()).free
        if free < size:
            raise _no_room(f"has {free:,} bytes free", size)
        return tempfile.TemporaryFile(prefix="windbg-ext-", buffering=0)
    except OSError as error:
        raise _no_room(f"cannot be used ({error.strerror or error})", size) from None


def _no_room(why: str, size: int) -> DumpError:
    import tempfile

    variable = "TEMP" if os.name == "nt" else "TMPDIR"
    where = f"temporary folder {tempfile.tempdir}" if tempfile.tempdir else "temporary folder"
    advice = f"set {variable} to a folder on a disk with that much room, or unpack the file yourself"
    return DumpError(where, f"{why}, unpacking takes {size:,}", advice)


def write_sparse(pieces: Iterable[bytes], file: IO[bytes]) -> None:
    """Write the pieces one behind the other; pages of zeros become holes where the file system has such."""
    rest = b""
    for piece in pieces:
        rest += piece
        whole = len(rest) - len(rest) % len(ZERO_PAGE)
        _write_pages(memoryview(rest)[:whole], file)
        rest = rest[whole:]
    _write_pages(memoryview(rest), file)
    file.truncate(file.tell())


def _write_pages(data: memoryview, file: IO[bytes]) -> None:
    size = len(ZERO_PAGE)
    for zero, places in groupby(range(0, len(data), size), key=lambda at: data[at : at + size] == ZERO_PAGE):
        pages = list(places)
        at, end = pages[0], min(len(data), pages[-1] + size)
        if zero:
            file.seek(end - at, os.SEEK_CUR)
        while not zero and at < end:
            at += file.write(data[at:end])
