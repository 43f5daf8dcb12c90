"""CONTEXT of x64, with and without extended processor state behind it, and EXCEPTION_RECORD64. Source: winnt.h."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from windbg_ext.structs.amd64 import CONTEXT64
from windbg_ext.structs.context_ex import CONTEXT_FLAG_XSTATE
from windbg_ext.structs.header import EXCEPTION_RECORD64

if TYPE_CHECKING:
    from collections.abc import Mapping

    from samples.builder.machine import ExceptionRecord

CONTEXT_ALL = 0x10001F
KERNEL_SELECTORS = {"SegCs": 0x10, "SegSs": 0x18, "SegDs": 0x2B, "SegEs": 0x2B, "SegFs": 0x53, "SegGs": 0x2B}
USER_SELECTORS = {**KERNEL_SELECTORS, "SegCs": 0x33, "SegSs": 0x2B}
XSTATE_OFFSET, XSTATE_SIZE = 0x500, 0x140
AVX = 4
FLOATING_SAVE, FLOATING_SAVE_SIZE = 0x100, 0x200
"""CONTEXT.FltSave, an XMM_SAVE_AREA32 (FXSAVE)."""


def context_buffer(registers: Mapping[str, int], extended_state: bool = False) -> bytes:
    """Build a CONTEXT of registers by name; the others are those of kernel mode with interrupts on.

    extended_state: a CONTEXT_EX and an XSAVE area with AVX state follow, 0x640 bytes in all.
    """
    flags = CONTEXT_ALL | (CONTEXT_FLAG_XSTATE if extended_state else 0)
    values = {"ContextFlags": flags, "MxCsr": 0x1F80, "EFlags": 0x246, **KERNEL_SELECTORS, **registers}
    context = CONTEXT64.blank(**values).build()
    context = context[:FLOATING_SAVE] + _floating_save(values["MxCsr"]) + context[FLOATING_SAVE + FLOATING_SAVE_SIZE :]
    if not extended_state:
        return context
    whole = XSTATE_OFFSET + XSTATE_SIZE
    chunks = ((-len(context), whole), (-len(context), len(context)), (XSTATE_OFFSET - len(context), XSTATE_SIZE))
    context_ex = b"".join(struct.pack("<iI", offset, length) for offset, length in chunks)
    xsave_header = struct.pack("<QQ", AVX, 1 << 63 | AVX).ljust(0x40, b"\0")
    upper_halves = bytes(0x100)
    return (context + context_ex).ljust(XSTATE_OFFSET, b"\0") + xsave_header + upper_halves


def _floating_save(mx_csr: int) -> bytes:
    """Build the FXSAVE image of a processor that has done no floating point: control words, and MXCSR once more."""
    control_word, mx_csr_mask = 0x27F, 0xFFFF
    return struct.pack("<H22xII", control_word, mx_csr, mx_csr_mask).ljust(FLOATING_SAVE_SIZE, b"\0")


def exception_record(exception: ExceptionRecord) -> bytes:
    """Build an EXCEPTION_RECORD64."""
    return EXCEPTION_RECORD64.blank(
        ExceptionCode=exception.code,
        ExceptionFlags=exception.flags,
        ExceptionAddress=exception.address,
        NumberParameters=len(exception.parameters),
        ExceptionInformation=[*exception.parameters, *[0] * (15 - len(exception.parameters))],
    ).build()
