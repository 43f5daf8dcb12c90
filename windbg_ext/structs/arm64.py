"""ARM64: CONTEXT.

Source: winnt.h of the public Windows SDK (ARM64_NT_CONTEXT); checked on a real dump and on the debugger engine.
"""

from __future__ import annotations

from windbg_ext.structs.structure import Structure, u32, u64

GENERAL_REGISTERS = (*(f"X{number}" for number in range(29)), "Fp", "Lr", "Sp", "Pc")


class ContextArm64(Structure, name="ARM64_NT_CONTEXT", size=0x390):
    """ARM64_NT_CONTEXT, without its floating-point registers."""

    context_flags = u32(0x000, "ContextFlags")
    cpsr = u32(0x004, "Cpsr")
    x0 = u64(0x008, "X0")
    x1 = u64(0x010, "X1")
    x2 = u64(0x018, "X2")
    x3 = u64(0x020, "X3")
    x4 = u64(0x028, "X4")
    x5 = u64(0x030, "X5")
    x6 = u64(0x038, "X6")
    x7 = u64(0x040, "X7")
    x8 = u64(0x048, "X8")
    x9 = u64(0x050, "X9")
    x10 = u64(0x058, "X10")
    x11 = u64(0x060, "X11")
    x12 = u64(0x068, "X12")
    x13 = u64(0x070, "X13")
    x14 = u64(0x078, "X14")
    x15 = u64(0x080, "X15")
    x16 = u64(0x088, "X16")
    x17 = u64(0x090, "X17")
    x18 = u64(0x098, "X18")
    x19 = u64(0x0A0, "X19")
    x20 = u64(0x0A8, "X20")
    x21 = u64(0x0B0, "X21")
    x22 = u64(0x0B8, "X22")
    x23 = u64(0x0C0, "X23")
    x24 = u64(0x0C8, "X24")
    x25 = u64(0x0D0, "X25")
    x26 = u64(0x0D8, "X26")
    x27 = u64(0x0E0, "X27")
    x28 = u64(0x0E8, "X28")
    fp = u64(0x0F0, "Fp")
    lr = u64(0x0F8, "Lr")
    sp = u64(0x100, "Sp")
    pc = u64(0x108, "Pc")
    fpcr = u32(0x310, "Fpcr")
    fpsr = u32(0x314, "Fpsr")


CONTEXT_WITHOUT_FLOATS = 0x40_0003
"""CONTEXT_ARM64 with CONTROL and INTEGER, but not FLOATING_POINT."""
