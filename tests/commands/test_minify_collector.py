"""Collecting memory: in pieces that never overlap, each counted once, up to what does not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windbg_ext.commands.minify.account import PADDING, Account, Part
from windbg_ext.commands.minify.collector import Collector, Wanted
from windbg_ext.dump.small_file import DataBlock, SmallDump
from windbg_ext.errors import NotInDumpError, NotMappedError
from windbg_ext.memory.virtual import Piece
from windbg_ext.sources.progress import no_progress
from windbg_ext.structs.header import DumpHeader64
from windbg_ext.structs.layouts import LAYOUTS64

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE, END = 0x1000, 0x1400
CONTENT = bytes(range(256)) * 4
HOLE = range(0x1200, 0x1210)
DESCRIPTOR = 16


class Flat:
    """CONTENT at BASE; the dump does not hold HOLE."""

    layouts = LAYOUTS64

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def read(self, address: int, length: int) -> bytes:
        for at in range(address, address + length):
            if at in HOLE:
                raise NotInDumpError(at)
            if not BASE <= at < END:
                raise NotMappedError(at)
        return CONTENT[address - BASE :][:length]

    def present(self, address: int, length: int) -> Iterator[Piece]:
        self.asked.append((address, length))
        for low, high in ((BASE, HOLE.start), (HOLE.stop, END)):
            start, end = max(low, address), min(high, address + length)
            if start < end:
                yield Piece(start, self.read(start, end - start))


def collector(account: Account, *, essential: bool = False) -> Collector:
    collecting = Collector(SmallDump(DumpHeader64.blank()), Flat(), account, no_progress)
    collecting.begin("part", essential=essential)
    return collecting


def blocks(collecting: Collector) -> tuple[DataBlock, ...]:
    collecting.finish()
    return collecting.dump.data_blocks


RANGES = st.lists(st.tuples(st.integers(BASE - 0x20, END + 0x20), st.integers(0, 0x80)), max_size=12)


@given(RANGES)
def test_blocks_hold_every_byte_that_was_wanted_and_is_there_once_and_nothing_else(
    ranges: list[tuple[int, int]],
) -> None:
    account = Account(None)
    collecting = collector(account)
    collecting.save(Wanted(address, length) for address, length in ranges)
    wanted = {at for address, length in ranges for at in range(address, address + length)}
    there = sorted(at for at in wanted if BASE <= at < END and at not in HOLE)
    made = blocks(collecting)
    assert [at for block in made for at in range(block.address, block.address + len(block.data))] == there
    assert all(block.data == CONTENT[block.address - BASE :][: len(block.data)] for block in made)
    assert all(one.address + len(one.data) < two.address for one, two in zip(made, made[1:]))
    assert account.size_of("part") == len(there)


def test_what_does_not_fit_ends_the_part_and_nothing_behind_it_is_asked_for() -> None:
    account = Account(PADDING + 0x20 + 0x10 + 2 * DESCRIPTOR)
    memory = Flat()
    collecting = Collector(SmallDump(DumpHeader64.blank()), memory, account, no_progress)
    collecting.begin("first", essential=False)
    collecting.save([Wanted(0x1000, 0x20), Wanted(0x1100, 0x11), Wanted(0x1180, 1)])
    collecting.begin("second", essential=False)
    collecting.save([Wanted(0x1300, 1)])
    assert memory.asked == [(0x1000, 0x20), (0x1100, 0x11)]
    assert blocks(collecting) == (DataBlock(0x1000, CONTENT[:0x20]),)
    assert account.parts == (Part("first", 0x20, 1),)
    assert [(lost.part, lost.why.split(" into")[0]) for lost in account.left_out] == [
        ("first", "the rest of it does not fit"),
        ("second", "does not fit"),
    ]


def test_memory_that_is_there_already_is_saved_even_without_room() -> None:
    account = Account(PADDING + 0x20 + DESCRIPTOR)
    collecting = collector(account)
    collecting.save([Wanted(0x1000, 0x20), Wanted(0x1008, 0x10)])
    assert account.room == 0
    assert account.left_out == []


def test_pointers_are_returned_once_and_aligned() -> None:
    collecting = collector(Account(None))
    first = collecting.save([Wanted(0x1003, 0x1E, holds_pointers=True), Wanted(0x1080, 8)])
    second = collecting.save([Wanted(0x1010, 0x18, holds_pointers=True)])
    assert first == [Piece(0x1008, CONTENT[8:0x20])]
    assert second == [Piece(0x1020, CONTENT[0x20:0x28])]


@pytest.mark.parametrize(
    ("essential", "wanted", "told", "complete"),
    [
        (True, Wanted(0x11F0, 0x20, "stack"), ["stack"], False),
        (True, Wanted(0x11F0, 0x20, "stack", optional=True), ["stack"], True),
        (False, Wanted(0x11F0, 0x20, "stack"), ["stack"], True),
        (False, Wanted(0x11F0, 0x20), ["part"], True),
        (True, Wanted(0x2000, 8, "list"), ["list"], False),  # nowhere at all
        (True, Wanted(0x13F0, 0x20, "stack"), [], True),  # it reaches into memory that is not mapped
        (False, Wanted(0x2000, 8), [], True),
    ],
)
def test_what_the_source_does_not_hold_is_told_and_only_what_is_essential_is_a_lack(
    essential: bool, wanted: Wanted, told: list[str], complete: bool
) -> None:
    account = Account(None)
    collecting = collector(account, essential=essential)
    collecting.save([wanted])
    collecting.finish()
    assert [lost.part for lost in account.left_out] == told
    assert account.complete is complete


def test_what_is_missing_of_many_pieces_is_summed_up() -> None:
    account = Account(None)
    collecting = collector(account)
    collecting.save(Wanted(HOLE.start, 1 + index % 8, f"piece {index}") for index in range(1000))
    collecting.finish()
    assert [lost.part for lost in account.left_out] == [*(f"piece {index}" for index in range(256)), "part"]
    assert account.left_out[-1].why == "744 more of its pieces are missing"


def test_memory_that_is_there_already_is_not_read_again() -> None:
    memory = Flat()
    collecting = Collector(SmallDump(DumpHeader64.blank()), memory, Account(None), no_progress)
    collecting.begin("part", essential=False)
    collecting.save([Wanted(0x1000, 0x20), Wanted(0x1008, 0x18), Wanted(0x1008, 0x19)])
    assert memory.asked == [(0x1000, 0x20), (0x1008, 0x19)]
