"""What the parameters of a bug check point at, by Microsoft's bug check code reference: each object whole."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from windbg_ext.commands.minify.collector import Wanted
from windbg_ext.commands.minify.parts.windows import WINDOW, io_object_size, pointers_in
from windbg_ext.errors import MemoryReadError
from windbg_ext.kernel.context import parse_context
from windbg_ext.kernel.threads import read_thread
from windbg_ext.memory.paging import PAGE_SHIFT, PAGE_SIZE
from windbg_ext.memory.virtual import read_run, read_structure
from windbg_ext.structs.crash_records import (
    ERROR_RECORD_END,
    ERROR_RECORD_SIGNATURE,
    ErrorRecord,
    TrapFrame64,
    WatchdogBlock,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.commands.minify.crash import Crash
    from windbg_ext.structs.paging import Paging

MAX_ERROR_RECORD = 1 << 20
"""Bytes of a hardware error record: real ones have a few KB."""
ENTRIES_AROUND = 0x100
"""Bytes of page-table entries that are saved around the one that a bug check is about."""


class Kind(enum.Enum):
    """What a parameter points at."""

    CONTEXT = "CONTEXT"
    EXCEPTION = "EXCEPTION_RECORD"
    TRAP_FRAME = "KTRAP_FRAME"
    DISPATCHER_OBJECT = "EPROCESS or ETHREAD"
    IO_OBJECT = "device object, driver object or IRP"
    ADDRESS = "virtual address"
    PAGE_TABLE_ENTRY = "page-table entry, or an address that one maps"
    ERROR_RECORD = "WHEA_ERROR_RECORD"
    WATCHDOG = "DPC_WATCHDOG_GLOBAL_TRIAGE_BLOCK"


POINTED_AT: dict[int, dict[int, Kind]] = {
    0x0A: {1: Kind.ADDRESS},
    0x1A: {2: Kind.PAGE_TABLE_ENTRY, 3: Kind.PAGE_TABLE_ENTRY, 4: Kind.PAGE_TABLE_ENTRY},
    0x3B: {3: Kind.CONTEXT},
    0x50: {1: Kind.ADDRESS},
    0x7A: {1: Kind.PAGE_TABLE_ENTRY, 3: Kind.DISPATCHER_OBJECT, 4: Kind.PAGE_TABLE_ENTRY},
    0x7E: {3: Kind.EXCEPTION, 4: Kind.CONTEXT},
    0x8E: {3: Kind.TRAP_FRAME},
    0xBE: {1: Kind.ADDRESS},
    0xC4: {2: Kind.IO_OBJECT, 3: Kind.IO_OBJECT, 4: Kind.IO_OBJECT},
    0xC9: {2: Kind.IO_OBJECT, 3: Kind.IO_OBJECT, 4: Kind.IO_OBJECT},
    0xD1: {1: Kind.ADDRESS},
    0xEF: {1: Kind.DISPATCHER_OBJECT},
    0xF4: {2: Kind.DISPATCHER_OBJECT},
    0x124: {2: Kind.ERROR_RECORD},
    0x133: {3: Kind.WATCHDOG, 4: Kind.WATCHDOG},
    0x139: {2: Kind.TRAP_FRAME, 3: Kind.EXCEPTION},
}
"""By bug check code and number of the parameter. 0x9F hands over lists, which are in `bug_check_lists`; 0x101 and 0x1CA
name a processor, which comes first in `processors`.
"""
VERIFIER = (0xC4, 0xC9)


def bug_check_objects(crash: Crash) -> Iterator[Wanted]:
    """Yield what the parameters of the bug check point at."""
    code = crash.bug_check.plain_code
    for number, kind in POINTED_AT.get(code, {}).items():
        address = crash.bug_check.parameters[number - 1]
        if crash.architecture.is_pointer(address):
            yield from _OBJECTS[kind](crash, address)
    if crash.thread is not None and crash.shown_thread != crash.thread:  # which then has no part of its own
        yield from _dispatcher_object(crash, crash.thread.address)
    if code in VERIFIER:
        yield from _verifier_data(crash)


def _verifier_data(crash: Crash) -> Iterator[Wanted]:
    """Yield what the driver verifier keeps: its figures, and its data for crashes with what that points at."""
    block, memory = crash.debugger_data, crash.memory
    for address in filter(None, (block.vf_crash_data_block, block.mm_verifier_data)):
        data = read_run(memory, address, WINDOW)
        yield Wanted(address, WINDOW, holds_pointers=True)
        for value in pointers_in(crash, data):
            yield Wanted(value, WINDOW, holds_pointers=True)


def _context(crash: Crash, address: int) -> Iterator[Wanted]:
    structure = crash.architecture.context
    yield Wanted(address, structure.SIZE, holds_pointers=True)
    try:
        context = parse_context(crash.memory.read(address, structure.SIZE), crash.architecture)
    except MemoryReadError:
        return
    yield from _code_and_stack(context.instruction_pointer, context.stack_pointer)


def _exception(crash: Crash, address: int) -> Iterator[Wanted]:
    structure = crash.memory.layouts.exception
    yield Wanted(address, structure.SIZE, holds_pointers=True)
    try:
        record = read_structure(crash.memory, address, structure)
    except MemoryReadError:
        return
    yield Wanted(record.exception_address & -PAGE_SIZE, PAGE_SIZE)


def _trap_frame(crash: Crash, address: int) -> Iterator[Wanted]:
    structure = crash.memory.layouts.followed.trap_frame
    yield Wanted(address, structure.SIZE, holds_pointers=True)
    try:
        frame = read_structure(crash.memory, address, structure)
    except MemoryReadError:
        return
    if isinstance(frame, TrapFrame64):
        yield from _code_and_stack(frame.rip, frame.rsp)
    else:
        yield from _code_and_stack(frame.eip, frame.hardware_esp)


def _code_and_stack(instruction_pointer: int, stack_pointer: int) -> Iterator[Wanted]:
    yield Wanted(instruction_pointer & -PAGE_SIZE, PAGE_SIZE)
    yield Wanted(stack_pointer, WINDOW, holds_pointers=True)


def _dispatcher_object(crash: Crash, address: int) -> Iterator[Wanted]:
    """Yield a thread, which can be told by its stack, or else as many bytes as a process has."""
    block = crash.debugger_data
    thread = read_thread(crash.memory, block, address)
    yield Wanted(address, block.size_eprocess if thread is None else block.size_ethread, holds_pointers=True)
    if thread is not None:
        yield Wanted(thread.process, block.size_eprocess)


def _io_object(crash: Crash, address: int) -> Iterator[Wanted]:
    yield Wanted(address, max(WINDOW, io_object_size(crash.memory, address)), holds_pointers=True)


def _address(crash: Crash, address: int) -> Iterator[Wanted]:
    """Yield the page-table entries of an address on every level, with those beside them."""
    paging, base = crash.target.paging, crash.pte_base
    if paging is None or not base:
        return
    for _ in range(paging.mapped_levels):
        address = base + ((address & _mask(paging)) >> PAGE_SHIFT) * paging.entry_size
        yield Wanted(address & -ENTRIES_AROUND, ENTRIES_AROUND)


def _page_table_entry(crash: Crash, address: int) -> Iterator[Wanted]:
    """Yield what `_address` does, and the page that is mapped with its neighbours.

    The address may be that of the page-table entry itself.
    """
    paging, base = crash.target.paging, crash.pte_base
    if paging is not None and base:
        index, odd = divmod(address - base, paging.entry_size)
        if not odd and 0 <= index <= _mask(paging) >> PAGE_SHIFT:
            address = index << PAGE_SHIFT
            if address > _mask(paging) >> 1:
                address |= crash.memory.layouts.address_mask & ~_mask(paging)
    yield from _address(crash, address)
    page = address & -PAGE_SIZE
    for at in (page, page - PAGE_SIZE, page + PAGE_SIZE):
        yield Wanted(at, PAGE_SIZE)


def _mask(paging: Paging) -> int:
    return (1 << paging.address_bits) - 1


def _error_record(crash: Crash, address: int) -> Iterator[Wanted]:
    """Yield a hardware error record with its sections; without its signature only the header."""
    yield Wanted(address, ErrorRecord.SIZE, holds_pointers=True)
    try:
        record = read_structure(crash.memory, address, ErrorRecord)
    except MemoryReadError:
        return
    if (record.signature, record.signature_end) == (ERROR_RECORD_SIGNATURE, ERROR_RECORD_END):
        yield Wanted(address, min(record.length, MAX_ERROR_RECORD))


def _watchdog(_: Crash, address: int) -> Iterator[Wanted]:
    """Yield the watchdog's block: parameter 3 or 4, by what ran too long. The other one is a number of ticks, or 0."""
    yield Wanted(address, WatchdogBlock.SIZE)


_OBJECTS = {
    Kind.CONTEXT: _context,
    Kind.EXCEPTION: _exception,
    Kind.TRAP_FRAME: _trap_frame,
    Kind.DISPATCHER_OBJECT: _dispatcher_object,
    Kind.IO_OBJECT: _io_object,
    Kind.ADDRESS: _address,
    Kind.PAGE_TABLE_ENTRY: _page_table_entry,
    Kind.ERROR_RECORD: _error_record,
    Kind.WATCHDOG: _watchdog,
}
