"""Memory out of data blocks, compared with a dictionary of bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.memory_files import file_of

from windbg_ext.dump.small import BlockExtent
from windbg_ext.errors import DumpError, NotInDumpError
from windbg_ext.memory import BlockMemory

Extents = list[tuple[int, int]]
TOP = (1 << 64) - 40


def naive(extents: Extents, data: bytes) -> dict[int, int]:
    """Byte by address. extents: (address, size), one behind the other in the file; the one that starts last wins."""
    found = {}
    offset = 0
    placed = []
    for address, size in extents:
        placed.append((address, offset, size))
        offset += size
    for address, offset, size in sorted(placed, key=lambda item: item[0]):
        for step in range(size):
            found[address + step] = data[offset + step]
    return found


def block_extents(extents: Extents) -> list[BlockExtent]:
    offset = 0
    placed = []
    for address, size in extents:
        placed.append(BlockExtent(address, offset, size))
        offset += size
    return placed


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 25)), max_size=8),
    st.sampled_from([0, 0xFFFFE000_00000FF0, TOP - 60]),
    st.lists(st.tuples(st.integers(-5, 90), st.integers(0, 50)), min_size=1, max_size=10),
)
def test_reads_give_the_bytes_of_the_block_that_starts_last(extents: Extents, base: int, reads: Extents) -> None:
    extents = [(base + address, size) for address, size in extents]
    data = bytes(index % 251 for index in range(sum(size for _, size in extents)))
    expected = naive(extents, data)
    with file_of(data) as file:
        memory = BlockMemory(file, block_extents(extents))
        for step, length in reads:
            address = max(0, base + step)
            pieces = list(memory.present(address, length))
            found = {piece.address + at: byte for piece in pieces for at, byte in enumerate(piece.data)}
            assert found == {at: byte for at, byte in expected.items() if address <= at < address + length}
            assert [piece.address for piece in pieces] == sorted({piece.address for piece in pieces})
            missing = next((at for at in range(address, address + length) if at not in expected), None)
            if missing is None:
                assert memory.read(address, length) == bytes(expected[at] for at in range(address, address + length))
            else:
                with pytest.raises(NotInDumpError) as raised:
                    memory.read(address, length)
                assert raised.value.address == missing


def test_what_a_read_gives_does_not_depend_on_where_it_begins() -> None:
    with file_of(b"a" * 10 + b"b" * 4) as file:
        memory = BlockMemory(file, [BlockExtent(0x100, 0, 10), BlockExtent(0x103, 10, 4)])
        assert memory.read(0x100, 10) == b"aaabbbbaaa"
        assert memory.read(0x105, 5) == b"bbaaa"


def test_blocks_that_touch_are_read_as_one() -> None:
    with file_of(b"0123456789") as file:
        memory = BlockMemory(file, [BlockExtent(0x105, 0, 5), BlockExtent(0x100, 5, 5)])
        assert memory.read(0x102, 6) == b"789012"


def test_a_hole_is_told_by_the_address_of_its_first_byte() -> None:
    with file_of(b"0123456789") as file:
        memory = BlockMemory(file, [BlockExtent(0x100, 0, 5), BlockExtent(0x106, 5, 5)])
        with pytest.raises(NotInDumpError, match="0x105 is not in this dump"):
            memory.read(0x100, 8)


def test_without_blocks_nothing_is_there() -> None:
    with file_of(b"") as file:
        memory = BlockMemory(file, [])
        assert list(memory.present(0, 1 << 64)) == []
        assert memory.read(0x1234, 0) == b""


def test_a_stretch_of_the_whole_address_space_gives_every_block() -> None:
    with file_of(b"0123456789") as file:
        memory = BlockMemory(file, [BlockExtent(0xFFFFE000_00000000, 0, 4), BlockExtent(8, 4, 6)])
        assert [tuple(piece) for piece in memory.present(0, 1 << 64)] == [
            (8, b"456789"),
            (0xFFFFE000_00000000, b"0123"),
        ]


def test_fifty_thousand_blocks_inside_a_long_one_are_cut_out_of_it() -> None:
    """If each read looked at all of them, this would take minutes."""
    count = 50_000
    with file_of(bytes(count * 16) + b"!" * count) as file:
        extents = [BlockExtent(0, 0, count * 16)]
        extents += [BlockExtent(16 * index, count * 16 + index, 1) for index in range(count)]
        memory = BlockMemory(file, extents)
        last = 16 * (count - 1)
        for _ in range(1000):
            assert memory.read(last, 3) == b"!\0\0"


def test_a_block_whose_bytes_the_file_lost_is_a_dump_error() -> None:
    with file_of(b"0123") as file:
        memory = BlockMemory(file, [BlockExtent(0x100, 0, 5)])
        with pytest.raises(DumpError, match="data block"):
            memory.read(0x100, 5)
