"""Names of drivers in a small dump: where they lie, and how much of them is believed."""

from __future__ import annotations

import struct

import pytest
from support.dump_bytes import file_of, read_header

from samples.builder import SAMPLES, build
from windbg_ext.dump.small import read_drivers, read_small_dump
from windbg_ext.errors import DumpError
from windbg_ext.limits import Budget

SAMPLE = SAMPLES[-1]
SMALL = build(SAMPLE)
DRIVER_LIST, DRIVER_COUNT, STRING_POOL, POOL_SIZE = 0x2030, 0x2034, 0x2038, 0x203C
ENTRY = 0x90


def names_of(data: bytes) -> list[str]:
    with file_of(data) as file:
        return [
            driver.name for driver in read_drivers(file, read_small_dump(file, read_header(file), Budget()), Budget())
        ]


def with_numbers(data: bytes, numbers: dict[int, int]) -> bytes:
    changed = bytearray(data)
    for offset, number in numbers.items():
        struct.pack_into("<I", changed, offset, number)
    return bytes(changed)


@pytest.mark.parametrize("size", [0, 1, 40, 0x7FFFFFFF])
def test_names_are_found_by_their_offsets_whatever_the_string_pool_says(size: int) -> None:
    """The size of the pool only tells what may be read at once."""
    paths = [module.path for module in SAMPLE.machine.modules]
    assert names_of(with_numbers(SMALL, {POOL_SIZE: size})) == paths
    assert names_of(with_numbers(SMALL, {STRING_POOL: 0x2000, POOL_SIZE: size})) == paths


def test_many_drivers_with_one_long_name_take_no_more_memory_than_the_file() -> None:
    count, name = 5000, struct.pack("<I", 0x8000) + b"A\0" * 0x8000
    at = len(SMALL)
    entries = struct.pack("<I", at).ljust(ENTRY, b"\0") * count
    numbers = {DRIVER_LIST: at + len(name), DRIVER_COUNT: count, STRING_POOL: at, POOL_SIZE: len(name)}
    with pytest.raises(DumpError, match="the names are together longer than the file"):
        names_of(with_numbers(SMALL + name + entries, numbers))
