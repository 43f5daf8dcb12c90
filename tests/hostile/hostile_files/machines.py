"""Crashed machines to spoil, one for each way of paging, and the tricks that all families use on them.

The only module here that knows the samples' builder.
"""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Callable, NamedTuple

from samples.builder import SAMPLES, build
from samples.builder.kernel import crash
from samples.builder.page_tables import X64_LA57
from samples.builder.physical import PAGE_SIZE, runs_of
from samples.builder.plausible import plausible_machine
from samples.builder.versions import WINDOWS_7_X86, WINDOWS_8_1, WINDOWS_10_X86, WINDOWS_11, WINDOWS_11_ARM64
from samples.builder.writers import Bitmap, Complete, active_pages
from windbg_ext.structs.header import DumpType

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from samples.builder.crashed_machine import CrashedMachine
    from samples.builder.machine import Machine
    from samples.builder.versions import KernelVersion

Spoil = Callable[["CrashedMachine"], None]

RAM = runs_of((0x1, 0x9E), (0x100, 0x3FF00))
"""About 1 GB to put things into; the files hold only the pages that were written."""
LARGE_PAGE_FRAME = 0x4000

KERNEL_BASE_FIELDS = {8: (0x30, 0x40), 4: (0x18, 0x20)}
"""Offsets of DllBase and SizeOfImage in a KLDR_DATA_TABLE_ENTRY, by the bytes of a pointer."""
KI_PROCESSOR_BLOCK, SIZE_PRCB, SIZE_ETHREAD, OFFSET_PRCB_CONTEXT = 0x218, 0x2B0, 0x2C0, 0x338
IOP_NUM_TRIAGE_DUMP_DATA_BLOCKS, IOP_TRIAGE_DUMP_DATA_BLOCKS = 0x308, 0x310
"""Offsets in the debugger data block (WDBGEXTS.H)."""
DISPATCHER_HEADER_THREAD = 6
STACK_SIZE = 0x20000
"""The largest kernel stack that is believed."""


class Kind(NamedTuple):
    """A machine of an architecture.

    region: addresses that nothing needs, to be aliased; table: others, to hold pages of pointers.
    """

    name: str
    machine: Machine
    region: int
    region_size: int
    table: int

    @property
    def pointer_size(self) -> int:
        """Bytes of a pointer."""
        return self.machine.architecture.pointer_size

    def pointers(self, *values: int) -> bytes:
        """Return pointers as they stand in memory."""
        return struct.pack(f"<{len(values)}{'Q' if self.pointer_size == 8 else 'I'}", *values)


def _machine(version: KernelVersion) -> Machine:
    return plausible_machine(version, RAM, LARGE_PAGE_FRAME)


X64 = Kind("x64", _machine(WINDOWS_11), 0xFFFF_A000_0000_0000, 1 << 39, 0xFFFF_9F00_0000_0000)
LA57 = Kind(
    "x64 with LA57",
    replace(_machine(WINDOWS_8_1), page_tables=X64_LA57),
    0xFF60_0000_0000_0000,
    1 << 48,
    0xFF40_0000_0000_0000,
)
ARM64 = Kind("ARM64", _machine(WINDOWS_11_ARM64), 0xFFFF_A000_0000_0000, 1 << 39, 0xFFFF_9F00_0000_0000)
X86 = Kind("x86", _machine(WINDOWS_7_X86), 0xA000_0000, 1 << 29, 0x9400_0000)
X86_PAE = Kind("x86 with PAE", _machine(WINDOWS_10_X86), 0xA000_0000, 1 << 29, 0x9400_0000)
KINDS = (X64, X86, X86_PAE, ARM64)
ALL_KINDS = (*KINDS, LA57)


def large_dump(kind: Kind, spoil: Spoil, header: dict[str, int] | None = None) -> bytes:
    """Return an active dump of a spoilt machine; header: fields to set to something else."""
    crashed = crash(kind.machine)
    spoil(crashed)
    out = io.BytesIO()
    form = Bitmap(DumpType.BITMAP_FULL, active_pages)
    form.write(crashed, out, header or {})
    return out.getvalue()


def write_large(path: Path, kind: Kind, spoil: Spoil, header: dict[str, int] | None = None) -> None:
    """Write an active dump of a spoilt machine."""
    path.write_bytes(large_dump(kind, spoil, header))


def write_complete(path: Path, kind: Kind, ram: tuple[tuple[int, int], ...], spoil: Spoil) -> None:
    """Write a complete dump of a spoilt machine with other RAM; pages that were never written are holes."""
    crashed = crash(replace(kind.machine, ram=runs_of(*ram)))
    spoil(crashed)
    with path.open("wb") as out:
        Complete().write(crashed, out, {})


def sample(name: str) -> bytes:
    """Return the bytes of a sample by its name."""
    return build(next(known for known in SAMPLES if known.name == name))


def alias(crashed: CrashedMachine, kind: Kind, content: bytes) -> None:
    """Let every page of the region be one page with this content, by one page table on each level."""
    shown = crashed.memory.allocate()
    crashed.memory.write(shown, 0, content[:PAGE_SIZE].ljust(PAGE_SIZE, b"\0"))
    alias_to(crashed, kind, shown)


def alias_to(crashed: CrashedMachine, kind: Kind, pfn: int, every: int = 1) -> None:
    """Let every page of the region, or one of so many, be a page frame."""
    tables, memory = crashed.machine.page_tables, crashed.memory
    flags = tables.flags.kernel_data
    for level in range(tables.levels - 1):
        table, step = memory.allocate(), 1 if level else every
        entries = struct.pack(tables.entry, pfn << 12 | flags) + bytes((step - 1) * tables.entry_size)
        memory.write(table, 0, entries * (tables.entries // step))
        pfn, flags = table, tables.flags.kernel_table
    entry = struct.pack(tables.entry, pfn << 12 | flags)
    for space in crashed.spaces.values():
        for address in range(kind.region, kind.region + kind.region_size, 1 << tables.shift(tables.levels)):
            root, offset = space.entry(address, tables.levels)
            memory.write(root, offset, entry)


def map_tables(crashed: CrashedMachine, kind: Kind, frames: Sequence[int]) -> None:
    """Let the entries of the highest level, from the region on, name tables of the level below."""
    tables = crashed.machine.page_tables
    for space in crashed.spaces.values():
        for number, pfn in enumerate(frames):
            root, offset = space.entry(kind.region + (number << tables.shift(tables.levels)), tables.levels)
            crashed.memory.write(root, offset, struct.pack(tables.entry, pfn << 12 | tables.flags.kernel_table))


def set_debugger_data(crashed: CrashedMachine, offset: int, data: bytes) -> None:
    """Change a field of the debugger data block."""
    crashed.write(crashed.debugger_data + offset, data)


def fill_stack(crashed: CrashedMachine, kind: Kind, values: Sequence[int]) -> None:
    """Put pointers all over the stack of the crash: the given ones from its stack pointer up, as many as fit."""
    stack = crashed.machine.threads[0]
    room = (stack.stack_base - stack.kernel_stack) // kind.pointer_size
    crashed.write(stack.kernel_stack, kind.pointers(*values[:room]))


def lead_to_table(crashed: CrashedMachine, kind: Kind, size: int) -> None:
    """Let pointers on the stack and in the thread lead to every window of 0x100 bytes of the table's first bytes.

    The stack has room for some hundred pointers: a page of pointers for each 0x100 bytes lies behind the table.
    """
    windows = range(kind.table, kind.table + size, 0x100)
    index = kind.table + size + 0x10000
    crashed.write(index, kind.pointers(*windows))
    fill_stack(crashed, kind, range(index, index + kind.pointer_size * len(windows), 0x100))


def thread_page(crashed: CrashedMachine, kind: Kind, stack_base: int, stack_size: int = STACK_SIZE) -> bytes:
    """Return a page that begins with what looks like a waiting thread, whose stack ends at an address."""
    page = bytearray(PAGE_SIZE)
    page[0] = DISPATCHER_HEADER_THREAD
    version, limit = crashed.machine.version, stack_base - stack_size
    fields = {
        version.number("OffsetKThreadInitialStack"): stack_base,
        version.number("OffsetKThreadKernelStack"): limit,
        version.untold.stack_limit: limit,
        version.untold.stack_base: stack_base,
    }
    for offset, value in fields.items():
        page[offset : offset + kind.pointer_size] = kind.pointers(value)
    return bytes(page)
