"""What follows the header in a dump of pages: the bitmap header (types 5, 6) and the range header (8, 9, 0xA), and the
summary header of 32-bit Windows up to 7 (type 2).

Sources: kdmp-parser `BMP_HEADER64`, `RDMP_HEADER64`; volatility3 `crash_common.json`; Ghidra `SummaryHeader`.
"""

from __future__ import annotations

from windbg_ext.structs.layout import U32, U64, Layout, raw

BITMAP_SIGNATURES = (b"SDMP", b"FDMP")
RANGES_SIGNATURE = b"RDMP"
VALID_BODY = b"DUMP"

BITMAP_HEADER64 = Layout(
    "BITMAP_HEADER64",
    0x38,
    [
        (0x00, "Signature", raw(4)),
        (0x04, "ValidDump", raw(4)),
        (0x08, "DumpOptions", U32),
        (0x20, "HeaderSize", U64),  # file offset of the first page
        (0x28, "TotalPresentPages", U64),
        (0x30, "Pages", U64),  # length of the bitmap in bits
    ],
)
"""Followed by the bitmap: bit n, least significant first, is page frame n."""

RANGES_HEADER64 = Layout(
    "RDMP_HEADER64",
    0x30,
    [
        (0x00, "Marker", U32),  # 0x40
        (0x04, "Signature", raw(4)),
        (0x08, "ValidDump", raw(4)),
        (0x10, "MetadataSize", U64),  # bytes from 0x2020 to the first page
        (0x18, "FirstPageOffset", U64),  # file offset
        (0x20, "NumberOfRanges", U32),  # type 0xA only; types 8 and 9 have an unknown u64 here
        (0x28, "TotalNumberOfPages", U64),  # type 0xA only; types 8 and 9 have an unknown u64 here
    ],
)
"""Followed by ranges of {u64 first page frame, u64 count}."""

RANGES_MARKER = 0x40
RANGES_METADATA_OFFSET = 0x20

SUMMARY_HEADER32 = Layout(
    "SUMMARY_HEADER32",
    0x20,
    [
        (0x00, "Signature", raw(4)),
        (0x04, "ValidDump", raw(4)),
        (0x08, "DumpOptions", U32),
        (0x0C, "HeaderSize", U32),  # file offset of the first page
        (0x10, "BitmapSize", U32),  # bits
        (0x14, "Pages", U32),  # how many are in the file
        (0x18, "SizeOfBitMap", U32),  # of an RTL_BITMAP, bits
        (0x1C, "BitMapBuffer", U32),  # its address in the kernel that wrote the dump
    ],
)
"""Source: S2E `WindowsCrashDumpGenerator.h`, Ghidra. That of 64-bit Windows is documented nowhere."""
