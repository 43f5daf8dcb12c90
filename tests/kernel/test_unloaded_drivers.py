"""The ring of unloaded drivers. Layout: dt nt!_UNLOADED_DRIVERS, 50 entries of 0x28 bytes."""

from __future__ import annotations

import struct

import pytest
from support.written_memory import WrittenMemory, debugger_data

from windbg_ext.kernel.modules import UnloadedDriver, read_unloaded_drivers

RING_POINTER, LAST = 0xFFFFF801_00001000, 0xFFFFF801_00001008
RING, NAMES = 0xFFFFE000_00010000, 0xFFFFE000_00020000
BLOCK = debugger_data(mm_unloaded_drivers=RING_POINTER, mm_last_unloaded_driver=LAST)


def ring(drivers: dict[int, str], last: int) -> WrittenMemory:
    """drivers: names by their index in the ring."""
    memory = WrittenMemory()
    memory.write_u64(RING_POINTER, RING)
    memory.write(LAST, struct.pack("<I", last))
    memory.write(RING, bytes(50 * 0x28))
    for index, name in drivers.items():
        units = name.encode("utf-16-le")
        buffer = NAMES + 0x100 * index
        memory.write(RING + 0x28 * index, struct.pack("<HH4xQQQQ", len(units), len(units), buffer, *bounds(index), 0))
        memory.write(buffer, units)
    return memory


def bounds(index: int) -> tuple[int, int]:
    return 0xFFFFF801_50000000 + 0x10000 * index, 0xFFFFF801_50008000 + 0x10000 * index


def names(memory: WrittenMemory) -> list[str]:
    found = read_unloaded_drivers(memory, BLOCK)
    assert found is not None
    return [driver.name for driver in found]


def test_a_driver_tells_its_name_and_where_it_was() -> None:
    assert read_unloaded_drivers(ring({0: "old.sys"}, 1), BLOCK) == (UnloadedDriver("old.sys", *bounds(0)),)


def test_the_newest_driver_comes_first() -> None:
    assert names(ring({0: "first.sys", 1: "second.sys", 2: "third.sys"}, 3)) == ["third.sys", "second.sys", "first.sys"]


@pytest.mark.parametrize("last", [0, 50])
def test_in_a_full_ring_the_newest_may_be_the_last_entry(last: int) -> None:
    found = names(ring({index: f"{index}.sys" for index in range(50)}, last))
    assert found == [f"{index}.sys" for index in reversed(range(50))]


def test_a_full_ring_wraps_around_after_50_entries() -> None:
    found = names(ring({index: f"{index}.sys" for index in range(50)}, 23))
    assert found == [f"{index}.sys" for index in [*reversed(range(23)), *reversed(range(23, 50))]]


def test_the_list_ends_at_the_first_entry_without_a_name() -> None:
    assert names(ring({0: "a.sys", 2: "c.sys"}, 3)) == ["c.sys"]


def test_a_kernel_that_unloaded_nothing_has_no_drivers() -> None:
    assert read_unloaded_drivers(ring({}, 0), BLOCK) == ()
    memory = ring({}, 0)
    memory.write_u64(RING_POINTER, 0)
    assert read_unloaded_drivers(memory, BLOCK) == ()


def test_a_small_dump_keeps_12_characters_of_a_name() -> None:
    assert names(ring({0: "a_very_long_name.sys"}, 1)) == ["a_very_long_"]


@pytest.mark.parametrize(("address", "length"), [(RING_POINTER, 8), (LAST, 4), (RING, 0x28)])
def test_a_list_that_is_not_in_the_dump_is_none(address: int, length: int) -> None:
    memory = ring({0: "old.sys"}, 1)
    memory.forget(address, length)
    assert read_unloaded_drivers(memory, BLOCK) is None


def test_a_block_that_does_not_tell_where_the_list_is_gives_none() -> None:
    assert read_unloaded_drivers(ring({0: "old.sys"}, 1), debugger_data()) is None


def test_a_name_that_is_not_in_the_dump_is_empty_and_does_not_end_the_list() -> None:
    memory = ring({0: "a.sys", 1: "b.sys", 2: "c.sys"}, 3)
    memory.forget(NAMES + 0x100, 2)
    assert names(memory) == ["c.sys", "", "a.sys"]


def test_an_absurd_index_stays_in_the_ring() -> None:
    assert names(ring({0: "a.sys", 44: "last.sys"}, 0xFFFFFFFF)) == ["last.sys"]
