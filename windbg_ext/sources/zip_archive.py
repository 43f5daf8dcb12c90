"""The dump in a zip file. Python's zipfile is not used: it parses any directory, however long.

Format: PKWARE's APPNOTE.TXT; the numbers below are its sections.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from windbg_ext.errors import DumpError
from windbg_ext.limits import MAX_DIRECTORY
from windbg_ext.sources.archive import MAX_IN_MEMORY, PACKED_PIECE, DamagedError, PackedBytes, choose_member
from windbg_ext.sources.formats import Content
from windbg_ext.sources.source import Range

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.limits import Budget
    from windbg_ext.sources.source import Source

END = struct.Struct("<4s4H2LH")
"""End of central directory record (4.3.16)."""
END64 = struct.Struct("<4sQ2H2L4Q")
"""Zip64 end of central directory record (4.3.14)."""
LOCATOR64 = struct.Struct("<4sLQL")
"""Zip64 end of central directory locator (4.3.15)."""
ENTRY = struct.Struct("<4s4x2H4x3L4H6xL")
"""File header in the central directory (4.3.12), without the fields that are not needed here."""
LOCAL = struct.Struct("<4s22x2H")
"""Local file header (4.3.7): the lengths of its name and of its extra field."""
MAX_COMMENT = 0xFFFF
ZIP64 = 1
"""The extra field with what does not fit into 32 bits (4.5.3)."""
ENCRYPTED, UTF8 = 1, 0x800
"""Bits of the general purpose flags (4.4.4)."""
STORED, DEFLATED = 0, 8
OTHER_METHODS = {
    9: "Deflate64, as Explorer does above 2 GB",
    12: "bzip2",
    14: "LZMA",
    93: "zstd",
    95: "xz",
}
NAME_IT = "unpack it and name the dump that comes out"
RAW_DEFLATE = -zlib.MAX_WBITS
"""How zlib names Deflate without anything around it."""


class Member(NamedTuple):
    """A file in a zip file. at: where its local header is; packed_size, size: bytes of it here and unpacked."""

    name: str
    flags: int
    method: int
    check: int
    packed_size: int
    size: int
    disk: int
    at: int


class Directory(NamedTuple):
    """Where the directory is, how long it is and how many files it lists."""

    at: int
    size: int
    entries: int


def open_zip(source: Source, budget: Budget) -> Content:
    """Find the one dump in a zip file. Raise DumpError where there is none that can be unpacked."""
    try:
        directory = _find_directory(source)
        budget.draw(MAX_DIRECTORY, directory.size, "directory of the zip file")
        members = list(_members(source.read(directory.at, directory.size), directory.entries))
    except (DamagedError, struct.error) as error:
        why = f"its directory cannot be read ({error})"
        raise DumpError("zip file", why, "copy the file again, or unpack it and name the dump that comes out") from None
    member = members[choose_member("zip", [member.name for member in members])]
    if member.disk:
        raise DumpError("zip file", "is one of a set, and the dump is in another one", NAME_IT)
    if member.flags & ENCRYPTED:
        raise DumpError("zip file", "is encrypted", "unpack it with its password and name the dump that comes out")
    if member.method not in (STORED, DEFLATED):
        method = OTHER_METHODS.get(member.method, f"method {member.method}")
        raise DumpError("zip file", f"is packed with {method}", NAME_IT)
    at = _data_of(source, member)
    stored = None
    if member.method == STORED and at + MAX_IN_MEMORY < at + member.size <= source.size:
        stored = Range(at, member.size)  # read in place, and not checked: no copy of it is made
    packed_bytes = PackedBytes(source, budget, at, min(at + member.packed_size, source.size))
    return Content(member.size, _pieces(packed_bytes, member), stored)


def _find_directory(source: Source) -> Directory:
    """Read the end of a zip file. Raise DamagedError where it is no such end."""
    start = max(0, source.size - END.size - MAX_COMMENT)
    tail = source.read(start, source.size - start)
    at = tail.rfind(b"PK\5\6")
    if at < 0 or at + END.size > len(tail):
        raise DamagedError("File is not a zip file")
    _, disk, _, _, entries, size, offset, _ = END.unpack_from(tail, at)
    if max(entries / 0xFFFF, size / 0xFFFFFFFF, offset / 0xFFFFFFFF) >= 1:  # the zip64 record tells
        locator = source.read(max(0, start + at - LOCATOR64.size), LOCATOR64.size)
        if locator.startswith(b"PK\6\7"):
            _, _, end64_at, _ = LOCATOR64.unpack(locator)
            record = source.read(end64_at, END64.size) if end64_at < source.size else b""
            if len(record) < END64.size or not record.startswith(b"PK\6\6"):
                raise DamagedError("its zip64 end of central directory record is not where it should be")
            _, _, _, _, disk, _, _, entries, size, offset = END64.unpack(record)
    if disk not in (0, 0xFFFF):
        raise DumpError("zip file", "is one of a set, with its directory in the last one", NAME_IT)
    if offset > source.size:
        raise DamagedError("it begins behind the end of the file")
    return Directory(offset, size, entries)


def _members(directory: bytes, entries: int) -> Iterator[Member]:
    """Yield the files of a directory, folders left out. Raise DamagedError or struct.error where it is none."""
    at = 0
    for _ in range(entries):
        if at >= len(directory):
            raise DamagedError("it lists fewer files than it says")
        signature, flags, method, check, packed, size, *lengths, disk, offset = ENTRY.unpack_from(directory, at)
        if signature != b"PK\1\2":
            raise DamagedError("Bad magic number for central directory")
        name_at = at + ENTRY.size
        extra_at = name_at + lengths[0]
        at = extra_at + lengths[1] + lengths[2]
        if at > len(directory):
            raise DamagedError("it ends too early")
        coded = directory[name_at:extra_at].split(b"\0", 1)[0]
        name = coded.decode("utf-8", "backslashreplace") if flags & UTF8 else coded.decode("cp437")
        if not name.endswith("/"):
            extra = directory[extra_at : extra_at + lengths[1]]
            size, packed, offset = _widened(extra, (size, packed, offset))
            yield Member(name, flags, method, check, packed, size, 0 if disk == 0xFFFF else disk, offset)


def _widened(extra: bytes, values: tuple[int, ...]) -> tuple[int, ...]:
    """Return values with those that are all ones taken from the zip64 field, which has only them, in this order."""
    if 0xFFFFFFFF not in values:
        return values
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == ZIP64:
            field = iter(extra[at + 4 + place : at + 12 + place] for place in range(0, length, 8))
            wide = [
                int.from_bytes(next(field, b"").ljust(8, b"\xff"), "little") if value == 0xFFFFFFFF else value
                for value in values
            ]
            return tuple(wide)
        at += 4 + length
    return values


def _data_of(source: Source, member: Member) -> int:
    """Return where the packed bytes of a file begin, behind its local header."""
    header = source.read(member.at, LOCAL.size) if member.at < source.size else b""
    if len(header) < LOCAL.size or not header.startswith(b"PK\3\4"):
        why = f"has no file at 0x{member.at:x}, where its directory says that the dump is"
        raise DumpError("zip file", why, "copy the file again")
    _, name, extra = LOCAL.unpack(header)
    at: int = member.at + LOCAL.size + name + extra
    return at


def _pieces(packed_bytes: PackedBytes, member: Member) -> Iterator[bytes]:
    """Yield the content, cut at the length that the directory says."""
    unpacker = zlib.decompressobj(RAW_DEFLATE) if member.method == DEFLATED else None
    left, check = member.size, 0
    while left and not (unpacker and unpacker.eof):
        packed = (unpacker and unpacker.unconsumed_tail) or packed_bytes.read(PACKED_PIECE)
        try:
            data = unpacker.decompress(packed, min(left, PACKED_PIECE)) if unpacker else packed[:left]
        except zlib.error as error:
            raise DamagedError(str(error)) from None
        if not data and packed_bytes.ended:
            break
        packed_bytes.unpacked += len(data)
        left -= len(data)
        check = zlib.crc32(data, check)
        if not left and check != member.check:
            raise DamagedError("Bad CRC-32")
        if data:
            yield data
    if left:
        raise DamagedError("it ends too early")
