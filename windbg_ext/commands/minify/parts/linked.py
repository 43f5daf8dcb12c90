"""Objects that are linked with those of the bug check: the drivers' own structures behind a device that hangs.

For bug check 0x9F Windows saves what drivers hand over at the crash: lists and trees of their own, such as the ACPI
namespace with thousands of nodes. Which bytes they are no large dump tells. But two objects that belong together point
at one another: a node at its parent and the parent at its child, an entry of a list at the one before it.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from itertools import chain, islice
from typing import TYPE_CHECKING

from windbg_ext.commands.minify.collector import Wanted
from windbg_ext.commands.minify.parts.bug_check_lists import bug_check_lists
from windbg_ext.memory.ahead import prefetch
from windbg_ext.memory.virtual import Piece, read_run
from windbg_ext.structs.kernel import DRIVER_POWER_STATE_FAILURE
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.commands.minify.collector import Collector
    from windbg_ext.commands.minify.crash import Crash

MAX_STEPS = 3
"""Pointers to objects that do not point back, on the way from an object of the bug check; the last leads no further."""
MAX_LOOKED_AT = 1 << 16
"""Pointers that are looked at."""
HEAD = 0x100
"""Bytes of an object in which a pointer back is looked for."""
PIECES_AT_HAND = 64
"""Pieces whose pointers are followed together there."""
FOLLOWED = 0x400
"""Bytes of an object whose pointers are followed."""
MAX_ENTRIES = 16
"""Of a list that counts as short."""
MAX_BYTES = 64 << 20
"""Bytes that are saved, whatever size is asked for."""


class Room(NamedTuple):
    """How much of an object is saved, from `before` bytes below the address that a pointer has to `behind` it.

    A pointer of a list leads to the entry, which may lie anywhere in its object. most: bytes of all such objects that
    are saved when no size is asked for.
    """

    before: int
    behind: int
    most: int


ROOMS = (Room(0x200, 0x1E00, 1 << 20), Room(0, 0x200, 3 << 19))
"""Of those that are linked with the objects of the bug check, and of those that are further away."""


def collect_linked_objects(crash: Crash, collector: Collector) -> None:
    """Collect objects that are linked with those of the bug check, the nearest first."""
    if crash.bug_check.plain_code != DRIVER_POWER_STATE_FAILURE:
        return
    begun = collector.size
    for steps, objects in enumerate(linked_objects(crash)):
        room = ROOMS[min(steps, len(ROOMS) - 1)]
        most = room.most if collector.account.limit is None else min(collector.account.room, MAX_BYTES)
        left = max(0, most - (collector.size - begun))
        fitting = objects[: left // (room.before + room.behind)]
        while fitting and not collector.account.full:  # objects overlap, so there is often room for more
            collector.save(_ranges(crash, room, fitting))
            objects = objects[len(fitting) :]
            left = max(0, most - (collector.size - begun))
            fitting = objects[: left // (room.before + room.behind)]
        if collector.account.full:
            return
        if objects:
            collector.lose(f"stopped after {most >> 10:,} KB, there are more; a larger --size saves more")
        if not steps:
            begun = collector.size


def _ranges(crash: Crash, room: Room, objects: list[int]) -> Iterator[Wanted]:
    """Yield what is saved of objects, those that overlap or touch as one range."""
    at = end = 0
    prefetch(crash.memory, ((address - room.before, room.before + room.behind) for address in objects))
    for address in sorted(objects):
        if address - room.before > end:
            if end:
                yield Wanted(at, end - at)
            at = address - room.before
        end = address + room.behind
    if end:
        yield Wanted(at, end - at)


def linked_objects(crash: Crash) -> Iterator[list[int]]:
    """Yield the addresses of objects, each once: those that no step leads to, then those of one step and so on.

    A step is a pointer to an object that does not point back. Where two objects point at one another, the way is free.
    """
    objects = Objects(crash)
    roots = (wanted for wanted in bug_check_lists(crash) if wanted.holds_pointers)
    near = [Piece(root.address, read_run(crash.memory, root.address, root.length)) for root in roots]
    found: list[int] = []
    for steps in range(1, MAX_STEPS + 1):
        further: dict[int, None] = {}
        at_hand = 0
        for index, piece in enumerate(near):  # which grows
            if index == at_hand:
                at_hand = objects.look_ahead(near, index)
            for address in objects.pointers(piece):
                if address in objects.known:  # twice in the piece
                    continue
                if objects.points_at(address, piece):
                    objects.known.add(address)
                    found.append(address)
                    near.append(objects.read(address))
                else:
                    further[address] = None
        yield found
        found = [address for address in further if address not in objects.known]
        objects.known.update(found)
        near = [objects.read(address) for address in found] if steps < MAX_STEPS else []
    yield found


class Objects:
    """Objects of the kernel. known: the addresses of those that were found, and at which there are none.

    head: bytes of an object in which a pointer back is looked for.
    """

    def __init__(self, crash: Crash, head: int = HEAD) -> None:
        layouts = crash.memory.layouts
        self.known: set[int] = set()
        self._memory, self._head = crash.memory, head
        self._code, self._size = layouts.pointer_code, layouts.pointer_size
        self._lowest, self._highest = crash.architecture.lowest_kernel, layouts.address_mask
        self._heads: dict[int, list[int]] = {}
        self._looked_at = 0

    def pointers(self, piece: Piece) -> list[int]:
        """Return what can be pointers in a piece of memory to another object that is not known."""
        found = self._unknown(piece)
        self._looked_at += len(found)
        return found if self._looked_at <= MAX_LOOKED_AT else []

    def pointing_back(self, piece: Piece) -> Iterator[int]:
        """Yield the objects that a piece of memory points at and that point back; they are known then."""
        for address in self.pointers(piece):
            if address not in self.known and self.points_at(address, piece):
                self.known.add(address)
                yield address

    def in_short_lists(self, piece: Piece) -> Iterator[int]:
        """Yield the other entries of short lists that have one (LIST_ENTRY) in a piece of memory; they are known then.

        A driver's list of its own objects is short. Long ones are those of the whole system.
        """
        lowest, size = self._lowest, self._size
        start, end = piece.address, piece.address + len(piece.data)
        first = start + -start % size
        values = self._values(piece.data[first - start :])
        for index, (following, before) in enumerate(zip(values, values[1:])):
            if following < lowest or before < lowest or following % size or before % size:
                continue
            if following in self.known or start <= following < end:
                continue
            entries = self._entries(first + size * index, following, before)
            self.known.update(entries)
            yield from entries

    def _entries(self, entry: int, following: int, before: int) -> list[int]:
        """Return the addresses of the other entries of a list, none of a long one; of what is not there, the ends."""
        found: dict[int, None] = {}
        for address, forward in ((following, True), (before, False)):
            back = entry
            while address != entry and address not in found:
                self._looked_at += 1
                if len(found) == MAX_ENTRIES or self._looked_at > MAX_LOOKED_AT:
                    return []
                values = self._values(read_run(self._memory, address, 2 * self._size))
                flink, blink = values if len(values) == 2 else (0, 0)
                if (blink if forward else flink) != back:
                    break
                found[address] = None
                back, address = address, flink if forward else blink
        return list(found)

    def look_ahead(self, pieces: list[Piece], begin: int) -> int:
        """Have at hand what some pieces point at, if the memory is far away. Return the index behind them."""
        some = pieces[begin : begin + PIECES_AT_HAND]
        left = MAX_LOOKED_AT - self._looked_at
        pointers = islice(chain.from_iterable(map(self._unknown, some)), max(0, left))
        prefetch(self._memory, ((address, FOLLOWED) for address in pointers))
        return begin + len(some)

    def _unknown(self, piece: Piece) -> list[int]:
        start, end = piece.address, piece.address + len(piece.data)
        lowest, highest, odd, known = self._lowest, self._highest, self._size - 1, self.known
        return [
            value
            for value in self._values(piece.data[-start % self._size :])
            if lowest <= value <= highest and not value & odd and not start <= value < end and value not in known
        ]

    def points_at(self, address: int, piece: Piece) -> bool:
        """Tell whether the object at an address points into a piece of memory."""
        head = self._heads.get(address)
        if head is None:
            head = self._heads[address] = sorted(self._values(read_run(self._memory, address, self._head)))
        index = bisect_left(head, piece.address)
        return index < len(head) and head[index] < piece.address + len(piece.data)

    def read(self, address: int) -> Piece:
        """Return the part of an object whose pointers are followed."""
        return Piece(address, read_run(self._memory, address, FOLLOWED))

    def _values(self, data: bytes) -> tuple[int, ...]:
        count = len(data) // self._size
        return struct.unpack_from(f"<{count}{self._code}", data)
