"""The file formats of large dumps: a header, and the pages of a machine, laid out in one of several ways.

Layouts: `windbg_ext.structs.header` and `bodies`. Pages of zeros are skipped, so that the file stays sparse and RAM
may have any size.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Callable, Protocol

from samples.builder.headers import Writer, build_header, with_fields
from samples.builder.physical import PAGE_SIZE
from windbg_ext.structs.bodies import (
    RANGES_MARKER,
    RANGES_METADATA_OFFSET,
    RANGES_SIGNATURE,
    VALID_BODY,
    BitmapHeader64,
    RangesHeader64,
    SummaryHeader32,
)
from windbg_ext.structs.header import DumpType
from windbg_ext.structs.secondary import SECONDARY_SIGNATURE, DumpBlobFileHeader, DumpBlobHeader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from samples.builder.crashed_machine import CrashedMachine
    from samples.builder.machine import Machine
    from windbg_ext.structs.structure import Value

Select = Callable[["CrashedMachine"], bytearray]
"""Chooses pages: a bitmap in which bit n, least significant first, is page frame n; it ends with the last RAM."""

BITMAP_ADDRESS = 0x8A000020
"""Address of the bitmap in the kernel that wrote a `Summary`."""

BITS_OF_BYTE = bytes(bin(byte).count("1") for byte in range(256))


def all_ram(crashed: CrashedMachine) -> bytearray:
    """Choose every page of RAM."""
    bitmap = bytearray((frame_limit(crashed.machine) + 7) // 8)
    for run in crashed.machine.ram:
        start, end = run.base_page, run.base_page + run.page_count
        first_whole, last_whole = -(-start // 8), end // 8
        if first_whole > last_whole:
            first_whole = last_whole = end // 8
        bitmap[first_whole:last_whole] = b"\xff" * (last_whole - first_whole)
        for pfn in (*range(start, min(first_whole * 8, end)), *range(max(last_whole * 8, start), end)):
            bitmap[pfn // 8] |= 1 << pfn % 8
    return bitmap


def active_pages(crashed: CrashedMachine) -> bytearray:
    """Choose the pages of kernel and processes: all that were written, except those marked as left out."""
    return _bitmap_of(crashed, set(crashed.memory.pages) - crashed.left_out)


def kernel_pages(crashed: CrashedMachine) -> bytearray:
    """Choose the pages of the kernel: no user pages."""
    return _bitmap_of(crashed, set(crashed.memory.pages) - crashed.left_out - crashed.user_frames)


def header_size(crashed: CrashedMachine) -> int:
    """Return the size of the header in bytes."""
    return crashed.architecture.layouts.header.SIZE


def frame_limit(machine: Machine) -> int:
    """Return the number behind the last page frame of RAM."""
    return max(run.base_page + run.page_count for run in machine.ram)


def _bitmap_of(crashed: CrashedMachine, frames: set[int]) -> bytearray:
    bitmap = bytearray((frame_limit(crashed.machine) + 7) // 8)
    for pfn in frames:
        bitmap[pfn // 8] |= 1 << pfn % 8
    return bitmap


class Format(Protocol):
    """A kind of dump file that a crashed machine can be written as."""

    @property
    def dump_type(self) -> DumpType:
        """DumpType of its header."""

    def write(self, crashed: CrashedMachine, out: BinaryIO, header: Mapping[str, Value]) -> None:
        """Write the dump to an empty, seekable file. header: fields of DumpHeader64 with other values."""


@dataclass(frozen=True)
class Complete:
    """Every page of RAM, run by run, directly behind the header."""

    dump_type: DumpType = DumpType.FULL
    attributes: int = 0

    def write(self, crashed: CrashedMachine, out: BinaryIO, header: Mapping[str, Value]) -> None:
        """Write the dump, as `Format` says."""
        starts = []
        end = header_size(crashed)
        for run in crashed.machine.ram:
            starts.append((run, end))
            end += run.page_count * PAGE_SIZE
        for pfn, page in crashed.memory.pages.items():
            run, start = next((run, at) for run, at in starts if 0 <= pfn - run.base_page < run.page_count)
            _write_page(out, start + (pfn - run.base_page) * PAGE_SIZE, page)
        _finish(crashed, out, self, Writer.KERNEL, self.attributes, end, header)


@dataclass(frozen=True)
class Bitmap:
    """The chosen pages in the order of their frame numbers, behind a bitmap that tells which pages they are.

    A kernel puts the first page at a multiple of the page size, a debugger directly behind the bitmap.
    """

    dump_type: DumpType
    select: Select
    signature: bytes = b"SDMP"
    writer: Writer = Writer.KERNEL
    attributes: int = 0

    def write(self, crashed: CrashedMachine, out: BinaryIO, header: Mapping[str, Value]) -> None:
        """Write the dump, as `Format` says."""
        bitmap = self.select(crashed)
        at = header_size(crashed)
        first_page = at + BitmapHeader64.SIZE + len(bitmap)
        if self.writer is Writer.KERNEL:
            first_page += -first_page % PAGE_SIZE
        present = _count(bitmap)
        bitmap_header = BitmapHeader64.blank(
            signature=self.signature,
            valid_dump=VALID_BODY,
            dump_options=1,
            header_size=first_page,
            total_present_pages=present,
            pages=frame_limit(crashed.machine),
        )
        out.seek(at)
        out.write(bitmap_header.build() + bitmap)
        _write_pages(crashed, out, bitmap, first_page)
        end = first_page + present * PAGE_SIZE
        _finish(crashed, out, self, self.writer, self.attributes, end, header)


@dataclass(frozen=True)
class Summary:
    """The chosen pages as 32-bit Windows up to 7 writes a kernel dump: like `Bitmap`, behind another header."""

    select: Select
    dump_type: DumpType = DumpType.SUMMARY

    def write(self, crashed: CrashedMachine, out: BinaryIO, header: Mapping[str, Value]) -> None:
        """Write the dump, as `Format` says."""
        bits = frame_limit(crashed.machine)
        bitmap = self.select(crashed)
        bitmap += bytes(-len(bitmap) % 4)  # an RTL_BITMAP is made of dwords
        at = header_size(crashed)
        first_page = at + SummaryHeader32.SIZE + len(bitmap)
        first_page += -first_page % PAGE_SIZE
        present = _count(bitmap)
        summary_header = SummaryHeader32.blank(
            signature=b"SDMP",
            valid_dump=VALID_BODY,
            dump_options=1,
            header_size=first_page,
            bitmap_size=bits,
            pages=present,
            size_of_bit_map=bits,
            bit_map_buffer=BITMAP_ADDRESS,
        )
        out.seek(at)
        out.write(summary_header.build() + bitmap)
        _write_pages(crashed, out, bitmap, first_page)
        end = first_page + present * PAGE_SIZE
        _finish(crashed, out, self, Writer.KERNEL, 0, end, header)


@dataclass(frozen=True)
class HeaderOnly:
    """The header and nothing behind it. The debugger engine opens no such dump."""

    dump_type: DumpType = DumpType.HEADER

    def write(self, crashed: CrashedMachine, out: BinaryIO, header: Mapping[str, Value]) -> None:
        """Write the dump, as `Format` says."""
        record = build_header(crashed, self.dump_type, Writer.KERNEL)
        out.write(with_fields(record.replace(required_dump_space=header_size(crashed)), header).build())


@dataclass(frozen=True)
class Ranges:
    """The chosen pages as a debugger's `.dump /k`, `/ka` and `/f` writes them: behind a list of their ranges."""

    dump_type: DumpType
    select: Select

    def write(self, crashed: CrashedMachine, out: BinaryIO, header: Mapping[str, Value]) -> None:
        """Write the dump, as `Format` says."""
        bitmap = self.select(crashed)
        ranges = list(_ranges(bitmap))
        present = _count(bitmap)
        at = header_size(crashed)
        first_page = at + RangesHeader64.SIZE + 16 * len(ranges)
        counts = {"number_of_ranges": len(ranges), "total_number_of_pages": present}
        ranges_header = RangesHeader64.blank(
            marker=RANGES_MARKER,
            signature=RANGES_SIGNATURE,
            valid_dump=VALID_BODY,
            metadata_size=first_page - at - RANGES_METADATA_OFFSET,
            first_page_offset=first_page,
            **(counts if self.dump_type is DumpType.RANGES_FULL else {}),
        )
        out.seek(at)
        out.write(ranges_header.build() + b"".join(struct.pack("<QQ", *item) for item in ranges))
        _write_pages(crashed, out, bitmap, first_page)
        _finish(crashed, out, self, Writer.DEBUGGER, 0, first_page + present * PAGE_SIZE, header)


def _ranges(bitmap: bytearray) -> Iterator[tuple[int, int]]:
    """Yield (first page frame, count) of each row of set bits."""
    start = None
    for pfn in range(len(bitmap) * 8 + 1):
        is_set = pfn < len(bitmap) * 8 and bitmap[pfn // 8] >> pfn % 8 & 1
        if is_set and start is None:
            start = pfn
        elif not is_set and start is not None:
            yield start, pfn - start
            start = None


def _count(bitmap: bytes | bytearray) -> int:
    return sum(bitmap.translate(BITS_OF_BYTE))


def _ranked(bitmap: bytearray, crashed: CrashedMachine) -> Iterator[tuple[int, int]]:
    """Yield the chosen frames that were written, each with the number of chosen frames before it."""
    rank, counted = 0, 0
    for pfn in sorted(crashed.memory.pages):
        byte, bit = divmod(pfn, 8)
        rank += _count(bitmap[counted:byte])
        counted = byte
        if bitmap[byte] >> bit & 1:
            yield pfn, rank + _count(bytes([bitmap[byte] & (1 << bit) - 1]))


def _write_pages(crashed: CrashedMachine, out: BinaryIO, bitmap: bytearray, first_page: int) -> None:
    """Write the chosen pages without gaps. first_page: file offset."""
    for pfn, index in _ranked(bitmap, crashed):
        _write_page(out, first_page + index * PAGE_SIZE, crashed.memory.pages[pfn])


def _write_page(out: BinaryIO, offset: int, page: bytearray) -> None:
    if any(page):
        out.seek(offset)
        out.write(page)


def _finish(
    crashed: CrashedMachine,
    out: BinaryIO,
    form: Format,
    writer: Writer,
    attributes: int,
    end: int,
    changes: Mapping[str, Value],
) -> None:
    """Write what is behind the pages, then the header, which has the length of the file."""
    if out.seek(0, 2) < end:
        out.seek(end - 1)
        out.write(b"\0")
    out.write(secondary_data(crashed.machine))
    header = build_header(crashed, form.dump_type, writer, attributes)
    out.seek(0, 2)
    header = with_fields(header.replace(required_dump_space=out.tell()), changes)
    out.seek(0)
    out.write(header.build())


def secondary_data(machine: Machine) -> bytes:
    """Build the chain of tagged blobs. Return no bytes if the machine has none."""
    if not machine.secondary:
        return b""
    build = 0xF0000000 | machine.version.build
    chain = DumpBlobFileHeader.blank(
        signature=SECONDARY_SIGNATURE, header_size=DumpBlobFileHeader.SIZE, build_number=build
    ).build()
    for blob in machine.secondary:
        head = DumpBlobHeader.blank(
            header_size=DumpBlobHeader.SIZE,
            tag=blob.tag.bytes_le,
            data_size=len(blob.data),
            pre_pad=blob.pre_pad,
            post_pad=blob.post_pad,
        )
        chain += head.build() + bytes(blob.pre_pad) + blob.data + bytes(blob.post_pad)
    return chain
