"""Small files whose numbers and page tables promise gigabytes: the small dump, the time and the memory stay bounded.

A few page tables that lead to each other make hundreds of gigabytes of addresses out of one page, so nothing that a
dump says about lengths and counts is bounded by the length of the file.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Callable

import pytest
from support.command_line import contents, refusal, run
from support.limits import SECONDS, limited
from support.small_dump_file import SmallDumpFile

from samples.builder import SAMPLES, build
from samples.builder.page_tables import KERNEL_PAGE

if TYPE_CHECKING:
    from pathlib import Path

    from samples.builder.crashed_machine import CrashedMachine

KERNEL = next(sample for sample in SAMPLES if sample.name == "kernel")
REGION = 0xFFFF_A000_0000_0000
"""512 GB of addresses from here on show one page again and again."""
PAGE = 0x1000
MIB = 1 << 20


def map_region(crashed: CrashedMachine, content: bytes) -> None:
    """Let every address of the region lead to one page with this content, through one table on each level."""
    memory = crashed.memory
    shown = memory.allocate()
    memory.write(shown, 0, content.ljust(PAGE, b"\0")[:PAGE])
    for _ in range(3):
        table = memory.allocate()
        memory.write(table, 0, struct.pack("<Q", shown << 12 | KERNEL_PAGE) * 512)
        shown = table
    for space in crashed.spaces.values():
        memory.write(space.root, (REGION >> 39 & 0x1FF) * 8, struct.pack("<Q", shown << 12 | KERNEL_PAGE))


def write_u64s(crashed: CrashedMachine, address: int, *values: int) -> None:
    crashed.write(address, struct.pack(f"<{len(values)}Q", *values))


def four_gigabytes_of_registered_blocks(crashed: CrashedMachine) -> None:
    """Let drivers have registered 4096 blocks of 1 MB each."""
    map_region(crashed, b"registered")
    table = REGION - 0x80_0000_0000
    ends = [(REGION + 2 * MIB * index, REGION + 2 * MIB * index + MIB) for index in range(4096)]
    write_u64s(crashed, table, *(value for block in ends for value in block))
    write_u64s(crashed, crashed.debugger_data + 0x310, table)
    crashed.write(crashed.variables["IopNumTriageDumpDataBlocks"], struct.pack("<I", 4096))


def two_thousand_processors(crashed: CrashedMachine) -> None:
    """Let there be 2048 processors whose control blocks take 64 KB each."""
    map_region(crashed, b"")
    table = REGION - 0x80_0000_0000
    write_u64s(crashed, table, *(REGION + 0x20000 * index for index in range(2048)))
    write_u64s(crashed, crashed.debugger_data + 0x218, table)
    crashed.write(crashed.debugger_data + 0x2B0, struct.pack("<H", 0xFFF8))


def _thread(crashed: CrashedMachine, stack_base: int) -> bytes:
    """Return a page that looks like a waiting thread with the largest stack."""
    page = bytearray(PAGE)
    page[0] = 6  # DISPATCHER_HEADER.Type
    limit = stack_base - 0x20000
    fields = {"InitialStack": stack_base, "KernelStack": limit, "StackLimit": limit, "StackBase": stack_base}
    for field, value in fields.items():
        struct.pack_into("<Q", page, crashed.machine.version.number(f"OffsetKThread{field}"), value)
    return bytes(page)


def a_hundred_thousand_threads(crashed: CrashedMachine) -> None:
    """Let the crashed stack lead to a table of pointers to 130,000 threads whose structures take 64 KB each."""
    map_region(crashed, _thread(crashed, REGION + 0x1000_0000))
    table = REGION - 0x80_0000_0000
    count = MIB // 8
    write_u64s(crashed, table, *(REGION + 0x20000 * index for index in range(count)))
    stack = crashed.machine.threads[0]
    room = (stack.stack_base - stack.kernel_stack) // 8
    write_u64s(crashed, stack.kernel_stack, *(table + MIB // room // 0x100 * 0x100 * index for index in range(room)))
    write_u64s(crashed, stack.address + 0x100, *(table + 0x100 * index for index in range(200)))
    crashed.write(crashed.debugger_data + 0x2C0, struct.pack("<H", 0xFFF8))


def pointers_to_pointers(crashed: CrashedMachine) -> None:
    """Let two million pointers lead to other ones, each to a window that nothing else leads to."""
    table = REGION - 0x80_0000_0000
    count = 16 * MIB // 8
    write_u64s(crashed, table, *(table + (index * 2654435761) % (16 * MIB - 0x100) for index in range(count)))
    stack = crashed.machine.threads[0]
    room = (stack.stack_base - stack.kernel_stack) // 8
    write_u64s(crashed, stack.kernel_stack, *(table + 0x10000 * index for index in range(room)))


def device_objects_without_end(crashed: CrashedMachine) -> None:
    """Let every pointer lead to what looks like an I/O object of 64 KB, full of pointers to further ones."""
    header = struct.pack("<HH4x", 3, 0xFFF8)
    map_region(crashed, b"".join(header + struct.pack("<Q", REGION + 0x1003_0000 * index) for index in range(256)))
    stack = crashed.machine.threads[0]
    room = (stack.stack_base - stack.kernel_stack) // 8
    write_u64s(crashed, stack.kernel_stack, *(REGION + 0x200_0010 * index for index in range(room)))


def pages_that_are_not_there(crashed: CrashedMachine) -> None:
    """Let everything in the stack and in the region point at page frames that the file does not hold."""
    map_region(crashed, struct.pack("<512Q", *(REGION + 0x1003_0008 * index for index in range(512))))
    table = REGION - 0x80_0000_0000
    write_u64s(crashed, table, *(0xFFFF_B000_0000_0000 + 0x1008 * index for index in range(8 * MIB // 8)))
    stack = crashed.machine.threads[0]
    room = (stack.stack_base - stack.kernel_stack) // 8
    write_u64s(crashed, stack.kernel_stack, *(table + 0x8000 * index for index in range(room)))


DAMAGES: tuple[tuple[Callable[[CrashedMachine], None], dict[str, int]], ...] = (
    (four_gigabytes_of_registered_blocks, {}),
    (two_thousand_processors, {"NumberProcessors": 2048}),
    (a_hundred_thousand_threads, {}),
    (pointers_to_pointers, {}),
    (device_objects_without_end, {}),
    (pages_that_are_not_there, {}),
)


@pytest.mark.parametrize(("damage", "header"), DAMAGES, ids=lambda value: getattr(value, "__name__", ""))
@pytest.mark.parametrize(
    "options", [(), pytest.param(("--size", "4M", "--salvage"), marks=pytest.mark.slow)], ids=" ".join
)
def test_what_never_ends_is_left_out_in_bounded_time_memory_and_disk(
    tmp_path: Path, damage: Callable[[CrashedMachine], None], header: dict[str, int], options: tuple[str, ...]
) -> None:
    (tmp_path / "MEMORY.DMP").write_bytes(build(KERNEL, damage, header))
    with limited(2 * SECONDS):  # the worst takes 3 s of a quiet machine, and processor time too is more of a busy one
        outcome = run("minify", tmp_path / "MEMORY.DMP", tmp_path / "small.dmp", *options)
    assert outcome.status in (0, 1)
    assert "Left out:" in outcome.out
    small = SmallDumpFile(tmp_path / "small.dmp")
    assert small.bytes_at(small.triage(0x8), 4) == b"TRGD"
    assert len(small.data) <= (4 * MIB if "--size" in options else 96 * MIB)
    assert set(contents(tmp_path)) == {"MEMORY.DMP", "small.dmp"}


def test_the_search_for_the_debugger_data_block_ends_whatever_size_the_kernel_claims(tmp_path: Path) -> None:
    def lie(crashed: CrashedMachine) -> None:
        map_region(crashed, b"no debugger data block")
        entry = crashed.loaded_modules[crashed.machine.kernel.name]
        crashed.write_u64(entry + 0x30, REGION)
        crashed.write(entry + 0x40, struct.pack("<I", 0xFFFFFFFF))

    (tmp_path / "MEMORY.DMP").write_bytes(build(KERNEL, lie, {"KdDebuggerDataBlock": 0}))
    with limited():
        line = refusal(tmp_path, tmp_path / "MEMORY.DMP", tmp_path / "small.dmp")
    assert "KdDebuggerDataBlock" in line
