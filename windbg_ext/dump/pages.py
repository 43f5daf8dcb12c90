"""Where the physical pages of a dump lie in its file: one question, asked of three layouts.

Nothing is built per page: runs and ranges are found by bisection, a bitmap by a running count per block of it.
Layouts and sources: `windbg_ext.structs.header` (runs), `windbg_ext.structs.bodies` (bitmap, ranges).
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from functools import lru_cache
from itertools import accumulate, compress, count, islice
from operator import add, le
from typing import TYPE_CHECKING, Protocol

from windbg_ext.dump.kinds import Body, body_of
from windbg_ext.errors import DumpError
from windbg_ext.limits import MAX_PAGE_FRAMES, MAX_RANGES, MAX_UNSORTED_RANGES
from windbg_ext.sources import read_field
from windbg_ext.sources.far import as_far, hint
from windbg_ext.sources.source import Range, next_data
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
    from collections.abc import Iterable, Sequence

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
    def in_order(self) -> bool:
        """Whether page frames with higher numbers lie farther back in the file."""

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
    """Find the pages of a dump; None for the types that hold none. Raise DumpError for wrong counts or offsets."""
    body = body_of(header.dump_type)
    if body is Body.RUNS:
        return _read_runs(header, budget)
    if body is Body.BITMAP:
        return _read_bitmap(source, header.size, budget)
    if body is Body.RANGES:
        return _read_ranges(source, header.size, header.dump_type, budget)
    if body is Body.SUMMARY and header.layouts is LAYOUTS32:
        return _read_summary(source, header.size, budget)
    return None


def _numbers(values: Iterable[int] = ()) -> array[int]:
    """Return 64-bit numbers in 8 bytes each: a tuple takes 40, and a file may have millions of ranges."""
    return array("Q", values)


class RunPages:
    """Pages that lie run by run, in the order of the runs, from one offset on."""

    def __init__(self, bases: Sequence[int], counts: Sequence[int], first_page_offset: int) -> None:
        """bases, counts: the first page frame of each run and how many it has, in the order of the file."""
        if 0 in counts:
            bases, counts = list(compress(bases, counts)), list(filter(None, counts))
        starts = _numbers(accumulate(counts, initial=0))
        self._first = first_page_offset
        self.page_count = starts.pop()
        self.end = first_page_offset + self.page_count * PAGE_SIZE
        self._bases, self._counts = _numbers(bases), _numbers(counts)
        self._starts = self._below = starts
        self.in_order = _ascending(self._bases)
        if not self.in_order:
            order = sorted(range(len(starts)), key=self._bases.__getitem__)
            self._bases, self._counts, self._starts = (
                _numbers(map(column.__getitem__, order)) for column in (self._bases, self._counts, starts)
            )
            self._below = _numbers(accumulate(islice(self._counts, max(0, len(starts) - 1)), initial=0))

    def offset_of(self, pfn: int) -> int | None:
        """Return the file offset of a page frame, None if the dump does not hold it."""
        index = bisect_right(self._bases, pfn) - 1
        if index < 0:
            return None
        within = pfn - self._bases[index]
        return self._first + (self._starts[index] + within) * PAGE_SIZE if within < self._counts[index] else None

    @property
    def frames(self) -> int:
        """The number behind the highest page frame."""
        return self._bases[-1] + self._counts[-1] if self._bases else 0

    def pages_below(self, pfn: int) -> int:
        """Count the page frames with a smaller number that the dump holds."""
        index = bisect_right(self._bases, pfn) - 1
        return self._below[index] + min(self._counts[index], pfn - self._bases[index]) if index >= 0 else 0


def _ascending(bases: Sequence[int]) -> bool:
    return all(map(le, bases, islice(bases, 1, None)))


def _read_runs(header: DumpHeader, budget: Budget) -> RunPages:
    if header.physical_memory is None:
        raise DumpError("PhysicalMemoryBlock", "was never set, so the pages of this dump cannot be found", PLAUSIBLE)
    bases = _numbers(run.base_page for run in header.physical_memory)
    counts = _numbers(run.page_count for run in header.physical_memory)
    _check_runs("PhysicalMemoryBlock.Run", bases, counts, budget)
    return RunPages(bases, counts, header.size)


def _check_runs(field: str, bases: array[int], counts: array[int], budget: Budget) -> None:
    """Raise DumpError for a run that is beyond all physical memory, or that has a page frame of another one."""
    if max(map(add, bases, counts), default=0) > MAX_PFN:
        at = next(at for at, end in enumerate(map(add, bases, counts)) if end > MAX_PFN)
        why = f"page frames 0x{bases[at]:x} + 0x{counts[at]:x} are beyond 52 bits"
        raise DumpError(f"{field}[{at}]", why, PLAUSIBLE)
    places: Sequence[int] = range(len(bases))
    if 0 in counts:  # those of no pages may lie anywhere
        places = _numbers(compress(count(), counts))
        bases, counts = _numbers(compress(bases, counts)), _numbers(filter(None, counts))
    if all(map(le, map(add, bases, counts), islice(bases, 1, None))):
        return
    budget.draw(MAX_UNSORTED_RANGES, len(bases), field)
    order = sorted(range(len(bases)), key=lambda at: (bases[at], counts[at]))
    for before, at in zip(order, order[1:]):
        if bases[before] + counts[before] > bases[at]:
            raise DumpError(f"{field}[{places[at]}]", f"page frame 0x{bases[at]:x} is in two runs", PLAUSIBLE)


BLOCK_BYTES = 4096
"""Bytes of the bitmap per entry of the rank directory: 128 MiB of physical memory."""
CHUNK_BYTES = 1 << 20
"""Bytes of a bitmap or a list of ranges that are read at once."""
FAR_CHUNKS = 16
"""As many of them are asked for together, where the file is on another machine."""
TAIL_BYTES = 1 << 16
"""Bytes behind the last page, where secondary data begins, which come along with the bitmap from another machine."""


class BitmapPages:
    """Pages that lie in the order of their frame numbers; bit n of a bitmap says whether frame n is there.

    The rank directory holds the number of set bits before each block, so a lookup counts inside one block only.
    counted_pages: set bits; page_count: what the header says. They differ in a damaged dump.

    Where blocks of the bitmap cannot be read, page_count tells how many bits are set in them, so that the pages behind
    them are found; those in between are lost. unread: a sentence that says so, None where all could be read.
    """

    in_order = True

    def __init__(self, source: Source, bitmap_offset: int, bits: int, first_page_offset: int, page_count: int) -> None:
        self._source = source
        self._offset = bitmap_offset
        self._bits = bits
        self._first = first_page_offset
        self.page_count = page_count
        self._lost = range(0)
        self._error: DumpError | None = None
        self.unread: str | None = None
        counts = self._count_all()
        self._ranks = _numbers(accumulate(counts, initial=0))
        self.counted_pages = self._ranks[-1]
        self.end = first_page_offset + self.counted_pages * PAGE_SIZE
        self._block = lru_cache(maxsize=256)(self._read_block)

    def _count_all(self) -> array[int]:
        """Count the set bits of each block. Holes of the file are not read: they may have gigabytes."""
        counts = array("Q", bytes(8 * -(-_bytes_of(self._bits) // BLOCK_BYTES)))
        unread: list[int] = []
        at, end = 0, _bytes_of(self._bits)
        far = as_far(self._source)
        while at < end:
            if far is not None and not at % (FAR_CHUNKS * CHUNK_BYTES):
                far.read_many([Range(self._offset + at, min(end - at, FAR_CHUNKS * CHUNK_BYTES))])
            data, hole = (place - self._offset for place in next_data(self._source, self._offset + at))
            at = max(at, data & -BLOCK_BYTES)
            hole = max(hole, at + 1)  # each step goes on, whatever a source says
            while at < min(hole, end):
                block, length = at // BLOCK_BYTES, min(hole - at + BLOCK_BYTES - 1 & -BLOCK_BYTES, CHUNK_BYTES)
                found = self._counts(at, length, unread)
                counts[block : block + len(found)] = found
                at += length
        if unread:
            self._bridge(counts, unread)
        return counts

    def _counts(self, start: int, length: int, unread: list[int]) -> array[int]:
        """Count the set bits of each block of a chunk. One that cannot be read counts for none and is noted."""
        try:
            chunk = self._read(start, length)
        except DumpError:
            end = min(start + length, _bytes_of(self._bits))
            return _numbers(self._count_alone(at, unread) for at in range(start, end, BLOCK_BYTES))
        return _numbers(_count(chunk[at : at + BLOCK_BYTES]) for at in range(0, len(chunk), BLOCK_BYTES))

    def _count_alone(self, at: int, unread: list[int]) -> int:
        try:
            return _count(self._read(at, BLOCK_BYTES))
        except DumpError as error:
            self._error = self._error or error
            unread.append(at // BLOCK_BYTES)
            return 0

    def _bridge(self, counts: array[int], unread: list[int]) -> None:
        """Let the first block that cannot be read count for all up to the last one.

        Raise DumpError where the header's count does not tell how many that is.
        """
        assert self._error is not None
        self._lost = range(unread[0], unread[-1] + 1)
        missing = self.page_count - sum(counts[: self._lost.start]) - sum(counts[self._lost.stop :])
        if not 0 <= missing <= len(self._lost) * BLOCK_BYTES * 8:
            raise self._error
        counts[self._lost.start : self._lost.stop] = _numbers([missing] + [0] * (len(self._lost) - 1))
        self.unread = f"{self._error.why}; by the header's count it tells of {missing:,} pages, which are lost"

    def offset_of(self, pfn: int) -> int | None:
        """Return the file offset of a page frame, None if the dump does not hold it.

        Raise DumpError where the block of the bitmap that tells cannot be read.
        """
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
        if block in self._lost and self._error is not None:
            raise DumpError("bitmap", self._error.why)
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


def _read_bitmap(source: Source, at: int, budget: Budget) -> BitmapPages:
    header = BitmapHeader64.parse(read_field(source, "bitmap header", at, BitmapHeader64.SIZE))
    if header.signature not in BITMAP_SIGNATURES or header.valid_dump != VALID_BODY:
        shown = ascii((header.signature + header.valid_dump).decode("latin-1"))
        raise DumpError("bitmap header", f"{shown} at 0x{at:x} is neither SDMPDUMP nor FDMPDUMP", PLAUSIBLE)
    bitmap, first_page = at + BitmapHeader64.SIZE, header.header_size
    return _checked_bitmap(source, bitmap, header.pages, first_page, header.total_present_pages, budget)


def _read_summary(source: Source, at: int, budget: Budget) -> BitmapPages:
    header = SummaryHeader32.parse(read_field(source, "summary header", at, SummaryHeader32.SIZE))
    if header.signature not in BITMAP_SIGNATURES or header.valid_dump != VALID_BODY:
        shown = ascii((header.signature + header.valid_dump).decode("latin-1"))
        raise DumpError("summary header", f"{shown} at 0x{at:x} is not SDMPDUMP", PLAUSIBLE)
    bitmap, first_page = at + SummaryHeader32.SIZE, header.header_size
    return _checked_bitmap(source, bitmap, header.bitmap_size, first_page, header.pages, budget)


def _checked_bitmap(
    source: Source, bitmap: int, bits: int, first_page: int, page_count: int, budget: Budget
) -> BitmapPages:
    if bitmap + _bytes_of(bits) > source.size:
        raise DumpError("bitmap header.Pages", f"a bitmap of {bits} bits is longer than the file", PLAUSIBLE)
    budget.draw(MAX_PAGE_FRAMES, bits, "bitmap header.Pages")
    if first_page < bitmap + _bytes_of(bits):
        why = f"the first page at 0x{first_page:x} would lie inside the bitmap, which ends at"
        raise DumpError("bitmap header.HeaderSize", f"{why} 0x{bitmap + _bytes_of(bits):x}", PLAUSIBLE)
    hint(source, first_page + page_count * PAGE_SIZE, TAIL_BYTES)
    return BitmapPages(source, bitmap, bits, first_page, page_count)


def _read_ranges(source: Source, at: int, dump_type: DumpType, budget: Budget) -> RunPages:
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
    room = (first_page - ranges) // RANGE_BYTES
    count = header.number_of_ranges if dump_type is DumpType.RANGES_FULL else room
    if count > room:
        why = f"{count}, there is room for {room} before the first page"
        raise DumpError("range header.NumberOfRanges", why, PLAUSIBLE)
    bases, counts = _read_range_list(source, ranges, count, budget)
    _check_runs("range", bases, counts, budget)
    return RunPages(bases, counts, first_page)


RANGE_BYTES = 16
"""Two u64: the first page frame and how many."""


def _read_range_list(source: Source, offset: int, entries: int, budget: Budget) -> tuple[array[int], array[int]]:
    """Read first page frames and counts, up to the first entry of zeros: types 8 and 9 do not tell how many it has."""
    bases, counts = _numbers(), _numbers()
    step = CHUNK_BYTES // RANGE_BYTES
    for start in range(0, entries, step):
        length = min(step, entries - start)
        budget.draw(MAX_RANGES, length, "range table")
        chunk = _numbers()
        chunk.frombytes(read_field(source, "ranges", offset + start * RANGE_BYTES, length * RANGE_BYTES))
        if sys.byteorder == "big":
            chunk.byteswap()
        found, sizes = chunk[0::2], chunk[1::2]
        ends = next((at for at, run in enumerate(zip(found, sizes)) if run == (0, 0)), None) if 0 in sizes else None
        bases.extend(found[:ends])
        counts.extend(sizes[:ends])
        if ends is not None:
            break
    return bases, counts
