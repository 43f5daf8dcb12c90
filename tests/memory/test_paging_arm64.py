"""Page tables of ARM64 with 4 KB pages, laid by hand. Expected values: Arm ARM (DDI 0487), section D8.3."""

from __future__ import annotations

import pytest
from support.memory_files import PAGE_SIZE, PROTOTYPE, TRANSITION, PageTables, physical_memory_of

from windbg_ext.errors import NotMappedError
from windbg_ext.memory import PagedMemory
from windbg_ext.structs.paging import ARM64

TEXT = b"what is here"
KERNEL, USER = 0xFFFFF803_F2E00000, 0x7FF7_00012000
FRAME = 0x1234
TABLE_OR_PAGE, BLOCK, ACCESSED, NOT_GLOBAL, NO_EXECUTE = 0b11, 0b01, 1 << 10, 1 << 11, 0b11 << 53
ASID = 0x0040 << 48

each_half = pytest.mark.parametrize("address", [KERNEL, USER], ids=["TTBR1", "TTBR0"])


class Tables(PageTables):
    """Both halves in one page: that of TTBR1 is the upper half of the root, as every Windows has it."""

    def table_of(self, address: int, level: int) -> int:
        table = super().table_of(address, level)
        for page in self.pages.values():  # an entry that leads to a table has bit 1 set, too
            for at in range(0, PAGE_SIZE, 8):
                entry = int.from_bytes(page[at : at + 8], "little")
                if entry & 0b11 == 0b01 and entry >> 12 in self.pages:
                    page[at] |= 0b11
        return table


def read(address: int, entry: int, pages: dict[int, bytes], level: int = 1, root: int = 0) -> bytes:
    tables = Tables()
    tables.set(address, entry, level)
    with physical_memory_of(tables.with_pages(pages)) as physical:
        return PagedMemory(physical, tables.ROOT << 12 | root, ARM64).read(address, len(TEXT))


@each_half
def test_a_page_is_read_where_its_tables_lead(address: int) -> None:
    entry = FRAME << 12 | TABLE_OR_PAGE | ACCESSED | NOT_GLOBAL | NO_EXECUTE
    assert read(address, entry, {FRAME: TEXT}) == TEXT


@each_half
def test_the_address_space_id_in_the_base_register_is_ignored(address: int) -> None:
    assert read(address, FRAME << 12 | TABLE_OR_PAGE, {FRAME: TEXT}, root=ASID) == TEXT


def test_a_valid_entry_of_the_last_level_without_bit_1_is_read_as_the_debugger_engine_does() -> None:
    assert read(KERNEL, FRAME << 12 | BLOCK | NOT_GLOBAL, {FRAME: TEXT}) == TEXT


@pytest.mark.parametrize(("level", "frames"), [(2, 0x200), (3, 0x40000)], ids=["2 MB", "1 GB"])
def test_a_block_is_read(level: int, frames: int) -> None:
    address = KERNEL + 0x5000
    pfn = 0x80000 + (address >> 12) % frames
    assert read(address, 0x80000 << 12 | BLOCK | ACCESSED, {pfn: TEXT}, level) == TEXT


def test_a_page_in_transition_is_read_and_a_prototype_is_not() -> None:
    assert read(KERNEL, FRAME << 12 | TRANSITION, {FRAME: TEXT}) == TEXT
    with pytest.raises(NotMappedError):
        read(KERNEL, FRAME << 12 | TRANSITION | PROTOTYPE, {FRAME: TEXT})


@pytest.mark.parametrize("address", [0x0000_8000_0000_0000, 0xFFFF_7FFF_FFFF_F000], ids=hex)
def test_an_address_of_neither_half_is_not_mapped(address: int) -> None:
    with physical_memory_of(Tables().with_pages({})) as physical, pytest.raises(NotMappedError):
        PagedMemory(physical, 1 << 12, ARM64).read(address, 1)
