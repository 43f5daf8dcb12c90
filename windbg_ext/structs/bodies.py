"""What follows the header in a dump of pages: the bitmap header (types 5, 6) and the range header (8, 9, 0xA), and the
summary header of 32-bit Windows up to 7 (type 2).

Sources: kdmp-parser `BMP_HEADER64`, `RDMP_HEADER64`; volatility3 `crash_common.json`; Ghidra `SummaryHeader`.
"""

from __future__ import annotations

from windbg_ext.structs.structure import Structure, raw, u32, u64

BITMAP_SIGNATURES = (b"SDMP", b"FDMP")
RANGES_SIGNATURE = b"RDMP"
VALID_BODY = b"DUMP"


class BitmapHeader64(Structure, name="BITMAP_HEADER64", size=0x38):
    """Followed by the bitmap: bit n, least significant first, is page frame n."""

    signature = raw(0x00, "Signature", 4)
    valid_dump = raw(0x04, "ValidDump", 4)
    dump_options = u32(0x08, "DumpOptions")
    header_size = u64(0x20, "HeaderSize")  # file offset of the first page
    total_present_pages = u64(0x28, "TotalPresentPages")
    pages = u64(0x30, "Pages")  # length of the bitmap in bits


class RangesHeader64(Structure, name="RDMP_HEADER64", size=0x30):
    """Followed by ranges of {u64 first page frame, u64 count}."""

    marker = u32(0x00, "Marker")  # 0x40
    signature = raw(0x04, "Signature", 4)
    valid_dump = raw(0x08, "ValidDump", 4)
    metadata_size = u64(0x10, "MetadataSize")  # bytes from 0x2020 to the first page
    first_page_offset = u64(0x18, "FirstPageOffset")  # file offset
    number_of_ranges = u32(0x20, "NumberOfRanges")  # type 0xA only; types 8 and 9 have an unknown u64 here
    total_number_of_pages = u64(0x28, "TotalNumberOfPages")  # type 0xA only; types 8 and 9 have an unknown u64 here


RANGES_MARKER = 0x40
RANGES_METADATA_OFFSET = 0x20


class SummaryHeader32(Structure, name="SUMMARY_HEADER32", size=0x20):
    """Source: S2E `WindowsCrashDumpGenerator.h`, Ghidra. The header of 64-bit Windows is not documented."""

    signature = raw(0x00, "Signature", 4)
    valid_dump = raw(0x04, "ValidDump", 4)
    dump_options = u32(0x08, "DumpOptions")
    header_size = u32(0x0C, "HeaderSize")  # file offset of the first page
    bitmap_size = u32(0x10, "BitmapSize")  # bits
    pages = u32(0x14, "Pages")  # number of pages in the file
    size_of_bit_map = u32(0x18, "SizeOfBitMap")  # of an RTL_BITMAP, bits
    bit_map_buffer = u32(0x1C, "BitMapBuffer")  # its address in the kernel that wrote the dump
