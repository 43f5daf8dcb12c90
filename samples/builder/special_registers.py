"""KSPECIAL_REGISTERS, which the kernel saves in the KPRCB. No command of windbg_ext reads them.

Source: `dt nt!_KSPECIAL_REGISTERS`; checked on the debugger engine. ARM64: `dt nt!_KARM64_ARCH_STATE`, found in one
real dump of build 22000 by their values (TTBR0_EL1 there is the header's DirectoryTableBase, TTBR1_EL1 is 0x800 more,
TCR_EL1 says 47 bits and 4 KB pages for both).
"""

from __future__ import annotations

from windbg_ext.structs.header import Machine
from windbg_ext.structs.structure import Structure, u16, u32, u64


class KSpecialRegisters32(Structure, name="KSPECIAL_REGISTERS32", size=0x54):
    """The special registers of x86."""

    cr0 = u32(0x00, "Cr0")
    cr2 = u32(0x04, "Cr2")
    cr3 = u32(0x08, "Cr3")
    cr4 = u32(0x0C, "Cr4")
    gdtr_limit = u16(0x2A, "GdtrLimit")
    gdtr_base = u32(0x2C, "GdtrBase")
    idtr_limit = u16(0x32, "IdtrLimit")
    idtr_base = u32(0x34, "IdtrBase")
    tr = u16(0x38, "Tr")
    ldtr = u16(0x3A, "Ldtr")


CR4_PAE = 1 << 5
"""Entries of page tables are 8 bytes."""


class KSpecialRegisters64(Structure, name="KSPECIAL_REGISTERS", size=0x70):
    """The special registers of x64."""

    cr0 = u64(0x00, "Cr0")
    cr2 = u64(0x08, "Cr2")
    cr3 = u64(0x10, "Cr3")
    cr4 = u64(0x18, "Cr4")
    gdtr_limit = u16(0x56, "GdtrLimit")
    gdtr_base = u64(0x58, "GdtrBase")
    idtr_limit = u16(0x66, "IdtrLimit")
    idtr_base = u64(0x68, "IdtrBase")


CR4_LA57 = 1 << 12
"""Five-level paging."""


class KSpecialRegistersArm64(Structure, name="KSPECIAL_REGISTERS_ARM64", size=0xE8):
    """The special registers of ARM64. Before MidrEl1 are debug registers and the exception's ELR and SPSR."""

    midr_el1 = u64(0xA0, "MidrEl1")
    sctlr_el1 = u64(0xA8, "SctlrEl1")
    tcr_el1 = u64(0xC0, "TcrEl1")
    ttbr0_el1 = u64(0xC8, "Ttbr0El1")
    ttbr1_el1 = u64(0xD0, "Ttbr1El1")
    esr_el1 = u64(0xD8, "EsrEl1")
    far_el1 = u64(0xE0, "FarEl1")


SPECIAL_REGISTERS = {
    Machine.I386: KSpecialRegisters32,
    Machine.AMD64: KSpecialRegisters64,
    Machine.ARM64: KSpecialRegistersArm64,
}
