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

from windbg_ext.errors import DumpError
from windbg_ext.sources.archive import MAX_PIECE, PACKED_PIECE, Content, DamagedError, PackedBytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType
    from typing import Callable, Protocol

    from windbg_ext.sources.source import Source

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


MAX_MEMORY = 256 << 20
"""Bytes that xz may take for itself; its highest preset takes 65 MiB. zstd by itself takes at most 128 MiB."""
MAX_SMALL_STREAMS = 100_000
"""Packed streams that are mostly shorter than SMALL; bgzip makes one for each 64 KB."""
SMALL = 4096
GZIP = zlib.MAX_WBITS | 16
"""How zlib names the format."""


def open_gzip(source: Source) -> Content:
    """Return the content of a gzip file, whose length shows only at its end."""
    return Content(None, _unpack(source, partial(zlib.decompressobj, GZIP), zlib.error))


def open_xz(source: Source) -> Content:
    """Return the content of an xz file. Its length is known where the indexes of its streams tell."""
    new_unpacker = partial(lzma.LZMADecompressor, memlimit=MAX_MEMORY)
    return Content(_xz_size(source), _unpack(source, new_unpacker, lzma.LZMAError))


def open_zstd(source: Source) -> Content:
    """Return the content of a zstd file, whose length shows only at its end. DumpError: no module reads it."""
    zstd = _zstd()
    return Content(None, _unpack(source, zstd.ZstdDecompressor, zstd.ZstdError))


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


def _unpack(source: Source, new_unpacker: Callable[[], Unpacker], error: type[Exception]) -> Iterator[bytes]:
    """Give the content in pieces; DamagedError where the packed data is damaged, ends early or is mostly nothing."""
    packed_bytes = PackedBytes(source)
    unpacker, streams = new_unpacker(), 1
    packed = b""
    while True:
        if unpacker.eof:  # another stream may follow, perhaps behind zeros
            packed = unpacker.unused_data.lstrip(b"\0")
            while not packed and not packed_bytes.ended:
                packed = packed_bytes.read(PACKED_PIECE).lstrip(b"\0")
            if not packed:
                return
            streams += 1
            if streams > MAX_SMALL_STREAMS + packed_bytes.unpacked // SMALL:
                raise DamagedError(
                    f"it has more than {MAX_SMALL_STREAMS:,} packed streams with next to nothing in them"
                )
            unpacker = new_unpacker()
        if not packed and getattr(unpacker, "needs_input", True):
            packed = packed_bytes.read(PACKED_PIECE)
        try:
            data = unpacker.decompress(packed, MAX_PIECE)
        except error as damage:
            raise DamagedError(str(damage)) from None
        packed = getattr(unpacker, "unconsumed_tail", b"")  # the others keep what they were given
        if data:
            packed_bytes.unpacked += len(data)
            yield data
        elif packed_bytes.ended and not unpacker.eof:
            raise DamagedError("it ends too early")


XZ_FOOTER = 12
MAX_PADDING = 1 << 16
MAX_XZ_STREAMS = 1000
"""Whose indexes are added up."""
MAX_INDEX = 1 << 20
"""Bytes of the index of one stream."""


def _xz_size(source: Source) -> int | None:
    """Add up what the indexes at the ends of the xz streams say; None where they do not fit together."""
    end, total = source.size, 0
    for _ in range(MAX_XZ_STREAMS):
        if not end:
            return total
        padded = source.read(max(0, end - MAX_PADDING), min(end, MAX_PADDING))  # zeros between streams
        end -= len(padded) - len(padded.rstrip(b"\0"))
        footer = source.read(max(0, end - XZ_FOOTER), XZ_FOOTER)
        if len(footer) < XZ_FOOTER or not footer.endswith(b"YZ"):
            return None
        index_size = 4 * (int.from_bytes(footer[4:8], "little") + 1)
        index_at = end - XZ_FOOTER - index_size
        sizes = (
            _xz_index(source.read(index_at, index_size)) if index_at > XZ_FOOTER and index_size <= MAX_INDEX else None
        )
        if sizes is None:
            return None
        total += sizes[1]
        end = index_at - sizes[0] - XZ_FOOTER  # the stream's header is as long as its footer
        if end < 0:
            break
    return None


def _xz_index(index: bytes) -> tuple[int, int] | None:
    """Return (bytes of the packed blocks, bytes that they unpack to)."""
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
