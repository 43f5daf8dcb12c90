"""x64: CONTEXT.

Source: winnt.h of the public Windows SDK; checked on the debugger engine.
"""

from __future__ import annotations

from windbg_ext.structs.structure import Structure, u16, u32, u64

GENERAL_REGISTERS = (
    *("Rax", "Rcx", "Rdx", "Rbx", "Rsp", "Rbp", "Rsi", "Rdi"),
    *("R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15", "Rip"),
)


class Context64(Structure, name="CONTEXT", size=0x4D0):
    """CONTEXT of x64, without its floating-point part."""

    context_flags = u32(0x030, "ContextFlags")
    mx_csr = u32(0x034, "MxCsr")
    seg_cs = u16(0x038, "SegCs")
    seg_ds = u16(0x03A, "SegDs")
    seg_es = u16(0x03C, "SegEs")
    seg_fs = u16(0x03E, "SegFs")
    seg_gs = u16(0x040, "SegGs")
    seg_ss = u16(0x042, "SegSs")
    eflags = u32(0x044, "EFlags")
    dr0 = u64(0x048, "Dr0")
    dr1 = u64(0x050, "Dr1")
    dr2 = u64(0x058, "Dr2")
    dr3 = u64(0x060, "Dr3")
    dr6 = u64(0x068, "Dr6")
    dr7 = u64(0x070, "Dr7")
    rax = u64(0x078, "Rax")
    rcx = u64(0x080, "Rcx")
    rdx = u64(0x088, "Rdx")
    rbx = u64(0x090, "Rbx")
    rsp = u64(0x098, "Rsp")
    rbp = u64(0x0A0, "Rbp")
    rsi = u64(0x0A8, "Rsi")
    rdi = u64(0x0B0, "Rdi")
    r8 = u64(0x0B8, "R8")
    r9 = u64(0x0C0, "R9")
    r10 = u64(0x0C8, "R10")
    r11 = u64(0x0D0, "R11")
    r12 = u64(0x0D8, "R12")
    r13 = u64(0x0E0, "R13")
    r14 = u64(0x0E8, "R14")
    r15 = u64(0x0F0, "R15")
    rip = u64(0x0F8, "Rip")


CONTEXT_WITHOUT_FLOATS = 0x100017
"""CONTEXT_AMD64 with CONTROL, INTEGER, SEGMENTS and DEBUG_REGISTERS, but not FLOATING_POINT."""
