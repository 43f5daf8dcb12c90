"""How many pages of RAM the kernel half of the page tables maps: what a kernel dump of the machine would hold.

Source: as `windbg_ext.structs.paging`.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

from windbg_ext.dump.pages import popcount
from windbg_ext.limits import MAX_FRAME_BLOCKS, MAX_KERNEL_PAGES, MAX_KERNEL_TABLES
from windbg_ext.memory.paging import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE, PROTOTYPE, TRANSITION
from windbg_ext.sources.far import MAX_PAGES_AT_ONCE
from windbg_ext.structs.paging import VALID

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from windbg_ext.limits import Budget
    from windbg_ext.memory.physical import PhysicalMemory
    from windbg_ext.structs.paging import Paging


FIELD = "page tables"
EMPTY = bytes(PAGE_SIZE)


@dataclass(frozen=True)
class KernelPages:
    """count: distinct page frames of RAM; missing_tables: page tables that are not in the dump, so there may be more.

    Page tables count too: the kernel half maps them, those of the user half included, by its entry for itself.
    Pages in transition count: they are still in RAM. Memory of devices does not, though it may be mapped.
    """

    count: int
    missing_tables: int


def count_kernel_pages(
    physical: PhysicalMemory,
    directory_table_base: int,
    paging: Paging,
    kernel_start: int,
    ram: Iterable[tuple[int, int]],
    budget: Budget,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> KernelPages:
    """Count the pages of RAM that the kernel half maps.

    kernel_start: its lowest address; ram: (first page frame, count) of its runs, in any order; progress: called with
    how many page tables of a level were read, and how many it has. Raise LimitError for page tables that are more, or
    lead to more places, than those of any machine.

    Level by level, with the tables of each as a set: one that is met twice is read once, and a table that leads back
    to itself (Windows has one in every root) is read once for each level at most.
    """
    frames = FrameSet()
    missing = set()
    root = directory_table_base & paging.root_mask
    tables, offset = {root >> PAGE_SHIFT}, root & PAGE_MASK
    border: int | None = root >> PAGE_SHIFT
    for level in paging.levels:
        below: set[int] = set()
        entries_of = struct.Struct(f"<{1 << level.bits}{paging.entry[1:]}")
        border_below = None
        in_order = sorted(tables)
        for done, table in enumerate(in_order):
            progress(done, len(tables))
            if not done % MAX_PAGES_AT_ONCE:
                physical.prefetch(in_order[done : done + MAX_PAGES_AT_ONCE])
            page = physical.page(table)
            if page is None:
                missing.add(table)
                continue
            if page == EMPTY:
                continue
            entries: Sequence[int] = entries_of.unpack_from(page, offset)
            if table == border:  # the table in which the kernel half begins, perhaps within the reach of one entry
                first = kernel_start >> PAGE_SHIFT + level.shift & (1 << level.bits) - 1
                entries = entries[first:]
                if kernel_start & (1 << PAGE_SHIFT + level.shift) - 1 and not paging.is_large(entries[0]):
                    border_below = (entries[0] & paging.frame_mask) >> PAGE_SHIFT
            tables_before, places_before = len(below), frames.places
            if level.large:
                large = _frames([entry for entry in entries if paging.is_large(entry)], paging)
                budget.draw(MAX_KERNEL_PAGES, len(large), FIELD)
                frames.add_large(large, level.shift)
                entries = [entry for entry in entries if not paging.is_large(entry)]
            if level.shift:
                below.update(_frames(entries, paging))
                budget.draw(MAX_KERNEL_TABLES, len(below) - tables_before, FIELD)
            else:
                mapped = _frames(entries, paging)
                budget.draw(MAX_KERNEL_PAGES, len(mapped), FIELD)
                frames.add(mapped)
            budget.draw(MAX_FRAME_BLOCKS, frames.places - places_before, FIELD)
        progress(len(tables), len(tables))
        tables, offset, border = below, 0, border_below
    return KernelPages(frames.count_in(ram), len(missing))


def _frames(entries: Iterable[int], paging: Paging) -> list[int]:
    """Return the page frames of the entries that lead to RAM: the valid ones and those in transition."""
    mask = paging.frame_mask
    return [
        (entry & mask) >> PAGE_SHIFT
        for entry in entries
        if entry & VALID or entry & (TRANSITION | PROTOTYPE) == TRANSITION
    ]


BLOCK_SHIFT = 12
"""Page frames in a block of the bitmap, as a power of two: 16 MB of memory are 512 bytes."""
BLOCK_BYTES = (1 << BLOCK_SHIFT) // 8
BIT = [1 << bit for bit in range(8)]
HUGE_SHIFT = 18
"""Page frames in a page of 1 GB, as a power of two; those of 2 MB or 4 MB fit into a block."""


class FrameSet:
    """A set of page frames: a bitmap of which only the blocks with a bit in them are kept, and the pages of 1 GB."""

    def __init__(self) -> None:
        self._blocks: defaultdict[int, bytearray] = defaultdict(lambda: bytearray(BLOCK_BYTES))
        self._huge: set[int] = set()

    @property
    def places(self) -> int:
        """How many blocks and pages of 1 GB there are."""
        return len(self._blocks) + len(self._huge)

    def add(self, frames: Iterable[int]) -> None:
        """Add page frames."""
        blocks = self._blocks
        for pfn in frames:
            blocks[pfn >> BLOCK_SHIFT][pfn >> 3 & BLOCK_BYTES - 1] |= BIT[pfn & 7]

    def add_large(self, frames: Iterable[int], shift: int) -> None:
        """Add pages of 2 ** shift page frames; low bits of their frame numbers have other uses."""
        if shift == HUGE_SHIFT:
            self._huge.update(pfn >> HUGE_SHIFT for pfn in frames)
            return
        size = (1 << shift) // 8
        for pfn in frames:
            start = pfn >> 3 & BLOCK_BYTES - size
            self._blocks[pfn >> BLOCK_SHIFT][start : start + size] = b"\xff" * size

    def count_in(self, runs: Iterable[tuple[int, int]]) -> int:
        """Count the page frames that lie in any of the runs (first, count)."""
        count = 0
        counted_to = 0
        huge = sorted(self._huge)
        blocks = sorted(key for key in self._blocks if key >> HUGE_SHIFT - BLOCK_SHIFT not in self._huge)
        for base, pages in sorted(runs):
            start, end = max(base, counted_to), base + pages  # runs that overlap count once
            if start < end:
                count += _covered(huge, start, end)
                count += sum(self._in_block(key, start, end) for key in _between(blocks, BLOCK_SHIFT, start, end))
                counted_to = end
        return count

    def _in_block(self, key: int, start: int, end: int) -> int:
        """Count the page frames from start to end in a block."""
        block = self._blocks[key]
        first = key << BLOCK_SHIFT
        if start <= first and first + (1 << BLOCK_SHIFT) <= end:
            return popcount(bytes(block))
        bits = int.from_bytes(block, "little")
        bits &= (1 << min(end - first, 1 << BLOCK_SHIFT)) - 1
        return bin(bits >> max(0, start - first)).count("1")


def _between(keys: list[int], shift: int, start: int, end: int) -> list[int]:
    """Return those of the sorted keys whose 2 ** shift page frames overlap start to end."""
    return keys[bisect_left(keys, start >> shift) : bisect_right(keys, end - 1 >> shift)]


def _covered(huge: list[int], start: int, end: int) -> int:
    """Count the page frames from start to end that pages of 1 GB cover; huge: their numbers, sorted."""
    return sum(
        min(end, key + 1 << HUGE_SHIFT) - max(start, key << HUGE_SHIFT)
        for key in _between(huge, HUGE_SHIFT, start, end)
    )
