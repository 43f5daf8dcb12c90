"""Packed files byte by byte: gzip, xz, zstd, zip and CAB, honest ones and parts to forge others from.

Formats: RFC 1952, "The .xz File Format" of tukaani.org, RFC 8878, PKWARE's APPNOTE.TXT, Microsoft's [MS-CAB].
"""

from __future__ import annotations

import gzip
import lzma
import struct
import sys
import zlib
from typing import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BLOCK = 0x8000
"""Bytes of content in a block of a CAB file."""


def zstd(data: bytes) -> bytes:
    """Pack with zstd."""
    if sys.version_info >= (3, 14):
        from compression.zstd import compress
    else:
        from backports.zstd import compress
    packed: bytes = compress(data)
    return packed


def zstd_frame(blocks: Iterable[tuple[int, bytes, int]], window: int = 0x88) -> bytes:
    """Return a zstd frame of blocks: (0 as it is or 1 the same byte again and again, data, bytes of content).

    window: the window descriptor, an exponent above 10 in its five high bits.
    """
    listed = list(blocks)
    body = b"".join(
        struct.pack("<I", size << 3 | kind << 1 | (number == len(listed) - 1))[:3] + data
        for number, (kind, data, size) in enumerate(listed)
    )
    return b"\x28\xb5\x2f\xfd" + bytes([0, window]) + body


def zstd_of_zeros(start: bytes, length: int) -> bytes:
    """Return a zstd frame of some bytes and then so many zeros: 4 bytes for 128 KB."""
    first = [(0, start[at : at + 0x20000], len(start[at : at + 0x20000])) for at in range(0, len(start), 0x20000)]
    return zstd_frame([*first, *[(1, b"\0", 0x20000)] * (length // 0x20000)])


def zip_member(
    name: bytes,
    packed: bytes,
    *,
    size: int,
    method: int = 8,
    packed_size: int | None = None,
    check: int = 0,
    extra: bytes = b"",
    offset: int = 0,
    flags: int = 0,
) -> tuple[bytes, bytes]:
    """Return (local header with data, entry of the directory) of a file in a zip file."""
    length = len(packed) if packed_size is None else packed_size
    common = struct.pack("<HHHHHIIIHH", 45, flags, method, 0, 0, check, length, size, len(name), len(extra))
    local = b"PK\x03\x04" + common + name + extra + packed
    entry = b"PK\x01\x02" + struct.pack("<H", 45) + common + struct.pack("<HHHII", 0, 0, 0, 0, offset) + name + extra
    return local, entry


def zip_end(entries: int, size: int, offset: int, comment: bytes = b"") -> bytes:
    """Return the end of a zip file's directory."""
    counts = min(entries, 0xFFFF)
    return b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, counts, counts, size, offset, len(comment)) + comment


def zip_file(data: bytes, name: bytes = b"MEMORY.DMP") -> bytes:
    """Pack into a zip file."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    packed = packer.compress(data) + packer.flush()
    local, entry = zip_member(name, packed, size=len(data), check=zlib.crc32(data))
    return local + entry + zip_end(1, len(entry), len(local))


def cab_file(
    blocks: Iterable[tuple[bytes, int]],
    size: int,
    method: int,
    *,
    offset: int = 0,
    names: tuple[bytes, ...] = (b"MEMORY.DMP",),
    folder: int = 0,
    flags: int = 0,
    between: bytes = b"",
) -> bytes:
    """Return a CAB file. blocks: packed bytes and bytes of content; size, offset: of the file in the content."""
    data = b"".join(struct.pack("<IHH", 0, len(packed), length) + packed for packed, length in blocks)
    members = b"".join(struct.pack("<IIHHHH", size, offset, folder, 0, 0, 0x20) + name + b"\0" for name in names)
    files_at = 36 + len(between) + 8
    data_at = files_at + len(members)
    head = struct.pack(
        "<4sIIIIIBBHHHHH",
        b"MSCF",
        0,
        0xFFFFFFFF & data_at + len(data),
        0,
        files_at,
        0,
        3,
        1,
        1,
        len(names),
        flags,
        0,
        0,
    )
    return head + between + struct.pack("<IHH", data_at, 0xFFFF, method) + members + data


def mszip_blocks(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Pack with MSZIP, each block for itself."""
    for at in range(0, len(data), BLOCK):
        piece = data[at : at + BLOCK]
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        yield b"CK" + packer.compress(piece) + packer.flush(), len(piece)


def cab(data: bytes) -> bytes:
    """Pack into a CAB file."""
    return cab_file(mszip_blocks(data), len(data), 1)


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 6, mtime=0),
    "xz": lambda data: lzma.compress(data, preset=0),
    "zstd": zstd,
    "zip": zip_file,
    "CAB": cab,
}


class Bits:
    """Bits as LZX has them: in 16-bit words, from the highest on."""

    def __init__(self) -> None:
        self._value = 0
        self._count = 0

    def put(self, value: int, count: int) -> None:
        """Append a number of so many bits."""
        self._value = self._value << count | value
        self._count += count

    def bytes(self) -> bytes:
        """Return the words, the last one filled up."""
        count = -(-self._count // 16) * 16
        value = self._value << count - self._count
        big = value.to_bytes(count // 8, "big")
        return b"".join(big[at + 1 : at + 2] + big[at : at + 1] for at in range(0, len(big), 2))


VERBATIM = 1
DEEP = (*range(1, 16), 16, 16)
"""Lengths of a Huffman code whose table takes 65,536 entries, for the first 17 symbols."""


def lzx_frame(blocks: int, *, fresh: bool) -> bytes:
    """Return a frame of 32 KB of zeros in so many blocks, each with codes as expensive as they come.

    The frame's blocks are alike: literals, whose most frequent one takes a bit. fresh: no block with codes came before.
    """
    bits = Bits()
    for block in range(blocks):
        size = BLOCK // blocks
        bits.put(VERBATIM, 3)
        bits.put(size, 24)
        put_lengths(bits, DEEP, 256, changed=fresh and not block)
        put_lengths(bits, (), 8 * 30, changed=False)
        put_lengths(bits, DEEP, 249, changed=fresh and not block)
        bits.put(0, size)  # the literal 0
    return bits.bytes()


PRE_LENGTHS = (3, *[6] * 15, 7, 3, 1, 7)
"""Of the code for differences: 0 and 17 (some zeros) take 3 bits, 18 (many) one; Kraft's sum is 1."""


def put_lengths(bits: Bits, lengths: tuple[int, ...], count: int, *, changed: bool) -> None:
    """Put the lengths of a code: those given and zeros, or that nothing is changed since the block before."""
    codes = canonical(PRE_LENGTHS)
    for length in PRE_LENGTHS:
        bits.put(length, 4)
    for length in lengths:
        bits.put(*codes[-length % 17 if changed else 0])
    done = len(lengths)
    while done < count:
        if count - done >= 20:
            run = min(51, count - done)
            bits.put(*codes[18])
            bits.put(run - 20, 5)
        elif count - done >= 4:
            run = min(19, count - done)
            bits.put(*codes[17])
            bits.put(run - 4, 4)
        else:
            run = 1
            bits.put(*codes[0])
        done += run


def canonical(lengths: tuple[int, ...]) -> dict[int, tuple[int, int]]:
    """Return (value, bits) of each symbol."""
    codes: dict[int, tuple[int, int]] = {}
    value = before = 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(lengths) if length):
        value <<= length - before
        codes[symbol] = value, length
        value, before = value + 1, length
    return codes
