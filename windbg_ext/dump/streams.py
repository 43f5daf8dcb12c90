"""Unpacking of gzip, xz and zstd: one packed stream behind the other, until the file ends.

Formats: RFC 1952 (gzip), "The .xz File Format" of tukaani.org (xz), whose index tells how long the content is, and
RFC 8878 (zstd).
"""

from __future__ import annotations

import lzma
import sys
import zlib
from functools import partial
from typing import TYPE_CHECKING

from windbg_ext.dump.packed import MOST_PIECE, MOST_WASTE, DamagedError
from windbg_ext.errors import DumpError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType
    from typing import Callable, Protocol

    from windbg_ext.dump.file import DumpFile

    class Unpacker(Protocol):
        """What zlib, lzma and zstd have in common. `needs_input` is missing in zlib, which always takes more."""

        @property
        def eof(self) -> bool:
            """Whether the packed stream has ended."""

        @property
        def unused_data(self) -> bytes:
            """What came behind its end."""

        def decompress(self, data: bytes, max_length: int) -> bytes:
            """Unpack at most max_length bytes."""


MOST_MEMORY = 256 << 20
"""Bytes that xz may take for itself; its highest preset takes 65 MiB. zstd by itself takes at most 128 MiB."""
MOST_SMALL_STREAMS = 100_000
"""Packed streams that are mostly shorter than SMALL; bgzip makes one for each 64 KB."""
SMALL = 4096
PACKED_PIECE = 1 << 16
GZIP = zlib.MAX_WBITS | 16
"""How zlib names the format."""


def open_streams(kind: str, file: DumpFile) -> tuple[int | None, Iterator[bytes]]:
    """Give how long the content is, None if that shows only at its end, and the content."""
    if kind == "gzip":
        return None, _unpack(file, partial(zlib.decompressobj, GZIP), zlib.error)
    if kind == "xz":
        return _xz_size(file), _unpack(file, partial(lzma.LZMADecompressor, memlimit=MOST_MEMORY), lzma.LZMAError)
    zstd = _zstd()
    return None, _unpack(file, zstd.ZstdDecompressor, zstd.ZstdError)


def _zstd() -> ModuleType:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError:
        why = "this Python lacks the module that unpacks it"
        raise DumpError("zstd file", why, "python -m pip install backports.zstd, or unpack it with zstd -d") from None
    return zstd


def _unpack(file: DumpFile, new_unpacker: Callable[[], Unpacker], error: type[Exception]) -> Iterator[bytes]:
    """Give the content in pieces; DamagedError where the packed data is damaged, ends early or is mostly nothing."""
    source = PackedBytes(file)
    unpacker, streams = new_unpacker(), 1
    packed = b""
    while True:
        if unpacker.eof:  # another stream may follow, perhaps behind zeros
            packed = unpacker.unused_data.lstrip(b"\0")
            while not packed and not source.ended:
                packed = source.read(PACKED_PIECE).lstrip(b"\0")
            if not packed:
                return
            streams += 1
            if streams > MOST_SMALL_STREAMS + source.unpacked // SMALL:
                raise DamagedError(
                    f"it has more than {MOST_SMALL_STREAMS:,} packed streams with next to nothing in them"
                )
            unpacker = new_unpacker()
        if not packed and getattr(unpacker, "needs_input", True):
            packed = source.read(PACKED_PIECE)
        try:
            data = unpacker.decompress(packed, MOST_PIECE)
        except error as damage:
            raise DamagedError(str(damage)) from None
        packed = getattr(unpacker, "unconsumed_tail", b"")  # the others keep what they were given
        if data:
            source.unpacked += len(data)
            yield data
        elif source.ended and not unpacker.eof:
            raise DamagedError("it ends too early")


class PackedBytes:
    """The bytes of a packed file in their order. unpacked: what whoever reads them has made of them so far.

    ended: nothing more comes. DamagedError for a file that is long and nearly empty: packed data may go on for ever
    and hold nothing.
    """

    def __init__(self, file: DumpFile, at: int = 0, end: int | None = None) -> None:
        self.unpacked = 0
        self.ended = False
        self._file, self._at, self._end = file, at, file.size if end is None else end
        self._read = 0

    def read(self, most: int) -> bytes:
        """Read on; fewer bytes than asked for where they end."""
        data = self._file.read(self._at, min(most, self._end - self._at))
        self._at += len(data)
        self._read += len(data)
        self.ended = not data
        if self._read > MOST_WASTE + 2 * self.unpacked:
            raise DamagedError("it unpacks to less than half of its length")
        return data


XZ_FOOTER = 12
MOST_PADDING = 1 << 16
MOST_XZ_STREAMS = 1000
"""Whose indexes are added up."""
MOST_INDEX = 1 << 20
"""Bytes of the index of one stream."""


def _xz_size(file: DumpFile) -> int | None:
    """Add up what the indexes at the ends of the xz streams say; None where they do not fit together."""
    end, total = file.size, 0
    for _ in range(MOST_XZ_STREAMS):
        if not end:
            return total
        padded = file.read(max(0, end - MOST_PADDING), min(end, MOST_PADDING))  # zeros between streams
        end -= len(padded) - len(padded.rstrip(b"\0"))
        footer = file.read(max(0, end - XZ_FOOTER), XZ_FOOTER)
        if len(footer) < XZ_FOOTER or not footer.endswith(b"YZ"):
            return None
        index_size = 4 * (int.from_bytes(footer[4:8], "little") + 1)
        index_at = end - XZ_FOOTER - index_size
        sizes = (
            _xz_index(file.read(index_at, index_size)) if index_at > XZ_FOOTER and index_size <= MOST_INDEX else None
        )
        if sizes is None:
            return None
        total += sizes[1]
        end = index_at - sizes[0] - XZ_FOOTER  # the stream's header is as long as its footer
        if end < 0:
            break
    return None


def _xz_index(index: bytes) -> tuple[int, int] | None:
    """Give (bytes of the packed blocks, bytes that they unpack to)."""
    at = 1

    def number() -> int:
        nonlocal at
        value = shift = 0
        while at < len(index) and shift < 63:
            byte = index[at]
            value |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if not byte & 0x80:
                break
        return value

    records = number()
    if index[:1] != b"\0" or records > len(index):
        return None
    packed = unpacked = 0
    for _ in range(records):
        packed += -(-number() // 4) * 4
        unpacked += number()
    return packed, unpacked
