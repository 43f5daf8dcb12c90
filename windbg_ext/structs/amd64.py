"""x64: CONTEXT.

Source: winnt.h of the public Windows SDK; checked on the debugger engine.
"""

from __future__ import annotations

from windbg_ext.structs.layout import U16, U32, U64, Layout

GENERAL_REGISTERS = (
    *("Rax", "Rcx", "Rdx", "Rbx", "Rsp", "Rbp", "Rsi", "Rdi"),
    *("R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15", "Rip"),
)

CONTEXT64 = Layout(
    "CONTEXT",
    0x4D0,
    [
        (0x30, "ContextFlags", U32),
        (0x34, "MxCsr", U32),
        *((0x38 + 2 * i, f"Seg{name}", U16) for i, name in enumerate(("Cs", "Ds", "Es", "Fs", "Gs", "Ss"))),
        (0x44, "EFlags", U32),
        *((0x48 + 8 * i, f"Dr{n}", U64) for i, n in enumerate((0, 1, 2, 3, 6, 7))),
        *((0x78 + 8 * i, name, U64) for i, name in enumerate(GENERAL_REGISTERS)),
    ],
)

CONTEXT_WITHOUT_FLOATS = 0x100017
"""CONTEXT_AMD64 with CONTROL, INTEGER, SEGMENTS and DEBUG_REGISTERS, but not FLOATING_POINT."""
