"""The dump in a CAB file, such as WinDbg's `.dump /b` writes.

Format: Microsoft's [MS-CAB], which describes MSZIP, too. A folder there is a run of blocks, each of at most 32 KB of
content, that are packed together; a file is a stretch of a folder's content.
"""

from __future__ import annotations

import contextlib
import struct
import zlib
from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError
from windbg_ext.limits import MAX_DIRECTORY, MAX_SHORT_BLOCKS, MAX_UNPACKED
from windbg_ext.sources.archive import Content, DamagedError, PackedBytes, choose_member
from windbg_ext.sources.lzx import SLOTS, LzxUnpacker
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Callable

    from windbg_ext.limits import Budget
    from windbg_ext.sources.source import Source

HEADER = struct.Struct("<4s4xI4xI4xBBHHHHH")
RESERVED = struct.Struct("<HBB")
FOLDER = struct.Struct("<IHH")
MEMBER = struct.Struct("<IIH6x")
BLOCK = struct.Struct("<IHH")
PREVIOUS, NEXT, RESERVE = 1, 2, 4
"""Bits of the header's flags."""
FIRST_CONTINUED = 0xFFFD
"""Folder numbers from here on: a file that begins or ends in another CAB file."""
USUAL_DIRECTORY = 1 << 14
MAX_BLOCK = 0x8000
MAX_PACKED_BLOCK = MAX_BLOCK + 6144
"""Microsoft's limit for a block that packing made longer."""
STORED, MSZIP, QUANTUM, LZX = range(4)
BEFORE_IT = "what comes before the dump in the CAB file"
EXPAND = "unpack it (on Windows: expand -F:* FILE .) and name the dump that comes out"


class Member(NamedTuple):
    """A file in a CAB file. offset: where its bytes begin in the content of the folder with this number."""

    name: str
    size: int
    offset: int
    folder: int


def open_cab(source: Source, budget: Budget) -> Content:
    """Find the one dump in a CAB file. Raise DumpError where there is none that can be unpacked."""
    directory = _read_directory(source)
    member = directory.members[choose_member("CAB", [member.name for member in directory.members])]
    if member.folder >= FIRST_CONTINUED:
        raise _one_of_a_set()
    if member.folder >= len(directory.folders):
        raise DumpError("CAB file", f"has no folder {member.folder}, in which the dump should be", "copy it again")
    at, method = directory.folders[member.folder]
    MAX_UNPACKED.check(member.offset, BEFORE_IT, max(0, source.size - at))
    blocks = _blocks(PackedBytes(source, budget, at), budget, _unpacker(method, budget), directory)
    return Content(member.size, _content(blocks, member, budget))


def _one_of_a_set() -> DumpError:
    return DumpError("CAB file", "is one of a set, and the dump goes on in another one", EXPAND)


def _read_directory(source: Source) -> _Directory:
    for length in (USUAL_DIRECTORY, MAX_DIRECTORY.most):
        with contextlib.suppress(struct.error, ValueError):  # it ends before the directory does
            return _Directory(source.read(0, length))
    raise DumpError("CAB file", "its directory is cut, damaged or longer than 1 MB", "copy the file again")


class _Directory:
    """folders: (file offset of the first block, method) of each; goes_on: whether another CAB file follows."""

    def __init__(self, data: bytes) -> None:
        _, _, files_at, _, _, folders, files, flags, _, _ = HEADER.unpack_from(data)
        at, folder_reserve, self.block_reserve = HEADER.size, 0, 0
        self.goes_on = bool(flags & NEXT)
        if flags & RESERVE:
            header_reserve, folder_reserve, self.block_reserve = RESERVED.unpack_from(data, at)
            at += RESERVED.size + header_reserve
        for flag in (PREVIOUS, NEXT):
            if flags & flag:  # names of the file and of its disk
                at = data.index(b"\0", data.index(b"\0", at) + 1) + 1
        self.folders = []
        for index in range(folders):
            offset, _, method = FOLDER.unpack_from(data, at + index * (FOLDER.size + folder_reserve))
            self.folders.append((offset, method))
        self.members = []
        for _ in range(files):
            size, offset, folder = MEMBER.unpack_from(data, files_at)
            end = data.index(b"\0", files_at + MEMBER.size)
            name = data[files_at + MEMBER.size : end].decode("utf-8", "backslashreplace")
            self.members.append(Member(name, size, offset, folder))
            files_at = end + 1


def _content(blocks: Iterator[bytes], member: Member, budget: Budget) -> Iterator[bytes]:
    """Yield the bytes of a file. What comes before it in its folder is unpacked, too, and draws on the budget."""
    at, end = 0, member.offset + member.size
    while at < end:
        data = next(blocks, None)
        if data is None:
            raise DamagedError("it ends too early")
        before = max(0, member.offset - at)
        budget.draw(MAX_UNPACKED, min(before, len(data)), BEFORE_IT)
        piece = data[before : end - at]
        at += len(data)
        if piece:
            yield piece


def _blocks(
    packed_bytes: PackedBytes, budget: Budget, unpack: Callable[[bytes, int], bytes], directory: _Directory
) -> Iterator[bytes]:
    """Yield the content of a folder block by block."""
    reserve = directory.block_reserve
    while True:
        header = packed_bytes.read(BLOCK.size + reserve)
        if len(header) < BLOCK.size + reserve:
            return
        checksum, packed_size, size = BLOCK.unpack_from(header)
        if directory.goes_on and packed_size and not size:
            raise _one_of_a_set()  # in the middle of a block, says [MS-CAB] 2.4
        if not 0 < size <= MAX_BLOCK or packed_size > MAX_PACKED_BLOCK:
            raise DamagedError(f"a block of {packed_size} bytes for {size}")
        if size < MAX_BLOCK:
            budget.draw(MAX_SHORT_BLOCKS, 1, "content of the CAB file")
        packed = packed_bytes.read(packed_size)
        if len(packed) < packed_size:
            return
        if checksum and not reserve and checksum != _checksum(packed) ^ _checksum(header[4:]):
            raise DamagedError("the checksum of a block is wrong")
        data = unpack(packed, size)
        if len(data) != size:
            raise DamagedError("a block has another length than it says")
        packed_bytes.unpacked += size
        yield data


def _unpacker(method: int, budget: Budget) -> Callable[[bytes, int], bytes]:
    """Return the function that unpacks the blocks of a folder, which it must be given in order."""
    kind, window_bits = method & 0xF, method >> 8 & 0x1F
    if kind == STORED:
        return lambda packed, _size: packed
    if kind == MSZIP:
        return _MszipUnpacker().unpack
    if kind == LZX and window_bits in SLOTS:
        return LzxUnpacker(window_bits, budget).unpack
    raise DumpError("CAB file", f"is packed with {'Quantum' if kind == QUANTUM else f'method 0x{method:x}'}", EXPAND)


class _MszipUnpacker:
    """Each block is a Deflate stream (RFC 1951) of its own that may refer to the content of the previous one."""

    def __init__(self) -> None:
        self._before = b""

    def unpack(self, packed: bytes, size: int) -> bytes:
        if not packed.startswith(b"CK"):
            raise DamagedError("a block does not begin with CK")
        try:
            self._before = zlib.decompressobj(-zlib.MAX_WBITS, zdict=self._before).decompress(packed[2:], size)
        except zlib.error as error:
            raise DamagedError(str(error)) from None
        return self._before


def _checksum(data: bytes) -> int:
    """Return the exclusive or of all 32-bit words. The bytes of a last, shorter word are in reverse order."""
    words = len(data) // 4
    value = int.from_bytes(data[: 4 * words], "little")
    tail = int.from_bytes(data[4 * words :], "big")
    while words > 1:  # one half over the other
        words = (words + 1) // 2
        value = value & (1 << 32 * words) - 1 ^ value >> 32 * words
    return value ^ tail
