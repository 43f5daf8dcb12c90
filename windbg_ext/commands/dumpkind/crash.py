"""Where it crashed and which modules that leads to: without symbols, and marked as the hint that it is."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from windbg_ext.commands.dumpkind.microsoft import is_microsoft
from windbg_ext.commands.dumpkind.modules import CodeAddress, LoadedModule, ModuleMap
from windbg_ext.commands.dumpkind.report import Suspect
from windbg_ext.errors import DumpError, MemoryReadError
from windbg_ext.kernel.context import parse_context
from windbg_ext.kernel.kernel import read_kernel
from windbg_ext.kernel.processes import image_file_name
from windbg_ext.limits import Budget
from windbg_ext.memory.ahead import gather
from windbg_ext.memory.virtual import read_run
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.dump.header import DumpHeader
    from windbg_ext.kernel.kernel import Kernel
    from windbg_ext.kernel.small_dump import Listing
    from windbg_ext.kernel.target import DumpTarget
    from windbg_ext.structs.architectures import Architecture

MAX_STACK = 0x6000
"""Bytes of stack that are searched: the whole of a usual kernel stack on x64."""
MAX_SUSPECTS = 8
STATUS_BREAKPOINT = 0x80000003
KERNEL_ITSELF = ("nt", "ntoskrnl.exe", "ntkrnlmp.exe", "hal.dll")
"""On every stack of a crash, so the last ones to suspect."""


class Crash(NamedTuple):
    """What the kernel's structures say about a crash. problem: why some of it is missing, None if nothing is.

    driver_names: as a small dump lists them, with or without paths;
    instruction: address of the instruction in the header's context; exception: address in the exception record, None if
    there was no exception.
    """

    modules: ModuleMap
    instruction: int | None
    exception: int | None
    stack: tuple[CodeAddress, ...] = ()
    process: str | None = None
    driver_names: tuple[str, ...] = ()
    problem: str | None = None

    @property
    def address(self) -> CodeAddress | None:
        """Where it crashed: the address of the exception or, without one, of the instruction."""
        address = self.exception or self.instruction
        return None if address is None else self.modules.place(address)


def read_crash(target: DumpTarget) -> Crash:
    """Read what a dump says about its crash, as far as the file has it."""
    header = target.header
    context = parse_context(header.raw.context_record, header.architecture)
    instruction = context.instruction_pointer
    record = header.layouts.exception.parse(header.raw.exception)
    # without an exception, the record is that of a breakpoint inside the bug check itself
    exception = record.exception_address if record.exception_code != STATUS_BREAKPOINT else None
    try:
        found = _walk(target) if target.listed is None else _from_listing(header, target.listed, context.stack_pointer)
    except (DumpError, MemoryReadError, OSError) as error:
        why = f"{error.field}: {error.why}" if isinstance(error, DumpError) else str(error)
        return Crash(ModuleMap(()), instruction, exception, problem=why)
    code = _code_on(found.stack, found.modules, header.architecture)
    return Crash(found.modules, instruction, exception, code, found.process, found.driver_names)


class _Found(NamedTuple):
    modules: ModuleMap
    stack: bytes
    process: str | None
    driver_names: tuple[str, ...] = ()


def _from_listing(header: DumpHeader, listed: Listing, stack_pointer: int) -> _Found:
    """Take modules, stack and process of a small dump, which has a part for each."""
    modules = ModuleMap(LoadedModule(module.name, module.base, module.size) for module in listed.modules)
    process = image_file_name(listed.process, header.machine, header.minor_version)
    return _Found(modules, listed.stack_from(stack_pointer)[:MAX_STACK], process, listed.driver_names)


def _walk(target: DumpTarget) -> _Found:
    """Find modules, stack and process by way of page tables and the debugger data block."""
    gather(target.memory, lambda: _found_by(target, read_kernel(target, crash_only=True, budget=Budget())))
    return _found_by(target, read_kernel(target, crash_only=True))


def _found_by(target: DumpTarget, kernel: Kernel) -> _Found:
    memory, header = target.memory, target.header
    thread, stack_pointer = kernel.crashed.thread if kernel.crashed else None, kernel.context.stack_pointer
    end = stack_pointer + MAX_STACK
    if thread is not None and thread.owns(stack_pointer):
        end = min(end, thread.stack_base)
    process = None
    if thread is not None:
        eprocess = b"".join(piece.data for piece in memory.present(thread.process, kernel.debugger_data.size_eprocess))
        process = image_file_name(eprocess, header.machine, header.minor_version)
    modules = ModuleMap(LoadedModule(module.name, module.base, module.size) for module in kernel.modules.modules)
    return _Found(modules, read_run(memory, stack_pointer, end - stack_pointer), process)


def _code_on(stack: bytes, modules: ModuleMap, architecture: Architecture) -> tuple[CodeAddress, ...]:
    """Return the addresses on a stack that are inside modules, nearest to the crash first; some may be stale."""
    layouts = architecture.layouts
    words = struct.iter_unpack(f"<{layouts.pointer_code}", stack[: len(stack) & -layouts.pointer_size])
    lowest = architecture.lowest_kernel
    places = [modules.place(value) for (value,) in words if value >= lowest]
    return tuple([place for place in places if place.module is not None])


def suspects_of(crash: Crash, parameters: tuple[int, ...]) -> tuple[Suspect, ...]:
    """Return the modules that the crash leads to: unknown ones, Microsoft's, the kernel; each group nearest first."""
    found: dict[str, tuple[CodeAddress, list[str]]] = {}
    for where, place in _places(crash, parameters):
        if place.module is not None:
            found.setdefault(place.module, (place, []))[1].append(where)
    suspects = (
        Suspect(name, place.address, _told(places), is_microsoft(name), place.offset or 0)
        for name, (place, places) in found.items()
    )
    return tuple(sorted(suspects, key=_distance)[:MAX_SUSPECTS])


def _distance(suspect: Suspect) -> int:
    return 2 if suspect.name.lower() in KERNEL_ITSELF else int(suspect.microsoft)


STACK = "stack"


def _places(crash: Crash, parameters: tuple[int, ...]) -> Iterator[tuple[str, CodeAddress]]:
    place = crash.modules.place
    if crash.exception:
        yield "exception address", place(crash.exception)
    if crash.instruction is not None:
        yield "instruction pointer", place(crash.instruction)
    for number, parameter in enumerate(parameters, 1):
        yield f"parameter {number}", place(parameter)
    yield from ((STACK, address) for address in crash.stack)


def _told(places: list[str]) -> tuple[str, ...]:
    count = places.count(STACK)
    on_stack = [STACK if count == 1 else f"{STACK} ({count} times)"] if count else []
    return (*(place for place in places if place != STACK), *on_stack)
