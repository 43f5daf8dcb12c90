"""Loaded modules: PsLoadedModuleList and the image headers. Offsets: dt nt!_KLDR_DATA_TABLE_ENTRY, PE/COFF."""

from __future__ import annotations

import struct

import pytest
from support.written_memory import WrittenMemory, debugger_data

from windbg_ext.errors import NotMappedError
from windbg_ext.kernel.modules import Module, ModuleList, read_modules, read_user_modules
from windbg_ext.limits import Budget
from windbg_ext.structs.layouts import LAYOUTS64

HEAD, ENTRIES, NAMES = 0xFFFFF801_00001000, 0xFFFFE000_00010000, 0xFFFFE000_00800000
BASES = 0xFFFFF801_01000000


def entry_address(index: int) -> int:
    return ENTRIES + 0xA0 * index


def entry_bytes(index: int, flink: int, full: bytes = b"", base: bytes = b"") -> bytes:
    data = bytearray(0x80)
    struct.pack_into("<QQ", data, 0, flink, 0)
    struct.pack_into("<QQI", data, 0x30, BASES + 0x10000 * index, BASES + 0x10000 * index + 0x40, 0x8000 + index)
    struct.pack_into("<H6xQ", data, 0x48, len(full), NAMES + 0x400 * index)
    struct.pack_into("<H6xQ", data, 0x58, len(base), NAMES + 0x400 * index + 0x200)
    struct.pack_into("<I", data, 0x78, 0xC0DE + index)
    return bytes(data)


def add_entry(memory: WrittenMemory, index: int, flink: int, name: str) -> None:
    full, base = f"\\SystemRoot\\{name}".encode("utf-16-le"), name.encode("utf-16-le")
    memory.write(entry_address(index), entry_bytes(index, flink, full, base))
    memory.write(NAMES + 0x400 * index, full)
    memory.write(NAMES + 0x400 * index + 0x200, base)


def list_of(*names: str) -> WrittenMemory:
    memory = WrittenMemory()
    addresses = [HEAD, *(entry_address(index) for index in range(len(names))), HEAD]
    memory.write_u64(HEAD, addresses[1], addresses[-2])
    for index, name in enumerate(names):
        add_entry(memory, index, addresses[index + 2], name)
    return memory


def add_image_header(
    memory: WrittenMemory, index: int, lfanew: int = 0xE8, dos: bytes = b"MZ", nt: bytes = b"PE\0\0"
) -> None:
    image = bytearray(lfanew + 0x60)
    image[:2] = dos
    struct.pack_into("<I", image, 0x3C, lfanew)
    image[lfanew : lfanew + 4] = nt
    struct.pack_into("<I", image, lfanew + 8, 0x5F000000 + index)
    struct.pack_into("<I", image, lfanew + 0x58, 0xABC0 + index)
    memory.write(BASES + 0x10000 * index, bytes(image))


def module(index: int, name: str) -> Module:
    """What is expected of a module without an image header."""
    return Module(
        entry_address=entry_address(index),
        base=BASES + 0x10000 * index,
        size=0x8000 + index,
        entry_point=BASES + 0x10000 * index + 0x40,
        name=name,
        full_name=f"\\SystemRoot\\{name}",
        check_sum=0xC0DE + index,
        time_date_stamp=None,
    )


def test_modules_come_in_the_order_of_the_list() -> None:
    found = read_modules(list_of("ntoskrnl.exe", "hal.dll", "faulty.sys"), HEAD, Budget())
    assert found == ModuleList((module(0, "ntoskrnl.exe"), module(1, "hal.dll"), module(2, "faulty.sys")))


def test_an_empty_list_is_no_problem() -> None:
    assert read_modules(list_of(), HEAD, Budget()) == ModuleList(())


@pytest.mark.parametrize("lfanew", [0x40, 0xE8, 0x1000])
def test_time_stamp_and_check_sum_are_those_of_the_image_header(lfanew: int) -> None:
    memory = list_of("ntoskrnl.exe", "hal.dll")
    add_image_header(memory, 1, lfanew)
    first, second = read_modules(memory, HEAD, Budget()).modules
    assert (first.check_sum, first.time_date_stamp) == (0xC0DE, None)
    assert (second.check_sum, second.time_date_stamp) == (0xABC1, 0x5F000001)


@pytest.mark.parametrize(
    ("lfanew", "dos", "nt"), [(0xE8, b"ZM", b"PE\0\0"), (0xE8, b"MZ", b"NE\0\0"), (0x1001, b"MZ", b"PE\0\0")]
)
def test_what_is_no_image_header_tells_nothing(lfanew: int, dos: bytes, nt: bytes) -> None:
    memory = list_of("hal.dll")
    add_image_header(memory, 0, lfanew, dos, nt)
    assert read_modules(memory, HEAD, Budget()).modules == (module(0, "hal.dll"),)


def test_an_image_header_that_is_cut_by_a_missing_page_tells_nothing() -> None:
    memory = list_of("hal.dll")
    add_image_header(memory, 0)
    memory.forget(BASES + 0xE8 + 0x5B, 1)
    assert read_modules(memory, HEAD, Budget()).modules[0].time_date_stamp is None


def test_a_list_that_leads_back_to_an_earlier_entry_is_told_as_a_loop() -> None:
    memory = list_of("a.sys", "b.sys", "c.sys")
    memory.write_u64(entry_address(2), entry_address(1))
    found = read_modules(memory, HEAD, Budget())
    assert [item.name for item in found.modules] == ["a.sys", "b.sys", "c.sys"]
    assert found.problem == f"entry 3 leads back to 0x{entry_address(1):x}: the list is a loop"


def test_an_entry_that_leads_to_itself_is_a_loop() -> None:
    memory = list_of("a.sys")
    memory.write_u64(entry_address(0), entry_address(0))
    found = read_modules(memory, HEAD, Budget())
    assert len(found.modules) == 1
    assert found.problem is not None


def test_a_list_that_breaks_off_keeps_what_came_before() -> None:
    memory = list_of("a.sys", "b.sys", "c.sys")
    memory.forget(entry_address(1) + 0x7F, 1)
    found = read_modules(memory, HEAD, Budget())
    assert [item.name for item in found.modules] == ["a.sys"]
    assert found.problem == f"entry 1: 0x{entry_address(1) + 0x7F:x} is not mapped"


def test_a_list_whose_head_is_not_in_the_dump_is_told() -> None:
    assert read_modules(WrittenMemory(), HEAD, Budget()) == ModuleList((), f"entry 0: 0x{HEAD:x} is not mapped")


class EndlessList:
    """Every address holds an entry that leads to the next one."""

    layouts = LAYOUTS64

    def __init__(self) -> None:
        self.reads = 0

    def read(self, address: int, length: int) -> bytes:
        self.reads += 1
        if length == 8:
            return struct.pack("<Q", ENTRIES)
        if length != 0x80:
            raise NotMappedError(address)
        return entry_bytes(0, address + 0x100)

    def present(self, address: int, length: int) -> None:
        raise AssertionError("not asked for")


def test_a_list_without_an_end_stops_at_a_bound_and_says_so() -> None:
    memory = EndlessList()
    found = read_modules(memory, HEAD, Budget())  # type: ignore[arg-type]  # it has no pieces
    assert len(found.modules) == 4096
    assert found.problem == "the list goes on after 4096 entries"
    assert memory.reads < 5 * 4096


def test_a_name_that_is_not_in_the_dump_is_empty() -> None:
    memory = list_of("a.sys", "b.sys")
    memory.forget(NAMES + 0x200, 2)
    found = read_modules(memory, HEAD, Budget())
    assert [item.name for item in found.modules] == ["", "b.sys"]
    assert found.modules[0].full_name == "\\SystemRoot\\a.sys"
    assert found.problem is None


def test_names_may_hold_anything() -> None:
    memory = list_of("a.sys")
    units = struct.pack("<4H", 0x1B, 0xD800, 0x202E, 0)
    memory.write(entry_address(0), entry_bytes(0, HEAD, b"", units))
    memory.write(NAMES + 0x200, units)
    assert read_modules(memory, HEAD, Budget()).modules[0].name == "\x1b\ud800\u202e\0"


def test_a_name_may_be_as_long_as_a_unicode_string() -> None:
    memory = list_of("a.sys")
    memory.write(entry_address(0), entry_bytes(0, HEAD, b"", b"x" * 0xFFFE))
    memory.write(NAMES + 0x200, b"x\0" * 0x8000)
    assert read_modules(memory, HEAD, Budget()).modules[0].name == "x" * 0x7FFF


def test_names_that_are_too_long_together_end_the_list() -> None:
    """2 MB are 31 times a base name of 64 KB and a full name of 256 bytes, not 32 times."""
    memory = WrittenMemory()
    memory.write(HEAD, struct.pack("<Q", entry_address(0)))
    for index in range(100):
        memory.write(entry_address(index), entry_bytes(index, entry_address(index + 1), b"f" * 0x100, b"x" * 0xFFFE))
    found = read_modules(memory, HEAD, Budget())
    assert len(found.modules) == 31
    assert found.problem is not None
    assert found.problem.startswith("entry 31: its name asks for 2,105,280 bytes of module names, at most 2,097,152")


PROCESS, PEB, LDR = 0xFFFFE000_00020080, 0x7FF7_00010000, 0x7FF7_00011000
BLOCK = debugger_data(offset_eprocess_peb=0x550)


def test_images_of_a_process_are_found_through_its_environment_block() -> None:
    memory = list_of("program.exe", "ntdll.dll")
    memory.write_u64(PROCESS + 0x550, PEB)
    memory.write_u64(PEB + 0x18, HEAD - 0x10)  # PEB.Ldr; PEB_LDR_DATA.InLoadOrderModuleList at 0x10
    assert [item.name for item in read_user_modules(memory, BLOCK, PROCESS, Budget()).modules] == [
        "program.exe",
        "ntdll.dll",
    ]


def test_a_process_without_an_environment_block_has_no_images() -> None:
    memory = WrittenMemory()
    memory.write_u64(PROCESS + 0x550, 0)
    assert read_user_modules(memory, BLOCK, PROCESS, Budget()) == ModuleList(())


@pytest.mark.parametrize("missing", [PROCESS + 0x550, PEB + 0x18])
def test_user_memory_that_is_not_in_the_dump_is_told(missing: int) -> None:
    memory = list_of("program.exe")
    memory.write_u64(PROCESS + 0x550, PEB)
    memory.write_u64(PEB + 0x18, HEAD - 0x10)
    memory.forget(missing, 8)
    assert read_user_modules(memory, BLOCK, PROCESS, Budget()) == ModuleList((), f"0x{missing:x} is not mapped")
