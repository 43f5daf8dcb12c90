"""Bytes that are known better than the memory below, compared with a dictionary of bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.memory_files import file_of

from windbg_ext.dump.small import BlockExtent
from windbg_ext.errors import NotInDumpError
from windbg_ext.memory import BlockMemory
from windbg_ext.memory.overlay import OverlaidMemory

SIZE = 24
HOLE = range(8, 12)
"""Not in the memory below, so that the overlay does not show there either."""
BELOW = bytes(range(0x40, 0x40 + SIZE))


@given(
    st.sampled_from([0, 0x1000, (1 << 64) - SIZE]),
    st.integers(0, SIZE - 1),
    st.binary(max_size=SIZE),
    st.integers(0, SIZE),
    st.integers(0, SIZE),
)
def test_reads_give_the_overlay_where_it_lies_and_the_memory_below_elsewhere(
    base: int, at: int, data: bytes, start: int, length: int
) -> None:
    data = data[: SIZE - at]
    length = min(length, SIZE - start)
    expected = {base + step: byte for step, byte in enumerate(BELOW)}
    expected.update({base + at + step: byte for step, byte in enumerate(data)})
    wanted = range(base + start, base + start + length)
    there = {address: byte for address, byte in expected.items() if address - base not in HOLE and address in wanted}
    extents = [BlockExtent(base, 0, HOLE.start), BlockExtent(base + HOLE.stop, HOLE.stop, SIZE - HOLE.stop)]
    with file_of(BELOW) as file:
        memory = OverlaidMemory(BlockMemory(file, extents), base + at, data)
        pieces = list(memory.present(base + start, length))
        assert {piece.address + step: byte for piece in pieces for step, byte in enumerate(piece.data)} == there
        if len(there) == length:
            assert memory.read(base + start, length) == bytes(there[address] for address in wanted)
        else:
            with pytest.raises(NotInDumpError):
                memory.read(base + start, length)
