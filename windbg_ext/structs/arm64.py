"""ARM64: CONTEXT and the system registers that the kernel saves in a processor's control block.

Source: winnt.h of the public Windows SDK (ARM64_NT_CONTEXT); checked on a real dump and on the debugger engine. The
system registers: `dt nt!_KARM64_ARCH_STATE`, found in one real dump of build 22000 by their values (TTBR0_EL1 there is
the header's DirectoryTableBase, TTBR1_EL1 is 0x800 more, TCR_EL1 says 47 bits and 4 KB pages for both).
"""

from __future__ import annotations

from windbg_ext.structs.layout import U32, U64, Layout

GENERAL_REGISTERS = (*(f"X{number}" for number in range(29)), "Fp", "Lr", "Sp", "Pc")

CONTEXT_ARM64 = Layout(
    "ARM64_NT_CONTEXT",
    0x390,
    [
        (0x00, "ContextFlags", U32),
        (0x04, "Cpsr", U32),
        *((0x08 + 8 * i, name, U64) for i, name in enumerate(GENERAL_REGISTERS)),
        (0x310, "Fpcr", U32),
        (0x314, "Fpsr", U32),
    ],
)

CONTEXT_WITHOUT_FLOATS = 0x40_0003
"""CONTEXT_ARM64 with CONTROL and INTEGER, but not FLOATING_POINT."""

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
