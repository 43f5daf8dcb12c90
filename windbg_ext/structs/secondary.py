"""Secondary data ("DumpBlob"): what drivers handed to the crash dump, tagged by GUID, after the last page of a dump.

Source: ntoseye `tagged.rs`; checked to the end of the file on real dumps.
"""

from __future__ import annotations

from windbg_ext.structs.layout import U32, Layout, raw

SECONDARY_SIGNATURE = b"DumpBlob"

DUMP_BLOB_FILE_HEADER = Layout(
    "DUMP_BLOB_FILE_HEADER", 0x10, [(0x0, "Signature", raw(8)), (0x8, "HeaderSize", U32), (0xC, "BuildNumber", U32)]
)

DUMP_BLOB_HEADER = Layout(
    "DUMP_BLOB_HEADER",
    0x20,
    [
        (0x00, "HeaderSize", U32),
        (0x04, "Tag", raw(16)),
        (0x14, "DataSize", U32),
        (0x18, "PrePad", U32),
        (0x1C, "PostPad", U32),
    ],
)
"""Followed by PrePad bytes, DataSize bytes of data, PostPad bytes."""
