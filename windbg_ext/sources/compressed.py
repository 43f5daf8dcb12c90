"""Unpacking gzip, xz and zstd: one packed stream after another until the file ends.

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
from windbg_ext.limits import MAX_INDEX, MAX_SHORT_STREAMS, MAX_XZ_STREAMS, LimitError
from windbg_ext.sources.archive import PACKED_PIECE, UNKNOWN_SIZE, Content, DamagedError, PackedBytes
from windbg_ext.sources.temporary import MAX_PIECE
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType
    from typing import Callable, Protocol

    from windbg_ext.limits import Budget
    from windbg_ext.sources.source import Source

    class Unpacker(Protocol):
        """The interface that zlib, lzma and zstd share. zlib has no `needs_input`: it always takes more."""

        @property
        def eof(self) -> bool:
            """Whether the packed stream has ended."""

        @property
        def unused_data(self) -> bytes:
            """The bytes after its end."""

        def decompress(self, data: bytes, max_length: int) -> bytes:
            """Unpack at most max_length bytes."""


MAX_XZ_MEMORY = 160 << 20
"""Bytes of memory for xz: enough for a dictionary of 128 MiB, twice that of its highest preset."""
MAX_ZSTD_MEMORY = 128 << 20
"""Bytes of the largest window that zstd accepts by default (RFC 8878 asks for 8 MB at least)."""
FIRST_PIECE = 512
"""Bytes of a stream that are read first; each further piece is twice as long."""
SHORT_STREAM = 1 << 14
"""Bytes of content; a stream with fewer draws on the budget."""
GZIP = zlib.MAX_WBITS | 16
"""How zlib names the format."""


class Damage(NamedTuple):
    """How a module says that packed data is damaged, or that it takes too much memory.

    error: what it raises; memory: words in that; limit: bytes of memory.
    """

    kind: str
    error: type[Exception]
    memory: str = ""
    limit: int = 0

    def told(self, raised: Exception) -> Exception:
        """Return the error for what a module raised."""
        if not self.memory or self.memory not in str(raised):
            return DamagedError(str(raised))
        why = f"takes more than {self.limit >> 20} MB of memory to unpack, the most that is used for it"
        return DumpError(f"content of the {self.kind} file", why, f"unpack it with {self.kind} -d and name the dump")


def open_gzip(source: Source, budget: Budget) -> Content:
    """Return the content of a gzip file. Its length is unknown until its end is reached."""
    damage = Damage("gzip", zlib.error)
    return Content(None, _unpack(source, budget, partial(zlib.decompressobj, GZIP), damage))


def open_xz(source: Source, budget: Budget) -> Content:
    """Return the content of an xz file. Its length is known where the indexes of its streams tell."""
    new_unpacker = partial(lzma.LZMADecompressor, memlimit=MAX_XZ_MEMORY)
    damage = Damage("xz", lzma.LZMAError, "Memory usage limit", MAX_XZ_MEMORY)
    return Content(_xz_size(source, budget), _unpack(source, budget, new_unpacker, damage))


def open_zstd(source: Source, budget: Budget) -> Content:
    """Return the content of a zstd file, of unknown length. Raise DumpError if this Python has no module for it."""
    zstd = _zstd()
    damage = Damage("zstd", zstd.ZstdError, "too much memory", MAX_ZSTD_MEMORY)
    return Content(None, _unpack(source, budget, zstd.ZstdDecompressor, damage))


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


class _Feed:
    """Packed bytes for one stream after another. The first pieces of a stream are small, the rest are larger.

    The bytes after a stream's end are handed out again. Small pieces keep that cheap for thousands of short streams.
    """

    def __init__(self, packed_bytes: PackedBytes) -> None:
        self._packed_bytes = packed_bytes
        self._held, self._at, self._step = b"", 0, FIRST_PIECE

    def next(self) -> bytes:
        """Return the next piece, no bytes at the end."""
        if self._at == len(self._held):
            self._held, self._at = self._packed_bytes.read(PACKED_PIECE), 0
        piece = self._held[self._at : self._at + self._step]
        self._at += len(piece)
        self._step = min(2 * self._step, PACKED_PIECE)
        return piece

    def another_stream(self, unused: bytes) -> bool:
        """Skip the zeros after a stream; return whether another one follows. unused: bytes that the stream left."""
        self._at -= len(unused)
        self._step = FIRST_PIECE
        while piece := self.next():
            rest = len(piece.lstrip(b"\0"))
            if rest:
                self._at -= rest
                self._step = FIRST_PIECE
                return True
        return False


def _unpack(source: Source, budget: Budget, new_unpacker: Callable[[], Unpacker], damage: Damage) -> Iterator[bytes]:
    """Yield the content in pieces. Raise DamagedError where the packed data is damaged, cut, or nearly empty."""
    packed_bytes = PackedBytes(source, budget)
    feed = _Feed(packed_bytes)
    unpacker = new_unpacker()
    packed, size = b"", 0
    while True:
        if unpacker.eof:  # another stream may follow, perhaps after zeros
            if size < SHORT_STREAM:
                budget.draw(MAX_SHORT_STREAMS, 1, f"content of the {damage.kind} file")
            if not feed.another_stream(unpacker.unused_data):
                return
            unpacker = new_unpacker()
            packed, size = b"", 0
        if not packed and getattr(unpacker, "needs_input", True):
            packed = feed.next()
        try:
            data = unpacker.decompress(packed, MAX_PIECE)
        except damage.error as raised:
            raise damage.told(raised) from None
        packed = getattr(unpacker, "unconsumed_tail", b"")  # the others keep what they were given
        if data:
            packed_bytes.unpacked += len(data)
            size += len(data)
            yield data
        elif packed_bytes.ended and not unpacker.eof:
            raise DamagedError("it ends too early")


XZ_FOOTER = 12
MAX_XZ_NUMBER = 63
"""Bits of a number in an index: nine bytes of 7 bits."""
MAX_PADDING = 1 << 16


def _xz_size(source: Source, budget: Budget) -> int | None:
    """Return the sum of the sizes in the indexes of all xz streams; None where the indexes are wrong or too long."""
    end, total = source.size, 0
    while end > 0:
        padded = source.read(max(0, end - MAX_PADDING), min(end, MAX_PADDING))  # zeros between streams
        end -= len(padded) - len(padded.rstrip(b"\0"))
        footer = source.read(max(0, end - XZ_FOOTER), XZ_FOOTER)
        if len(footer) < XZ_FOOTER or not footer.endswith(b"YZ"):
            return None
        index_size = 4 * (int.from_bytes(footer[4:8], "little") + 1)
        index_at = end - XZ_FOOTER - index_size
        try:
            budget.draw(MAX_XZ_STREAMS, 1, "content of the xz file")
            budget.draw(MAX_INDEX, index_size, "index of the xz file")
        except LimitError:
            return None
        sizes = _xz_index(source.read(index_at, index_size)) if index_at > XZ_FOOTER else None
        if sizes is None:
            return None
        total += sizes[1]
        end = index_at - sizes[0] - XZ_FOOTER  # the stream's header is as long as its footer
    return None if end or total >= UNKNOWN_SIZE else total


def _xz_index(index: bytes) -> tuple[int, int] | None:
    """Return (bytes of the packed blocks, bytes of their content), None for a wrong index."""
    numbers: list[int] = []
    value = shift = 0
    for byte in index[1:]:
        value |= (byte & 0x7F) << shift
        shift += 7
        if shift > MAX_XZ_NUMBER:
            return None
        if not byte & 0x80:
            numbers.append(value)
            value = shift = 0
            if len(numbers) > 2 * numbers[0]:
                break
    if index[:1] != b"\0" or not numbers or len(numbers) <= 2 * numbers[0]:
        return None
    return sum(-(-packed // 4) * 4 for packed in numbers[1::2]), sum(numbers[2::2])
