"""TRIAGE_DUMP64 and TRIAGE_DUMP32, the body of a small memory dump, and the entries of its lists.

Sources: rizin `dmp_specs.h`, Ghidra `TriageDump.java`, ntoseye `triage.rs`; checked on real small dumps.
All offsets are file offsets from the start of the file.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from windbg_ext.structs.header import DUMP_HEADER32, DUMP_HEADER64, EXCEPTION_RECORD32, EXCEPTION_RECORD64
from windbg_ext.structs.layout import U16, U32, U64, Layout, raw

_FIRST_OFFSETS = (
    *("ServicePackBuild", "SizeOfDump", "ValidOffset", "ContextOffset", "ExceptionOffset", "MmOffset"),
    *("UnloadedDriversOffset", "PrcbOffset", "ProcessOffset", "ThreadOffset", "CallStackOffset", "SizeOfCallStack"),
    *("DriverListOffset", "DriverCount", "StringPoolOffset", "StringPoolSize", "BrokenDriverOffset", "TriageOptions"),
)
"""Each a u32, the same in 32-bit and 64-bit dumps. SizeOfDump: without the secondary data behind it."""

TRIAGE_DUMP64 = Layout(
    "TRIAGE_DUMP64",
    0x80,
    [
        *((4 * index, name, U32) for index, name in enumerate(_FIRST_OFFSETS)),
        (0x48, "TopOfStack", U64),  # the lowest address of the saved stack
        (0x50, "ArchitectureSpecific", raw(16)),
        (0x60, "DataPageAddress", U64),
        (0x68, "DataPageOffset", U32),
        (0x6C, "DataPageSize", U32),
        (0x70, "DebuggerDataOffset", U32),
        (0x74, "DebuggerDataSize", U32),
        (0x78, "DataBlocksOffset", U32),
        (0x7C, "DataBlocksCount", U32),
    ],
)

TRIAGE_DUMP32 = Layout(
    "TRIAGE_DUMP32",
    0x68,
    [
        *((4 * index, name, U32) for index, name in enumerate(_FIRST_OFFSETS)),
        (0x48, "TopOfStack", U32),
        (0x4C, "DataPageAddress", U32),
        (0x50, "DataPageOffset", U32),
        (0x54, "DataPageSize", U32),
        (0x58, "DebuggerDataOffset", U32),
        (0x5C, "DebuggerDataSize", U32),
        (0x60, "DataBlocksOffset", U32),
        (0x64, "DataBlocksCount", U32),
    ],
)

TRIAGE_SIGNATURE = b"TRGD"
"""At ValidOffset; the writer has finished."""

TRIAGE_OPTIONS_ALL = 0xFFFFFFFF
"""What the debugger engine writes; the kernel writes the options it was asked for."""

MM_TRIAGE64 = Layout(
    "MM_TRIAGE64",
    0x50,
    [
        (0x00, "Version", U32),
        (0x04, "Size", U32),
        (0x08, "MmSpecialPoolTag", U32),
        (0x0C, "MmTriageActionTaken", U32),
        (0x14, "KernelVerifier", U32),
        (0x18, "MaximumNonPagedPoolPages", U64),
        (0x20, "AllocatedNonPagedPoolPages", U64),
        (0x28, "PagedPoolMaximumPages", U64),
        (0x38, "CommittedPages", U64),
        (0x40, "CommittedPagesPeak", U64),
        (0x48, "CommitLimitMaximum", U64),
    ],
)
"""The MM part at MmOffset, in pages; the fields are named after the variables that the engine fills them from."""

MM_TRIAGE32 = Layout(
    "MM_TRIAGE32",
    0x34,
    [
        (0x00, "Version", U32),
        (0x04, "Size", U32),
        (0x08, "MmSpecialPoolTag", U32),
        (0x0C, "MmTriageActionTaken", U32),
        (0x14, "KernelVerifier", U32),
        (0x18, "MaximumNonPagedPoolPages", U32),
        (0x1C, "AllocatedNonPagedPoolPages", U32),
        (0x20, "PagedPoolMaximumPages", U32),
        (0x28, "CommittedPages", U32),
        (0x2C, "CommittedPagesPeak", U32),
        (0x30, "CommitLimitMaximum", U32),
    ],
)
"""Asked of the engine, as the other one: the same fields in the same order."""


class MiniDumpFields(enum.IntFlag):
    """DUMP_HEADER64.MiniDumpFields: which parts a small dump has (Ghidra `TriageDump.java`)."""

    CONTEXT = 0x1
    EXCEPTION = 0x2
    PRCB = 0x4
    PROCESS = 0x8
    THREAD = 0x10
    STACK = 0x20
    DRIVER_LIST = 0x40
    BROKEN_DRIVER = 0x80
    MM_INFORMATION = 0x100
    DATA_PAGE = 0x200
    DEBUGGER_DATA = 0x400
    DATA_BLOCKS = 0x800


TRIAGE_DATA_BLOCK = Layout("TRIAGE_DATA_BLOCK", 0x10, [(0x0, "Address", U64), (0x8, "Offset", U32), (0xC, "Size", U32)])

DUMP_DRIVER_ENTRY64 = Layout(
    "DUMP_DRIVER_ENTRY64",
    0x90,
    [
        (0x00, "DriverNameOffset", U32),
        (0x38, "DllBase", U64),
        (0x40, "EntryPoint", U64),
        (0x48, "SizeOfImage", U32),
        (0x50, "FullDllName", raw(16)),
        (0x60, "BaseDllName", raw(16)),
        (0x70, "Flags", U32),
        (0x80, "CheckSum", U32),
        (0x88, "TimeDateStamp", U32),
    ],
)

DUMP_DRIVER_ENTRY32 = Layout(
    "DUMP_DRIVER_ENTRY32",
    0x4C,
    [
        (0x00, "DriverNameOffset", U32),
        (0x1C, "DllBase", U32),
        (0x20, "EntryPoint", U32),
        (0x24, "SizeOfImage", U32),
        (0x28, "FullDllName", raw(8)),
        (0x30, "BaseDllName", raw(8)),
        (0x38, "Flags", U32),
        (0x44, "CheckSum", U32),
        (0x48, "TimeDateStamp", U32),
    ],
)

DUMP_UNLOADED_DRIVERS64 = Layout(
    "DUMP_UNLOADED_DRIVERS64",
    0x38,
    [
        (0x00, "NameLength", U16),
        (0x02, "NameMaximumLength", U16),
        (0x08, "NameBuffer", U64),
        (0x10, "DriverName", raw(24)),
        (0x28, "StartAddress", U64),
        (0x30, "EndAddress", U64),
    ],
)
"""Behind a u64 whose low half is their count; newest first. DriverName: up to 12 UTF-16 units, no NUL when full."""

DUMP_UNLOADED_DRIVERS32 = Layout(
    "DUMP_UNLOADED_DRIVERS32",
    0x28,
    [
        (0x00, "NameLength", U16),
        (0x02, "NameMaximumLength", U16),
        (0x04, "NameBuffer", U32),
        (0x08, "DriverName", raw(24)),
        (0x20, "StartAddress", U32),
        (0x24, "EndAddress", U32),
    ],
)
"""Behind a u32, their count."""


class SmallDumpLayouts(NamedTuple):
    """The structures of a small dump of 32-bit or 64-bit Windows. counter: bytes of the count of unloaded drivers."""

    header: Layout
    triage: Layout
    mm: Layout
    driver: Layout
    unloaded_driver: Layout
    counter: int
    exception: Layout


SMALL_DUMP_LAYOUTS = {
    layouts.header.name: layouts
    for layouts in (
        SmallDumpLayouts(
            DUMP_HEADER64,
            TRIAGE_DUMP64,
            MM_TRIAGE64,
            DUMP_DRIVER_ENTRY64,
            DUMP_UNLOADED_DRIVERS64,
            8,
            EXCEPTION_RECORD64,
        ),
        SmallDumpLayouts(
            DUMP_HEADER32,
            TRIAGE_DUMP32,
            MM_TRIAGE32,
            DUMP_DRIVER_ENTRY32,
            DUMP_UNLOADED_DRIVERS32,
            4,
            EXCEPTION_RECORD32,
        ),
    )
}
"""By the name of the header."""
