"""A small dump made by hand, with its parts in any order.

Offsets of TRIAGE_DUMP64: rizin dmp_specs.h, Ghidra TriageDump.java; of KDDEBUGGER_DATA64: WDBGEXTS.H.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from support.dump_bytes import header, patched

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TRIAGE = 0x2000
KDBG_ADDRESS = 0xFFFFF801_00300000
TOP_OF_STACK = 0xFFFFD000_00007000
DATA_PAGE_ADDRESS = 0xFFFFE000_00010000

DRIVERS = (("\\SystemRoot\\ntoskrnl.exe", 0xFFFFF801_00000000, 0x800000), ("h\u00e4l.dll", 0xFFFFF801_01000000, 0x9000))
UNLOADED = (("twelvechars1", 0xFFFFF801_02000000, 0xFFFFF801_02008000), ("b.sys", 0xFFFFF801_03000000, 1))
BLOCKS = ((0xFFFFE000_00020000, b"first block"), (0xFFFFE000_00000100, b"second"), (0x7FF7_00000000, b"user half"))

CONTEXT = bytes(range(0xD0)).ljust(0x4D0, b"\xc0")
EXCEPTION = b"\x03\0\0\x80".ljust(0x98, b"\xe0")


def debugger_data() -> bytes:
    """Return a debugger data block with the sizes of the three structures."""
    block = patched(bytes(0x360), 0x10, "4sI", b"KDBG", 0x360)
    for offset, part in ((0x2A8, "process"), (0x2B0, "prcb"), (0x2C0, "thread")):
        block = patched(block, offset, "H", len(PARTS[part]))
    return block


PARTS = {
    "context": CONTEXT,
    "exception": EXCEPTION,
    "mm": b"m" * 0x50,
    "unloaded drivers": struct.pack("<Q", len(UNLOADED))
    + b"".join(
        struct.pack("<16x24sQQ", name.encode("utf-16-le").ljust(24, b"\0"), start, end) for name, start, end in UNLOADED
    ),
    "prcb": b"p" * 0x141,
    "process": b"e" * 0x99,
    "thread": b"t" * 0x17F,
    "call stack": b"s" * 0x203,
    "drivers": bytes(0x90 * len(DRIVERS)),
    "names": bytes(0x80),
    "data page": b"d" * 0x1000,
    "debugger data": bytes(0x360),
    "descriptors": bytes(16 * len(BLOCKS)),
    "blocks": b"".join(data for _, data in BLOCKS),
}
"""Every part. Parts with offsets get them when the parts are placed."""

OFFSET_FIELDS = {
    "context": 0x0C,
    "exception": 0x10,
    "mm": 0x14,
    "unloaded drivers": 0x18,
    "prcb": 0x1C,
    "process": 0x20,
    "thread": 0x24,
    "call stack": 0x28,
    "drivers": 0x30,
    "names": 0x38,
    "data page": 0x68,
    "debugger data": 0x70,
    "descriptors": 0x78,
}


def small_dump(order: Sequence[str], replaced: Mapping[str, bytes] | None = None, gap: int = 3) -> bytes:
    """Return a dump with these parts in this order, and a few bytes between them. Other parts are missing."""
    parts = {**PARTS, "debugger data": debugger_data(), **(replaced or {})}
    offsets: dict[str, int] = {}
    end = TRIAGE + 0x80
    for name in order:
        end += gap
        offsets[name] = end
        end += len(parts[name])
    data = header(4) + bytes(0x80) + b"\xee" * (end - TRIAGE - 0x80)
    for name in order:
        data = patched(data, offsets[name], f"{len(parts[name])}s", parts[name])
        if name in OFFSET_FIELDS:
            data = patched(data, TRIAGE + OFFSET_FIELDS[name], "I", offsets[name])
    if "drivers" in order and "names" in order:
        data = _with_drivers(data, offsets["drivers"], offsets["names"])
    if "descriptors" in order and "blocks" in order:
        data = _with_descriptors(data, offsets["descriptors"], offsets["blocks"])
    data = patched(data, TRIAGE, "III", 0x0A00, len(data) + 4, len(data)) + b"TRGD"
    data = patched(data, TRIAGE + 0x2C, "I", len(parts["call stack"]))
    data = patched(data, TRIAGE + 0x44, "IQ", 0x41, TOP_OF_STACK)
    data = patched(data, TRIAGE + 0x50, "16s", b"architecture....")
    data = patched(data, TRIAGE + 0x60, "Q4xI", DATA_PAGE_ADDRESS, len(parts["data page"]))
    data = patched(data, TRIAGE + 0x68, "I", offsets.get("data page", 0))
    data = patched(data, TRIAGE + 0x74, "I", len(parts["debugger data"]))
    return patched(data, 0x80, "Q", KDBG_ADDRESS)


def _with_drivers(data: bytes, entries: int, names: int) -> bytes:
    data = patched(data, TRIAGE + 0x34, "I", len(DRIVERS))
    for index, (name, base, size) in enumerate(DRIVERS):
        data = patched(data, entries + 0x90 * index, "I52xQ8xI", names, base, size)
        units = name.encode("utf-16-le")
        data = patched(data, names, f"I{len(units)}sH", len(units) // 2, units, 0)
        names += 4 + len(units) + 2
    return data


def _with_descriptors(data: bytes, table: int, blocks: int) -> bytes:
    data = patched(data, TRIAGE + 0x7C, "I", len(BLOCKS))
    for index, (address, block) in enumerate(BLOCKS):
        data = patched(data, table + 16 * index, "QII", address, blocks, len(block))
        blocks += len(block)
    return data
