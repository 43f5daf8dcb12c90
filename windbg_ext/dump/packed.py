"""A dump inside a packed file, unpacked only as far as it is looked at: in memory up to a bound, then on disk.

How long the content may be, the content says itself: its header tells where its pages lie, and behind them there are
at most 256 MB of secondary data. Packed data that goes on longer, as a bomb would, is not unpacked further, and what
the header of a bomb claims must fit into the free space of the temporary folder before anything is written there.
"""

from __future__ import annotations

import os
from itertools import chain, groupby
from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import IO, Callable

    from windbg_ext.dump.file import DumpFile

SIGNATURES = {
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x50\x2a\x4d\x18": "zstd",  # pzstd: a frame for its own use comes first
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",  # an empty one
    b"MSCF": "CAB",
}
ENDINGS = (".gz", ".xz", ".zst", ".zip", ".cab")
"""Of the names of such files."""
DUMP_ENDINGS = (".dmp", ".mdmp", ".hdmp", ".kdmp")
MOST_LISTED = 8
"""Names of files in an archive in an error."""
MOST_UNPACKED = 64 << 20
"""Bytes in memory: more than any small dump has, and than the header and the bitmap of a dump of 1 TiB of RAM take."""
MOST_WASTE = 2 * MOST_UNPACKED
"""Bytes of a packed file that may unpack to nothing; beyond them, it must unpack to half of its length."""
MOST_PIECE = 1 << 20
"""Bytes that are unpacked at once."""
UNKNOWN_SIZE = 1 << 62
SHORTEST = 8
"""Bytes. That a content is shorter shows before anything is asked of it."""
ZERO_PAGE = bytes(0x1000)


class DamagedError(Exception):
    """Packed data is damaged; the text says how."""


def open_packed(file: DumpFile) -> PackedStream | None:
    """Give the content of a packed file, to be read as a DumpFile; None if it is of no kind that can be unpacked."""
    try:
        start = file.read(0, 8)
    except OSError:  # whoever reads on tells
        return None
    kind = next((kind for signature, kind in SIGNATURES.items() if start.startswith(signature)), None)
    return None if kind is None else PackedStream(file, kind)


def explain_inside(error: DumpError, kind: str) -> None:
    """Let the error that what is inside a packed file is no kernel dump say that it is about that."""
    if error.field in ("Signature", "file"):
        error.field = f"the {kind} file holds no kernel dump: {error.field}"


def choose_dump(kind: str, names: list[str]) -> int:
    """Give the index of the one dump among the files of an archive, by their names; DumpError if it is not clear."""
    found = [index for index, name in enumerate(names) if name.lower().endswith(DUMP_ENDINGS)]
    if len(names) == 1:
        return 0
    if len(found) == 1:
        return found[0]
    if not names:
        raise DumpError(f"{kind} file", "holds no file", "name the dump")
    listed = ", ".join(ascii(names[index]) for index in (found or range(len(names)))[:MOST_LISTED])
    more = len(found or names) - MOST_LISTED
    which = f"{listed} and {more:,} more" if more > 0 else listed
    what = "dumps" if found else "files, none of which is a dump by its name"
    raise DumpError(f"{kind} file", f"holds several {what}: {which}", "unpack it and name the one that is meant")


class PackedStream:
    """The unpacked bytes of a packed file. `size` is UNKNOWN_SIZE until it is known.

    They can be read here and there up to MOST_UNPACKED, and everywhere after `unpack`.
    """

    def __init__(self, file: DumpFile, kind: str) -> None:
        self.kind = kind
        self._file = file
        self._at = 0
        self._unpacked = bytearray()
        self._ended = False
        self._opened: tuple[int | None, Iterator[bytes]] | None = None
        self._size: int | None = None
        self._disk: IO[bytes] | None = None

    @property
    def size(self) -> int:
        """Bytes of the content."""
        if self._size is None:
            told, _ = self._open()
            if told is not None:
                return told
            self._unpack_to(SHORTEST)
        return UNKNOWN_SIZE if self._size is None else self._size

    @property
    def reach(self) -> int:
        """Bytes of it that can be read."""
        return self.size if self._disk is not None else min(self.size, MOST_UNPACKED)

    def seek(self, offset: int) -> None:
        """Set where the next read begins."""
        self._at = offset

    def read(self, length: int) -> bytes:
        """Read up to `length` bytes; DumpError beyond what can be read, or where the packed file is damaged."""
        end = self._at + length
        if self._disk is not None:
            self._disk.seek(self._at)
            data = self._disk.read(length)
        elif min(end, self.size) > MOST_UNPACKED:
            why = f"0x{self._at:x} is behind the first {MOST_UNPACKED >> 20} MB, the most that is looked into"
            raise DumpError(f"content of the {self.kind} file", why, "unpack the file first")
        else:
            self._unpack_to(end)
            data = bytes(self._unpacked[self._at : end])
        self._at += len(data)
        return data

    def find_end(self) -> None:
        """Unpack to the end to know the size, or as far as the bound allows."""
        if self.size == UNKNOWN_SIZE:
            self._unpack_to(MOST_UNPACKED)

    def unpack(self, expected: int, most: int, progress: Callable[[str, int, int], None]) -> None:
        """Unpack all of it, so that it can be read here and there; on disk what is too long to be kept in memory.

        expected: bytes that it should have by its own header; most: where it is cut off in any case. progress: called
        with what is being done, bytes done and bytes expected. DumpError: it is damaged, or there is too little room.
        """
        expected = min(expected, self.size)

        def follow(done: int) -> None:
            progress(f"unpacking the {self.kind} file", min(done, expected), expected)

        self._unpack_to(MOST_UNPACKED + 1, follow)
        if not self._ended:
            self._disk = self._unpack_to_disk(expected, most, follow)
            self._unpacked = bytearray()
            self._size = self._disk.seek(0, os.SEEK_END)
        self._size = min(self.size, most)

    def close(self) -> None:
        """Forget what was unpacked; a temporary file is gone."""
        self._unpacked = bytearray()
        if self._disk is not None:
            self._disk.close()

    def _open(self) -> tuple[int | None, Iterator[bytes]]:
        if self._opened is None:
            try:
                self._opened = _open(self.kind, self._file)
            except OSError as error:
                raise _unreadable(error) from None
        return self._opened

    def _pieces(self, done: int) -> Iterator[bytes]:
        """Give the rest of the content. done: bytes that were unpacked before."""
        _, pieces = self._open()
        try:
            for piece in pieces:
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
            first = (bytes(self._unpacked[at : at + MOST_PIECE]) for at in range(0, there, MOST_PIECE))
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


def _open(kind: str, file: DumpFile) -> tuple[int | None, Iterator[bytes]]:
    """Give the bytes of the content, None if they show only at its end, and the content itself in pieces."""
    if kind == "zip":
        from windbg_ext.dump.zip_file import open_zip  # each only where it is needed: most dumps are not packed

        return open_zip(file)
    if kind == "CAB":
        from windbg_ext.dump.cab_file import open_cab

        return open_cab(file)
    from windbg_ext.dump.streams import open_streams

    return open_streams(kind, file)


def _unreadable(error: OSError) -> DumpError:
    return DumpError("file", f"cannot be read ({error.strerror or error})", "copy the file again")


def _temporary_file(size: int) -> IO[bytes]:
    """Make a file that nobody else sees and that is gone when it is closed, or when this process ends."""
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
