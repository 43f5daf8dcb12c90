"""Reading small dumps: every part by its offset, in any order; what lies is refused by name."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.dump_bytes import file_of, patched, read_header
from support.small_bytes import (
    BLOCKS,
    CONTEXT,
    DATA_PAGE_ADDRESS,
    DRIVERS,
    EXCEPTION,
    PARTS,
    TOP_OF_STACK,
    TRIAGE,
    UNLOADED,
    debugger_data,
    small_dump,
)

from windbg_ext.dump.small import Extent, SmallDumpParts, read_small_dump
from windbg_ext.dump.small_file import SmallDump, load_small_dump
from windbg_ext.errors import DumpError
from windbg_ext.limits import Budget, LimitError

if TYPE_CHECKING:
    from collections.abc import Sequence

ALL = list(PARTS)


def find_parts(data: bytes) -> SmallDumpParts:
    with file_of(data) as file:
        return read_small_dump(file, read_header(file), Budget())


def load(data: bytes) -> SmallDump:
    with file_of(data) as file:
        header = read_header(file)
        return load_small_dump(file, header, read_small_dump(file, header, Budget()), Budget())


@settings(max_examples=40)
@given(st.permutations(ALL), st.integers(0, 9))
def test_every_part_is_found_in_whatever_order_they_lie(order: Sequence[str], gap: int) -> None:
    dump = load(small_dump(order, gap=gap))
    assert dump.header.context_record[:0x4D0] == CONTEXT
    assert dump.header.exception == EXCEPTION
    assert dump.mm == PARTS["mm"]
    assert (dump.prcb, dump.process, dump.thread) == (PARTS["prcb"], PARTS["process"], PARTS["thread"])
    assert (dump.top_of_stack, dump.call_stack) == (TOP_OF_STACK, PARTS["call stack"])
    assert dump.debugger_data == debugger_data()
    assert (dump.data_page_address, dump.data_page) == (DATA_PAGE_ADDRESS, PARTS["data page"])
    assert [(block.address, block.data) for block in dump.data_blocks] == list(BLOCKS)
    entries = [(driver.name, driver.entry.dll_base, driver.entry.size_of_image) for driver in dump.drivers]
    assert entries == list(DRIVERS)
    assert dump.unloaded_drivers is not None
    unloaded = [
        (
            entry.driver_name.decode("utf-16-le").rstrip("\0"),
            entry.start_address,
            entry.end_address,
        )
        for entry in dump.unloaded_drivers
    ]
    assert unloaded == list(UNLOADED)
    assert dump.service_pack_build == 0x0A00
    assert dump.triage_options == 0x41
    assert dump.architecture_specific == b"architecture...."


@pytest.mark.parametrize("missing", [part for part in ALL if part not in ("names", "blocks", "descriptors")])
def test_a_part_without_an_offset_is_not_there(missing: str) -> None:
    whole, partly = load(small_dump(ALL)), load(small_dump([part for part in ALL if part != missing]))
    empty = {
        "mm": partly.mm,
        "unloaded drivers": partly.unloaded_drivers,
        "prcb": partly.prcb,
        "process": partly.process,
        "thread": partly.thread,
        "call stack": partly.call_stack,
        "drivers": partly.drivers,
        "data page": partly.data_page,
        "debugger data": partly.debugger_data,
    }
    if missing in ("context", "exception"):
        field = {"context": "context_record", "exception": "exception"}[missing]
        assert getattr(partly.header, field)[:8] == b"PAGEPAGE"
    else:
        assert not empty[missing]
    assert partly.data_blocks == whole.data_blocks


def test_a_context_in_its_usual_place_is_the_one_of_the_header() -> None:
    data = patched(small_dump(ALL), TRIAGE + 0x0C, "II", 0x348, 0xF00)
    data = patched(data, 0x348, "16s", b"registers here..")
    dump = load(data)
    assert dump.header.context_record[:16] == b"registers here.."
    assert dump.header.context_record[16:20] == b"PAGE"


def test_a_context_elsewhere_replaces_all_of_the_header_context() -> None:
    context = load(small_dump(ALL)).header.context_record
    assert context == CONTEXT.ljust(3000, b"\0")


def test_an_arm64_context_has_its_own_size() -> None:
    data = patched(small_dump(ALL), 0x30, "I", 0xAA64)
    assert load(data).header.context_record == CONTEXT[:0x390].ljust(3000, b"\0")


def test_without_debugger_data_a_structure_goes_up_to_the_next_part() -> None:
    order = ["mm", "prcb", "process", "thread", "call stack", "drivers", "names"]
    data = small_dump(order, gap=0)
    parts = find_parts(data)
    for name, extent in (("prcb", parts.prcb), ("process", parts.process), ("thread", parts.thread)):
        assert data[extent.offset : extent.offset + extent.size] == PARTS[name], name


def test_without_debugger_data_the_last_structure_goes_up_to_the_end_of_the_dump() -> None:
    data = small_dump(["mm", "prcb"], gap=0)
    assert find_parts(data + b"DumpBlob").prcb == Extent(0x2080 + 0x50, 0x141 + len(b"TRGD"))


@pytest.mark.parametrize("size", [0x10, 0x2B0, 0x2C1])
def test_debugger_data_that_ends_before_the_sizes_is_as_good_as_none(size: int) -> None:
    order = ["prcb", "process", "thread", "debugger data"]
    parts = find_parts(small_dump(order, {"debugger data": debugger_data()[:size]}, gap=0))
    assert (parts.prcb.size, parts.process.size, parts.thread.size) == (0x141, 0x99, 0x17F)


def test_debugger_data_of_zeros_tells_no_sizes() -> None:
    parts = find_parts(small_dump(["prcb", "thread", "debugger data"], {"debugger data": bytes(0x360)}, gap=0))
    assert (parts.prcb.size, parts.thread.size) == (0x141, 0x17F)


def test_no_unloaded_drivers_and_an_empty_list_of_them_are_not_the_same() -> None:
    assert load(small_dump(["mm"])).unloaded_drivers is None
    assert load(small_dump(["unloaded drivers"], {"unloaded drivers": bytes(8)})).unloaded_drivers == ()


def test_a_name_may_be_anything_that_16_bit_units_can_say() -> None:
    units = struct.pack("<6H", 0xD800, 0x41, 0, 0x202E, 0xFFFF, 0xDC00)
    names = (struct.pack("<I", 6) + units).ljust(0x80, b"\0")
    data = small_dump(["drivers", "names"])
    at = struct.unpack_from("<I", data, TRIAGE + 0x38)[0]
    assert load(patched(data, at, "128s", names)).drivers[0].name == "\ud800A\0\u202e\uffff\udc00"


GOOD = small_dump(ALL)
BEYOND = len(GOOD)


@pytest.mark.parametrize("value", [BEYOND + 1, 0x7FFFFFFF, 0xFFFFFFFF])
@pytest.mark.parametrize(
    ("offset", "field"),
    [
        (0x0C, "ContextOffset"),
        (0x10, "ExceptionOffset"),
        (0x14, "MmOffset"),
        (0x18, "UnloadedDrivers"),
        (0x1C, "PrcbOffset"),
        (0x20, "ProcessOffset"),
        (0x24, "ThreadOffset"),
        (0x28, "CallStack"),
        (0x30, "DriverListOffset"),
        (0x68, "DataPage"),
        (0x70, "DebuggerData"),
        (0x78, "DataBlocks"),
    ],
)
def test_an_offset_behind_the_end_of_the_file_is_refused_by_name(offset: int, field: str, value: int) -> None:
    with pytest.raises(DumpError) as raised:
        load(patched(GOOD, TRIAGE + offset, "I", value))
    assert field in raised.value.field
    assert f"0x{value:x}" in raised.value.why


@pytest.mark.parametrize("offset", [0x14, 0x1C, 0x20, 0x24])
def test_an_offset_behind_the_end_is_refused_without_debugger_data_too(offset: int) -> None:
    data = small_dump([part for part in ALL if part != "debugger data"])
    with pytest.raises(DumpError, match="Offset"):
        load(patched(data, TRIAGE + offset, "I", 0x7FFFFFFF))


@pytest.mark.parametrize("value", [BEYOND, 0x7FFFFFFF, 0xFFFFFFFF])
@pytest.mark.parametrize(
    ("offset", "field"),
    [(0x2C, "CallStack"), (0x34, "Driver"), (0x6C, "DataPage"), (0x74, "DebuggerData"), (0x7C, "DataBlocks")],
)
def test_a_size_or_a_count_that_leads_out_of_the_file_is_refused_by_name(offset: int, field: str, value: int) -> None:
    with pytest.raises(DumpError) as raised:
        load(patched(GOOD, TRIAGE + offset, "I", value))
    assert field in raised.value.field


@pytest.mark.parametrize("count", [1001, 0xFFFFFFFF])
def test_an_absurd_count_of_unloaded_drivers_is_refused(count: int) -> None:
    at = struct.unpack_from("<I", GOOD, TRIAGE + 0x18)[0]
    with pytest.raises(DumpError) as raised:
        load(patched(GOOD, at, "I", count))
    assert (raised.value.field, raised.value.why) == (
        "UnloadedDrivers",
        f"asks for {count:,} unloaded drivers, at most 1,000 are read: Windows keeps 50",
    )


def test_more_unloaded_drivers_than_the_file_has_room_for_are_refused() -> None:
    with pytest.raises(DumpError, match="UnloadedDrivers"):
        load(small_dump(["unloaded drivers"], {"unloaded drivers": struct.pack("<Q", 900)}))


DESCRIPTORS = struct.unpack_from("<I", GOOD, TRIAGE + 0x78)[0]


@pytest.mark.parametrize(("offset", "size"), [(BEYOND, 1), (BEYOND - 4, 5), (0x2000, 0xFFFFFFFF), (0xFFFFFFFF, 1)])
def test_a_data_block_that_leads_out_of_the_file_is_refused_by_its_number(offset: int, size: int) -> None:
    with pytest.raises(DumpError) as raised:
        load(patched(GOOD, DESCRIPTORS + 16 + 8, "II", offset, size))
    assert raised.value.field == "TRIAGE_DUMP64.DataBlocks[1]"


@pytest.mark.parametrize("offset", [0, 0x348, 0x1FFF])
def test_a_data_block_inside_the_header_is_refused(offset: int) -> None:
    """The header is no memory of the machine."""
    with pytest.raises(DumpError) as raised:
        load(patched(GOOD, DESCRIPTORS + 8, "II", offset, 16))
    assert (raised.value.field, raised.value.why) == (
        "TRIAGE_DUMP64.DataBlocks[0]",
        f"0x{offset:x} lies in the header",
    )


def test_an_empty_data_block_may_have_no_offset() -> None:
    assert load(patched(GOOD, DESCRIPTORS + 8, "II", 0, 0)).data_blocks[0].data == b""


def test_data_blocks_that_share_bytes_over_and_over_are_refused() -> None:
    """Else a file of a megabyte could claim gigabytes of memory."""
    table = b"".join(struct.pack("<QII", 0x1000 * index, 0x2000, 0x1000) for index in range(100))
    data = small_dump(["descriptors", "data page"], {"descriptors": table})
    with pytest.raises(DumpError, match="together longer than the file"):
        load(patched(data, TRIAGE + 0x7C, "I", 100))


@pytest.mark.parametrize("units", [0x8001, 0xFFFFFFFF])
def test_an_absurd_length_of_a_name_is_refused(units: int) -> None:
    at = struct.unpack_from("<I", GOOD, TRIAGE + 0x38)[0]
    with pytest.raises(DumpError) as raised:
        load(patched(GOOD, at, "I", units))
    assert raised.value.field == "DUMP_STRING.Length"


def test_a_name_that_goes_on_behind_the_end_of_the_file_is_refused() -> None:
    data = small_dump(["drivers", "names"])
    at = struct.unpack_from("<I", data, TRIAGE + 0x38)[0]
    with pytest.raises(DumpError) as raised:
        load(patched(data, at, "I", 0x400))
    assert raised.value.field == "DUMP_STRING"


def test_a_name_offset_behind_the_end_of_the_file_is_refused() -> None:
    at = struct.unpack_from("<I", GOOD, TRIAGE + 0x30)[0]
    with pytest.raises(DumpError) as raised:
        load(patched(GOOD, at, "I", 0x7FFFFFFF))
    assert raised.value.field == "DriverNameOffset"


def test_a_driver_without_a_name_has_an_empty_one() -> None:
    at = struct.unpack_from("<I", GOOD, TRIAGE + 0x30)[0]
    assert load(patched(GOOD, at, "I", 0)).drivers[0].name == ""


@pytest.mark.parametrize("length", [0x2000, 0x2001, 0x207F])
def test_a_dump_that_ends_inside_its_list_of_offsets_is_refused(length: int) -> None:
    with pytest.raises(DumpError) as raised:
        load(GOOD[:length])
    assert raised.value.field == "TRIAGE_DUMP64"


def test_the_size_of_the_dump_tells_where_secondary_data_begins() -> None:
    assert find_parts(GOOD).size_of_dump == len(GOOD)


@pytest.mark.parametrize(
    ("count", "field"), [(10_000, "TRIAGE_DUMP64.DriverListOffset"), (10_001, "TRIAGE_DUMP64.DriverCount")]
)
def test_more_than_ten_thousand_drivers_are_absurd_whatever_the_file_has_room_for(count: int, field: str) -> None:
    with pytest.raises(DumpError) as raised:
        load(patched(GOOD, TRIAGE + 0x34, "I", count))
    assert raised.value.field == field


@pytest.mark.parametrize(
    ("offset", "field", "most"),
    [
        (0x2C, "SizeOfCallStack", 1 << 20),
        (0x6C, "DataPageSize", 1 << 16),
        (0x74, "DebuggerDataSize", 1 << 16),
        (0x7C, "DataBlocksCount", 1 << 19),
    ],
)
def test_no_part_is_larger_than_windows_makes_it_whatever_the_file_has_room_for(
    offset: int, field: str, most: int
) -> None:
    with pytest.raises(LimitError) as raised:
        find_parts(patched(GOOD, TRIAGE + offset, "I", most + 1))
    assert raised.value.field == f"TRIAGE_DUMP64.{field}"
    assert raised.value.why.startswith(f"asks for {most + 1:,} ")


@pytest.mark.parametrize("part", ["prcb", "process", "thread"])
def test_a_structure_whose_size_nothing_tells_has_what_sixteen_bits_can_tell_at_most(part: str) -> None:
    data = patched(GOOD, TRIAGE + 0x74, "I", 0) + bytes(0x20000)
    found = getattr(find_parts(patched(data, TRIAGE + STRUCTURES[part], "I", len(GOOD))), part)
    assert found == Extent(len(GOOD), 0xFFFF)


STRUCTURES = {"prcb": 0x1C, "process": 0x20, "thread": 0x24}
"""Offsets of PrcbOffset, ProcessOffset and ThreadOffset (formats.md, section 9)."""
