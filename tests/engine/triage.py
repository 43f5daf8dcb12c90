"""A small dump taken apart, without the code under test.

The offsets are those of TRIAGE_DUMP64, TRIAGE_DUMP32 and their DUMP_DRIVER_ENTRYs in mindumpdef.h, the structure sizes
those that the dump's own KDDEBUGGER_DATA64 tells (WDBGEXTS.H).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

CONTEXT_SIZES = {0x14C: 0x2CC, 0x8664: 0x4D0, 0xAA64: 0x390}


class Form(NamedTuple):
    """Sizes and offsets of a small dump of 32-bit or 64-bit Windows; those behind `triage` are from there on."""

    triage: int
    machine: int
    debugger_data_address: int
    pointer: str
    top_of_stack: int
    data_page: int
    debugger_data: int
    data_blocks: int
    driver: int
    unloaded_driver: int
    counter: int
    mm: int
    exception: int


FORMS = {
    b"PAGEDU64": Form(0x2000, 0x30, 0x80, "Q", 0x48, 0x60, 0x70, 0x78, 0x90, 0x38, 8, 0x50, 0x98),
    b"PAGEDUMP": Form(0x1000, 0x20, 0x60, "I", 0x48, 0x4C, 0x58, 0x60, 0x4C, 0x28, 4, 0x34, 0x50),
}


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
    form = form_of(dump)
    offset, count = _numbers(dump, form.data_blocks, "II")
    descriptors = struct.iter_unpack("<QII", dump[offset : offset + 16 * count])
    mask = (1 << 8 * struct.calcsize(form.pointer)) - 1  # those of 32-bit dumps are sign-extended
    return [Block(address & mask, dump[start : start + size]) for address, start, size in descriptors]


def call_stack(dump: bytes) -> Block:
    form = form_of(dump)
    (address,) = _numbers(dump, form.top_of_stack, form.pointer)
    return Block(address, _slice(dump, *_numbers(dump, 0x28, "II")))


def debugger_data(dump: bytes) -> Block:
    form = form_of(dump)
    (address,) = struct.unpack_from("<" + form.pointer, dump, form.debugger_data_address)
    return Block(address, _slice(dump, *_numbers(dump, form.debugger_data, "II")))


def parts(dump: bytes) -> dict[str, object]:
    """Every part by name, wherever in the file it lies; where it lies is no part of it."""
    form = form_of(dump)
    (machine,) = struct.unpack_from("<I", dump, form.machine)
    names = debugger_data(dump).data
    prcb_size, process_size, thread_size = (struct.unpack_from("<H", names, at)[0] for at in (0x2B0, 0x2A8, 0x2C0))
    context, exception, mm, unloaded, prcb, process, thread = _numbers(dump, 0x0C, "7I")
    unloaded_count = struct.unpack_from("<I", dump, unloaded)[0] if unloaded else 0
    data_page_address, data_page_offset, data_page_size = _numbers(dump, form.data_page, form.pointer + "II")
    return {
        "service pack build": _numbers(dump, 0x00, "I"),
        "context": dump[context : context + CONTEXT_SIZES[machine]],
        "exception": dump[exception : exception + form.exception],
        "mm": _slice(dump, mm, form.mm),
        "unloaded drivers": _slice(dump, unloaded, form.counter + form.unloaded_driver * unloaded_count),
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
    size = form_of(dump).driver
    offset, count = _numbers(dump, 0x30, "II")
    entries = (_slice(dump, offset + index * size, size) for index in range(count))
    return [(_string(dump, struct.unpack_from("<I", entry)[0]), entry[4:]) for entry in entries]


def _numbers(dump: bytes, offset: int, kinds: str) -> tuple[int, ...]:
    return struct.unpack_from("<" + kinds, dump, form_of(dump).triage + offset)


def form_of(dump: bytes) -> Form:
    return FORMS[dump[:8]]


def _slice(dump: bytes, offset: int, size: int) -> bytes:
    return dump[offset : offset + size] if offset else b""


def _string(dump: bytes, offset: int) -> str:
    (units,) = struct.unpack_from("<I", dump, offset)
    return dump[offset + 4 : offset + 4 + 2 * units].decode("utf-16-le")
