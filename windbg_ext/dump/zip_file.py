"""The dump in a zip file. The directory is read by Python's zipfile, the packed bytes here, piece by piece.

Format: PKWARE's APPNOTE.TXT. What a directory says of lengths is checked against what really comes.
"""

from __future__ import annotations

import os
import struct
import zlib
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

from windbg_ext.dump.packed import MOST_PIECE, DamagedError, choose_dump
from windbg_ext.dump.streams import PACKED_PIECE, PackedBytes
from windbg_ext.errors import DumpError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zipfile import ZipInfo

    from windbg_ext.dump.file import DumpFile

MOST_DIRECTORY = 1 << 20
"""Bytes of a directory that is read: of some thousand files."""
ENCRYPTED = 1
LOCAL_HEADER = struct.Struct("<4s22xHH")
OTHER_METHODS = {
    9: "Deflate64, as Explorer does above 2 GB",
    12: "bzip2",
    14: "LZMA",
    93: "zstd",
    95: "xz",
}


def open_zip(file: DumpFile) -> tuple[int, Iterator[bytes]]:
    """Give the bytes of the one dump in a zip file, and its content. DumpError: there is none that can be unpacked."""
    try:
        with ZipFile(_Directory(file)) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
    except (BadZipFile, NotImplementedError, ValueError, OverflowError, EOFError, IndexError, struct.error) as error:
        why = f"its directory cannot be read ({error})"
        raise DumpError("zip file", why, "copy the file again, or unpack it and name the dump that comes out") from None
    member = members[choose_dump("zip", [member.filename for member in members])]
    if member.flag_bits & ENCRYPTED:
        raise DumpError("zip file", "is encrypted", "unpack it with its password and name the dump that comes out")
    if member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        method = OTHER_METHODS.get(member.compress_type, f"method {member.compress_type}")
        raise DumpError("zip file", f"is packed with {method}", "unpack it and name the dump that comes out")
    return member.file_size, _content(file, member)


def _content(file: DumpFile, member: ZipInfo) -> Iterator[bytes]:
    start = file.read(member.header_offset, LOCAL_HEADER.size) if member.header_offset >= 0 else b""
    signature, name, extra = LOCAL_HEADER.unpack(start.ljust(LOCAL_HEADER.size, b"\0"))
    if signature != b"PK\x03\x04":
        raise DamagedError("the file in it is not where the directory says")
    at = member.header_offset + LOCAL_HEADER.size + name + extra
    source = PackedBytes(file, at, at + member.compress_size)
    checksum = 0
    for data in _stored(source) if member.compress_type == ZIP_STORED else _deflated(source):
        source.unpacked += len(data)
        checksum = zlib.crc32(data, checksum)
        if source.unpacked > member.file_size:
            raise DamagedError("it goes on behind the length that the directory says")
        yield data
    if source.unpacked < member.file_size:
        raise DamagedError("it ends too early")
    if checksum != member.CRC:
        raise DamagedError("its checksum is wrong")


def _stored(source: PackedBytes) -> Iterator[bytes]:
    while data := source.read(PACKED_PIECE):
        yield data


def _deflated(source: PackedBytes) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    while not unpacker.eof:
        packed = unpacker.unconsumed_tail or source.read(PACKED_PIECE)
        try:
            data = unpacker.decompress(packed, MOST_PIECE)
        except zlib.error as error:
            raise DamagedError(str(error)) from None
        if data:
            yield data
        elif source.ended:
            return


class _Directory:
    """The file as zipfile wants to read it, which takes the whole directory at once."""

    def __init__(self, file: DumpFile) -> None:
        self._file = file
        self._at = 0

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._file.size}[whence]
        if self._at < 0:
            raise OSError("an offset in it is negative")  # as of a file: zipfile tries it
        return self._at

    def read(self, length: int = -1) -> bytes:
        length = self._file.size - self._at if length < 0 else length
        if length > MOST_DIRECTORY:
            raise ValueError(f"it takes more than {MOST_DIRECTORY:,} bytes")
        data = self._file.read(self._at, length)
        self._at += len(data)
        return data
