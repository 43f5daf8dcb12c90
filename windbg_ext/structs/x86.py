"""x86: CONTEXT.

Source: winnt.h of the public Windows SDK; checked on the debugger engine.
"""

from __future__ import annotations

from windbg_ext.structs.structure import Structure, u32

GENERAL_REGISTERS = ("Edi", "Esi", "Ebx", "Edx", "Ecx", "Eax", "Ebp", "Eip", "Esp")


class Context32(Structure, name="CONTEXT32", size=0x2CC):
    """CONTEXT of x86. Its last 512 bytes are the FXSAVE image, CONTEXT.ExtendedRegisters."""

    context_flags = u32(0x000, "ContextFlags")
    dr0 = u32(0x004, "Dr0")
    dr1 = u32(0x008, "Dr1")
    dr2 = u32(0x00C, "Dr2")
    dr3 = u32(0x010, "Dr3")
    dr6 = u32(0x014, "Dr6")
    dr7 = u32(0x018, "Dr7")
    seg_gs = u32(0x08C, "SegGs")
    seg_fs = u32(0x090, "SegFs")
    seg_es = u32(0x094, "SegEs")
    seg_ds = u32(0x098, "SegDs")
    edi = u32(0x09C, "Edi")
    esi = u32(0x0A0, "Esi")
    ebx = u32(0x0A4, "Ebx")
    edx = u32(0x0A8, "Edx")
    ecx = u32(0x0AC, "Ecx")
    eax = u32(0x0B0, "Eax")
    ebp = u32(0x0B4, "Ebp")
    eip = u32(0x0B8, "Eip")
    seg_cs = u32(0x0BC, "SegCs")
    eflags = u32(0x0C0, "EFlags")
    esp = u32(0x0C4, "Esp")
    seg_ss = u32(0x0C8, "SegSs")


CONTEXT_WITHOUT_FLOATS = 0x10017
"""CONTEXT_i386 with CONTROL, INTEGER, SEGMENTS and DEBUG_REGISTERS, but not FLOATING_POINT."""
