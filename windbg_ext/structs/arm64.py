"""ARM64: CONTEXT.

Source: winnt.h of the public Windows SDK (ARM64_NT_CONTEXT); checked on a real dump and on the debugger engine.
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
