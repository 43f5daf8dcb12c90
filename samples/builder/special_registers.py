"""KSPECIAL_REGISTERS, which the kernel saves in a processor's control block; no command of windbg_ext reads them.

Source: `dt nt!_KSPECIAL_REGISTERS`; checked on the debugger engine. ARM64: `dt nt!_KARM64_ARCH_STATE`, found in one
real dump of build 22000 by their values (TTBR0_EL1 there is the header's DirectoryTableBase, TTBR1_EL1 is 0x800 more,
TCR_EL1 says 47 bits and 4 KB pages for both).
"""

from __future__ import annotations

from windbg_ext.structs.header import Machine
from windbg_ext.structs.layout import U16, U32, U64, Layout

KSPECIAL_REGISTERS32 = Layout(
    "KSPECIAL_REGISTERS32",
    0x54,
    [
        (0x00, "Cr0", U32),
        (0x04, "Cr2", U32),
        (0x08, "Cr3", U32),
        (0x0C, "Cr4", U32),
        (0x2A, "GdtrLimit", U16),
        (0x2C, "GdtrBase", U32),
        (0x32, "IdtrLimit", U16),
        (0x34, "IdtrBase", U32),
        (0x38, "Tr", U16),
        (0x3A, "Ldtr", U16),
    ],
)

CR4_PAE = 1 << 5
"""Entries of page tables are 8 bytes."""

KSPECIAL_REGISTERS64 = Layout(
    "KSPECIAL_REGISTERS",
    0x70,
    [
        (0x00, "Cr0", U64),
        (0x08, "Cr2", U64),
        (0x10, "Cr3", U64),
        (0x18, "Cr4", U64),
        (0x56, "GdtrLimit", U16),
        (0x58, "GdtrBase", U64),
        (0x66, "IdtrLimit", U16),
        (0x68, "IdtrBase", U64),
    ],
)

CR4_LA57 = 1 << 12
"""Five-level paging."""

KSPECIAL_REGISTERS_ARM64 = Layout(
    "KSPECIAL_REGISTERS_ARM64",
    0xE8,
    [
        (0xA0, "MidrEl1", U64),
        (0xA8, "SctlrEl1", U64),
        (0xC0, "TcrEl1", U64),
        (0xC8, "Ttbr0El1", U64),
        (0xD0, "Ttbr1El1", U64),
        (0xD8, "EsrEl1", U64),
        (0xE0, "FarEl1", U64),
    ],
)
"""What stands before MidrEl1 are debug registers and the exception's ELR and SPSR."""

SPECIAL_REGISTERS = {
    Machine.I386: KSPECIAL_REGISTERS32,
    Machine.AMD64: KSPECIAL_REGISTERS64,
    Machine.ARM64: KSPECIAL_REGISTERS_ARM64,
}
