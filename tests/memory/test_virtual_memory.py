"""Numbers and text out of virtual memory."""

from __future__ import annotations

import pytest
from support.memory_files import file_of

from windbg_ext.dump.small import BlockExtent
from windbg_ext.errors import NotInDumpError
from windbg_ext.memory import BlockMemory, read_pointer, read_text, read_u32

DATA = bytes.fromhex("efcdab89 67452301 6100 3dd8 02de 0000 00d8 62")
BASE = 0xFFFFE000_00000000


def test_integers_are_little_endian() -> None:
    with file_of(DATA) as file:
        memory = BlockMemory(file, [BlockExtent(BASE, 0, len(DATA))])
        assert read_pointer(memory, BASE) == 0x0123456789ABCDEF
        assert read_u32(memory, BASE) == 0x89ABCDEF


def test_text_is_utf_16_and_lone_surrogates_stay() -> None:
    with file_of(DATA) as file:
        memory = BlockMemory(file, [BlockExtent(BASE, 0, len(DATA))])
        assert read_text(memory, BASE + 8, 10) == "a\U0001f602\0\ud800"


def test_an_odd_length_of_text_is_rounded_down() -> None:
    with file_of(DATA) as file:
        memory = BlockMemory(file, [BlockExtent(BASE, 0, len(DATA))])
        assert read_text(memory, BASE + 8, 3) == "a"


def test_half_a_pointer_is_an_error_at_the_first_missing_byte() -> None:
    with file_of(DATA) as file:
        memory = BlockMemory(file, [BlockExtent(BASE, 0, 5)])
        with pytest.raises(NotInDumpError) as raised:
            read_pointer(memory, BASE)
        assert raised.value.address == BASE + 5
