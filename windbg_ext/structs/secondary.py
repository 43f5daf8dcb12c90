"""Secondary data ("DumpBlob"): data that drivers add to a dump, tagged by GUID, behind the last page.

Source: ntoseye `tagged.rs`; checked to the end of the file on real dumps.
"""

from __future__ import annotations

from windbg_ext.structs.structure import Structure, raw, u32

SECONDARY_SIGNATURE = b"DumpBlob"


class DumpBlobFileHeader(Structure, name="DUMP_BLOB_FILE_HEADER", size=0x10):
    """The beginning of the chain."""

    signature = raw(0x00, "Signature", 8)
    header_size = u32(0x08, "HeaderSize")
    build_number = u32(0x0C, "BuildNumber")


class DumpBlobHeader(Structure, name="DUMP_BLOB_HEADER", size=0x20):
    """Followed by PrePad bytes, DataSize bytes of data, PostPad bytes."""

    header_size = u32(0x00, "HeaderSize")
    tag = raw(0x04, "Tag", 16)
    data_size = u32(0x14, "DataSize")
    pre_pad = u32(0x18, "PrePad")
    post_pad = u32(0x1C, "PostPad")
