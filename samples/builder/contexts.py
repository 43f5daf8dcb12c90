"""CONTEXT with and without extended processor state behind it, and EXCEPTION_RECORD. Source: winnt.h."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from samples.builder.architectures import X64, X86
from windbg_ext.structs.context_ex import CONTEXT_FLAG_XSTATE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from samples.builder.architectures import Architecture
    from samples.builder.machine import ExceptionRecord

CONTEXT_EX_SIZE = 0x18
XSTATE_SIZE = 0x140
AVX = 4
MX_CSR = 0x1F80
CONTROL_WORD, TAGS_EMPTY = 0x27F, 0xFFFF
FLOATING_SAVE_64, FLOATING_SAVE_32, EXTENDED_REGISTERS_32 = 0x100, 0x1C, 0xCC
"""Offsets of CONTEXT.FltSave (an XMM_SAVE_AREA32, FXSAVE) of x64; of FloatSave (FSAVE) and the FXSAVE image of x86."""
FLOATING_SAVE_SIZE = 0x200


def context_buffer(
    registers: Mapping[str, int], extended_state: bool = False, architecture: Architecture = X64
) -> bytes:
    """Build a CONTEXT of registers by name; the others are those of kernel mode with interrupts on.

    extended_state: a ContextEx and an XSAVE area with AVX state follow, 0x640 bytes in all on x64.
    """
    values = {**architecture.kernel_context, **registers}
    values["ContextFlags"] |= CONTEXT_FLAG_XSTATE if extended_state else 0
    structure = architecture.cpu.context
    context = bytearray(structure.blank(**structure.by_attribute(values)).build())
    if architecture is X64:
        context[FLOATING_SAVE_64 : FLOATING_SAVE_64 + FLOATING_SAVE_SIZE] = _floating_save(values["MxCsr"])
    elif architecture is X86:
        struct.pack_into("<III", context, FLOATING_SAVE_32, CONTROL_WORD, 0, TAGS_EMPTY)
        context[EXTENDED_REGISTERS_32:] = _floating_save(MX_CSR)
    if not extended_state:
        return bytes(context)
    size = len(context)
    state_offset = size + CONTEXT_EX_SIZE + -(size + CONTEXT_EX_SIZE) % 0x40
    whole = state_offset + XSTATE_SIZE
    chunks = ((-size, whole), (-size, size), (state_offset - size, XSTATE_SIZE))
    context_ex = b"".join(struct.pack("<iI", offset, length) for offset, length in chunks)
    xsave_header = struct.pack("<QQ", AVX, 1 << 63 | AVX).ljust(0x40, b"\0")
    upper_halves = bytes(0x100)
    return (bytes(context) + context_ex).ljust(state_offset, b"\0") + xsave_header + upper_halves


def _floating_save(mx_csr: int) -> bytes:
    """Build the FXSAVE image of a processor that never used floating point: control words and MXCSR."""
    mx_csr_mask = 0xFFFF
    return struct.pack("<H22xII", CONTROL_WORD, mx_csr, mx_csr_mask).ljust(FLOATING_SAVE_SIZE, b"\0")


def exception_record(exception: ExceptionRecord, architecture: Architecture = X64) -> bytes:
    """Build an ExceptionRecord64 or 32."""
    return architecture.layouts.exception.blank(
        exception_code=exception.code,
        exception_flags=exception.flags,
        exception_address=exception.address,
        number_parameters=len(exception.parameters),
        exception_information=[*exception.parameters, *[0] * (15 - len(exception.parameters))],
    ).build()
