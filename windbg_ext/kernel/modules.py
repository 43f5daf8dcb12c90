"""Loaded modules and unloaded drivers.

Layouts and sources: `windbg_ext.structs.kernel`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from windbg_ext.errors import MemoryReadError
from windbg_ext.memory.virtual import read_pointer, read_text, read_u32
from windbg_ext.structs.kernel import (
    IMAGE_DOS_HEADER,
    IMAGE_DOS_SIGNATURE,
    IMAGE_NT_HEADERS,
    IMAGE_NT_SIGNATURE,
    KERNEL_LAYOUTS,
    MAX_UNLOADED_DRIVERS,
)

if TYPE_CHECKING:
    from windbg_ext.kernel.debugger_data import DebuggerData
    from windbg_ext.memory.virtual import VirtualMemory
    from windbg_ext.structs.layout import Record

MAX_MODULES = 4096
"""Windows loads a few hundred drivers; a list that goes on after this is damaged."""
MAX_NAME_BYTES = 0x1000


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


def read_modules(memory: VirtualMemory, head: int, *, images: bool = True) -> ModuleList:
    """Walk PsLoadedModuleList. Loops, breaks and absurd lengths end the list and are told in `problem`.

    images: look into each image's header too, a page for each module; without it no time_date_stamp is known.
    """
    modules: list[Module] = []
    layout = KERNEL_LAYOUTS[memory.pointer_size].module
    seen = {head}
    problem = None
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
            entry = layout.parse(memory.read(address, layout.size))
            modules.append(_read_module(memory, address, entry, images=images))
            address = entry.number("Flink")
    except MemoryReadError as error:
        problem = f"entry {len(modules)}: {error}"
    return ModuleList(tuple(modules), problem)


def _read_module(memory: VirtualMemory, address: int, entry: Record, *, images: bool) -> Module:
    base = entry.number("DllBase")
    image = _read_image_header(memory, base) if images else None
    return Module(
        entry_address=address,
        base=base,
        size=entry.number("SizeOfImage"),
        entry_point=entry.number("EntryPoint"),
        name=_name(memory, entry.number("BaseNameBuffer"), entry.number("BaseNameLength")),
        full_name=_name(memory, entry.number("FullNameBuffer"), entry.number("FullNameLength")),
        check_sum=image.number("CheckSum") if image else entry.number("CheckSum"),
        time_date_stamp=image.number("TimeDateStamp") if image else None,
    )


def _name(memory: VirtualMemory, buffer: int, length: int) -> str:
    try:
        return read_text(memory, buffer, min(length, MAX_NAME_BYTES))
    except MemoryReadError:
        return ""


def _read_image_header(memory: VirtualMemory, base: int) -> Record | None:
    try:
        dos = IMAGE_DOS_HEADER.parse(memory.read(base, IMAGE_DOS_HEADER.size))
        if dos.number("e_magic") != IMAGE_DOS_SIGNATURE or dos.number("e_lfanew") > 0x1000:
            return None
        headers = IMAGE_NT_HEADERS.parse(memory.read(base + dos.number("e_lfanew"), IMAGE_NT_HEADERS.size))
    except MemoryReadError:
        return None
    return headers if headers.number("Signature") == IMAGE_NT_SIGNATURE else None


def read_user_modules(memory: VirtualMemory, block: DebuggerData, process: int) -> ModuleList:
    """Walk the list of images that a process has loaded; empty where its environment block is not in memory."""
    layouts = KERNEL_LAYOUTS[memory.pointer_size]
    try:
        peb = read_pointer(memory, process + block["OffsetEprocessPeb"])
        loader = read_pointer(memory, peb + layouts.peb_ldr) if peb else 0
    except MemoryReadError as error:
        return ModuleList((), str(error))
    return read_modules(memory, loader + layouts.in_load_order) if loader else ModuleList(())


def read_unloaded_drivers(memory: VirtualMemory, block: DebuggerData) -> tuple[UnloadedDriver, ...] | None:
    """Read the ring of unloaded drivers, newest first; None if the dump does not hold it.

    A name that is not in the dump is empty.
    """
    try:
        ring = read_pointer(memory, block["MmUnloadedDrivers"])
        last = read_u32(memory, block["MmLastUnloadedDriver"])
    except MemoryReadError:
        return None
    if not ring:  # nothing was ever unloaded
        return ()
    layout = KERNEL_LAYOUTS[memory.pointer_size].unloaded_driver
    drivers: list[UnloadedDriver] = []
    for back in range(1, MAX_UNLOADED_DRIVERS + 1):
        index = (last - back) % MAX_UNLOADED_DRIVERS
        try:
            entry = layout.parse(memory.read(ring + index * layout.size, layout.size))
        except MemoryReadError:
            return tuple(drivers) or None
        if not entry.number("NameBuffer"):
            break
        name = _name(memory, entry.number("NameBuffer"), min(entry.number("NameLength"), 24))
        drivers.append(UnloadedDriver(name, entry.number("StartAddress"), entry.number("EndAddress")))
    return tuple(drivers)
