"""Where the physical pages of a dump lie in its file: one question, asked of three layouts.

Nothing is built per page: runs and ranges are found by bisection, a bitmap by a running count per block of it.
Layouts and sources: `windbg_ext.structs.header` (runs), `windbg_ext.structs.bodies` (bitmap, ranges).
"""

from __future__ import annotations

import struct
import sys
from bisect import bisect_right
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Protocol

from windbg_ext.dump.kinds import Body, body_of
from windbg_ext.errors import DumpError
from windbg_ext.sources import read_field
from windbg_ext.structs.bodies import (
    BITMAP_SIGNATURES,
    RANGES_MARKER,
    RANGES_METADATA_OFFSET,
    RANGES_SIGNATURE,
    VALID_BODY,
    BitmapHeader64,
    RangesHeader64,
    SummaryHeader32,
)
from windbg_ext.structs.header import DumpType
from windbg_ext.structs.layouts import LAYOUTS32

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from windbg_ext.dump.header import DumpHeader
    from windbg_ext.limits import Budget
    from windbg_ext.sources import Source

PAGE_SIZE = 0x1000
MAX_PFN = 1 << 40
"""x64 physical addresses have at most 52 bits."""

PLAUSIBLE = "the header is damaged"


class PageSource(Protocol):
    """The pages of a dump. `end`: the file offset behind the last page, whether or not the file goes that far."""

    @property
    def page_count(self) -> int:
        """How many pages the dump says that it holds."""

    @property
    def end(self) -> int:
        """The file offset behind the last page."""

    @property
    def frames(self) -> int:
        """The number behind the highest page frame."""

    def offset_of(self, pfn: int) -> int | None:
        """Return the file offset of a page frame, None if the dump does not hold it.

        Raise DumpError where the part of the file that would tell cannot be read.
        """

    def pages_below(self, pfn: int) -> int:
        """Count the page frames with a smaller number that the dump holds."""


def read_page_source(source: Source, header: DumpHeader, budget: Budget) -> PageSource | None:
    """Find the pages of a dump; None for the types that hold none. Counts and offsets that lie are a DumpError."""
    body = body_of(header.dump_type)
    if body is Body.RUNS:
        return _read_runs(header)
    if body is Body.BITMAP:
        return _read_bitmap(source, header.size)
    if body is Body.RANGES:
        return _read_ranges(source, header.size, header.dump_type)
    if body is Body.SUMMARY and header.layouts is LAYOUTS32:
        return _read_summary(source, header.size)
    return None


class RunPages:
    """Pages that lie run by run, in the order of the runs, from one offset on."""

    def __init__(self, runs: Iterable[tuple[int, int]], first_page_offset: int) -> None:
        """runs: (first page frame, count) in the order of the file."""
        counts: list[tuple[int, int]] = list(runs)
        starts = accumulate((count for _, count in counts), initial=0)
        placed = sorted((base, count, start) for (base, count), start in zip(counts, starts) if count)
        self._bases = [base for base, _, _ in placed]
        self._below = list(accumulate((count for _, count, _ in placed), initial=0))
        self._runs = placed
        self._first = first_page_offset
        self.page_count = sum(count for _, count in counts)
        self.end = first_page_offset + self.page_count * PAGE_SIZE

    def offset_of(self, pfn: int) -> int | None:
        """Give the file offset of a page frame, None if the dump does not hold it."""
        index = bisect_right(self._bases, pfn) - 1
        if index < 0:
            return None
        base, count, start = self._runs[index]
        return self._first + (start + pfn - base) * PAGE_SIZE if pfn - base < count else None

    @property
    def frames(self) -> int:
        """The number behind the highest page frame."""
        return sum(self._runs[-1][:2]) if self._runs else 0

    def pages_below(self, pfn: int) -> int:
        """Count the page frames with a smaller number that the dump holds."""
        index = bisect_right(self._bases, pfn) - 1
        if index < 0:
            return 0
        base, count, _ = self._runs[index]
        return self._below[index] + min(count, pfn - base)


def _read_runs(header: DumpHeader) -> RunPages:
    if header.physical_memory is None:
        raise DumpError("PhysicalMemoryBlock", "was never set, so the pages of this dump cannot be found", PLAUSIBLE)
    runs = [(run.base_page, run.page_count) for run in header.physical_memory]
    _check_runs("PhysicalMemoryBlock.Run", runs)
    return RunPages(runs, header.size)


def _check_runs(field: str, runs: list[tuple[int, int]]) -> None:
    for index, (base, count) in enumerate(runs):
        if base + count > MAX_PFN:
            raise DumpError(f"{field}[{index}]", f"page frames 0x{base:x} + 0x{count:x} are beyond 52 bits", PLAUSIBLE)
    by_base = sorted((item for item in enumerate(runs) if item[1][1]), key=lambda item: item[1])
    for (_, (base, count)), (index, (next_base, _)) in zip(by_base, by_base[1:]):
        if base + count > next_base:
            raise DumpError(f"{field}[{index}]", f"page frame 0x{next_base:x} is in two runs", PLAUSIBLE)


BLOCK_BYTES = 4096
"""Bytes of the bitmap per entry of the rank directory: 128 MiB of physical memory."""
CHUNK_BYTES = 1 << 20
"""Bytes of a bitmap or a list of ranges that are read at once."""
UNKNOWN = -1


class BitmapPages:
    """Pages that lie in the order of their frame numbers; bit n of a bitmap says whether frame n is there.

    The rank directory holds the number of set bits before each block, so a lookup counts inside one block only.
    counted_pages: set bits; page_count: what the header says. They differ in a damaged dump.

    Where blocks of the bitmap cannot be read, page_count tells how many bits are set in them, so that the pages behind
    them are found; those in between are lost. unread: a sentence about that, None where all could be read.
    """

    def __init__(self, source: Source, bitmap_offset: int, bits: int, first_page_offset: int, page_count: int) -> None:
        self._source = source
        self._offset = bitmap_offset
        self._bits = bits
        self._first = first_page_offset
        self.page_count = page_count
        self._lost = range(0)
        self._errors: list[DumpError] = []
        self.unread: str | None = None
        counts = [count for start in range(0, _bytes_of(bits), CHUNK_BYTES) for count in self._counts(start)]
        if self._errors:
            self._bridge(counts)
        self._ranks = list(accumulate(counts, initial=0))
        self.counted_pages = self._ranks[-1]
        self.end = first_page_offset + self.counted_pages * PAGE_SIZE
        self._block = lru_cache(maxsize=256)(self._read_block)

    def _counts(self, start: int) -> list[int]:
        """Count the set bits of each block of a chunk, UNKNOWN for one that cannot be read."""
        try:
            chunk = self._read(start, CHUNK_BYTES)
        except DumpError:
            end = min(start + CHUNK_BYTES, _bytes_of(self._bits))
            return [self._count_alone(at) for at in range(start, end, BLOCK_BYTES)]
        return [_count(chunk[at : at + BLOCK_BYTES]) for at in range(0, len(chunk), BLOCK_BYTES)]

    def _count_alone(self, at: int) -> int:
        try:
            return _count(self._read(at, BLOCK_BYTES))
        except DumpError as error:
            self._errors.append(error)
            return UNKNOWN

    def _bridge(self, counts: list[int]) -> None:
        """Let the first of the blocks that cannot be read count for all up to the last one. DumpError if none can."""
        lost = [block for block, count in enumerate(counts) if count == UNKNOWN]
        self._lost = range(lost[0], lost[-1] + 1)
        missing = self.page_count - sum(count for block, count in enumerate(counts) if block not in self._lost)
        if not 0 <= missing <= len(self._lost) * BLOCK_BYTES * 8:
            raise self._errors[0]
        counts[lost[0] : lost[-1] + 1] = [missing] + [0] * (len(self._lost) - 1)
        self.unread = f"{self._errors[0].why}; by the header's count it tells of {missing:,} pages, which are lost"

    def offset_of(self, pfn: int) -> int | None:
        """Give the file offset of a page frame, None if the dump does not hold it. DumpError: that cannot be read."""
        if not 0 <= pfn < self._bits:
            return None
        block, bit = divmod(pfn, BLOCK_BYTES * 8)
        bits = self._block(block)
        if not bits[bit // 8] >> bit % 8 & 1:
            return None
        before = popcount(bits[: bit // 8]) + popcount(bytes([bits[bit // 8] & (1 << bit % 8) - 1]))
        return self._first + (self._ranks[block] + before) * PAGE_SIZE

    @property
    def frames(self) -> int:
        """The number behind the highest page frame that the bitmap has a bit for."""
        return self._bits

    def pages_below(self, pfn: int) -> int:
        """Count the page frames with a smaller number that the dump holds, as if those lost were spread evenly."""
        if pfn >= self._bits:
            return self.counted_pages
        block, bit = divmod(pfn, BLOCK_BYTES * 8)
        if block in self._lost:
            first, end = self._lost.start * BLOCK_BYTES * 8, min(self._lost.stop * BLOCK_BYTES * 8, self._bits)
            before, behind = self._ranks[self._lost.start], self._ranks[self._lost.stop]
            return before + (behind - before) * (pfn - first) // (end - first)
        bits = self._block(block)
        return self._ranks[block] + popcount(bits[: bit // 8] + bytes([bits[bit // 8] & (1 << bit % 8) - 1]))

    def _read_block(self, block: int) -> bytes:
        if block in self._lost:
            raise DumpError("bitmap", self._errors[0].why)
        return self._read(block * BLOCK_BYTES, BLOCK_BYTES)

    def _read(self, start: int, length: int) -> bytes:
        length = min(length, _bytes_of(self._bits) - start)
        data = read_field(self._source, "bitmap", self._offset + start, length)
        tail = self._bits - start * 8
        if tail < length * 8:  # bits behind the last page frame mean nothing
            data = data[:-1] + bytes([data[-1] & (1 << tail % 8) - 1])
        return data


def _bytes_of(bits: int) -> int:
    return (bits + 7) // 8


ALL, NONE = b"\xff" * BLOCK_BYTES, bytes(BLOCK_BYTES)


def _count(block: bytes) -> int:
    """Count the set bits of a block; in most blocks of most dumps all are set or none."""
    if block == ALL:
        return 8 * BLOCK_BYTES
    return 0 if block == NONE else popcount(block)


if sys.version_info >= (3, 10):

    def popcount(data: bytes) -> int:
        """Count the set bits."""
        return int.from_bytes(data, "little").bit_count()

else:
    BITS_OF_BYTE = bytes(bin(byte).count("1") for byte in range(256))
    LOW_BYTES = int.from_bytes(b"\xff\0" * (BLOCK_BYTES // 4), "little")

    def popcount(data: bytes) -> int:
        """Count the set bits.

        The counts of the bytes are added half to half, which no byte is too small for. The sum of a number's 16-bit
        digits is that number modulo 0xffff, which no block has as many bits as. sum() over the bytes takes three times
        as long, and a bitmap of 1 TiB of RAM is counted when it is opened.
        """
        if len(data) > BLOCK_BYTES:
            return sum(popcount(data[at : at + BLOCK_BYTES]) for at in range(0, len(data), BLOCK_BYTES))
        bits, half = data.translate(BITS_OF_BYTE), len(data) + 1 >> 1
        counts = int.from_bytes(bits[:half], "little") + int.from_bytes(bits[half:], "little")
        return ((counts & LOW_BYTES) + (counts >> 8 & LOW_BYTES)) % 0xFFFF


def _read_bitmap(source: Source, at: int) -> BitmapPages:
    header = BitmapHeader64.parse(read_field(source, "bitmap header", at, BitmapHeader64.SIZE))
    if header.signature not in BITMAP_SIGNATURES or header.valid_dump != VALID_BODY:
        shown = ascii((header.signature + header.valid_dump).decode("latin-1"))
        raise DumpError("bitmap header", f"{shown} at 0x{at:x} is neither SDMPDUMP nor FDMPDUMP", PLAUSIBLE)
    bitmap, first_page = at + BitmapHeader64.SIZE, header.header_size
    return _checked_bitmap(source, bitmap, header.pages, first_page, header.total_present_pages)


def _read_summary(source: Source, at: int) -> BitmapPages:
    header = SummaryHeader32.parse(read_field(source, "summary header", at, SummaryHeader32.SIZE))
    if header.signature not in BITMAP_SIGNATURES or header.valid_dump != VALID_BODY:
        shown = ascii((header.signature + header.valid_dump).decode("latin-1"))
        raise DumpError("summary header", f"{shown} at 0x{at:x} is not SDMPDUMP", PLAUSIBLE)
    bitmap, first_page = at + SummaryHeader32.SIZE, header.header_size
    return _checked_bitmap(source, bitmap, header.bitmap_size, first_page, header.pages)


def _checked_bitmap(source: Source, bitmap: int, bits: int, first_page: int, page_count: int) -> BitmapPages:
    if bits > MAX_PFN or bitmap + _bytes_of(bits) > source.size:
        raise DumpError("bitmap header.Pages", f"a bitmap of {bits} bits is longer than the file", PLAUSIBLE)
    if first_page < bitmap + _bytes_of(bits):
        why = f"the first page at 0x{first_page:x} would lie inside the bitmap, which ends at"
        raise DumpError("bitmap header.HeaderSize", f"{why} 0x{bitmap + _bytes_of(bits):x}", PLAUSIBLE)
    return BitmapPages(source, bitmap, bits, first_page, page_count)


def _read_ranges(source: Source, at: int, dump_type: DumpType) -> RunPages:
    header = RangesHeader64.parse(read_field(source, "range header", at, RangesHeader64.SIZE))
    if header.signature != RANGES_SIGNATURE or header.valid_dump != VALID_BODY:
        shown = ascii((header.signature + header.valid_dump).decode("latin-1"))
        raise DumpError("range header", f"{shown} at 0x{at + 4:x} is not RDMPDUMP", PLAUSIBLE)
    if header.marker != RANGES_MARKER:
        raise DumpError("range header.Marker", f"0x{header.marker:x} is not 0x{RANGES_MARKER:x}", PLAUSIBLE)
    metadata, first_page = header.metadata_size, header.first_page_offset
    ranges = at + RangesHeader64.SIZE
    if first_page != at + RANGES_METADATA_OFFSET + metadata or first_page < ranges:
        why = f"0x{first_page:x} does not follow from MetadataSize 0x{metadata:x}"
        raise DumpError("range header.FirstPageOffset", why, PLAUSIBLE)
    if first_page > source.size:
        raise DumpError("range header.FirstPageOffset", f"0x{first_page:x} is beyond the end of the file", PLAUSIBLE)
    room = (first_page - ranges) // RANGE.size
    count = header.number_of_ranges if dump_type is DumpType.RANGES_FULL else room
    if count > room:
        why = f"{count}, there is room for {room} before the first page"
        raise DumpError("range header.NumberOfRanges", why, PLAUSIBLE)
    runs = list(_read_range_list(source, ranges, count * RANGE.size))
    _check_runs("range", runs)
    return RunPages(runs, first_page)


RANGE = struct.Struct("<QQ")


def _read_range_list(source: Source, offset: int, length: int) -> Iterator[tuple[int, int]]:
    """Give (first page frame, count) up to the first entry of zeros: types 8 and 9 do not tell how many there are."""
    for start in range(0, length, CHUNK_BYTES):
        for base, count in RANGE.iter_unpack(
            read_field(source, "ranges", offset + start, min(CHUNK_BYTES, length - start))
        ):
            if not base and not count:
                return
            yield base, count
