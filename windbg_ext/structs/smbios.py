"""The SMBIOS tables as secondary data of a dump: which firmware and which machine it was.

Sources: RawSMBIOSData of Microsoft's page on GetSystemFirmwareTable; DMTF DSP0134 (SMBIOS), 6.1.2 and 7.2. That the
blob is one: real dumps of Windows 10 and 11, whose UUID and serial numbers Windows had set to zeros.
"""

from __future__ import annotations

from windbg_ext.structs.structure import Structure, raw, u8, u16, u32

SMBIOS_TAG = bytes.fromhex("8f005cbc 3a1e d744 988d 86f6884c6758")
"""The GUID of the blob, bc5c008f-1e3a-44d7-988d-86f6884c6758; source: ntoseye `tagged.rs`."""
SYSTEM_INFORMATION, END_OF_TABLE = 1, 127
"""Types of structures."""


class RawSmbiosData(Structure, name="RawSMBIOSData", size=0x8):
    """Followed by the tables."""

    smbios_major_version = u8(0x1, "SMBIOSMajorVersion")
    smbios_minor_version = u8(0x2, "SMBIOSMinorVersion")
    length = u32(0x4, "Length")


class SmbiosHeader(Structure, name="SMBIOS_HEADER", size=0x4):
    """The beginning of a structure. Behind its Length bytes stand its strings, and two zeros."""

    type = u8(0x0, "Type")
    length = u8(0x1, "Length")
    handle = u16(0x2, "Handle")


class SmbiosSystem(Structure, name="SMBIOS_SYSTEM_INFORMATION", size=0x18):
    """System Information (type 1), up to the UUID."""

    uuid = raw(0x8, "UUID", 16)
