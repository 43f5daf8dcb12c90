"""A dump inside a gzip or xz file, unpacked in memory only as far as it is looked at, and never beyond a bound.

Formats: RFC 1952 (gzip), "The .xz File Format" of tukaani.org (xz), whose index tells how long the content is.
"""

from __future__ import annotations

import lzma
import zlib
from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError

if TYPE_CHECKING:
    from typing import Protocol

    from windbg_ext.dump.file import DumpFile

    class Unpacker(Protocol):
        """What zlib and lzma have in common."""

        @property
        def eof(self) -> bool:
            """Whether the packed stream has ended."""

        @property
        def unused_data(self) -> bytes:
            """What came behind its end."""

        def decompress(self, data: bytes, max_length: int) -> bytes:
            """Unpack at most max_length bytes."""


SIGNATURES = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\0": "xz"}
MOST_UNPACKED = 64 << 20
"""Bytes: more than any small dump has, and than the header and the bitmap of a dump of 1 TiB of RAM take."""
MOST_PACKED = 2 * MOST_UNPACKED
"""Bytes that are read for them: a file may hold any number of packed streams with nothing in them."""
MOST_STREAMS = 100_000
"""One behind the other in a file; bgzip makes one for each 64 KB."""
MOST_MEMORY = 256 << 20
"""Bytes that xz may take for itself; its highest preset takes 65 MiB."""
PIECE = 1 << 20
UNKNOWN_SIZE = 1 << 62


def open_packed(file: DumpFile) -> PackedStream | None:
    """Give the content of a packed file, to be read as a DumpFile; None if it is not one of the two kinds."""
    start = file.read(0, 8)
    kind = next((kind for signature, kind in SIGNATURES.items() if start.startswith(signature)), None)
    return None if kind is None else PackedStream(file, kind)


class PackedStream:
    """The unpacked bytes of a packed file, from its start. `size` is UNKNOWN_SIZE until it is known."""

    def __init__(self, file: DumpFile, kind: str) -> None:
        self.kind = kind
        self.size = (_xz_size(file) or UNKNOWN_SIZE) if kind == "xz" else UNKNOWN_SIZE
        self._file = file
        self._at = 0
        self._packed_at = 0
        self._rest = b""
        self._unpacked = bytearray()
        self._ended = False
        self._streams = 0
        self._unpacker = self._new_unpacker()

    def seek(self, offset: int) -> None:
        """Set where the next read begins."""
        self._at = offset

    def read(self, length: int) -> bytes:
        """Read up to `length` bytes; DumpError beyond MOST_UNPACKED, or where the packed file is damaged."""
        end = self._at + length
        if min(end, self.size) > MOST_UNPACKED:
            why = f"0x{self._at:x} is behind the first {MOST_UNPACKED >> 20} MB, the most that is looked into"
            raise DumpError(f"content of the {self.kind} file", why, "unpack the file first")
        self._unpack_to(end)
        data = bytes(self._unpacked[self._at : end])
        self._at += len(data)
        return data

    def find_end(self) -> None:
        """Unpack to the end to know the size, or as far as the bound allows."""
        if self.size == UNKNOWN_SIZE:
            self._unpack_to(MOST_UNPACKED)

    def close(self) -> None:
        """Forget what was unpacked."""
        self._unpacked = bytearray()

    def _unpack_to(self, end: int) -> None:
        while len(self._unpacked) < end and not self._ended:
            try:
                self._unpack_piece(min(PIECE, end - len(self._unpacked)))
            except (zlib.error, lzma.LZMAError, OSError) as error:
                why = f"damaged behind 0x{len(self._unpacked):x} ({error})"
                raise DumpError(f"content of the {self.kind} file", why, "copy the file again") from None
        if self._ended and self.size == UNKNOWN_SIZE:
            self.size = len(self._unpacked)

    def _unpack_piece(self, most: int) -> None:
        if self._unpacker.eof:  # another packed stream may follow
            self._rest = self._unpacker.unused_data.lstrip(b"\0")
            if not (self._rest or self._refill()):
                self._ended = True
                return
            self._unpacker = self._new_unpacker()
        if not self._rest and getattr(self._unpacker, "needs_input", True):
            self._refill()
        data = self._unpacker.decompress(self._rest, most)
        if not (data or self._rest or self._unpacker.eof):
            raise OSError("it ends too early")
        self._unpacked += data
        self._rest = getattr(self._unpacker, "unconsumed_tail", b"")  # lzma keeps what it was given

    def _refill(self) -> bool:
        if self._packed_at > MOST_PACKED:
            raise OSError("it unpacks to less than half of its length")
        self._rest = self._file.read(self._packed_at, PIECE // 16)
        self._packed_at += len(self._rest)
        return bool(self._rest)

    def _new_unpacker(self) -> Unpacker:
        self._streams += 1
        if self._streams > MOST_STREAMS:
            raise OSError(f"it has more than {MOST_STREAMS:,} packed streams")
        if self.kind == "xz":
            return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MOST_MEMORY)
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)


XZ_FOOTER = 12
LARGEST_PADDING = 1 << 16
MOST_XZ_STREAMS = 1000
"""Whose indexes are added up."""


def _xz_size(file: DumpFile) -> int | None:
    """Add up what the indexes at the ends of the xz streams say; None where they do not fit together."""
    end, total = file.size, 0
    for _ in range(MOST_XZ_STREAMS):
        if not end:
            return total
        padded = file.read(max(0, end - LARGEST_PADDING), min(end, LARGEST_PADDING))  # zeros between streams
        end -= len(padded) - len(padded.rstrip(b"\0"))
        footer = file.read(max(0, end - XZ_FOOTER), XZ_FOOTER)
        if len(footer) < XZ_FOOTER or not footer.endswith(b"YZ"):
            return None
        index_size = 4 * (int.from_bytes(footer[4:8], "little") + 1)
        index_at = end - XZ_FOOTER - index_size
        sizes = _xz_index(file.read(index_at, index_size)) if index_at > XZ_FOOTER and index_size <= PIECE else None
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
