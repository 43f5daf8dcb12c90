"""The structures of each processor: KPCR, KPRCB, context buffer, and on x86 and x64 its descriptor tables.

Fields: the debugger data block's offsets, the others as public symbols (`dt`) have them; descriptors of the GDT and
IDT: Intel SDM volume 3, chapter 3; system registers of ARM64: a real dump of build 22000.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from samples.builder.architectures import ARM64, X64
from samples.builder.contexts import context_buffer
from samples.builder.page_tables import X64_LA57, X86_PAE
from samples.builder.special_registers import CR4_LA57, CR4_PAE, SPECIAL_REGISTERS
from windbg_ext.structs.header import Machine

if TYPE_CHECKING:
    from samples.builder.crashed_machine import CrashedMachine
    from samples.builder.machine import Processor

CR0 = 0x80050031
CR4, CR4_32 = 0x350EF8, 0x6D9
TCR_EL1 = 0x95B5513511
"""Two halves of 47 bits, pages of 4 KB."""
SCTLR_EL1, MIDR_EL1 = 0x1000_30D0591D, 0x51DF805E
INTERRUPT_VECTORS = 32


def interrupt_gates(crashed: CrashedMachine, handlers: int) -> bytes:
    """Build an IDT of interrupt gates to handlers that are 0x10 bytes apart; ARM64 has none."""
    architecture = crashed.machine.version.architecture
    gates = b""
    for vector in range(INTERRUPT_VECTORS if architecture is not ARM64 else 0):
        to = handlers + 0x10 * vector
        code = architecture.kernel_context["SegCs"]
        gates += struct.pack("<HHBBH", to & 0xFFFF, code, 0, 0x8E, to >> 16 & 0xFFFF)
        gates += struct.pack("<II", to >> 32, 0) if architecture is X64 else b""
    return gates


def write_processor(crashed: CrashedMachine, number: int, processor: Processor, idt: int) -> None:
    """Write KPCR and KPRCB, what they point at, and the context buffer. idt: address of the interrupt gates."""
    version = crashed.machine.version
    architecture = version.architecture
    pcr, prcb = processor.pcr, processor.pcr + version.number("OffsetPcrContainedPrcb")
    crashed.write(pcr, bytes(version.number("SizePcr")))
    write_registers = _WRITERS[architecture.machine_type]
    special = write_registers(crashed, processor, idt)
    crashed.write_pointers(prcb + version.number("OffsetPrcbCurrentThread"), processor.current_thread)
    crashed.write_pointers(prcb + version.untold.idle_thread, processor.idle_thread)
    crashed.write(prcb + version.number("OffsetPrcbNumber"), struct.pack("<I", number))
    crashed.write(prcb + version.number("OffsetPrcbMhz"), struct.pack("<I", 3000))
    if architecture is not ARM64:
        crashed.write(prcb + version.number("OffsetPrcbCpuType"), bytes([6]))
        crashed.write(prcb + version.number("OffsetPrcbVendorString"), b"GenuineIntel\0")
    structure = SPECIAL_REGISTERS[architecture.machine_type]
    crashed.write(
        prcb + version.number("OffsetPrcbProcStateSpecialReg"),
        structure.blank(**structure.by_attribute(special)).build(),
    )
    context = context_buffer(processor.registers, processor.extended_state, architecture)
    crashed.write(prcb + version.number("OffsetPrcbProcStateContext"), context[: architecture.cpu.context.SIZE])
    if "OffsetPrcbContext" in version.debugger_data:
        crashed.write_pointers(prcb + version.number("OffsetPrcbContext"), processor.context)
        crashed.write(processor.context, context)


def _write_x64(crashed: CrashedMachine, processor: Processor, idt: int) -> dict[str, int]:
    """Write the GDT and the TSS behind the KPCR, and their addresses into it. Return the special registers."""
    machine, version = crashed.machine, crashed.machine.version
    pcr, prcb = processor.pcr, processor.pcr + version.number("OffsetPcrContainedPrcb")
    thread = machine.thread(processor.current_thread)
    gdt = pcr + version.number("SizePcr")
    tss = gdt + 0x80
    descriptors = _descriptors_x64(tss, thread.teb)
    crashed.write_pointers(pcr, gdt, tss, 0, pcr, prcb)
    crashed.write_pointers(pcr + 0x38, idt)
    crashed.write(gdt, descriptors)
    crashed.write(tss, struct.pack("<IQ", 0, thread.stack_base).ljust(0x68, b"\0"))
    crashed.write(prcb, struct.pack("<I", 0x1F80))
    return {
        "Cr0": CR0,
        "Cr3": crashed.directory_table_base(crashed.space_of(processor.current_thread)),
        "Cr4": CR4 | (CR4_LA57 if machine.page_tables is X64_LA57 else 0),
        "GdtrLimit": len(descriptors) - 1,
        "GdtrBase": gdt,
        "IdtrLimit": INTERRUPT_VECTORS * 16 - 1,
        "IdtrBase": idt,
    }


def _descriptors_x64(tss: int, teb: int) -> bytes:
    """Build a GDT as Windows has it: flat code and data, TSS, and the 32-bit TEB of user threads."""
    return struct.pack(
        "<11Q",
        *(0, 0, 0x00209B00_00000000, 0x00409300_00000000, 0x00CFFB00_0000FFFF, 0x00CFF300_0000FFFF),
        *(0x0020FB00_00000000, 0, _descriptor(tss, 0x67, 0x8B), tss >> 32, _descriptor(teb, 0x3C00, 0x40F3)),
    )


def _descriptor(base: int, limit: int, access: int) -> int:
    """Build a segment descriptor. access: bits 40 to 55, flags of the limit in the highest four."""
    return limit & 0xFFFF | (base & 0xFFFFFF) << 16 | access << 40 | (limit >> 16) << 48 | (base >> 24 & 0xFF) << 56


def _write_x86(crashed: CrashedMachine, processor: Processor, idt: int) -> dict[str, int]:
    """Do the same on x86, where the segment fs leads to the KPCR."""
    machine, version = crashed.machine, crashed.machine.version
    pcr, prcb = processor.pcr, processor.pcr + version.number("OffsetPcrContainedPrcb")
    thread = machine.thread(processor.current_thread)
    gdt = pcr + version.number("SizePcr")
    tss = gdt + 0x80
    descriptors = struct.pack(
        "<11Q",
        *(0, *(_descriptor(0, 0xFFFFF, access) for access in (0xC09B, 0xC093, 0xC0FB, 0xC0F3))),
        _descriptor(tss, 0x20AB, 0x8B),
        _descriptor(pcr, version.number("SizePcr") - 1, 0x4093),
        _descriptor(thread.teb, 0xFFF, 0x40F3),
        *(0, 0, 0),
    )
    crashed.write_pointers(pcr, 0xFFFFFFFF, thread.stack_base, thread.stack_limit, 0, 0, 0, thread.teb)
    crashed.write_pointers(pcr + 0x1C, pcr, prcb)
    crashed.write_pointers(pcr + 0x38, idt, gdt, tss)
    crashed.write(pcr + 0x44, struct.pack("<HH", 1, 1))
    crashed.write(prcb, struct.pack("<HH", 1, 1))
    crashed.write(gdt, descriptors)
    crashed.write(tss, struct.pack("<III", 0, thread.stack_base, 0x10).ljust(0x68, b"\0"))
    return {
        "Cr0": CR0,
        "Cr3": crashed.directory_table_base(crashed.space_of(processor.current_thread)),
        "Cr4": CR4_32 | CR4_PAE if machine.page_tables is X86_PAE else CR4_32 & ~CR4_PAE,
        "GdtrLimit": len(descriptors) - 1,
        "GdtrBase": gdt,
        "IdtrLimit": INTERRUPT_VECTORS * 8 - 1,
        "IdtrBase": idt,
        "Tr": 0x28,
    }


def _write_arm64(crashed: CrashedMachine, processor: Processor, _idt: int) -> dict[str, int]:
    """Write the KPCR's own address into it and return the system registers."""
    version = crashed.machine.version
    crashed.write_pointers(processor.pcr + version.number("OffsetPcrSelfPcr"), processor.pcr)
    root = crashed.directory_table_base(crashed.space_of(processor.current_thread))
    return {
        "MidrEl1": MIDR_EL1,
        "SctlrEl1": SCTLR_EL1,
        "TcrEl1": TCR_EL1,
        "Ttbr0El1": root,
        "Ttbr1El1": root + 0x800,
    }


_WRITERS = {Machine.I386: _write_x86, Machine.AMD64: _write_x64, Machine.ARM64: _write_arm64}
