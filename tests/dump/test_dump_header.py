"""The header as values. Offsets: windows-rs DUMP_HEADER64."""

from __future__ import annotations

import struct

import pytest
from support.dump_bytes import AMD64, header, header_of, patched

from windbg_ext.dump.header import BugCheck, PhysicalMemoryRun
from windbg_ext.errors import DumpError

FILL = b"PAGE"
UNSET = header(1)

OPTIONAL_FIELDS = {
    "ps_loaded_module_list": (0x20, 8),
    "ps_active_process_head": (0x28, 8),
    "kd_debugger_data_block": (0x80, 8),
    "physical_memory": (0x88, 700),
    "required_dump_space": (0xFA0, 8),
    "system_time": (0xFA8, 8),
    "comment": (0xFB0, 128),
    "system_up_time": (0x1030, 8),
    "attributes": (0x1050, 4),
}
NUMBERS = ["ps_loaded_module_list", "ps_active_process_head", "kd_debugger_data_block"]
NUMBERS += ["required_dump_space", "system_time", "system_up_time", "attributes"]


@pytest.mark.parametrize("name", OPTIONAL_FIELDS)
def test_a_field_that_holds_the_fill_is_unset(name: str) -> None:
    offset, size = OPTIONAL_FIELDS[name]
    everything_else_set = bytes(0x2000)
    everything_else_set = patched(everything_else_set, 0, "8s", b"PAGEDU64")
    everything_else_set = patched(everything_else_set, 0x30, "I", AMD64)
    everything_else_set = patched(everything_else_set, 0xF98, "I", 1)
    data = patched(everything_else_set, offset, f"{size}s", FILL * (size // 4))
    assert getattr(header_of(data), name) is None


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_is_read_from_its_place(name: str) -> None:
    offset, size = OPTIONAL_FIELDS[name]
    value = 0xFFFFF801_23456789 & (1 << 8 * size) - 1
    data = patched(UNSET, offset, {4: "I", 8: "Q"}[size], value)
    assert getattr(header_of(data), name) == value


@pytest.mark.parametrize("name", [name for name in NUMBERS if name != "attributes"])
def test_half_a_fill_is_a_value(name: str) -> None:
    offset, _ = OPTIONAL_FIELDS[name]
    data = patched(UNSET, offset, "II", 0x45474150, 0xFFFFF801)
    assert getattr(header_of(data), name) == 0xFFFFF801_45474150


@pytest.mark.parametrize("name", ["ps_loaded_module_list", "ps_active_process_head", "kd_debugger_data_block"])
def test_an_address_of_zero_is_unset(name: str) -> None:
    offset, _ = OPTIONAL_FIELDS[name]
    assert getattr(header_of(patched(UNSET, offset, "Q", 0)), name) is None


def test_attributes_of_zero_are_set() -> None:
    assert header_of(patched(UNSET, 0x1050, "I", 0)).attributes == 0


def test_the_facts_of_the_machine_and_the_crash_are_read() -> None:
    data = patched(UNSET, 0x0C, "IQ", 19041, 0x6D4002)
    data = patched(data, 0x34, "II4xQQQQ", 16, 0x1000007E, 1, 2, 3, 4)
    read = header_of(data)
    assert (read.minor_version, read.directory_table_base) == (19041, 0x6D4002)
    assert (read.machine, read.dump_type, read.number_processors) == (AMD64, 1, 16)
    assert read.bug_check == BugCheck(0x1000007E, (1, 2, 3, 4))


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (b"made by hand\0PAGEPAGE", "made by hand"),
        (b"x" * 128, "x" * 128),
        (b"PAGED pool looked odd\0", "PAGED pool looked odd"),
        (b"\xb5s\0", "\xb5s"),
    ],
)
def test_a_comment_ends_at_its_nul_or_with_its_field(field: bytes, text: str) -> None:
    assert header_of(patched(UNSET, 0xFB0, "128s", field)).comment == text


def test_an_empty_comment_is_unset() -> None:
    assert header_of(patched(UNSET, 0xFB0, "128s", b"")).comment is None


def test_runs_are_read_in_the_order_of_the_header() -> None:
    runs = [(0x100, 5), (0x1, 0x9E), (1 << 39, 1)]
    assert header_of(header(1, runs)).physical_memory == tuple(PhysicalMemoryRun(*run) for run in runs)


def test_as_many_runs_as_fit_into_the_header_are_read() -> None:
    runs = [(0x100 * index, 0x80) for index in range(42)]
    read = header_of(header(1, runs)).physical_memory
    assert read == tuple(PhysicalMemoryRun(*run) for run in runs)


@pytest.mark.parametrize("count", [43, 0x10000, 0xFFFFFFFF])
def test_more_runs_than_fit_into_the_header_are_refused(count: int) -> None:
    with pytest.raises(DumpError) as raised:
        header_of(patched(header(1, [(1, 2)]), 0x88, "I", count))
    assert raised.value.field == "PhysicalMemoryBlock.NumberOfRuns"
    assert raised.value.why == f"{count}, at most 42 fit into the header"


def test_no_runs_are_as_good_as_an_unset_block() -> None:
    assert header_of(header(1, [])).physical_memory is None


@pytest.mark.parametrize("value", [0, 11, 0x45474150])
def test_a_dump_type_that_does_not_exist_is_refused(value: int) -> None:
    with pytest.raises(DumpError) as raised:
        header_of(patched(UNSET, 0xF98, "I", value))
    assert raised.value.field == "DumpType"
    assert raised.value.why.startswith(f"0x{value:x} is not one of 0x1 FULL, ")


@pytest.mark.parametrize("value", [0, 0x200, 0x45474150])
def test_a_machine_that_windows_does_not_run_on_is_refused(value: int) -> None:
    with pytest.raises(DumpError) as raised:
        header_of(patched(UNSET, 0x30, "I", value))
    assert raised.value.field == "MachineImageType"


@pytest.mark.parametrize("length", [1, 7, 8, 0x88, 0xF98, 0x1FFF])
def test_a_header_that_is_cut_says_so(length: int) -> None:
    with pytest.raises(DumpError, match=r"cut short|not a Windows kernel dump"):
        header_of(UNSET[:length])


def test_a_cut_header_tells_how_far_the_file_goes() -> None:
    with pytest.raises(DumpError) as raised:
        header_of(UNSET[:0x1FFF])
    assert (raised.value.field, raised.value.why) == (
        "DUMP_HEADER64",
        "lies at 0x0 to 0x2000, the file ends at 0x1fff",
    )


def test_an_empty_file_is_told_as_one() -> None:
    with pytest.raises(DumpError, match=r"^file: is empty; "):
        header_of(b"")


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"MDMP\x93\xa7\0\0", "a user-mode minidump of one process"),
        (b"Raw_Dmp!", "a raw off-line dump"),
        (b"Enc_Dmp!", "an encrypted off-line dump"),
        (b"hibr", "a hibernation file"),
        (b"HIBR", "a hibernation file"),
        (b"wake", "a hibernation file"),
        (b"RSTR", "a hibernation file"),
        (b"\x7fELF\x02\x01\x01\0", "an ELF file"),
        (b"\x1f\x8b\x08", "a gzip file"),
        (b"\xfd7zXZ\x00", "an xz file"),
        (b"\x28\xb5\x2f\xfd", "a zstd file"),
        (b"PK\x03\x04", "a zip file"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z file"),
        (b"MSCF", "a CAB file"),
        (b"\0\0\0\0\0\0\0\0", "zeros, as Windows leaves behind"),
        (b"PAGEDU65", "not a Windows kernel dump"),
        (b"\x1b]0;oops", "not a Windows kernel dump"),
    ],
)
def test_another_file_is_told_by_what_it_is(start: bytes, name: str) -> None:
    with pytest.raises(DumpError) as raised:
        header_of(start.ljust(0x2000, b"\0"))
    assert raised.value.field == "Signature"
    assert name in raised.value.why
    assert raised.value.why.isprintable()


def test_the_record_keeps_every_byte() -> None:
    data = bytes(struct.pack("<2048I", *range(2048)))
    data = patched(data, 0, "8s", b"PAGEDU64")
    data = patched(data, 0x30, "I", AMD64)
    data = patched(data, 0x88, "I", 1)
    data = patched(data, 0xF98, "I", 6)
    assert header_of(data).raw.build() == data
