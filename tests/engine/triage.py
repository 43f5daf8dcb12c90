"""A small 64-bit dump taken apart, without the code under test.

The offsets are those of TRIAGE_DUMP64 and DUMP_DRIVER_ENTRY64 in mindumpdef.h, the structure sizes those that the
dump's own KDDEBUGGER_DATA64 tells (WDBGEXTS.H).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

HEADER_SIZE = 0x2000
TRIAGE_DUMP64 = HEADER_SIZE
DRIVER_ENTRY_SIZE = 0x90
UNLOADED_ENTRY_SIZE = 0x38


@dataclass(frozen=True)
class Block:
    """Memory by its virtual address."""

    address: int
    data: bytes

    @property
    def end(self) -> int:
        return self.address + len(self.data)


def data_blocks(dump: bytes) -> list[Block]:
    """The memory that the dump holds in its TRIAGE_DATA_BLOCKs, in their order."""
    offset, count = _numbers(dump, 0x78, "II")
    descriptors = struct.iter_unpack("<QII", dump[offset : offset + 16 * count])
    return [Block(address, dump[start : start + size]) for address, start, size in descriptors]


def call_stack(dump: bytes) -> Block:
    (address,) = _numbers(dump, 0x48, "Q")
    return Block(address, _slice(dump, *_numbers(dump, 0x28, "II")))


def debugger_data(dump: bytes) -> Block:
    (address,) = struct.unpack_from("<Q", dump, 0x80)
    return Block(address, _slice(dump, *_numbers(dump, 0x70, "II")))


def parts(dump: bytes) -> dict[str, object]:
    """Every part by name, wherever in the file it lies; where it lies is no part of it."""
    names = debugger_data(dump).data
    prcb_size, process_size, thread_size = (struct.unpack_from("<H", names, at)[0] for at in (0x2B0, 0x2A8, 0x2C0))
    context, exception, mm, unloaded, prcb, process, thread = _numbers(dump, 0x0C, "7I")
    unloaded_count = struct.unpack_from("<I", dump, unloaded)[0] if unloaded else 0
    data_page_address, data_page_offset, data_page_size = _numbers(dump, 0x60, "QII")
    return {
        "service pack build": _numbers(dump, 0x00, "I"),
        "context": dump[context : context + 0x4D0],
        "exception": dump[exception : exception + 0x98],
        "mm": _slice(dump, mm, 0x50),
        "unloaded drivers": _slice(dump, unloaded, 8 + UNLOADED_ENTRY_SIZE * unloaded_count),
        "prcb": _slice(dump, prcb, prcb_size),
        "process": _slice(dump, process, process_size),
        "thread": _slice(dump, thread, thread_size),
        "call stack": call_stack(dump),
        "drivers": drivers(dump),
        "triage options": _numbers(dump, 0x44, "I"),
        "data page": Block(data_page_address, _slice(dump, data_page_offset, data_page_size)),
        "debugger data": debugger_data(dump),
        "data blocks": data_blocks(dump),
        # a file may go on after its secondary data with zeros, which say nothing
        "secondary data": dump[_numbers(dump, 0x04, "I")[0] :].rstrip(b"\0"),
    }


def drivers(dump: bytes) -> list[tuple[str, bytes]]:
    """Name and loader entry of every driver."""
    offset, count = _numbers(dump, 0x30, "II")
    entries = (_slice(dump, offset + index * DRIVER_ENTRY_SIZE, DRIVER_ENTRY_SIZE) for index in range(count))
    return [(_string(dump, struct.unpack_from("<I", entry)[0]), entry[8:]) for entry in entries]


def _numbers(dump: bytes, offset: int, kinds: str) -> tuple[int, ...]:
    return struct.unpack_from("<" + kinds, dump, TRIAGE_DUMP64 + offset)


def _slice(dump: bytes, offset: int, size: int) -> bytes:
    return dump[offset : offset + size] if offset else b""


def _string(dump: bytes, offset: int) -> str:
    (units,) = struct.unpack_from("<I", dump, offset)
    return dump[offset + 4 : offset + 4 + 2 * units].decode("utf-16-le")
