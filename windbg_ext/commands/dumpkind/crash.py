"""Where it crashed and which modules that leads to: without symbols, and marked as the hint that it is."""

from __future__ import annotations

import struct
from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from windbg_ext.commands.dumpkind.microsoft import is_microsoft
from windbg_ext.commands.dumpkind.report import LoadedModule, Suspect
from windbg_ext.errors import DumpError, MemoryReadError
from windbg_ext.kernel.context import parse_context
from windbg_ext.kernel.crash_memory import crash_memory
from windbg_ext.kernel.debugger_data import read_debugger_data
from windbg_ext.kernel.modules import read_modules
from windbg_ext.kernel.processes import image_file_name
from windbg_ext.kernel.processors import crashing_processor, read_processors
from windbg_ext.memory.physical import PhysicalMemory
from windbg_ext.sources import read_field

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from windbg_ext.dump import Dump
    from windbg_ext.structs.architectures import Architecture

LARGEST_STACK = 0x6000
"""Bytes of stack that are searched: the whole of a usual kernel stack on x64."""
MOST_SUSPECTS = 8
STATUS_BREAKPOINT = 0x80000003
KERNEL_ITSELF = ("nt", "ntoskrnl.exe", "ntkrnlmp.exe", "hal.dll")
"""On every stack of a crash, so the last ones to suspect."""


class Crash(NamedTuple):
    """What the kernel's structures tell of a crash. problem: why not more of it, None if all was there.

    unread: places of the file that could not be read, so that some of it may be missing;
    driver_names: as a small dump lists them, with or without paths;
    instruction: address of the instruction in the header's context; exception: address in the exception record, None if
    there was no exception.
    """

    modules: ModuleMap
    instruction: int | None
    exception: int | None
    stack: tuple[int, ...] = ()
    process: str | None = None
    driver_names: tuple[str, ...] = ()
    problem: str | None = None
    unread: tuple[str, ...] = ()


def read_crash(dump: Dump) -> Crash:
    """Read what a dump tells of its crash, as far as that is in the file."""
    header = dump.header
    architecture = header.architecture
    instruction = parse_context(header.raw.context_record, architecture).instruction_pointer
    record = header.layouts.exception.parse(header.raw.exception)
    # without an exception, the record is that of a breakpoint inside the bug check itself
    exception = record.exception_address if record.exception_code != STATUS_BREAKPOINT else None
    physical = None if dump.pages is None else PhysicalMemory(dump.source, dump.pages)
    try:
        modules, stack, process, names = _of_small_dump(dump) if physical is None else _of_large_dump(dump, physical)
    except (DumpError, MemoryReadError, OSError) as error:
        why = f"{error.field}: {error.why}" if isinstance(error, DumpError) else str(error)
        return Crash(ModuleMap(()), instruction, exception, problem=why, unread=_unread(physical))
    code = _code_on(stack, modules, architecture)
    return Crash(modules, instruction, exception, code, process, names, unread=_unread(physical))


def _unread(physical: PhysicalMemory | None) -> tuple[str, ...]:
    return () if physical is None else tuple(physical.failures())


def _of_small_dump(dump: Dump) -> tuple[ModuleMap, bytes, str | None, tuple[str, ...]]:
    """Give modules, stack, process name and drivers' names of a small dump, which has a part for each."""
    from windbg_ext.dump.small import read_drivers  # not for large dumps to wait for

    parts, source = dump.small, dump.source
    assert parts is not None
    drivers = read_drivers(source, parts) if parts.driver_list.size else ()
    modules = (
        LoadedModule(base_name(driver.name), driver.entry.dll_base, driver.entry.size_of_image) for driver in drivers
    )
    stack = read_field(source, "CallStack", parts.call_stack.offset, min(parts.call_stack.size, LARGEST_STACK))
    process = None
    if parts.process.size:
        data = read_field(source, "Process", parts.process.offset, parts.process.size)
        process = image_file_name(data, dump.header.machine, dump.header.minor_version)
    return ModuleMap(modules), stack, process, tuple(driver.name for driver in drivers)


def _of_large_dump(dump: Dump, physical: PhysicalMemory) -> tuple[ModuleMap, bytes, str | None, tuple[str, ...]]:
    """Give modules, stack and process name by way of page tables and the debugger data block."""
    header, architecture = dump.header, dump.header.architecture
    memory = crash_memory(physical, header)
    block = read_debugger_data(memory, header.kd_debugger_data_block, header.ps_loaded_module_list)
    listed = read_modules(memory, header.ps_loaded_module_list or block.ps_loaded_module_list, images=False).modules
    context = parse_context(header.raw.context_record, architecture)
    processors = read_processors(memory, block, header.number_processors, architecture)
    crashed = crashing_processor(processors, context)
    thread = crashed.thread if crashed else None
    end = context.stack_pointer + LARGEST_STACK
    if thread is not None and thread.owns(context.stack_pointer):
        end = min(end, thread.stack_base)
    stack = b""
    for piece in memory.present(context.stack_pointer, end - context.stack_pointer):
        if piece.address != context.stack_pointer + len(stack):
            break
        stack += piece.data
    process = None
    if thread is not None:
        eprocess = b"".join(piece.data for piece in memory.present(thread.process, block.size_eprocess))
        process = image_file_name(eprocess, header.machine, header.minor_version)
    modules = ModuleMap(LoadedModule(module.name, module.base, module.size) for module in listed)
    return modules, stack, process, ()


def base_name(path: str) -> str:
    """Give the file's name of a path, which in small dumps of the kernel is a name already."""
    return path.rpartition("\\")[2]


def _code_on(stack: bytes, modules: ModuleMap, architecture: Architecture) -> tuple[int, ...]:
    """Give the addresses on a stack that lie in modules, nearest to the crash first. Some may be left from before."""
    layouts = architecture.layouts
    words = struct.iter_unpack(f"<{layouts.pointer_code}", stack[: len(stack) & -layouts.pointer_size])
    lowest = architecture.lowest_kernel
    return tuple(value for (value,) in words if value >= lowest and modules.at(value) is not None)


class ModuleMap:
    """Modules by the addresses that they take."""

    def __init__(self, modules: Iterable[LoadedModule]) -> None:
        self.modules = tuple(sorted(modules, key=lambda module: module.base))
        self._bases = [module.base for module in self.modules]

    def at(self, address: int) -> LoadedModule | None:
        """Find the module in which an address lies."""
        index = bisect_right(self._bases, address) - 1
        found = self.modules[index] if index >= 0 else None
        return found if found is not None and address < found.base + found.size else None


def suspects_of(crash: Crash, parameters: tuple[int, ...]) -> tuple[Suspect, ...]:
    """Give the modules that the crash leads to: not known as Microsoft's, Microsoft's, the kernel; nearest first."""
    found: dict[str, tuple[int, list[str]]] = {}
    for where, address in _places(crash, parameters):
        module = crash.modules.at(address)
        if module is not None:
            found.setdefault(module.name, (address, []))[1].append(where)
    suspects = (Suspect(name, address, _told(places), is_microsoft(name)) for name, (address, places) in found.items())
    return tuple(sorted(suspects, key=_distance)[:MOST_SUSPECTS])


def _distance(suspect: Suspect) -> int:
    return 2 if suspect.name.lower() in KERNEL_ITSELF else int(suspect.microsoft)


STACK = "stack"


def _places(crash: Crash, parameters: tuple[int, ...]) -> Iterator[tuple[str, int]]:
    if crash.exception:
        yield "exception address", crash.exception
    if crash.instruction is not None:
        yield "instruction pointer", crash.instruction
    for number, parameter in enumerate(parameters, 1):
        yield f"parameter {number}", parameter
    yield from ((STACK, address) for address in crash.stack)


def _told(places: list[str]) -> tuple[str, ...]:
    count = places.count(STACK)
    on_stack = [STACK if count == 1 else f"{STACK} ({count} times)"] if count else []
    return (*(place for place in places if place != STACK), *on_stack)
