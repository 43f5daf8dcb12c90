"""What a processor's control block (KPRCB) leads to: what it recorded last, and the drivers' objects in its lists.

No offset in a KPRCB but those of the debugger data block is known, so pointers are judged by what lies beside them and
by what they lead to.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from windbg_ext.commands.minify.collector import Wanted
from windbg_ext.commands.minify.parts.linked import Objects, Room
from windbg_ext.memory.paging import PAGE_SIZE
from windbg_ext.memory.virtual import Piece, read_run
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from typing import Callable

    from windbg_ext.commands.minify.crash import Crash

OF_PROCESSOR = Room(0x900, 0xD00, 1 << 18)
"""Of an object that is linked with a processor: one that Windows saved has 0x1540 bytes and its timer at 0x880."""
HEAD = 0x300
"""Bytes of an object in which a pointer back is looked for: one that Windows saved has it at 0x250."""
OF_LIST = Room(0x400, 0x600, 1 << 16)
"""Of an object in a list of those: some that Windows saved have 0x8E0 bytes and their entries at 0x340."""
MAX_OTHERS, MAX_OF_OTHERS = 64, 1 << 16
"""KPRCBs beside those of the crashed processor and of processor 0, and bytes of what their lists lead to."""
MAX_COMPARED = 4
"""Other KPRCBs that must point at a buffer of the same length."""
LENGTHS_OF_BUFFERS = range(0x80, PAGE_SIZE + 1, 8)
MAX_BUFFERS = 4


def processor_objects(crash: Crash) -> Iterator[Wanted]:
    """Yield the buffers in which the crashed processor recorded what it ran, then objects linked with control blocks.

    The lists in a KPRCB lead to timers, DPCs and threads inside the objects of drivers. Those of the crashed processor
    and of processor 0, which has most of the timers, are looked at more closely.
    """
    yield from recorded(crash)
    objects = Objects(crash, HEAD)
    prcbs = dict.fromkeys(
        processor.prcb for processor in (crash.processor, crash.kernel.processors[0], *crash.kernel.processors)
    )
    own = 2 if crash.processor.number else 1
    blocks = [_control_block(crash, prcb) for prcb in list(prcbs)[: own + MAX_OTHERS]]
    first = yield from _step(crash, blocks[:own], objects.pointing_back, OF_PROCESSOR)
    others = yield from _step(crash, blocks[own:], objects.in_short_lists, OF_PROCESSOR._replace(most=MAX_OF_OTHERS))
    yield from _step(crash, [*first, *others], objects.in_short_lists, OF_LIST)
    left = OF_PROCESSOR.most - sum(len(piece.data) for piece in first)
    yield from _step(crash, first, objects.pointing_back, OF_PROCESSOR._replace(most=left))


def _step(
    crash: Crash, pieces: Iterable[Piece], related: Callable[[Piece], Iterator[int]], room: Room
) -> Generator[Wanted, None, list[Piece]]:
    """Yield what is saved of the objects to which some pieces are related. Return what of it can be read."""
    found: list[Piece] = []
    total = 0
    for piece in pieces:
        for address in related(piece):
            if total >= room.most:
                return found
            start = max(address - room.before, address & -PAGE_SIZE)
            length = address + room.behind - start
            total += length
            yield Wanted(start, length)
            found.append(Piece(start, read_run(crash.memory, start, length)))
    return found


class _Buffer(NamedTuple):
    """A buffer that a KPRCB points at, and its length in bytes."""

    address: int
    length: int


def recorded(crash: Crash) -> Iterator[Wanted]:
    """Yield the buffers in which the crashed processor recorded what it ran last.

    Build 26100 keeps the last DPCs and interrupts in one of 0x300 bytes: behind the pointer to it stand, as u32, the
    place of the next record and the length (measured). The other KPRCBs have the same at the same offset.
    """
    others = [processor.prcb for processor in crash.kernel.processors if processor is not crash.processor]
    blocks = [block for block in (_control_block(crash, prcb) for prcb in others[:MAX_COMPARED]) if block.data]
    same = [_buffers(crash, block) for block in blocks]
    found = 0
    for offset, buffer in _buffers(crash, _control_block(crash, crash.processor.prcb)).items():
        beside = [buffers.get(offset) for buffers in same]
        if all(other and other.length == buffer.length and other.address != buffer.address for other in beside):
            yield Wanted(buffer.address, buffer.length)
            found += 1
            if found == MAX_BUFFERS:
                return


def _buffers(crash: Crash, block: Piece) -> dict[int, _Buffer]:
    """Return what can be such buffers, by the offset in a KPRCB."""
    layouts, lowest = crash.memory.layouts, crash.architecture.lowest_kernel
    size, found = layouts.pointer_size, {}
    count = len(block.data) // size
    values = struct.unpack_from(f"<{count}{layouts.pointer_code}", block.data)
    for index in [at for at, value in enumerate(values) if value >= lowest and not value % size]:
        offset = size * index
        if offset + size + 8 > len(block.data):
            break
        place, length = struct.unpack_from("<II", block.data, offset + size)
        if place < length and length in LENGTHS_OF_BUFFERS:
            found[offset] = _Buffer(values[index], length)
    return found


def _control_block(crash: Crash, prcb: int) -> Piece:
    return Piece(prcb, read_run(crash.memory, prcb, crash.debugger_data.size_prcb))
