"""What all packed files share: choosing the member, unpacking it only as far as it is looked at, bounds, damage.

A member is kept in memory up to a bound, then on disk. Its reader says how long it may be: packed data that goes on
longer, as a bomb would, is not unpacked further. What is expected must fit into the free space of the temporary folder
before anything is written there, and everything that is unpacked draws on a budget.
"""

from __future__ import annotations

from _thread import RLock
from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError
from windbg_ext.limits import MAX_UNPACKED, UNPACK_IT, Budget
from windbg_ext.sources.far import as_far, confirm, traffic_of
from windbg_ext.sources.source import read_each
from windbg_ext.sources.temporary import MAX_PIECE, TemporaryFile, check_room, no_room
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Callable

    from windbg_ext.sources.far import Traffic
    from windbg_ext.sources.progress import Progress
    from windbg_ext.sources.source import Identity, Range, Source

DUMP_ENDINGS = (".dmp", ".mdmp", ".hdmp", ".kdmp")
"""Of the names of dumps, which are looked for in archives and folders."""
MAX_LISTED = 8
"""Names of files in an archive in an error."""
MAX_LISTED_NAME = 80
"""Characters of each."""
MAX_IN_MEMORY = 64 << 20
"""Bytes: more than any small dump has, and than the header and the bitmap of a dump of 1 TiB of RAM take."""
MAX_WASTE = 4 << 20
"""Bytes of a packed file that may unpack to nothing; beyond them, it must unpack to half of its length."""
PACKED_PIECE = 1 << 16
"""Bytes of a packed file that are read at once."""
UNKNOWN_SIZE = 1 << 62
SHORTEST = 8
"""Bytes that are unpacked to learn the size, so that the size of a shorter member is known at once."""


class DamagedError(Exception):
    """Packed data is damaged. The text says how."""


class Content(NamedTuple):
    """The dump in a packed file.

    size: bytes, None if only unpacking tells; pieces: the bytes in order; stored: their range in the packed file, if
    they are stored uncompressed.
    """

    size: int | None
    pieces: Iterator[bytes]
    stored: Range | None = None


def choose_member(kind: str, names: Sequence[str]) -> int:
    """Return the index of the one dump among the files of an archive, by their names; DumpError if it is not clear."""
    found = [index for index, name in enumerate(names) if name.lower().endswith(DUMP_ENDINGS)]
    if len(names) == 1:
        return 0
    if len(found) == 1:
        return found[0]
    if not names:
        raise DumpError(f"{kind} file", "holds no file", "name the dump")
    listed = ", ".join(_shown(names[index]) for index in (found or range(len(names)))[:MAX_LISTED])
    more = len(found or names) - MAX_LISTED
    which = f"{listed} and {more:,} more" if more > 0 else listed
    what = "dumps" if found else "files, none of which is a dump by its name"
    raise DumpError(f"{kind} file", f"holds several {what}: {which}", "unpack it and name the one that is meant")


def _shown(name: str) -> str:
    shown = ascii(name)
    return shown if len(shown) <= MAX_LISTED_NAME else f"{shown[:MAX_LISTED_NAME]}..."


class PackedBytes:
    """Sequential access to a packed file. unpacked: bytes of content that its reader has made so far.

    ended: whether the end was reached. Every byte that is read raises the limits of the budget, except zeros: a hole in
    a sparse file costs its writer nothing, and packed data has hardly any. Raise DamagedError for a file that is long
    and nearly empty: packed data may go on without end and hold nothing.
    """

    def __init__(self, source: Source, budget: Budget, at: int = 0, end: int | None = None) -> None:
        self.unpacked = 0
        self.ended = False
        self._source, self._budget = source, budget
        self._at, self._end = at, source.size if end is None else end
        self._read = 0

    def read(self, most: int) -> bytes:
        """Read on; fewer bytes than asked for where they end."""
        data = self._source.read(self._at, min(most, self._end - self._at))
        self._at += len(data)
        self._read += len(data)
        self._budget.earn(len(data) - data.count(0))
        self.ended = not data
        if self._read > MAX_WASTE + 2 * self.unpacked:
            raise DamagedError("it unpacks to less than half of its length")
        return data


class ArchiveMember:
    """The dump inside a packed file, as a source. `size` is UNKNOWN_SIZE until it is known.

    It can be read up to MAX_IN_MEMORY, and as far as it was unpacked after `unpack`; one that is stored as it is can be
    read everywhere at once. Raise DumpError beyond what can be read, and where the packed file is damaged or asks for
    more than its budget.
    """

    def __init__(self, packed: Source, kind: str, open_content: Callable[[Source, Budget], Content]) -> None:
        self.kind = kind
        self.name, self.base_name = packed.name, packed.base_name
        self._field = f"content of the {self.kind} file"
        self._packed = packed
        self._open_content = open_content
        self._budget = Budget()
        self._lock = RLock()
        self._unpacked = bytearray()
        self._disk: TemporaryFile | None = None
        self._ended = False
        self._content: Content | None = None
        self._size: int | None = None
        self._most = UNKNOWN_SIZE

    @property
    def size(self) -> int:
        """Bytes of the member."""
        with self._lock:
            if self._size is None:
                told = self._open().size
                if told is not None:
                    return min(told, self._most)
                self._unpack_to(SHORTEST)
            return self._most if self._size is None else min(self._size, self._most)

    @property
    def reach(self) -> int:
        """Number of leading bytes that can be read."""
        everything = self._disk is not None or self._open().stored is not None
        return self.size if everything else min(self.size, MAX_IN_MEMORY)

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

    @property
    def traffic(self) -> Traffic | None:
        """What reading the packed file took, if it is far away."""
        return traffic_of(self._packed)

    def confirm(self) -> None:
        """Raise DumpError where what was read of the packed file is not to be trusted."""
        confirm(self._packed)

    def watch(self, on_round: Callable[[Traffic], None]) -> None:
        """Call a function after each round, if the packed file is far away."""
        far = as_far(self._packed)
        if far is not None:
            far.watch(on_round)

    def read(self, offset: int, length: int) -> bytes:
        """Read up to `length` bytes from `offset`; fewer where the member ends."""
        length = min(length, self.size - offset)
        if length <= 0:
            return b""
        with self._lock:
            stored = self._open().stored
            if stored is not None:
                return self._packed.read(stored.offset + offset, length)
            if self._disk is not None:
                return self._disk.read(offset, length)
            if offset + length > MAX_IN_MEMORY:
                why = f"0x{offset:x} is behind the first {MAX_IN_MEMORY >> 20} MB, the most that is looked into"
                raise DumpError(self._field, why, UNPACK_IT)
            self._unpack_to(offset + length)
            with memoryview(self._unpacked) as there:
                return bytes(there[offset : offset + length])

    def read_many(self, ranges: Sequence[Range]) -> list[bytes]:
        """Read several ranges, one after the other."""
        return read_each(self, ranges)

    def find_end(self) -> None:
        """Unpack to the end to know the size, or as far as the bound allows."""
        with self._lock:
            if self.size == UNKNOWN_SIZE:
                self._unpack_to(MAX_IN_MEMORY)

    def unpack(self, expected: int, most: int, progress: Progress) -> None:
        """Unpack it up to `most` bytes, so that they can be read here and there; on disk what is too long for memory.

        expected: bytes that it should have by its own header; most: where it is cut off in any case, which may be
        raised later. progress: called with what is being done, bytes done and bytes expected. Raise DumpError where
        there is too little room, and where so few packed bytes cannot hold as many.
        """
        with self._lock:
            if self._open().stored is not None:
                return
            before, self._most = self._most, UNKNOWN_SIZE
            expected = min(expected, self.size)
            self._most = before
            if expected > MAX_IN_MEMORY:
                self._check(expected)

            def follow(done: int) -> None:
                progress(f"unpacking the {self.kind} file", min(done, expected), expected)

            self._unpack_to(min(MAX_IN_MEMORY, most) + 1, follow)
            if not self._ended and most > MAX_IN_MEMORY:
                self._unpack_to_disk(expected, most, follow)
            self._most = most

    def close(self) -> None:
        """Close the packed file and forget what was unpacked; a temporary file is gone."""
        self._unpacked = bytearray()
        if self._disk is not None:
            self._disk.close()
        self._packed.close()

    def _open(self) -> Content:
        if self._content is None:
            try:
                self._content = self._open_content(self._packed, self._budget)
            except OSError as error:
                raise _unreadable(error) from None
        return self._content

    def _check(self, expected: int) -> None:
        """Raise DumpError where so much cannot be unpacked, before anything is."""
        if self._disk is None:
            check_room(expected)
        MAX_UNPACKED.check(expected, f"header in the {self.kind} file", self._packed.size)

    def _pieces(self, done: int) -> Iterator[bytes]:
        """Yield the rest of the member. done: bytes that were unpacked before."""
        try:
            for piece in self._open().pieces:
                self._budget.draw(MAX_UNPACKED, len(piece), self._field)
                yield piece
                done += len(piece)
        except DamagedError as error:
            why = f"damaged behind 0x{done:x} ({error})"
            raise DumpError(self._field, why, "copy the file again") from None
        except OSError as error:
            raise _unreadable(error) from None

    def _unpack_to(self, end: int, follow: Callable[[int], None] = lambda done: None) -> None:
        """Unpack up to `end` bytes in memory, as long as the content is kept there."""
        if len(self._unpacked) >= end or self._ended or self._disk is not None:
            return
        for piece in self._pieces(len(self._unpacked)):
            self._unpacked += piece
            follow(len(self._unpacked))
            if len(self._unpacked) >= end:
                return
        self._ended = True
        self._size = len(self._unpacked)

    def _unpack_to_disk(self, expected: int, most: int, follow: Callable[[int], None]) -> None:
        """Unpack up to `most` bytes to a temporary file, with what is in memory already."""
        disk = self._disk
        try:
            if disk is None:
                check_room(max(expected, len(self._unpacked)))
                disk = TemporaryFile(self._budget, expected)
                for at in range(0, len(self._unpacked), MAX_PIECE):
                    disk.append(bytes(self._unpacked[at : at + MAX_PIECE]))
            if disk.size <= most:
                for piece in self._pieces(disk.size):
                    disk.append(piece)
                    follow(disk.size)
                    if disk.size > most:
                        break
                else:
                    self._ended = True
                    self._size = disk.size
            if disk.size > disk.flushed:
                disk.flush()
        except OSError as error:
            raise no_room(f"cannot be written ({error.strerror})", expected) from None
        else:
            self._disk, self._unpacked = disk, bytearray()
        finally:
            if disk is not None and self._disk is None:
                disk.close()


def _unreadable(error: OSError) -> DumpError:
    return DumpError("file", f"cannot be read ({error.strerror or error})", "copy the file again")
