"""x86: CONTEXT.

Source: winnt.h of the public Windows SDK; checked on the debugger engine.
"""

from __future__ import annotations

from windbg_ext.structs.layout import U32, Layout

GENERAL_REGISTERS = ("Edi", "Esi", "Ebx", "Edx", "Ecx", "Eax", "Ebp", "Eip", "Esp")

CONTEXT32 = Layout(
    "CONTEXT32",
    0x2CC,
    [
        (0x00, "ContextFlags", U32),
        *((0x04 + 4 * i, f"Dr{n}", U32) for i, n in enumerate((0, 1, 2, 3, 6, 7))),
        *((0x8C + 4 * i, f"Seg{name}", U32) for i, name in enumerate(("Gs", "Fs", "Es", "Ds"))),
        *((0x9C + 4 * i, name, U32) for i, name in enumerate(("Edi", "Esi", "Ebx", "Edx", "Ecx", "Eax"))),
        (0xB4, "Ebp", U32),
        (0xB8, "Eip", U32),
        (0xBC, "SegCs", U32),
        (0xC0, "EFlags", U32),
        (0xC4, "Esp", U32),
        (0xC8, "SegSs", U32),
    ],
)
"""The last 512 bytes are the FXSAVE image, CONTEXT.ExtendedRegisters."""

CONTEXT_WITHOUT_FLOATS = 0x10017
"""CONTEXT_i386 with CONTROL, INTEGER, SEGMENTS and DEBUG_REGISTERS, but not FLOATING_POINT."""
