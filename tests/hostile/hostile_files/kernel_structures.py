"""Kernel structures in large dumps: what page tables, lists and pointers in memory can be made to ask for."""

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING, Callable

from hostile_files.case import DUMP, MB, Case, dumpkind, dumpkind_json, large, minify, salvage
from hostile_files.machines import (
    ALL_KINDS,
    IOP_TRIAGE_DUMP_DATA_BLOCKS,
    KERNEL_BASE_FIELDS,
    KI_PROCESSOR_BLOCK,
    KINDS,
    OFFSET_PRCB_CONTEXT,
    SIZE_ETHREAD,
    SIZE_PRCB,
    STACK_SIZE,
    X64,
    Kind,
    alias,
    alias_to,
    fill_stack,
    lead_to_table,
    set_debugger_data,
    thread_page,
    write_large,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from samples.builder.crashed_machine import CrashedMachine

REPORTED = (dumpkind(0, 1), dumpkind_json(0, 1))


def write(folder: Path, *, kind: Kind, spoil: Callable[..., None], header: dict[str, int] | None = None) -> None:
    """Write the dump of a machine that was spoilt in some way."""
    write_large(folder / DUMP, kind, lambda crashed: spoil(crashed, kind), header)


def kernel_full_of_tags(crashed: CrashedMachine, kind: Kind) -> None:
    """Let the kernel's image be 64 MB of one page that is full of the debugger data block's tag."""
    alias(crashed, kind, b"KDBG" * 1024)
    _kernel_at_region(crashed, kind)


def kernel_full_of_heads(crashed: CrashedMachine, kind: Kind) -> None:
    """Let the same image hold the heads of debugger data blocks of that kernel; their module lists are others."""
    head = struct.pack("<4sI", b"KDBG", 0x380) + _pointer64(kind, kind.region)
    alias(crashed, kind, head * 256)
    _kernel_at_region(crashed, kind)


def heads_across_page_borders(crashed: CrashedMachine, kind: Kind) -> None:
    """Let the same image hold one such head at each border of two pages."""
    page = bytearray(0x1000)
    page[:8] = _pointer64(kind, kind.region)
    page[0xFF8:] = struct.pack("<4sI", b"KDBG", 0x380)
    alias(crashed, kind, bytes(page))
    _kernel_at_region(crashed, kind)


def _pointer64(kind: Kind, address: int) -> bytes:
    """Return a pointer as the debugger data block has it: 64 bits, sign-extended on x86."""
    high = -1 << 32 if kind.pointer_size == 4 else 0
    return struct.pack("<Q", (address | high) & (1 << 64) - 1)


def kernel_full_of_blocks(crashed: CrashedMachine, kind: Kind) -> None:
    """Let the same image hold debugger data blocks that are right but for the module list."""
    block = struct.pack("<4sI4xQ", b"KDBG", 0x380, 0)
    alias(crashed, kind, block * 200)
    _kernel_at_region(crashed, kind)


def _kernel_at_region(crashed: CrashedMachine, kind: Kind) -> None:
    entry = crashed.loaded_modules[crashed.machine.kernel.name]
    base, size = KERNEL_BASE_FIELDS[kind.pointer_size]
    crashed.write(entry + base, kind.pointers(kind.region))
    crashed.write(entry + size, struct.pack("<I", 0xFFFFFFFF))


def threads_that_share_a_stack(crashed: CrashedMachine, kind: Kind) -> None:
    """Let pointers lead to thousands of threads, all of one page, whose one stack was saved in fragments already."""
    stack_base = kind.table + 16 * MB
    limit = stack_base - STACK_SIZE
    crashed.write(limit, bytes(STACK_SIZE))
    alias(crashed, kind, thread_page(crashed, kind, stack_base))
    count = MB // kind.pointer_size
    fragments = range(limit, stack_base, 0x200)
    threads = (kind.region + 0x1000 * (index % (kind.region_size >> 12)) for index in range(count))
    crashed.write(kind.table, kind.pointers(*fragments, *threads))
    lead_to_table(crashed, kind, MB)
    set_debugger_data(crashed, SIZE_ETHREAD, struct.pack("<H", 8))


def threads_in_places(crashed: CrashedMachine, kind: Kind) -> None:
    """Let pointers lead to thousands of threads on one stack, which differ in where they wait."""
    stack_base = kind.table + 16 * MB
    crashed.write(stack_base - STACK_SIZE, bytes(STACK_SIZE))
    step = 2 * kind.pointer_size
    threads = kind.table + 32 * MB
    count = 2048
    offset = crashed.machine.version.number("OffsetKThreadKernelStack")
    page = thread_page(crashed, kind, stack_base)
    for index in range(count):
        one = bytearray(page)
        one[offset : offset + kind.pointer_size] = kind.pointers(stack_base - STACK_SIZE + step * index)
        crashed.write(threads + 0x1000 * index, bytes(one))
    crashed.write(kind.table, kind.pointers(*(threads + 0x1000 * index for index in range(count))))
    lead_to_table(crashed, kind, count * kind.pointer_size)
    set_debugger_data(crashed, SIZE_ETHREAD, struct.pack("<H", 0xFFFF))


def threads_whose_stack_is_mostly_missing(crashed: CrashedMachine, kind: Kind) -> None:
    """The same threads; of their stack every second page is not mapped."""
    threads_that_share_a_stack(crashed, kind)
    stack_base = kind.table + 16 * MB
    tables = crashed.machine.page_tables
    for address in range(stack_base - STACK_SIZE, stack_base, 0x2000):
        pfn, offset = crashed.system.entry(address, 1)
        crashed.memory.write(pfn, offset, bytes(tables.entry_size))


def a_hundred_thousand_pages(crashed: CrashedMachine, kind: Kind) -> None:
    """Let pointers lead to a window in each of 130,000 pages, the highest first, and all of them are one page."""
    alias(crashed, kind, b"window")
    count = min(MB // kind.pointer_size, kind.region_size >> 12)
    pages = (kind.region + 0x1000 * index + 0x10 for index in reversed(range(count)))
    crashed.write(kind.table, kind.pointers(*pages))
    lead_to_table(crashed, kind, MB)


def a_million_windows(crashed: CrashedMachine, kind: Kind) -> None:
    """Let 8 MB be pointers to windows that lie beside one another, in pages that are all one page."""
    alias(crashed, kind, b"window")
    count = 8 * MB // kind.pointer_size
    crashed.write(kind.table, kind.pointers(*(kind.region + 0x100 * index for index in range(count))))
    lead_to_table(crashed, kind, 8 * MB)


def eight_bytes_in_each_of_a_hundred_thousand_pages(crashed: CrashedMachine, kind: Kind) -> None:
    """Let pointers lead to the last 8 bytes of 130,000 pages, the highest first; the page behind each is not mapped."""
    page = crashed.memory.allocate()
    alias_to(crashed, kind, page, every=2)
    count = min(MB // kind.pointer_size, kind.region_size >> 13)
    pages = (kind.region + 0x2000 * index + 0xFF8 for index in reversed(range(count)))
    crashed.write(kind.table, kind.pointers(*pages))
    lead_to_table(crashed, kind, MB)


def two_thousand_processors(crashed: CrashedMachine, kind: Kind) -> None:
    """Let 2,048 processors have control blocks of 64 KB, all of the same page."""
    alias(crashed, kind, b"")
    step = min(0x20000, kind.region_size // 2048)
    crashed.write(kind.table, kind.pointers(*(kind.region + step * index for index in range(2048))))
    set_pointer(crashed, kind, KI_PROCESSOR_BLOCK, kind.table)
    set_debugger_data(crashed, SIZE_PRCB, struct.pack("<H", 0xFFF8))


def two_thousand_processors_of_other_processes(crashed: CrashedMachine, kind: Kind) -> None:
    """Let 2,048 processors run in user mode, each in a process of its own whose page tables are missing."""
    version, architecture = crashed.machine.version, kind.machine.architecture.cpu
    context, thread, process, prcb = (kind.table + MB * at for at in (1, 32, 64, 96))
    stack_pointer = architecture.context.field(architecture.stack_pointer).attribute
    crashed.write(context, architecture.context.blank(**{stack_pointer: 0x2000_0000}).build())
    for page in range(0, 2048 * 0x1000, 0x1000):
        fields = thread_page(crashed, kind, kind.table + 16 * MB)
        crashed.write(thread + page, fields)
        crashed.write(thread + page + version.number("OffsetKThreadApcProcess"), kind.pointers(process + page))
        root = process + page + version.number("OffsetEprocessDirectoryTableBase")
        crashed.write(root, kind.pointers(0x4000_0000 + page))
        crashed.write(prcb + page + version.number("OffsetPrcbCurrentThread"), kind.pointers(thread + page))
        crashed.write(prcb + page + 0x800, kind.pointers(context))
    crashed.write(kind.table, kind.pointers(*range(prcb, prcb + 2048 * 0x1000, 0x1000)))
    set_pointer(crashed, kind, KI_PROCESSOR_BLOCK, kind.table)
    set_debugger_data(crashed, OFFSET_PRCB_CONTEXT, struct.pack("<H", 0x800))


def two_thousand_times_the_same_processor(crashed: CrashedMachine, kind: Kind) -> None:
    """Let all 2,048 processors be the crashed one."""
    pcr = crashed.machine.processors[0].pcr + crashed.machine.version.number("OffsetPcrContainedPrcb")
    crashed.write(kind.table, kind.pointers(*[pcr] * 2048))
    set_pointer(crashed, kind, KI_PROCESSOR_BLOCK, kind.table)


def set_pointer(crashed: CrashedMachine, kind: Kind, offset: int, address: int) -> None:
    """Set a pointer of the debugger data block, which has 64 bits in any case."""
    set_debugger_data(crashed, offset, _pointer64(kind, address))


def registered_blocks_that_overlap(crashed: CrashedMachine, kind: Kind) -> None:
    """Let drivers have registered 4,096 blocks of 16 KB that all begin 8 bytes behind one another."""
    alias(crashed, kind, b"registered")
    blocks = ((kind.region + 8 * index, kind.region + 8 * index + 0x3F00) for index in range(4096))
    register_blocks(crashed, kind, [address for block in blocks for address in block])


def registered_blocks_of_a_byte(crashed: CrashedMachine, kind: Kind) -> None:
    """Let drivers have registered 4,096 single bytes in pages that are not mapped but for one in 16."""
    alias(crashed, kind, b"registered")
    blocks = ((kind.region - 0x1000 * index, kind.region + 1 - 0x1000 * index) for index in range(4096))
    register_blocks(crashed, kind, [address for block in blocks for address in block])


def register_blocks(crashed: CrashedMachine, kind: Kind, addresses: list[int]) -> None:
    crashed.write(kind.table, kind.pointers(*addresses))
    set_pointer(crashed, kind, IOP_TRIAGE_DUMP_DATA_BLOCKS, kind.table)
    crashed.write(crashed.variables["IopNumTriageDumpDataBlocks"], struct.pack("<I", 0xFFFFFFFF))


def objects_that_lead_to_one_another(crashed: CrashedMachine, kind: Kind) -> None:
    """Let every pointer lead to what looks like an I/O object of 64 KB, full of pointers to further ones."""
    step = 0x10030000 if kind.pointer_size == 8 else 0x30010
    one = struct.pack("<HH", 3, 0xFFF8).ljust(kind.pointer_size, b"\0")
    count = 0x1000 // (2 * kind.pointer_size)
    objects = (kind.region + step * index % kind.region_size for index in range(count))
    alias(crashed, kind, b"".join(one + kind.pointers(address) for address in objects))
    room = range(kind.region + 0x10, kind.region + kind.region_size, kind.region_size // 512)
    fill_stack(crashed, kind, [address & -0x10 for address in room])


MODULE_FIELDS = {8: (0x80, 0x30, 0x40, 0x48, 0x50, 0x58, 0x60), 4: (0x44, 0x18, 0x20, 0x24, 0x28, 0x2C, 0x30)}
"""Size of a KLDR_DATA_TABLE_ENTRY, then DllBase, SizeOfImage, and length and buffer of its full and base name."""


def module_list(crashed: CrashedMachine, kind: Kind, *, count: int, name_length: int, name: bytes) -> None:
    """Write a module list of so many entries that all have the same name, and go on into each other for ever."""
    size, base, image, full_length, full, base_length, base_name = MODULE_FIELDS[kind.pointer_size]
    step = size + 0x10
    entries = bytearray(count * step)
    for index in range(count):
        at = index * step
        entry = (kind.table + (index + 1) * step, kind.table + (index - 1) * step)
        entries[at : at + 2 * kind.pointer_size] = kind.pointers(*entry)
        entries[at + base : at + base + kind.pointer_size] = kind.pointers(kind.region + 0x1000 * index)
        entries[at + image : at + image + 4] = struct.pack("<I", 0x1000)
        for length, buffer in ((full_length, full), (base_length, base_name)):
            entries[at + length : at + length + 2] = struct.pack("<H", name_length)
            entries[at + buffer : at + buffer + kind.pointer_size] = kind.pointers(kind.region)
    alias(crashed, kind, name * (0x1000 // len(name)))
    crashed.write(kind.table, bytes(entries))
    head = crashed.variables["PsLoadedModuleList"]
    crashed.write(head, kind.pointers(kind.table))
    crashed.write(kind.table + (count - 1) * step, kind.pointers(head))


LETTERS = "abcdefgh".encode("utf-16-le")

FILES: tuple[tuple[str, Callable[..., None], dict[str, int] | None, tuple[Kind, ...], bool], ...] = (
    (
        "a kernel image of 64 MB aliases one page full of KDBG tags, and the header has no KdDebuggerDataBlock",
        kernel_full_of_tags,
        {"KdDebuggerDataBlock": 0},
        ALL_KINDS,
        True,
    ),
    (
        "a kernel image of 64 MB aliases one page full of heads of its debugger data block",
        kernel_full_of_heads,
        {"KdDebuggerDataBlock": 0},
        KINDS,
        False,
    ),
    (
        "a kernel image of 64 MB has the head of its debugger data block across each border of two pages",
        heads_across_page_borders,
        {"KdDebuggerDataBlock": 0},
        KINDS,
        False,
    ),
    (
        "a kernel image of 64 MB aliases one page of debugger data blocks for another module list",
        kernel_full_of_blocks,
        {"KdDebuggerDataBlock": 0},
        (X64,),
        True,
    ),
    (
        "2,048 processors have control blocks of 64 KB that alias one page",
        two_thousand_processors,
        {"NumberProcessors": 2048},
        KINDS,
        False,
    ),
    (
        "2,048 processors run in user mode, each in a process of its own",
        two_thousand_processors_of_other_processes,
        {"NumberProcessors": 2048},
        KINDS,
        False,
    ),
    (
        "2,048 processors are all the crashed one",
        two_thousand_times_the_same_processor,
        {"NumberProcessors": 2048},
        KINDS,
        False,
    ),
    (
        "a module list of 4,096 entries shares names of 64 KB",
        partial(module_list, count=4096, name_length=0xFFFE, name=LETTERS),
        None,
        KINDS,
        False,
    ),
)
MINIFIED: tuple[tuple[str, Callable[..., None], tuple[Kind, ...], bool], ...] = (
    (
        "pointers lead to 130,000 threads that share one stack saved in fragments",
        threads_that_share_a_stack,
        KINDS,
        False,
    ),
    (
        "pointers lead to 130,000 threads that share one stack of which every second page is missing",
        threads_whose_stack_is_mostly_missing,
        (X64,),
        True,
    ),
    ("pointers lead to 2,048 threads that wait in different places of one stack", threads_in_places, KINDS, False),
    ("pointers lead to windows in 130,000 pages that alias one", a_hundred_thousand_pages, ALL_KINDS, False),
    (
        "pointers lead to the last 8 bytes of 130,000 pages that alias one",
        eight_bytes_in_each_of_a_hundred_thousand_pages,
        ALL_KINDS,
        True,
    ),
    ("pointers lead to a million windows, or two", a_million_windows, KINDS, True),
    ("4,096 registered blocks overlap all but 8 bytes", registered_blocks_that_overlap, KINDS, False),
    (
        "4,096 registered blocks are single bytes in pages that are not mapped",
        registered_blocks_of_a_byte,
        (X64,),
        False,
    ),
    ("pointers lead to I/O objects of 64 KB that lead to further ones", objects_that_lead_to_one_another, KINDS, False),
)


def cases() -> Iterator[Case]:
    """Yield the cases."""
    for name, spoil, header, kinds, slow in FILES:
        for kind in kinds:
            write_it = partial(write, kind=kind, spoil=spoil, header=header)
            commands = (*REPORTED, minify(0, 1, 3), salvage(0, 1, 3))
            yield Case(f"{name} ({kind.name})", write_it, commands, slow=slow and kind is not X64)
    for name, spoil, kinds, slow in MINIFIED:
        for kind in kinds:
            write_it = partial(write, kind=kind, spoil=spoil)
            commands = (minify(0, 1), salvage(0, 1), large(0, 1), dumpkind(0, 1))
            yield Case(f"{name} ({kind.name})", write_it, commands, slow)
