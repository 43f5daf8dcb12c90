"""Writing small dumps: what is written is read again, and lies where the debugger engine would have put it.

The order of the parts and the bits of MiniDumpFields: Ghidra TriageDump.java and small dumps that dbgeng wrote.
"""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st
from support.dump_bytes import AMD64, I386, file_of, patched, read_header
from support.small_bytes import CONTEXT, EXCEPTION

from windbg_ext.dump.small import Driver, read_small_dump, unloaded_size
from windbg_ext.dump.small_file import (
    DataBlock,
    SmallDump,
    driver_size,
    load_small_dump,
    write_headers,
    write_parts,
    write_small_dump,
)
from windbg_ext.limits import Budget
from windbg_ext.structs.header import DumpHeader32, DumpHeader64
from windbg_ext.structs.layouts import LAYOUTS64, layouts_of
from windbg_ext.structs.structure import Structure
from windbg_ext.structs.triage import (
    DumpDriverEntry32,
    DumpDriverEntry64,
    DumpUnloadedDrivers32,
    DumpUnloadedDrivers64,
)

if TYPE_CHECKING:
    from windbg_ext.structs.layouts import RawHeader

S = TypeVar("S", bound=Structure)
U64 = st.integers(0, (1 << 64) - 1)
U32 = st.integers(0, (1 << 32) - 1)
SET_BY_THE_WRITER = ("dump_type", "required_dump_space", "mini_dump_fields")


def random_header(seed: int, bits: int = 64) -> RawHeader:
    """Anything at all, as long as it is the header of an x64 or x86 dump."""
    if bits == 64:
        data = patched(Random(seed).randbytes(0x2000), 0, "8s", b"PAGEDU64")
        return DumpHeader64.parse(patched(patched(data, 0x30, "I", AMD64), 0x88, "I", 3))
    data = patched(Random(seed).randbytes(0x1000), 0, "8s", b"PAGEDUMP")
    return DumpHeader32.parse(patched(patched(data, 0x20, "I", I386), 0x64, "I", 3))


def random_records(structure: type[S], most: int) -> st.SearchStrategy[list[S]]:
    return st.lists(st.integers(0, 1 << 32), max_size=most).map(
        lambda seeds: [structure.parse(Random(seed).randbytes(structure.SIZE)) for seed in seeds]
    )


def sizes_block(prcb: int, process: int, thread: int) -> bytes:
    """A debugger data block that tells how long the three structures are (WDBGEXTS.H)."""
    block = patched(bytes(0x360), 0x10, "4sI", b"KDBG", 0x360)
    return patched(patched(block, 0x2A8, "H6xH", process, prcb), 0x2C0, "H", thread)


@st.composite
def small_dumps(draw: st.DrawFn) -> SmallDump:
    bits, mm_size = draw(st.sampled_from([(32, 0x34), (64, 0x50)]))
    header = random_header(draw(U32), bits)
    layouts = layouts_of(header)
    address = st.integers(0, (1 << bits) - 1)
    prcb, process, thread = (draw(st.binary(min_size=1, max_size=40)) for _ in range(3))
    entries = draw(random_records(layouts.dump_driver, 5))
    names = st.text(st.characters(max_codepoint=0xFFFF), max_size=20)
    has_page = draw(st.booleans())
    return SmallDump(
        header=header,
        mm=draw(st.sampled_from([b"", bytes(mm_size), struct.pack("<II", 1, mm_size).ljust(mm_size, b"m")])),
        unloaded_drivers=draw(st.none() | random_records(layouts.dump_unloaded_driver, 4).map(tuple)),
        prcb=prcb,
        process=process,
        thread=thread,
        top_of_stack=draw(address),
        call_stack=draw(st.binary(max_size=50)),
        debugger_data=sizes_block(len(prcb), len(process), len(thread)),
        drivers=tuple(Driver(draw(names), entry) for entry in entries),
        data_page_address=draw(address),
        data_page=b"d" * 0x1000 if has_page else b"",
        data_blocks=tuple(draw(st.lists(st.builds(DataBlock, address, st.binary(max_size=30)), max_size=5))),
        service_pack_build=draw(U32),
        triage_options=draw(U32),
        architecture_specific=draw(st.binary(min_size=16, max_size=16)) if bits == 64 else b"",
    )


def write(dump: SmallDump, secondary: bytes = b"") -> bytes:
    out = io.BytesIO()
    length = write_small_dump(dump, secondary, out)
    assert length == len(out.getvalue())
    return out.getvalue()


def load(data: bytes) -> SmallDump:
    with file_of(data) as file:
        header = read_header(file)
        return load_small_dump(file, header, read_small_dump(file, header, Budget()), Budget())


def without_offsets(dump: SmallDump) -> SmallDump:
    """The same dump without what only says where things lie in the file."""
    blank = dict.fromkeys(SET_BY_THE_WRITER, 0)
    drivers = tuple(Driver(driver.name, driver.entry.replace(driver_name_offset=0)) for driver in dump.drivers)
    return replace(dump, header=dump.header.replace(**blank), drivers=drivers)


@settings(max_examples=100)
@given(small_dumps())
def test_what_is_written_is_read_again(dump: SmallDump) -> None:
    assert without_offsets(load(write(dump))) == without_offsets(dump)


@settings(max_examples=30)
@given(small_dumps(), st.binary(max_size=60))
def test_secondary_data_lies_behind_the_valid_mark_to_the_end_of_the_file(dump: SmallDump, secondary: bytes) -> None:
    data = write(dump, secondary)
    wide = isinstance(dump.header, DumpHeader64)
    size, valid = struct.unpack_from("<II", data, 0x2004 if wide else 0x1004)
    assert (data[valid : valid + 4], valid + 4) == (b"TRGD", size)
    assert data[size:] == secondary
    assert struct.unpack_from("<Q", data, 0xFA0) == (len(data),)
    assert struct.unpack_from("<I", data, 0xF98 if wide else 0xF88) == (4,)


@settings(max_examples=30)
@given(small_dumps(), st.binary(max_size=60))
def test_what_is_written_between_parts_and_headers_is_secondary_data(dump: SmallDump, secondary: bytes) -> None:
    out = io.BytesIO()
    triage = write_parts(dump, out)
    out.write(secondary + b"cut off again")
    out.truncate(out.tell() - len(b"cut off again"))
    assert write_headers(dump, triage, out) == len(out.getvalue())
    assert out.getvalue() == write(dump, secondary)


FULL = SmallDump(
    header=random_header(1).replace(context_record=CONTEXT.ljust(3000, b"\0"), exception=EXCEPTION),
    mm=b"\1\0\0\0\x50\0\0\0".ljust(0x50, b"\0"),
    unloaded_drivers=(DumpUnloadedDrivers64.blank(start_address=0x5000, end_address=0x6000),),
    prcb=b"p" * 0x13,
    process=b"e" * 0x11,
    thread=b"t" * 0x12,
    top_of_stack=0xFFFFD000_00001008,
    call_stack=b"s" * 0x21,
    debugger_data=sizes_block(0x13, 0x11, 0x12),
    drivers=(
        Driver("\\SystemRoot\\system32\\ntoskrnl.exe", DumpDriverEntry64.blank(dll_base=0xFFFFF801_00000000)),
        Driver("hal.dll", DumpDriverEntry64.blank(dll_base=0xFFFFF801_01000000)),
    ),
    data_blocks=(DataBlock(0xFFFFE000_00001000, b"block one"), DataBlock(0x1000, b"two")),
)


def test_the_parts_lie_in_the_order_of_the_engine() -> None:
    data = write(FULL)
    fields = (0x14, 0x18, 0x1C, 0x20, 0x24, 0x28, 0x70, 0x30, 0x38, 0x78, 0x08)
    offsets = [struct.unpack_from("<I", data, 0x2000 + field)[0] for field in fields]
    assert offsets[0] == 0x2080
    assert offsets == sorted(offsets)
    assert all(offset % 8 == 0 for offset in offsets[:-1])


def test_context_and_exception_are_in_the_header() -> None:
    data = write(FULL)
    assert struct.unpack_from("<II", data, 0x200C) == (0x348, 0xF00)
    assert data[0x348 : 0x348 + 0x4D0] == CONTEXT
    assert data[0xF00 : 0xF00 + 0x98] == EXCEPTION


def test_each_driver_has_its_name_as_a_counted_string_in_the_pool() -> None:
    data = write(FULL)
    entries, count, pool, size = struct.unpack_from("<4I", data, 0x2030)
    assert count == 2
    for index, (name, base) in enumerate(
        [("\\SystemRoot\\system32\\ntoskrnl.exe", 0xFFFFF801_00000000), ("hal.dll", 0xFFFFF801_01000000)]
    ):
        at, dll_base = struct.unpack_from("<I52xQ", data, entries + 0x90 * index)
        assert dll_base == base
        assert pool <= at < pool + size
        assert at % 8 == 0
        units = name.encode("utf-16-le")
        assert data[at : at + 4 + len(units) + 2] == struct.pack("<I", len(name)) + units + b"\0\0"


def test_each_data_block_is_described_by_address_offset_and_size() -> None:
    data = write(FULL)
    table, count = struct.unpack_from("<II", data, 0x2078)
    blocks = struct.iter_unpack("<QII", data[table : table + 16 * count])
    found = [(address, data[offset : offset + size]) for address, offset, size in blocks]
    assert found == [(0xFFFFE000_00001000, b"block one"), (0x1000, b"two")]


def test_the_unloaded_drivers_follow_their_count() -> None:
    data = write(FULL)
    at = struct.unpack_from("<I", data, 0x2018)[0]
    assert struct.unpack_from("<Q40xQQ", data, at) == (1, 0x5000, 0x6000)


def test_the_header_says_which_parts_there_are() -> None:
    assert struct.unpack_from("<I", write(FULL), 0x1038) == (0xCFF,)
    with_mm = replace(FULL, mm=b"\1\0\0\0\x50\0\0\0".ljust(0x50, b"\7"))
    assert struct.unpack_from("<I", write(with_mm), 0x1038) == (0xDFF,)
    with_page = replace(FULL, data_page=b"d" * 0x1000)
    assert struct.unpack_from("<I", write(with_page), 0x1038) == (0xEFF,)
    bare = SmallDump(header=FULL.header)
    assert struct.unpack_from("<I", write(bare), 0x1038) == (0x83,)


def test_a_part_that_is_not_there_has_no_offset_and_no_size() -> None:
    data = write(SmallDump(header=FULL.header))
    fields = {
        field: struct.unpack_from("<I", data, 0x2000 + field)[0]
        for field in (
            0x14,
            0x18,
            0x1C,
            0x20,
            0x24,
            0x28,
            0x2C,
            0x30,
            0x34,
            0x38,
            0x3C,
            0x68,
            0x6C,
            0x70,
            0x74,
            0x78,
            0x7C,
        )
    }
    assert set(fields.values()) == {0}
    assert data[0x2080:] == b"TRGD"


def test_an_empty_list_of_unloaded_drivers_is_written_as_one() -> None:
    data = write(replace(FULL, unloaded_drivers=()))
    at = struct.unpack_from("<I", data, 0x2018)[0]
    assert struct.unpack_from("<Q", data, at) == (0,)
    assert load(data).unloaded_drivers == ()


def test_what_a_driver_and_the_unloaded_drivers_take_is_foretold() -> None:
    def length(dump: SmallDump) -> int:
        return len(write(dump))

    one_less = replace(FULL, drivers=FULL.drivers[:1])
    assert length(FULL) - length(one_less) == driver_size(FULL.drivers[1])
    assert length(FULL) - length(replace(FULL, unloaded_drivers=None)) <= unloaded_size(1, LAYOUTS64) == 8 + 0x38


FULL_32 = SmallDump(
    header=random_header(1, 32),
    unloaded_drivers=(DumpUnloadedDrivers32.blank(start_address=0x8F005000, end_address=0x8F006000),),
    prcb=b"p" * 0x13,
    process=b"e" * 0x11,
    thread=b"t" * 0x12,
    top_of_stack=0x9A001008,
    call_stack=b"s" * 0x21,
    debugger_data=sizes_block(0x13, 0x11, 0x12),
    drivers=(Driver("ntkrnlpa.exe", DumpDriverEntry32.blank(dll_base=0x82800000)),),
    data_blocks=(DataBlock(0x8A001000, b"kernel"), DataBlock(0x401000, b"user")),
)


def test_a_32_bit_dump_has_its_own_places() -> None:
    data = write(FULL_32)
    assert struct.unpack_from("<II", data, 0x100C) == (0x320, 0x7D0)
    assert struct.unpack_from("<I", data, 0x1048) == (0x9A001008,)
    stack, size = struct.unpack_from("<II", data, 0x1028)
    assert data[stack : stack + size] == b"s" * 0x21
    (driver,) = struct.unpack_from("<I", data, 0x1030)
    name, base = struct.unpack_from("<I24xI", data, driver)
    assert base == 0x82800000
    assert data[name : name + 4 + 24] == struct.pack("<I", 12) + "ntkrnlpa.exe".encode("utf-16-le")
    block, length = struct.unpack_from("<II", data, 0x1058)
    assert data[block + 0x10 : block + 0x14] == b"KDBG"
    assert length == 0x360


def test_addresses_of_data_blocks_of_a_32_bit_dump_are_sign_extended_in_the_file() -> None:
    data = write(FULL_32)
    table, count = struct.unpack_from("<II", data, 0x1060)
    blocks = struct.iter_unpack("<QII", data[table : table + 16 * count])
    found = [(address, data[offset : offset + size]) for address, offset, size in blocks]
    assert found == [(0xFFFFFFFF_8A001000, b"kernel"), (0x401000, b"user")]
    assert load(data).data_blocks == FULL_32.data_blocks
