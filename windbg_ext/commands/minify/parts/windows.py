"""Indirectly referenced memory: a window at every pointer that was saved, and at every pointer in those windows."""

from __future__ import annotations

import struct
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from windbg_ext.commands.minify.collector import Wanted
from windbg_ext.commands.minify.parts.processors import contexts
from windbg_ext.errors import MemoryReadError
from windbg_ext.limits import MAX_WINDOW_PAGES
from windbg_ext.memory.ahead import gather, is_far, prefetch
from windbg_ext.memory.paging import PAGE_SHIFT
from windbg_ext.memory.virtual import Piece

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from windbg_ext.commands.minify.collector import Collector
    from windbg_ext.commands.minify.crash import Crash
    from windbg_ext.memory.virtual import VirtualMemory
    from windbg_ext.structs.architectures import Architecture

WINDOW = 0x100
MAX_LEVELS = 3
MAX_WINDOW_BYTES = 8 << 20
"""Bytes of windows that are saved when no size is asked for: the file should still go into a mail."""
BYTES_OF_GROUP = 1 << 15
"""Of pieces whose windows are fetched together from another machine: 4096 pointers, whose pages have at most 16 MB."""
OVERLAP = 3
"""Windows overlap, and many pointers lead nowhere: so many times the limit is looked at before it is enough."""

IO_TYPE_DEVICE, IO_TYPE_DRIVER, IO_TYPE_IRP = 3, 4, 6
"""The first u16 of an I/O object; its size in bytes is the second (wdm.h)."""


def collect_windows(crash: Crash, collector: Collector) -> None:
    """Collect a window at every pointer of the crash, then at every pointer in those windows, three levels deep."""
    account = collector.account
    if account.full:
        collector.refuse()
        return
    limit = MAX_WINDOW_BYTES if account.limit is None else max(MAX_WINDOW_BYTES, account.room)
    looked_at = pages = 0
    seen: set[int] = set()
    pieces = _roots(crash, collector)
    for level in range(MAX_LEVELS):
        found: list[Piece] = []
        for index, piece in enumerate(_at_hand(crash, pieces, seen)):
            collector.progress(f"{collector.part}, level {level + 1} of {MAX_LEVELS}", index, len(pieces))
            for window in windows(crash, piece, seen):
                if collector.size >= limit or looked_at >= OVERLAP * limit:
                    why = f"stopped after {looked_at >> 20} MB of windows, there are more; a larger --size saves more"
                    collector.lose(why)
                    return
                if pages >= MAX_WINDOW_PAGES:
                    collector.lose(f"stopped after windows in {pages:,} pages, there are more")
                    return
                collector.windows.append(window.address)
                looked_at += window.length
                pages += (window.address + window.length - 1 >> PAGE_SHIFT) - (window.address >> PAGE_SHIFT) + 1
                found.extend(collector.save([window]))
                if account.full:
                    return
        pieces = found


def _at_hand(crash: Crash, pieces: list[Piece], seen: set[int]) -> Iterator[Piece]:
    """Yield pieces. From a source that is far away, the windows that many of them lead to are fetched together."""
    if not is_far(crash.memory):
        yield from pieces
        return
    at = 0
    while at < len(pieces):
        group: list[Piece] = []
        while at < len(pieces) and sum(len(piece.data) for piece in group) < BYTES_OF_GROUP:
            group.append(pieces[at])
            at += 1
        prefetch(crash.memory, ((value, WINDOW) for piece in group for value in _pointers(crash, piece, set(seen))))
        gather(crash.memory, partial(_look_at, crash, group, seen))
        yield from group


def _look_at(crash: Crash, pieces: Iterable[Piece], seen: set[int]) -> None:
    """Read the windows that pieces lead to, to no end but to have them at hand."""
    seen = set(seen)
    for window in chain.from_iterable(windows(crash, piece, seen) for piece in pieces):
        for _ in crash.memory.present(window.address, window.length):
            pass


def _roots(crash: Crash, collector: Collector) -> list[Piece]:
    """Return what the first pointers stand in, most important first."""
    dump, architecture, thread = collector.dump, crash.architecture, crash.shown_thread
    registers = b"".join(_packed(context.registers, architecture) for context in contexts(crash.kernel))
    return [
        Piece(0, registers),
        Piece(0, _packed(crash.bug_check.parameters, architecture)),
        Piece(dump.top_of_stack, dump.call_stack),
        Piece(thread.address if thread else 0, dump.thread),
        Piece(thread.process if thread else 0, dump.process),
        *chain.from_iterable(collector.pointers.values()),
    ]


def _packed(values: Sequence[int], architecture: Architecture) -> bytes:
    """Return values as they stand in memory, one behind the other."""
    return struct.pack(f"<{len(values)}{architecture.layouts.pointer_code}", *values)


def pointers_in(crash: Crash, data: bytes) -> Iterator[int]:
    """Yield what can be pointers in memory that begins at a pointer."""
    size = crash.memory.layouts.pointer_size
    for (value,) in struct.iter_unpack(f"<{crash.memory.layouts.pointer_code}", data[: len(data) & -size]):
        if crash.architecture.is_pointer(value):
            yield value


def windows(crash: Crash, piece: Piece, seen: set[int]) -> Iterator[Wanted]:
    """Yield a window at every pointer that stands in a piece of memory: WINDOW bytes, or the whole I/O object there.

    seen: pointers that had their window already.
    """
    lowest_kernel = crash.architecture.lowest_kernel
    for value in _pointers(crash, piece, seen):
        length = io_object_size(crash.memory, value) if value >= lowest_kernel else 0
        yield Wanted(value, max(WINDOW, length), holds_pointers=True)


def _pointers(crash: Crash, piece: Piece, seen: set[int]) -> Iterator[int]:
    """Yield the pointers that stand in a piece of memory and were not seen."""
    architecture = crash.architecture
    size = architecture.layouts.pointer_size
    aligned = piece.data[-piece.address % size :]
    for (value,) in struct.iter_unpack(f"<{architecture.layouts.pointer_code}", aligned[: len(aligned) & -size]):
        if value not in seen and architecture.is_pointer(value):
            seen.add(value)
            yield value


def io_object_size(memory: VirtualMemory, address: int) -> int:
    """Return the size of the device object, driver object or IRP at an address, 0 if there is none (wdm.h)."""
    if address % memory.layouts.pointer_size:
        return 0
    layouts = memory.layouts
    try:
        kind, size = struct.unpack("<HH", memory.read(address, 4))
    except MemoryReadError:
        return 0
    if kind not in (IO_TYPE_DEVICE, IO_TYPE_DRIVER, IO_TYPE_IRP):
        return 0
    smallest = {
        IO_TYPE_DEVICE: layouts.followed.device_object.SIZE,
        IO_TYPE_DRIVER: layouts.followed.driver_object.SIZE,
        IO_TYPE_IRP: layouts.irp,
    }[kind]
    if size < smallest:
        return 0
    if kind == IO_TYPE_IRP and (size - layouts.irp) % layouts.io_stack_location:
        return 0
    return int(size)
