"""Page tables of x86 with and without PAE, laid by hand. Expected values: Intel SDM volume 3A, sections 4.3 and 4.4."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from support.memory_files import LARGE, NO_EXECUTE, PAGE_SIZE, PROTOTYPE, TRANSITION, VALID, physical_memory_of

from windbg_ext.errors import NotInDumpError, NotMappedError
from windbg_ext.memory import PagedMemory, Piece
from windbg_ext.structs.paging import X86, X86_PAE, Paging

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXT = b"what is here"
KERNEL, USER, LAST_PAGE = 0x8273_4000, 0x0040_1000, 0xFFFF_F000
FRAME = 0x1234


def table(entries: Mapping[int, int], code: str) -> bytes:
    """A page of entries by their index."""
    page = bytearray(PAGE_SIZE)
    for index, entry in entries.items():
        struct.pack_into("<" + code, page, index * struct.calcsize(code), entry)
    return bytes(page)


def two_levels(address: int, entry: int) -> dict[int, bytes]:
    """Page directory in frame 1, page table in frame 2."""
    return {
        1: table({address >> 22: 2 << 12 | VALID}, "I"),
        2: table({address >> 12 & 0x3FF: entry}, "I"),
    }


ROOT_OF_PAE = 0x1A60
"""Four entries in the middle of frame 1, aligned to 32 bytes."""


def three_levels(address: int, entry: int) -> dict[int, bytes]:
    """Page directory pointers in frame 1, page directory in frame 2, page table in frame 3."""
    pointers = bytearray(PAGE_SIZE)
    struct.pack_into("<Q", pointers, ROOT_OF_PAE % PAGE_SIZE + 8 * (address >> 30), 2 << 12 | VALID)
    return {
        1: bytes(pointers),
        2: table({address >> 21 & 0x1FF: 3 << 12 | VALID}, "Q"),
        3: table({address >> 12 & 0x1FF: entry}, "Q"),
    }


MODES = {"x86": (X86, two_levels, 0x1000), "PAE": (X86_PAE, three_levels, ROOT_OF_PAE)}
each_mode = pytest.mark.parametrize("mode", MODES)
each_page = pytest.mark.parametrize("address", [KERNEL, USER, LAST_PAGE, 0], ids=hex)


def read(mode: str, address: int, entry: int, pages: Mapping[int, bytes], at: int, length: int) -> bytes:
    paging, tables, root = MODES[mode]
    with physical_memory_of({**tables(address, entry), **pages}) as physical:
        return PagedMemory(physical, root, paging).read(at, length)


@each_mode
@each_page
def test_a_page_is_read_where_its_tables_lead(mode: str, address: int) -> None:
    page = {FRAME: b"..." + TEXT}
    assert read(mode, address, FRAME << 12 | VALID, page, address + 3, len(TEXT)) == TEXT


@each_mode
def test_a_sign_extended_address_is_the_same_address(mode: str) -> None:
    assert read(mode, KERNEL, FRAME << 12 | VALID, {FRAME: TEXT}, 0xFFFFFFFF_00000000 | KERNEL, 4) == TEXT[:4]


@each_mode
def test_a_page_in_transition_is_read_and_a_prototype_is_not(mode: str) -> None:
    assert read(mode, KERNEL, FRAME << 12 | TRANSITION, {FRAME: TEXT}, KERNEL, 4) == TEXT[:4]
    with pytest.raises(NotMappedError):
        read(mode, KERNEL, FRAME << 12 | TRANSITION | PROTOTYPE, {FRAME: TEXT}, KERNEL, 4)


@each_mode
def test_what_is_not_mapped_is_told_from_what_is_not_in_the_dump(mode: str) -> None:
    with pytest.raises(NotMappedError):
        read(mode, KERNEL, 0, {}, KERNEL, 1)
    with pytest.raises(NotInDumpError) as raised:
        read(mode, KERNEL, FRAME << 12 | VALID, {}, KERNEL, 1)
    assert raised.value.pfn == FRAME


@each_mode
def test_nothing_follows_the_last_address(mode: str) -> None:
    entry, pages = FRAME << 12 | VALID, {FRAME: TEXT.rjust(PAGE_SIZE)}
    assert read(mode, LAST_PAGE, entry, pages, 0xFFFFFFFF, 1) == TEXT[-1:]
    with pytest.raises(NotMappedError):
        read(mode, LAST_PAGE, entry, pages, 0xFFFFFFFF, 2)
    paging, tables, root = MODES[mode]
    with physical_memory_of({**tables(LAST_PAGE, entry), **pages}) as physical:
        found = list(PagedMemory(physical, root, paging).present(0xFFFFFFFE, 0x1000))
    assert found == [Piece(0xFFFFFFFE, TEXT[-2:])]


@pytest.mark.parametrize(
    ("paging", "root", "tables", "frames"),
    [
        (X86, 0x1000, {1: table({KERNEL >> 22: 0x5400 << 12 | VALID | LARGE}, "I")}, 0x400),
        (
            X86_PAE,
            ROOT_OF_PAE,
            {**three_levels(KERNEL, 0), 2: table({KERNEL >> 21 & 0x1FF: 0x5400 << 12 | VALID | LARGE}, "Q")},
            0x200,
        ),
    ],
    ids=["4 MB", "2 MB with PAE"],
)
def test_a_large_page_is_read(paging: Paging, root: int, tables: dict[int, bytes], frames: int) -> None:
    pfn = 0x5400 + (KERNEL >> 12) % frames
    with physical_memory_of({**tables, pfn: TEXT}) as physical:
        memory = PagedMemory(physical, root, paging)
        assert memory.read(KERNEL, len(TEXT)) == TEXT
        assert memory.translate(KERNEL + 0x123) == pfn << 12 | 0x123


def test_pae_reaches_frames_above_4_gb_and_ignores_no_execute() -> None:
    pfn = 0x34_5678
    assert read("PAE", KERNEL, pfn << 12 | VALID | NO_EXECUTE, {pfn: TEXT}, KERNEL, 4) == TEXT[:4]


@each_mode
def test_pointers_are_four_bytes(mode: str) -> None:
    paging, tables, root = MODES[mode]
    with physical_memory_of(tables(KERNEL, 0)) as physical:
        assert PagedMemory(physical, root, paging).layouts.pointer_size == 4
