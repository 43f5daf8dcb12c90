"""What may follow a CONTEXT of any architecture: the extended processor state. Source: winnt.h."""

from __future__ import annotations

from windbg_ext.structs.layout import U32, Layout

CONTEXT_FLAG_XSTATE = 0x40
"""CONTEXT_XSTATE: a CONTEXT_EX and the extended processor state follow the CONTEXT."""

CONTEXT_EX = Layout("CONTEXT_EX", 0x18, [(0x00, "AllOffset", U32), (0x04, "AllLength", U32)])
"""Behind the CONTEXT; AllLength: bytes of the CONTEXT, this structure and the extended state together."""
