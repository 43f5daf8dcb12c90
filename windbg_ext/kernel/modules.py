"""Loaded modules and unloaded drivers.

Layouts and sources: `windbg_ext.structs.kernel`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.errors import MemoryReadError
from windbg_ext.limits import MAX_MODULE_NAMES, LimitError
from windbg_ext.memory.ahead import expect, is_far
from windbg_ext.memory.paging import PAGE_SHIFT
from windbg_ext.memory.virtual import read_pointer, read_structure, read_text, read_u32
from windbg_ext.structs.kernel import (
    IMAGE_DOS_SIGNATURE,
    IMAGE_NT_SIGNATURE,
    MAX_UNLOADED_DRIVERS,
    ImageDosHeader,
    ImageNtHeaders,
)
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.kernel.debugger_data import DebuggerData
    from windbg_ext.limits import Budget
    from windbg_ext.memory.virtual import VirtualMemory
    from windbg_ext.structs.layouts import KldrDataTableEntry

MAX_MODULES = 4096
"""Windows loads a few hundred drivers; a list that goes on after this is damaged."""
AROUND_ENTRY = 8 << PAGE_SHIFT
"""Bytes on both sides of an entry in which others are expected, where reading one after the other takes long."""
MAX_UNLOADED_NAME = 24
"""Bytes of the name of an unloaded driver that a small dump has room for."""


class Module(NamedTuple):
    """A loaded module: its image's base and size in bytes, its names, what its image header says of itself.

    time_date_stamp: None where the image header is not in the dump; then check_sum is the loader's.
    """

    entry_address: int
    base: int
    size: int
    entry_point: int
    name: str
    full_name: str
    check_sum: int
    time_date_stamp: int | None


class ModuleList(NamedTuple):
    """The modules in the order of the list. problem: why the list ended before its time, None if it did not."""

    modules: tuple[Module, ...]
    problem: str | None = None


class UnloadedDriver(NamedTuple):
    """A driver that was unloaded: at most 12 characters of its name and where it had been."""

    name: str
    start: int
    end: int


def read_modules(memory: VirtualMemory, head: int, budget: Budget, *, images: bool = True) -> ModuleList:
    """Walk PsLoadedModuleList. Loops, breaks and absurd lengths end the list and are told in `problem`.

    images: look into each image's header too, a page for each module; without it no time_date_stamp is known.
    """
    modules: list[Module] = []
    seen = {head}
    problem = None
    far, at = is_far(memory), -1
    try:
        address = read_pointer(memory, head)
        while address != head:
            if address in seen:
                problem = f"entry {len(modules)} leads back to 0x{address:x}: the list is a loop"
                break
            if len(modules) == MAX_MODULES:
                problem = f"the list goes on after {MAX_MODULES} entries"
                break
            seen.add(address)
            if far and address >> PAGE_SHIFT != at:  # most entries were allocated beside others
                at = address >> PAGE_SHIFT
                expect(memory, address - AROUND_ENTRY, 2 * AROUND_ENTRY)
            entry = read_structure(memory, address, memory.layouts.module)
            modules.append(_read_module(memory, address, entry, budget, images=images))
            address = entry.flink
    except MemoryReadError as error:
        problem = f"entry {len(modules)}: {error}"
    except LimitError as error:
        problem = f"entry {len(modules)}: its name {error.why}"
    return ModuleList(tuple(modules), problem)


def _read_module(
    memory: VirtualMemory, address: int, entry: KldrDataTableEntry, budget: Budget, *, images: bool
) -> Module:
    base = entry.dll_base
    budget.draw(MAX_MODULE_NAMES, entry.base_name_length + entry.full_name_length, "PsLoadedModuleList")
    image = _read_image_header(memory, base) if images else None
    return Module(
        entry_address=address,
        base=base,
        size=entry.size_of_image,
        entry_point=entry.entry_point,
        name=_name(memory, entry.base_name_buffer, entry.base_name_length),
        full_name=_name(memory, entry.full_name_buffer, entry.full_name_length),
        check_sum=image.check_sum if image else entry.check_sum,
        time_date_stamp=image.time_date_stamp if image else None,
    )


def _name(memory: VirtualMemory, buffer: int, length: int) -> str:
    try:
        return read_text(memory, buffer, length)
    except MemoryReadError:
        return ""


def _read_image_header(memory: VirtualMemory, base: int) -> ImageNtHeaders | None:
    try:
        dos = read_structure(memory, base, ImageDosHeader)
        if dos.e_magic != IMAGE_DOS_SIGNATURE or dos.e_lfanew > 0x1000:
            return None
        headers = read_structure(memory, base + dos.e_lfanew, ImageNtHeaders)
    except MemoryReadError:
        return None
    return headers if headers.signature == IMAGE_NT_SIGNATURE else None


def read_user_modules(memory: VirtualMemory, block: DebuggerData, process: int, budget: Budget) -> ModuleList:
    """Walk the list of images that a process has loaded; empty where its environment block is not in memory."""
    try:
        peb = read_pointer(memory, process + block.offset_eprocess_peb)
        loader = read_pointer(memory, peb + memory.layouts.peb_ldr) if peb else 0
    except MemoryReadError as error:
        return ModuleList((), str(error))
    return read_modules(memory, loader + memory.layouts.in_load_order, budget) if loader else ModuleList(())


def read_unloaded_drivers(memory: VirtualMemory, block: DebuggerData) -> tuple[UnloadedDriver, ...] | None:
    """Read the ring of unloaded drivers, newest first; None if the dump does not hold it.

    A name that is not in the dump is empty.
    """
    try:
        ring = read_pointer(memory, block.mm_unloaded_drivers)
        last = read_u32(memory, block.mm_last_unloaded_driver)
    except MemoryReadError:
        return None
    if not ring:  # nothing was ever unloaded
        return ()
    structure = memory.layouts.unloaded_driver
    drivers: list[UnloadedDriver] = []
    for back in range(1, MAX_UNLOADED_DRIVERS + 1):
        index = (last - back) % MAX_UNLOADED_DRIVERS
        try:
            entry = read_structure(memory, ring + index * structure.SIZE, structure)
        except MemoryReadError:
            return tuple(drivers) or None
        if not entry.name_buffer:
            break
        name = _name(memory, entry.name_buffer, min(entry.name_length, MAX_UNLOADED_NAME))
        drivers.append(UnloadedDriver(name, entry.start_address, entry.end_address))
    return tuple(drivers)
