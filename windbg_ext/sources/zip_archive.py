"""The dump in a zip file, read by Python's zipfile. What that module asks for is bounded here.

Format: PKWARE's APPNOTE.TXT. zipfile checks lengths and checksum against what really comes.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

from windbg_ext.errors import DumpError
from windbg_ext.limits import MAX_DIRECTORY
from windbg_ext.sources.archive import (
    MAX_IN_MEMORY,
    MAX_WASTE,
    PACKED_PIECE,
    Content,
    DamagedError,
    choose_member,
)
from windbg_ext.sources.source import Range

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zipfile import ZipInfo

    from windbg_ext.limits import Budget
    from windbg_ext.sources.source import Source

LOCAL_HEADER = struct.Struct("<4s22xHH")
"""Local file header (4.3.7): the lengths of its name and of its extra field."""
ENCRYPTED = 1
OTHER_METHODS = {
    9: "Deflate64, as Explorer does above 2 GB",
    12: "bzip2",
    14: "LZMA",
    93: "zstd",
    95: "xz",
}
DAMAGE = (BadZipFile, NotImplementedError, ValueError, OverflowError, EOFError, IndexError, struct.error, zlib.error)
"""What zipfile raises for damaged files."""
NAME_IT = "unpack it and name the dump that comes out"


def open_zip(source: Source, budget: Budget) -> Content:
    """Find the one dump in a zip file. Raise DumpError where there is none that can be unpacked."""
    file = _ZipSource(source, budget)
    try:
        archive = ZipFile(file)
        members = [member for member in archive.infolist() if not member.is_dir()]
    except DAMAGE as error:
        why = f"its directory cannot be read ({error})"
        raise DumpError("zip file", why, "copy the file again, or unpack it and name the dump that comes out") from None
    member = members[choose_member("zip", [member.filename for member in members])]
    if member.flag_bits & ENCRYPTED:
        raise DumpError("zip file", "is encrypted", "unpack it with its password and name the dump that comes out")
    if member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):  # zipfile does not bound the memory of the others
        method = OTHER_METHODS.get(member.compress_type, f"method {member.compress_type}")
        raise DumpError("zip file", f"is packed with {method}", NAME_IT)
    return Content(member.file_size, _pieces(archive, member, file), _stored(source, member))


def _stored(source: Source, member: ZipInfo) -> Range | None:
    """Return where a long dump lies that is stored as it is: it is read in place, not checked and not copied."""
    if member.compress_type != ZIP_STORED or member.file_size <= MAX_IN_MEMORY:
        return None
    header = source.read(member.header_offset, LOCAL_HEADER.size) if member.header_offset >= 0 else b""
    if len(header) < LOCAL_HEADER.size or not header.startswith(b"PK\3\4"):
        why = f"has no file at 0x{member.header_offset:x}, where its directory says that the dump is"
        raise DumpError("zip file", why, "copy the file again")
    _, name, extra = LOCAL_HEADER.unpack(header)
    at = member.header_offset + LOCAL_HEADER.size + name + extra
    return Range(at, member.file_size) if at + member.file_size <= source.size else None


def _pieces(archive: ZipFile, member: ZipInfo, file: _ZipSource) -> Iterator[bytes]:
    try:
        with archive.open(member) as content:
            while data := content.read(PACKED_PIECE):
                file.unpacked += len(data)
                yield data
    except DAMAGE as error:
        raise DamagedError(str(error) or "it ends too early") from None
    if file.unpacked < member.file_size:
        raise DamagedError("it ends too early")


class _ZipSource(io.RawIOBase):
    """A source as zipfile reads it. unpacked: bytes that were made of what it read so far."""

    def __init__(self, source: Source, budget: Budget) -> None:
        self.unpacked = 0
        self._source, self._budget = source, budget
        self._at = 0
        self._read = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._source.size}[whence]
        if self._at < 0:
            raise OSError("an offset in it is negative")  # as of a file: zipfile tries it
        return self._at

    def read(self, length: int = -1) -> bytes:
        length = self._source.size - self._at if length < 0 else length
        MAX_DIRECTORY.check(length, "zip file")  # zipfile reads the whole of it at once
        data = self._source.read(self._at, length)
        self._at += len(data)
        self._read += len(data)
        self._budget.earn(len(data) - data.count(0))
        if self._read > MAX_WASTE + 2 * self.unpacked:
            raise DamagedError("it unpacks to less than half of its length")
        return data
