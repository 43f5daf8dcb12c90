"""Large dumps with as much of everything as is allowed at once, and images, environments and stacks by the thousand."""

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING, Callable

from hostile_files.case import (
    DUMP,
    MB,
    SMALL,
    Case,
    Command,
    dumpkind_text,
    into_catalog,
    large,
    privacy,
    scrub,
)
from hostile_files.kernel_structures import module_list, register_blocks, set_pointer
from hostile_files.machines import (
    KI_PROCESSOR_BLOCK,
    OFFSET_PRCB_CONTEXT,
    SIZE_ETHREAD,
    SIZE_PRCB,
    X64,
    alias,
    alias_to,
    lead_to_table,
    set_debugger_data,
    thread_page,
    write_large,
)
from hostile_files.personal import SIZE_EPROCESS, THREAD_FIELDS, blocks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from samples.builder.crashed_machine import CrashedMachine

PROCESSORS = 2048
AT = X64.table
THREADS, PROCESSES, PRCBS, CONTEXTS = (AT + MB * number for number in (32, 64, 96, 128))
"""Where there is a page for each processor."""
EXECUTABLE = b"name.exe\0\0\0\0\0\0\0\0"


def write(folder: Path, *, spoil: Callable[[CrashedMachine], None], processors: int = PROCESSORS) -> None:
    """Write the dump of a spoilt machine."""
    write_large(folder / DUMP, X64, spoil, {"NumberProcessors": processors})


def control_blocks_and_registered_blocks(crashed: CrashedMachine) -> None:
    """Let 2,048 control blocks have 64 KB each, and drivers have registered 64 MB."""
    alias(crashed, X64, b"\x06abc" * 1024)
    starts = (X64.region + (1 << 36) + 0x8000 * index for index in range(4096))
    register_blocks(crashed, X64, [address for start in starts for address in (start, start + 0x3FF8)])
    step = 0x20000
    addresses = range(X64.region + (1 << 37), X64.region + (1 << 37) + step * PROCESSORS, step)
    crashed.write(AT + 80 * MB, X64.pointers(*addresses))
    set_pointer(crashed, X64, KI_PROCESSOR_BLOCK, AT + 80 * MB)
    set_debugger_data(crashed, SIZE_PRCB, struct.pack("<H", 0xFFF8))


def user_page(crashed: CrashedMachine, content: bytes, below: int) -> int:
    """Return a page table, so many levels below the root, all of whose addresses are one page of user mode."""
    memory, tables = crashed.memory, crashed.machine.page_tables
    pfn, flags = memory.allocate(), tables.flags.kernel_data
    memory.write(pfn, 0, content.ljust(0x1000, b"\0"))
    for _ in range(tables.levels - below):
        table = memory.allocate()
        memory.write(table, 0, struct.pack(tables.entry, pfn << 12 | flags | USER_PAGE) * tables.entries)
        pfn, flags = table, tables.flags.kernel_table
    return pfn


USER_PAGE = 4
"""Bit of a page-table entry on x64: U/S."""


def table_with(crashed: CrashedMachine, index: int, pfn: int) -> int:
    """Return a page table of which one entry leads to another table."""
    tables = crashed.machine.page_tables
    entry = struct.pack(tables.entry, pfn << 12 | tables.flags.kernel_table | USER_PAGE)
    table = crashed.memory.allocate()
    crashed.memory.write(table, tables.entry_size * index, entry)
    return table


def in_processes(crashed: CrashedMachine, roots: list[int], stacks: list[int], peb: int = 0) -> None:
    """Let each processor run in a process with page tables of its own, with its stack pointer in user mode."""
    version, architecture = crashed.machine.version, X64.machine.architecture.cpu
    stack_pointer = architecture.context.field(architecture.stack_pointer).attribute
    for index, (root, stack) in enumerate(zip(roots, stacks)):
        page = 0x1000 * index
        crashed.write(CONTEXTS + page, architecture.context.blank(**{stack_pointer: stack}).build())
        crashed.write(THREADS + page, thread_page(crashed, X64, AT + 16 * MB))
        for at, field, value in (
            (THREADS, "OffsetKThreadApcProcess", PROCESSES + page),
            (PROCESSES, "OffsetEprocessDirectoryTableBase", root << 12),
            (PROCESSES, "OffsetEprocessPeb", peb),
            (PRCBS, "OffsetPrcbCurrentThread", THREADS + page),
        ):
            crashed.write(at + page + version.number(field), X64.pointers(value))
        crashed.write(PRCBS + page + 0x800, X64.pointers(CONTEXTS + page))
    crashed.write(AT, X64.pointers(*range(PRCBS, PRCBS + 0x1000 * len(roots), 0x1000)))
    set_pointer(crashed, X64, KI_PROCESSOR_BLOCK, AT)
    set_debugger_data(crashed, OFFSET_PRCB_CONTEXT, struct.pack("<H", 0x800))


def stacks_in_processes(crashed: CrashedMachine) -> None:
    """Let 2,048 processors run in user mode, each in a process that alone has the memory of its stack."""
    page = user_page(crashed, b"u" * 0x1000, below=2)
    seconds = [table_with(crashed, index, page) for index in range(512)]
    roots = [table_with(crashed, index // 512, seconds[index % 512]) for index in range(PROCESSORS)]
    stacks = [(index // 512) << 39 | (index % 512) << 30 | 0x10000 for index in range(PROCESSORS)]
    in_processes(crashed, roots, stacks)


def environments(crashed: CrashedMachine) -> None:
    """Let 2,048 processors run in processes whose environments have 16,384 variables each."""
    layouts = X64.machine.architecture.cpu.layouts
    at = 0x0000_0101_0101_0100  # no two zeros behind one another, which would end the environment
    content = bytearray(b"a\0\0\0" * 1024)
    for offset in (layouts.peb_process_parameters, layouts.process_parameters_environment):
        content[0x100 + offset : 0x108 + offset] = struct.pack("<Q", at)
    root = table_with(crashed, at >> 39, user_page(crashed, bytes(content), below=1))
    in_processes(crashed, [root] * PROCESSORS, [at] * PROCESSORS, peb=at)


def threads_of_processes(crashed: CrashedMachine) -> None:
    """Let pointers lead to 19,000 small threads, each of a process of 64 KB of its own."""
    alias(crashed, X64, EXECUTABLE * 256)
    count, base, threads = 19_000, AT + 64 * MB, bytearray()
    for index in range(count):
        stack = base + 0x200 * index + 0x60
        fields = struct.pack("<QQQQQ", 6, stack - 0x20, stack, X64.region + 16 * index, stack - 0x40)
        threads += fields.ljust(0x200, b"\0")
    crashed.write(base, bytes(threads))
    crashed.write(AT, X64.pointers(*(base + 0x200 * index for index in range(count))))
    lead_to_table(crashed, X64, 8 * count)
    for offset, value in {**THREAD_FIELDS, SIZE_EPROCESS: ("<H", 0xFFF8), SIZE_ETHREAD: ("<H", 0x40)}.items():
        set_debugger_data(crashed, offset, struct.pack(*value))


def image(name: bytes, entries: int = 32) -> bytes:
    """Return a page with an image whose debug directory has so many entries, of which the last one names a PDB."""
    page = bytearray(0x1000)
    page[:2], page[0x80:0x84] = b"MZ", b"PE\0\0"
    struct.pack_into("<I", page, 0x3C, 0x80)
    struct.pack_into("<I", page, 0x80 + 0x50, 0x1000)  # SizeOfImage
    struct.pack_into("<H", page, 0x98, 0x20B)
    struct.pack_into("<II", page, 0x98 + 0x70 + 6 * 8, 0x200, 0x1C * entries)
    for number in range(entries):
        kind = 2 if number == entries - 1 else 1
        struct.pack_into("<IIII", page, 0x20C + 0x1C * number, kind, 0xA00, 0x600, 0x600)
    record = b"RSDS" + bytes(16) + struct.pack("<I", 1) + name
    page[0x600 : 0x600 + len(record)] = record
    return bytes(page)


def images_in_bytes(folder: Path, *, name: bytes, scattered: bool) -> None:
    """Write a small dump with 10,000 modules that are one image; scattered: in data blocks of a byte each."""
    page, base, size = image(name), 0xFFFF_F800_0000_0000, 0x1000
    order = [index * 7 % size if scattered else index for index in range(size)]
    data = bytearray(size)
    for index, at in enumerate(order):
        data[at] = page[index]
    table = [(base + index, at, 1) for index, at in enumerate(order)] if scattered else [(base, 0, size)]
    drivers = [(base, f"a{number}.sys") for number in range(10_000)]
    blocks(folder, data=bytes(data), table=table, drivers=drivers, size=4 * MB)


def images(crashed: CrashedMachine) -> None:
    """Let 4,096 modules be one image with a long name of its PDB."""
    module_list(crashed, X64, count=4096, name_length=8, name=b"a\0.\0s\0y\0")
    pfn = crashed.memory.allocate()
    crashed.memory.write(pfn, 0, image(b"\x1b" * 0x900 + b"\0"))
    alias_to(crashed, X64, pfn)


VERIFIED = Command(("minify", "--verify", "--salvage", DUMP, SMALL), (0, 1), writes=(SMALL,))
VERIFIED_LARGE = Command(("minify", "--verify", "--salvage", "--size", "1G", DUMP, SMALL), (0, 1), writes=(SMALL,))
SYMBOLS = (
    Command(("dumpkind", "--symbols", "--json", DUMP), (0, 1)),
    Command(("dumpkind", "--symbols", DUMP), (0, 1)),
    Command(("dumpkind", "--symbols", "--manifest", DUMP), (0, 1)),
)


def cases() -> Iterator[Case]:
    """Yield the cases."""
    most = VERIFIED, VERIFIED_LARGE, scrub(0, 1, 3), privacy(0, 1, 3)
    for spoil, processors, commands, slow in (
        (control_blocks_and_registered_blocks, PROCESSORS, (*most, large(0, 1)), True),
        (stacks_in_processes, PROCESSORS, most, False),
        (threads_of_processes, 1, most, True),
        (images, 1, SYMBOLS, True),
    ):
        write_it = partial(write, spoil=spoil, processors=processors)
        yield Case(str(spoil.__doc__), write_it, commands, slow)
    one = Case(str(environments.__doc__), partial(write, spoil=environments), (dumpkind_text(0, 1),), slow=True)
    catalog = into_catalog(one)
    yield one if catalog is None else Case(one.name, one.write, (catalog, *one.commands), slow=True)
    for what, scattered, name in (
        ("in data blocks of a byte", True, b"x.pdb\0"),
        ("whose PDB has a long name", False, b"\x1b" * 0x900 + b"\0"),
    ):
        write_it = partial(images_in_bytes, name=name, scattered=scattered)
        yield Case(f"10,000 modules are one image ({what})", write_it, SYMBOLS, slow=True)
