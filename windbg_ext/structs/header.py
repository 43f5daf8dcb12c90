"""DUMP_HEADER64, the first 0x2000 bytes of every 64-bit kernel dump, and DUMP_HEADER32, 0x1000 bytes, with its fields.

Source: windows-rs `DUMP_HEADER64` and `DUMP_HEADER32`, kdmp-parser `kdmp-parser-structs.h`, QEMU `win_dump_defs.h`;
checked on real dumps.
"""

from __future__ import annotations

import enum

from windbg_ext.structs.layout import U8, U32, U64, Layout, numbers, raw

SIGNATURE = b"PAGE"
VALID_DUMP_64 = b"DU64"
VALID_DUMP_32 = b"DUMP"
FILL = b"PAGE"
"""The writer fills the header with this dword first: a field that still holds it was never set."""


class DumpType(enum.IntEnum):
    """DUMP_HEADER64.DumpType (mindumpdef.h; 8 to 0xA as kdmp-parser names them)."""

    FULL = 1
    SUMMARY = 2
    HEADER = 3
    TRIAGE = 4
    BITMAP_FULL = 5
    BITMAP_KERNEL = 6
    AUTOMATIC = 7
    RANGES_KERNEL = 8
    RANGES_KERNEL_AND_USER = 9
    RANGES_FULL = 0xA


class Machine(enum.IntEnum):
    """DUMP_HEADER64.MachineImageType: IMAGE_FILE_MACHINE_* of the Windows SDK."""

    I386 = 0x14C
    AMD64 = 0x8664
    ARM64 = 0xAA64


class Attributes(enum.IntFlag):
    """DUMP_HEADER64.Attributes (mindumpdef.h)."""

    HIBER_CRASH = 1 << 0
    DUMP_DEVICE_POWER_OFF = 1 << 1
    INSUFFICIENT_DUMPFILE_SIZE = 1 << 2
    KERNEL_GENERATED_TRIAGE_DUMP = 1 << 3
    LIVE_DUMP_GENERATED_DUMP = 1 << 4
    DUMP_IS_GENERATED_OFFLINE = 1 << 5
    FILTER_DUMP_FILE = 1 << 6
    EARLY_BOOT_CRASH = 1 << 7
    ENCRYPTED_DUMP_DATA = 1 << 8
    DECRYPTED_DUMP = 1 << 9


DUMP_HEADER64 = Layout(
    "DUMP_HEADER64",
    0x2000,
    [
        (0x000, "Signature", raw(4)),
        (0x004, "ValidDump", raw(4)),
        (0x008, "MajorVersion", U32),
        (0x00C, "MinorVersion", U32),
        (0x010, "DirectoryTableBase", U64),
        (0x018, "PfnDataBase", U64),
        (0x020, "PsLoadedModuleList", U64),
        (0x028, "PsActiveProcessHead", U64),
        (0x030, "MachineImageType", U32),
        (0x034, "NumberProcessors", U32),
        (0x038, "BugCheckCode", U32),
        (0x040, "BugCheckParameter", numbers(4, U64)),
        (0x060, "VersionUser", raw(32)),
        (0x080, "KdDebuggerDataBlock", U64),
        (0x088, "PhysicalMemoryBlock", raw(700)),
        (0x348, "ContextRecord", raw(3000)),
        (0xF00, "Exception", raw(0x98)),
        (0xF98, "DumpType", U32),
        (0xFA0, "RequiredDumpSpace", U64),
        (0xFA8, "SystemTime", U64),
        (0xFB0, "Comment", raw(128)),
        (0x1030, "SystemUpTime", U64),
        (0x1038, "MiniDumpFields", U32),
        (0x103C, "SecondaryDataState", U32),
        (0x1040, "ProductType", U32),
        (0x1044, "SuiteMask", U32),
        (0x1048, "WriterStatus", U32),
        (0x104D, "KdSecondaryVersion", U8),
        (0x1050, "Attributes", U32),
        (0x1054, "BootId", U32),
    ],
)

DUMP_HEADER32 = Layout(
    "DUMP_HEADER32",
    0x1000,
    [
        (0x000, "Signature", raw(4)),
        (0x004, "ValidDump", raw(4)),
        (0x008, "MajorVersion", U32),
        (0x00C, "MinorVersion", U32),
        (0x010, "DirectoryTableBase", U32),
        (0x014, "PfnDataBase", U32),
        (0x018, "PsLoadedModuleList", U32),
        (0x01C, "PsActiveProcessHead", U32),
        (0x020, "MachineImageType", U32),
        (0x024, "NumberProcessors", U32),
        (0x028, "BugCheckCode", U32),
        (0x02C, "BugCheckParameter", numbers(4, U32)),
        (0x03C, "VersionUser", raw(32)),
        (0x05C, "PaeEnabled", U8),
        (0x05D, "KdSecondaryVersion", U8),
        (0x060, "KdDebuggerDataBlock", U32),
        (0x064, "PhysicalMemoryBlock", raw(700)),
        (0x320, "ContextRecord", raw(1200)),
        (0x7D0, "Exception", raw(0x50)),
        (0x820, "Comment", raw(128)),
        (0x8A0, "Attributes", U32),
        (0x8A4, "BootId", U32),
        (0xF88, "DumpType", U32),
        (0xF8C, "MiniDumpFields", U32),
        (0xF90, "SecondaryDataState", U32),
        (0xF94, "ProductType", U32),
        (0xF98, "SuiteMask", U32),
        (0xF9C, "WriterStatus", U32),
        (0xFA0, "RequiredDumpSpace", U64),
        (0xFB8, "SystemUpTime", U64),
        (0xFC0, "SystemTime", U64),
    ],
)

PHYSICAL_MEMORY_DESCRIPTOR32 = Layout(
    "PHYSICAL_MEMORY_DESCRIPTOR32", 0x8, [(0x0, "NumberOfRuns", U32), (0x4, "NumberOfPages", U32)]
)
"""Followed by NumberOfRuns runs; 86 of them fit into the 700 bytes of the header."""

PHYSICAL_MEMORY_RUN32 = Layout("PHYSICAL_MEMORY_RUN32", 0x8, [(0x0, "BasePage", U32), (0x4, "PageCount", U32)])

PHYSICAL_MEMORY_DESCRIPTOR64 = Layout(
    "PHYSICAL_MEMORY_DESCRIPTOR64", 0x10, [(0x0, "NumberOfRuns", U32), (0x8, "NumberOfPages", U64)]
)
"""Followed by NumberOfRuns runs; 42 of them fit into the 700 bytes of the header."""

PHYSICAL_MEMORY_RUN64 = Layout("PHYSICAL_MEMORY_RUN64", 0x10, [(0x0, "BasePage", U64), (0x8, "PageCount", U64)])

EXCEPTION_RECORD64 = Layout(
    "EXCEPTION_RECORD64",
    0x98,
    [
        (0x00, "ExceptionCode", U32),
        (0x04, "ExceptionFlags", U32),
        (0x08, "ExceptionRecord", U64),
        (0x10, "ExceptionAddress", U64),
        (0x18, "NumberParameters", U32),
        (0x20, "ExceptionInformation", numbers(15, U64)),
    ],
)

EXCEPTION_RECORD32 = Layout(
    "EXCEPTION_RECORD32",
    0x50,
    [
        (0x00, "ExceptionCode", U32),
        (0x04, "ExceptionFlags", U32),
        (0x08, "ExceptionRecord", U32),
        (0x0C, "ExceptionAddress", U32),
        (0x10, "NumberParameters", U32),
        (0x14, "ExceptionInformation", numbers(15, U32)),
    ],
)
