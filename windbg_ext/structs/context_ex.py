"""The extended processor state that may follow a CONTEXT of any architecture. Source: winnt.h."""

from __future__ import annotations

from windbg_ext.structs.structure import Structure, u32

CONTEXT_FLAG_XSTATE = 0x40
"""CONTEXT_XSTATE: a CONTEXT_EX and the extended processor state follow the CONTEXT."""


class ContextEx(Structure, name="CONTEXT_EX", size=0x18):
    """Header of the extended processor state behind a CONTEXT.

    AllLength: bytes of the CONTEXT, this structure and the extended state together.
    """

    all_offset = u32(0x00, "AllOffset")
    all_length = u32(0x04, "AllLength")
