"""What a small dump gives away: which ranges of memory went in, and which categories of data a reader of it sees."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from windbg_ext.dump.header import comment_of
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from windbg_ext.dump.small_file import DataBlock, SmallDump
    from windbg_ext.structs.architectures import Architecture

MAX_RANGES = 64
"""Ranges that a report lists; those that are nearest to each other are taken as one."""
SMALLEST_GAP = 1 << 16
"""Bytes between blocks that are taken as one range in any case."""
OF_PROGRAM = "of the program that ran: stacks and what they lead to"
USER_FOLDER = re.compile(r"\\(?:users|documents and settings)\\[^\\]", re.IGNORECASE)
"""In a path: the folder of somebody."""


class SavedRange(NamedTuple):
    """A range of virtual addresses in which blocks of memory were saved. user: of user mode."""

    start: int
    end: int
    bytes: int
    blocks: int
    user: bool


class Shared(NamedTuple):
    """A category of what a small dump holds. bytes: None where they are not counted; about: what it is, in words."""

    category: str
    bytes: int | None
    about: str


def saved_ranges(blocks: Sequence[DataBlock], architecture: Architecture) -> tuple[SavedRange, ...]:
    """Return the ranges in which blocks lie, at most MAX_RANGES of them. blocks: in ascending order."""
    gap = SMALLEST_GAP
    ranges = [
        SavedRange(block.address, block.address + len(block.data), len(block.data), 1, _is_user(block, architecture))
        for block in blocks
    ]
    while True:
        ranges = list(_joined(ranges, gap))
        if len(ranges) <= MAX_RANGES:
            return tuple(ranges)
        gap *= 4


def _is_user(block: DataBlock, architecture: Architecture) -> bool:
    return block.address < architecture.lowest_kernel


def _joined(ranges: Iterable[SavedRange], gap: int) -> Iterator[SavedRange]:
    """Yield ranges in which those that are at most a gap apart are one; user mode and kernel stay apart."""
    last: SavedRange | None = None
    for found in ranges:
        if last is not None and last.user == found.user and found.start - last.end <= gap:
            last = last._replace(end=found.end, bytes=last.bytes + found.bytes, blocks=last.blocks + found.blocks)
            continue
        if last is not None:
            yield last
        last = found
    if last is not None:
        yield last


def what_is_shared(
    dump: SmallDump, ranges: Sequence[SavedRange], processors: int, secondary: int
) -> tuple[Shared, ...]:
    """Return what is in a small dump by category. secondary: bytes of secondary data that went in."""
    user = [found for found in ranges if found.user]
    kernel = [found for found in ranges if not found.user]
    paths = [driver.name for driver in dump.drivers if "\\" in driver.name]
    personal = sum(USER_FOLDER.search(path) is not None for path in paths)
    comment = comment_of(dump.header)
    return (
        Shared("user-mode memory", _bytes(user), _pieces(user, OF_PROGRAM)),
        Shared("kernel memory", _bytes(kernel), _pieces(kernel, "structures, and what registers and stacks lead to")),
        Shared("call stack", len(dump.call_stack), "the kernel stack of the thread that crashed"),
        Shared("registers", None, f"of {processors} processors; they may hold anything that was worked on"),
        Shared("module paths", None, f"{len(paths)} paths, {personal} of them in the folder of a user"),
        Shared("secondary data", secondary, "what drivers added: firmware tables, logs" if secondary else "none"),
        Shared("comment", None if comment is None else len(comment), "none" if comment is None else f"{comment!r}"),
    )


def _bytes(ranges: Iterable[SavedRange]) -> int:
    return sum(found.bytes for found in ranges)


def _pieces(ranges: Iterable[SavedRange], what: str) -> str:
    blocks = sum(found.blocks for found in ranges)
    return f"{blocks:,} pieces, {what}" if blocks else "none"
