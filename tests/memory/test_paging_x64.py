"""Virtual memory behind page tables laid by hand. Source of what is expected: Intel SDM volume 3, chapter 4."""

from __future__ import annotations

import struct
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.memory_files import (
    LARGE,
    NO_EXECUTE,
    PAGE_SIZE,
    PROTOTYPE,
    TRANSITION,
    VALID,
    PageTables,
    physical_memory_of,
)

from windbg_ext.errors import MemoryReadError, NotInDumpError, NotMappedError
from windbg_ext.memory import PagedMemory, Piece
from windbg_ext.structs.paging import X64, X64_LA57

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGING = {4: X64, 5: X64_LA57}
KERNEL, USER = 0xFFFFF805_12345000, 0x7FF7_00012000
LAST_PAGE = (1 << 64) - PAGE_SIZE
TEXT = b"what is here"
FRAME = 0x1234
OTHER_FRAME = 0x77

each_depth = pytest.mark.parametrize("levels", [4, 5])
each_half = pytest.mark.parametrize("address", [KERNEL, USER], ids=["kernel", "user"])


def read(
    tables: PageTables, pages: Mapping[int, bytes], address: int, length: int, cut: int = 0, low_bits: int = 0
) -> bytes:
    with physical_memory_of(tables.with_pages(pages), cut) as physical:
        return PagedMemory(physical, tables.ROOT << 12 | low_bits, PAGING[tables.levels]).read(address, length)


def present(tables: PageTables, pages: Mapping[int, bytes], address: int, length: int) -> list[Piece]:
    with physical_memory_of(tables.with_pages(pages)) as physical:
        return list(PagedMemory(physical, tables.ROOT << 12, PAGING[tables.levels]).present(address, length))


def failure(
    tables: PageTables, pages: Mapping[int, bytes], address: int, length: int = 1, cut: int = 0
) -> MemoryReadError:
    with pytest.raises(MemoryReadError) as raised:
        read(tables, pages, address, length, cut)
    return raised.value


def mapped(address: int, entry: int = FRAME << 12 | VALID, level: int = 1, levels: int = 4) -> PageTables:
    tables = PageTables(levels)
    tables.set(address, entry, level)
    return tables


@each_depth
@each_half
def test_a_small_page_is_read(address: int, levels: int) -> None:
    tables = mapped(address, levels=levels)
    page = Random(0).randbytes(PAGE_SIZE)
    assert read(tables, {FRAME: page}, address, PAGE_SIZE) == page
    assert read(tables, {FRAME: page}, address + 0x123, 0x45) == page[0x123 : 0x123 + 0x45]
    assert read(tables, {FRAME: page}, address + 0xFFF, 1) == page[-1:]


@each_depth
@each_half
@pytest.mark.parametrize(("level", "size"), [(2, 1 << 21), (3, 1 << 30)], ids=["2 MB", "1 GB"])
def test_a_large_page_is_read_at_both_ends(level: int, size: int, address: int, levels: int) -> None:
    start = address & -size
    frames = size >> 12
    tables = mapped(address, 5 * size | VALID | LARGE, level, levels)
    pages = {5 * frames: TEXT, 6 * frames - 1: b"at the end".rjust(PAGE_SIZE, b".")}
    assert read(tables, pages, start, len(TEXT)) == TEXT
    assert read(tables, pages, start + size - 10, 10) == b"at the end"


@pytest.mark.parametrize(("level", "size"), [(2, 1 << 21), (3, 1 << 30)], ids=["2 MB", "1 GB"])
def test_bits_of_a_large_page_that_are_no_address_are_ignored(level: int, size: int) -> None:
    """Bit 12 is PAT there, bits 13 and up to the size are reserved, bit 63 is no-execute."""
    entry = 5 * size | VALID | LARGE | NO_EXECUTE | 1 << 12 | 0x7F << 52
    assert read(mapped(KERNEL, entry, level), {5 * size >> 12: TEXT}, KERNEL & -size, len(TEXT)) == TEXT


def test_bits_of_a_small_page_that_are_no_address_are_ignored() -> None:
    entry = FRAME << 12 | VALID | NO_EXECUTE | 0x7FF << 52 | 0xFFE
    assert read(mapped(KERNEL, entry), {FRAME: TEXT}, KERNEL, len(TEXT)) == TEXT


@pytest.mark.parametrize("frame", [0, 1 << 39, (1 << 40) - 1])
def test_a_page_may_lie_anywhere_in_52_bits_of_physical_memory(frame: int) -> None:
    assert read(mapped(KERNEL, frame << 12 | VALID), {frame: TEXT}, KERNEL, len(TEXT)) == TEXT


@pytest.mark.parametrize("low_bits", [0x002, 0xFFF, 1 << 63, 1 << 63 | 0x7FF])
def test_the_process_context_id_in_cr3_is_no_part_of_the_address(low_bits: int) -> None:
    assert read(mapped(KERNEL), {FRAME: TEXT}, KERNEL, len(TEXT), low_bits=low_bits) == TEXT


@each_half
@pytest.mark.parametrize("protection", [0, 4 << 5, 0x1F << 5])
def test_a_page_in_transition_is_still_in_memory(protection: int, address: int) -> None:
    tables = mapped(address, FRAME << 12 | TRANSITION | protection)
    assert read(tables, {FRAME: TEXT}, address, len(TEXT)) == TEXT


def test_a_page_table_in_transition_is_still_in_memory() -> None:
    tables = mapped(KERNEL)
    table = tables.table_of(KERNEL, 1)
    tables.set(KERNEL, table << 12 | TRANSITION | 4 << 5, level=2)
    assert read(tables, {FRAME: TEXT}, KERNEL, len(TEXT)) == TEXT


def test_the_protection_of_an_entry_in_transition_makes_no_large_page() -> None:
    tables = mapped(KERNEL)
    table = tables.table_of(KERNEL, 1)
    tables.set(KERNEL, table << 12 | TRANSITION | LARGE, level=2)
    assert read(tables, {FRAME: TEXT}, KERNEL, len(TEXT)) == TEXT


@pytest.mark.parametrize(
    "bits", [0, PROTOTYPE, PROTOTYPE | TRANSITION, 4 << 5], ids=["empty", "prototype", "both", "demand zero"]
)
@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_what_is_neither_valid_nor_in_transition_is_not_mapped(bits: int, level: int) -> None:
    error = failure(mapped(KERNEL, FRAME << 12 | bits, level), {FRAME: TEXT}, KERNEL + 5)
    assert isinstance(error, NotMappedError)
    assert str(error) == f"0x{KERNEL + 5:x} is not mapped"


def test_software_bits_of_a_valid_entry_make_no_prototype() -> None:
    assert read(mapped(KERNEL, FRAME << 12 | VALID | PROTOTYPE), {FRAME: TEXT}, KERNEL, len(TEXT)) == TEXT


def test_bit_7_means_a_large_page_in_the_middle_levels_only() -> None:
    """In a page table it is PAT, at the top it is reserved."""
    tables = mapped(KERNEL, FRAME << 12 | VALID | LARGE)
    top = tables.table_of(KERNEL, 3)
    tables.set(KERNEL, top << 12 | VALID | LARGE, level=4)
    assert read(tables, {FRAME: TEXT}, KERNEL, len(TEXT)) == TEXT


CANONICAL = {4: [0x7FFF_FFFFF000, 0xFFFF8000_00000000], 5: [0x00FFFFFF_FFFFF000, 0xFF000000_00000000]}
NOT_CANONICAL = {
    4: [0x8000_00000000, 0xFFFF7FFF_FFFFF000, 1 << 63, 0x00FFFFFF_FFFFF000],
    5: [0x01000000_00000000, 0xFEFFFFFF_FFFFF000, 1 << 63],
}


@pytest.mark.parametrize(("levels", "address"), [(levels, at) for levels in (4, 5) for at in CANONICAL[levels]])
def test_the_last_canonical_addresses_are_mapped(levels: int, address: int) -> None:
    assert read(mapped(address, levels=levels), {FRAME: TEXT}, address, len(TEXT)) == TEXT


@pytest.mark.parametrize(("levels", "address"), [(levels, at) for levels in (4, 5) for at in NOT_CANONICAL[levels]])
def test_an_address_that_is_not_canonical_is_not_mapped(levels: int, address: int) -> None:
    error = failure(mapped(address, levels=levels), {FRAME: TEXT}, address)
    assert isinstance(error, NotMappedError)
    assert error.address == address


def test_what_four_levels_cannot_tell_apart_five_levels_do() -> None:
    tables = PageTables(5)
    tables.set(0x8000_00000000, FRAME << 12 | VALID)
    tables.set(0x18000_00000000, OTHER_FRAME << 12 | VALID)
    pages = {FRAME: TEXT, OTHER_FRAME: b"somewhere else"}
    assert read(tables, pages, 0x8000_00000000, len(TEXT)) == TEXT
    assert read(tables, pages, 0x18000_00000000, 14) == b"somewhere else"


def scattered() -> tuple[PageTables, dict[int, bytes]]:
    """Three pages in a row, their frames falling, a hole behind them, one more page; all over the border of a table."""
    start = 0xFFFFF805_123FE000
    tables = PageTables()
    pages = {}
    for index, frame in ((0, 0x900), (1, 0x800), (2, 0x700), (4, 0x600)):
        tables.set(start + index * PAGE_SIZE, frame << 12 | VALID)
        pages[frame] = bytes([index]) * PAGE_SIZE
    return tables, pages


START = 0xFFFFF805_123FE000


def test_a_read_goes_on_over_pages_and_tables() -> None:
    tables, pages = scattered()
    assert read(tables, pages, START + 0xFFE, 0x1004) == b"\0\0" + b"\1" * 0x1000 + b"\2\2"


def test_a_read_into_a_hole_is_told_by_the_first_byte_that_is_missing() -> None:
    tables, pages = scattered()
    error = failure(tables, pages, START + 0x10, 0x5000)
    assert isinstance(error, NotMappedError)
    assert error.address == START + 0x3000


def test_what_is_present_around_a_hole_comes_in_pieces() -> None:
    tables, pages = scattered()
    pieces = present(tables, pages, START + 0xFF0, 0x3020)
    assert [(piece.address, len(piece.data)) for piece in pieces] == [
        (START + 0xFF0, 0x10),
        (START + 0x1000, 0x1000),
        (START + 0x2000, 0x1000),
        (START + 0x4000, 0x10),
    ]
    assert [set(piece.data) for piece in pieces] == [{0}, {1}, {2}, {4}]


def test_a_page_that_the_dump_lacks_is_a_hole_too() -> None:
    tables, pages = scattered()
    del pages[0x800]
    assert [piece.address for piece in present(tables, pages, START, 0x3000)] == [START, START + 0x2000]


@pytest.mark.parametrize("address", [0, KERNEL, LAST_PAGE])
def test_nothing_is_read_of_no_length(address: int) -> None:
    assert read(PageTables(), {}, address, 0) == b""
    assert present(PageTables(), {}, address, 0) == []


def test_the_last_bytes_of_the_address_space_are_read() -> None:
    tables = mapped(LAST_PAGE)
    page = b"the end.".rjust(PAGE_SIZE)
    assert read(tables, {FRAME: page}, (1 << 64) - 8, 8) == b"the end."


def test_there_is_nothing_behind_the_top_of_the_address_space() -> None:
    tables = mapped(LAST_PAGE)
    tables.set(0, FRAME << 12 | VALID)
    page = b"the end.".rjust(PAGE_SIZE)
    error = failure(tables, {FRAME: page}, (1 << 64) - 8, 9)
    assert isinstance(error, NotMappedError)
    assert error.address == 1 << 64
    assert present(tables, {FRAME: page}, (1 << 64) - 8, 0x5000) == [((1 << 64) - 8, b"the end.")]


def test_a_page_that_is_not_in_the_dump_is_told_by_its_frame() -> None:
    error = failure(mapped(KERNEL), {}, KERNEL + 0x10)
    assert isinstance(error, NotInDumpError)
    assert (error.address, error.pfn) == (KERNEL + 0x10, FRAME)
    assert str(error) == f"0x{KERNEL + 0x10:x} is mapped to page frame 0x1234, which is not in this dump"


@each_depth
def test_a_page_table_that_is_not_in_the_dump_is_told_by_its_frame(levels: int) -> None:
    for level in range(1, levels + 1):
        tables = mapped(KERNEL, levels=levels)
        table = tables.table_of(KERNEL, level)
        del tables.pages[table]
        error = failure(tables, {FRAME: TEXT}, KERNEL)
        assert isinstance(error, NotInDumpError), level
        assert error.pfn == table, level


def test_a_page_that_was_cut_off_is_told_by_its_place_in_the_file() -> None:
    tables = mapped(KERNEL)
    error = failure(tables, {FRAME: TEXT}, KERNEL, cut=1)
    assert isinstance(error, NotInDumpError)
    assert error.why == f"cut off (it would lie at 0x{len(tables.pages) * PAGE_SIZE:x} of the file)"


def test_a_page_has_a_physical_address_whether_or_not_the_dump_holds_it() -> None:
    tables = mapped(KERNEL)
    with physical_memory_of(tables.with_pages({})) as physical:
        memory = PagedMemory(physical, tables.ROOT << 12)
        assert memory.translate(KERNEL + 0x123) == FRAME << 12 | 0x123
        with pytest.raises(NotMappedError):
            memory.translate(USER)


@each_depth
def test_page_tables_that_lead_back_to_themselves_end(levels: int) -> None:
    tables = PageTables(levels)
    struct.pack_into("<512Q", tables.pages[tables.ROOT], 0, *[tables.ROOT << 12 | VALID] * 512)
    root = bytes(tables.pages[tables.ROOT])
    assert read(tables, {}, KERNEL, PAGE_SIZE) == root
    assert read(tables, {}, 0, 2 * PAGE_SIZE) == root * 2


def test_the_self_map_shows_page_tables_at_their_own_addresses() -> None:
    tables = mapped(KERNEL)
    struct.pack_into("<Q", tables.pages[tables.ROOT], 0x1ED * 8, tables.ROOT << 12 | VALID)
    pte_base = 0xFFFFF680_00000000
    address = pte_base + ((KERNEL & 0xFFFF_FFFF_FFFF) >> 12) * 8
    assert read(tables, {FRAME: TEXT}, address, 8) == struct.pack("<Q", FRAME << 12 | VALID)


@settings(max_examples=50)
@given(st.integers(0, 1 << 32), st.integers(0, (1 << 64) - 1), st.integers(0, 0x3000), st.sampled_from([4, 5]))
def test_page_tables_of_garbage_raise_one_of_the_two_errors_or_give_bytes(
    seed: int, address: int, length: int, levels: int
) -> None:
    random = Random(seed)
    frames = range(6)
    pages = {}
    for pfn in frames:
        # few frames and many bits, so that walks get deep
        entries = [
            random.choice(frames) << 12 | random.getrandbits(12) | random.getrandbits(1) << 63 for _ in range(512)
        ]
        pages[pfn] = struct.pack("<512Q", *entries)
    with physical_memory_of(pages) as physical:
        memory = PagedMemory(physical, 0, PAGING[levels])
        pieces = list(memory.present(address, length))
        assert all(address <= piece.address < address + length for piece in pieces)
        found = b"".join(piece.data for piece in pieces)
        if len(found) == length:
            assert memory.read(address, length) == found
        else:
            with pytest.raises(MemoryReadError) as raised:
                memory.read(address, length)
            assert address <= raised.value.address < address + length
