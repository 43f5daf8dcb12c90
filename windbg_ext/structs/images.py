"""What a loaded image says of itself and of its symbols: headers, debug directory, CodeView record.

Sources: the PE/COFF specification (optional header, debug directory), and Microsoft's microsoft-pdb repository for the
CodeView records (RSDS of PDB 7.0, NB10 of PDB 2.0).
"""

from __future__ import annotations

from windbg_ext.structs.structure import Structure, raw, u16, u32

OPTIONAL_HEADER = 0x18
"""Offset of the optional header in IMAGE_NT_HEADERS."""
DATA_DIRECTORIES = {0x10B: 0x60, 0x20B: 0x70}
"""Offset of the data directories in the optional header, by its Magic: PE32 and PE32+."""
DEBUG_DIRECTORY = 6
"""Number of the data directory that leads to the debug directory (IMAGE_DIRECTORY_ENTRY_DEBUG)."""
MAX_DEBUG_ENTRIES = 32
"""Entries of a debug directory that are looked at; images have up to ten."""
IMAGE_DEBUG_TYPE_CODEVIEW = 2


class ImageOptionalHeader(Structure, name="IMAGE_OPTIONAL_HEADER", size=0x02):
    """Its first field."""

    magic = u16(0x00, "Magic")


class ImageDataDirectory(Structure, name="IMAGE_DATA_DIRECTORY", size=0x08):
    """Where a table of an image lies, from the image's base."""

    virtual_address = u32(0x00, "VirtualAddress")
    size = u32(0x04, "Size")


class ImageDebugDirectory(Structure, name="IMAGE_DEBUG_DIRECTORY", size=0x1C):
    """An entry of the debug directory."""

    time_date_stamp = u32(0x04, "TimeDateStamp")
    type = u32(0x0C, "Type")
    size_of_data = u32(0x10, "SizeOfData")
    address_of_raw_data = u32(0x14, "AddressOfRawData")


CODEVIEW_RSDS = b"RSDS"
CODEVIEW_NB10 = b"NB10"
MAX_CODEVIEW = 0x18 + 260
"""Bytes of a CodeView record that are read: a path of more characters than MAX_PATH is no name."""


class CodeViewRsds(Structure, name="CV_INFO_PDB70", size=0x18):
    """The key of a PDB; its name follows, ended by a zero."""

    cv_signature = raw(0x00, "CvSignature", 4)
    signature = raw(0x04, "Signature", 16)
    age = u32(0x14, "Age")


class CodeViewNb10(Structure, name="CV_INFO_PDB20", size=0x10):
    """The key of an older PDB; its name follows, ended by a zero."""

    cv_signature = raw(0x00, "CvSignature", 4)
    signature = u32(0x08, "Signature")
    age = u32(0x0C, "Age")
