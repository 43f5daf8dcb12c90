"""What the DPC watchdog recorded before bug check 0x133: the profile of what its processor ran."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from windbg_ext.commands.minify.collector import Wanted
from windbg_ext.errors import MemoryReadError
from windbg_ext.memory.paging import PAGE_SIZE
from windbg_ext.memory.virtual import read_pointer, read_run, read_structure
from windbg_ext.structs.crash_records import WATCHDOG_SIGNATURE, WatchdogBlock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.commands.minify.crash import Crash

WATCHDOG_VIOLATION = 0x133
USUAL_PROFILE = 0x41000
"""Bytes of a profile of Windows 10."""
MAX_PROFILE = 1 << 20
MAX_COMPARED = 4
"""Other KPRCBs that must look the same."""
MAX_CANDIDATES, MAX_FOUND = 8, 2
"""Buffers that are tried, and that are saved where they cannot be told apart."""


def watchdog_profile(crash: Crash) -> Iterator[Wanted]:
    """Yield the buffers in which the watchdog kept the stacks that it saw on the crashed processor."""
    for start, length in _told(crash) or _found(crash):
        yield Wanted(start, length)


def _told(crash: Crash) -> list[tuple[int, int]]:
    """Return where the watchdog's block says that the profile is: (address, bytes), or nothing.

    Parameter 4 points at it if a single DPC ran too long, parameter 3 if all that ran at DISPATCH_LEVEL did.
    """
    return next(filter(None, (_profile_of(crash, address) for address in crash.bug_check.parameters[:1:-1])), [])


def _profile_of(crash: Crash, address: int) -> list[tuple[int, int]]:
    size = crash.memory.layouts.pointer_size
    try:
        block = read_structure(crash.memory, address, WatchdogBlock)
        start = read_pointer(crash.memory, crash.processor.prcb + block.dpc_watchdog_profile_offset)
    except MemoryReadError:
        return []
    length = size * block.dpc_watchdog_profile_length
    if block.signature != WATCHDOG_SIGNATURE or not 0 < length <= MAX_PROFILE or not _is_buffer(crash, start):
        return []
    return [(start, length)]


def _found(crash: Crash) -> list[tuple[int, int]]:
    """Return buffers that the KPRCB points at in the way of a profile: (address, bytes).

    It has a pointer to the start of the buffer, which begins a page as all large allocations do, and behind it one to
    the next entry, and so has every other KPRCB. Where several are like that, those count of which most can be read.
    """
    prcb = crash.processor.prcb
    first, *others = (_pointers(crash, address) for address in (prcb, *_others(crash)))
    buffers = []
    for index, (start, following) in enumerate(zip(first, first[1:])):
        if start <= following <= start + USUAL_PROFILE and _is_buffer(crash, start) and start not in buffers:
            same = [pointers[index] for pointers in others if index < len(pointers)]
            if all(_is_buffer(crash, at) and at != start for at in same):
                buffers.append(start)
    there = {start: len(read_run(crash.memory, start, USUAL_PROFILE)) for start in buffers[:MAX_CANDIDATES]}
    most = max(there.values(), default=0)
    return [(start, length) for start, length in there.items() if 0 < length == most][:MAX_FOUND]


def _others(crash: Crash) -> list[int]:
    """Return the addresses of a few other KPRCBs."""
    others = [processor.prcb for processor in crash.kernel.processors if processor is not crash.processor]
    return others[:MAX_COMPARED]


def _pointers(crash: Crash, prcb: int) -> tuple[int, ...]:
    layouts = crash.memory.layouts
    data = read_run(crash.memory, prcb, crash.debugger_data.size_prcb)
    count = len(data) // layouts.pointer_size
    return struct.unpack_from(f"<{count}{layouts.pointer_code}", data)


def _is_buffer(crash: Crash, address: int) -> bool:
    return address % PAGE_SIZE == 0 and address >= crash.architecture.lowest_kernel
