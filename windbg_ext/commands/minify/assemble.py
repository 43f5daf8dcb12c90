"""Putting a small dump together, most important part first, until everything is in or the room is used up."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from windbg_ext.commands.minify import parts as build
from windbg_ext.commands.minify import selection
from windbg_ext.commands.minify.account import SECONDARY_DATA, Account, LeftOut, Part
from windbg_ext.commands.minify.saver import Saver
from windbg_ext.dump.small import SmallDump, driver_size, unloaded_size
from windbg_ext.errors import DumpError, MemoryReadError
from windbg_ext.memory.virtual import Piece
from windbg_ext.structs.triage import SMALL_DUMP_LAYOUTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.commands.progress import Progress
    from windbg_ext.dump.small import Driver
    from windbg_ext.kernel import Kernel, Target
    from windbg_ext.kernel.processors import Processor
    from windbg_ext.memory import VirtualMemory
    from windbg_ext.structs.layout import Record
    from windbg_ext.structs.triage import SmallDumpLayouts

SALVAGE = "--salvage goes on without it"


@dataclass(frozen=True)
class Assembled:
    """A small dump and the account of it.

    with_secondary: whether the secondary data of the source goes behind it; processors: how many a debugger can show;
    complete: nothing that the engine needs,
    and nothing because of a size limit, is left out.
    """

    dump: SmallDump
    with_secondary: bool
    parts: tuple[Part, ...]
    left_out: tuple[LeftOut, ...]
    processors: int
    complete: bool


def assemble(
    target: Target,
    kernel: Kernel,
    *,
    secondary_size: int,
    size: int | None,
    comment: str | None,
    salvage: bool,
    progress: Progress,
) -> Assembled:
    """Choose what of a target goes into a small dump of at most `size` bytes; the order is the order of importance.

    DumpError: a structure that a debugger needs is damaged or missing, and `salvage` is not asked for.
    """
    layouts = SMALL_DUMP_LAYOUTS[target.header.record.layout.name]
    account = Account(size, layouts.header.size + layouts.triage.size)
    for field, why in _damages(target, kernel):
        if not salvage:
            raise DumpError(field, why, SALVAGE)
        account.lose(field, why)
    memory, block = target.memory, kernel.debugger_data
    crashed = kernel.crashed or kernel.processors[0]
    if kernel.crashed is None:
        account.lose("crashing processor", "the header's registers fit none; processor 0 is taken", essential=False)
    thread, process = (crashed.thread.address, crashed.thread.process) if crashed.thread else (0, 0)

    prcb = _structure(account, memory, "KPRCB", crashed.prcb, block["SizePrcb"])
    ethread = _structure(account, memory, "ETHREAD", thread, block["SizeEThread"])
    eprocess = _structure(account, memory, "EPROCESS", process, block["SizeEProcess"])
    stack = _call_stack(account, memory, kernel, crashed)
    debugger_data = _whole(account, "debugger data block", block.data)
    drivers = _drivers(account, kernel, layouts)
    unloaded = _unloaded_drivers(account, kernel, layouts)
    mm = _whole(account, "MM information", build.mm_information(memory, block, layouts.mm))

    saver = Saver(account, memory, progress)
    of_processors = saver.save("processors", selection.processors(target, kernel, crashed))
    processors = 1 if account.full else len(kernel.processors)
    saver.save("data registered by drivers", selection.registered_blocks(memory, kernel))
    saver.save("kernel variables", selection.kernel_variables(kernel))
    saver.save("code at instruction pointers", selection.code(kernel))
    saver.save("surroundings of the crash", selection.crash_surroundings(memory, kernel, crashed))
    parameters = target.header.bug_check.parameters
    saver.save("pages at bug check parameters", selection.pages_of_parameters(parameters, kernel.architecture))
    named = saver.save("lists of the bug check", selection.bug_check_lists(memory, kernel, target.header.bug_check))
    roots = [
        Piece(0, selection.registers(kernel)),
        Piece(0, selection.pointers(parameters, kernel.architecture)),
        stack,
        Piece(thread, ethread),
        Piece(process, eprocess),
        *of_processors,
        *named,
    ]
    addresses = saver.save_windows("windows at pointers", roots, kernel.architecture)
    threads = (selection.thread_memory(memory, kernel, address, whole_stack=bool(named)) for address in addresses)
    saver.save("other threads and their stacks", chain.from_iterable(threads))
    if target.paging is not None:
        entries = selection.page_table_entries(kernel, saver.pages(), target.paging)
        saver.save("page-table entries", entries)

    saver.tell_absences()
    with_secondary = secondary_size > 0 and (size is None or account.fits(secondary_size))
    if with_secondary:
        account.enter(SECONDARY_DATA, secondary_size)
    elif secondary_size:
        account.lose_for_size(SECONDARY_DATA)
    small = SmallDump(
        header=build.small_header(target.header.record, kernel, comment),
        mm=mm,
        unloaded_drivers=unloaded,
        prcb=prcb,
        process=eprocess,
        thread=ethread,
        top_of_stack=stack.address,
        call_stack=stack.data,
        debugger_data=debugger_data,
        drivers=drivers,
        data_blocks=saver.blocks(),
    )
    return Assembled(small, with_secondary, account.parts, tuple(account.left_out), processors, account.complete)


def _damages(target: Target, kernel: Kernel) -> Iterator[tuple[str, str]]:
    """Give the damages that make a small dump useless to a debugger: (field, what is wrong with it)."""
    if kernel.modules.problem is not None:
        yield "PsLoadedModuleList", kernel.modules.problem
    for name, address in (
        (f"ContextRecord.{kernel.architecture.stack_pointer}", kernel.context.stack_pointer),
        ("KPRCB", (kernel.crashed or kernel.processors[0]).prcb),
    ):
        try:
            target.memory.read(address, target.memory.pointer_size)
        except MemoryReadError as error:
            yield name, str(error)


def _whole(account: Account, part: str, data: bytes) -> bytes:
    if not account.fits(len(data)):
        account.lose_for_size(part)
        return b""
    account.enter(part, len(data))
    return data


def _structure(account: Account, memory: VirtualMemory, part: str, address: int, size: int) -> bytes:
    """Read a structure for a part of its own: the engine takes it for whole, so it is whole or not there."""
    try:
        data = memory.read(address, size) if address and size else b""
    except MemoryReadError as error:
        account.lose(part, str(error))
        return b""
    if not data:
        account.lose(part, "the source does not tell where it is")
        return b""
    return _whole(account, part, data)


def _call_stack(account: Account, memory: VirtualMemory, kernel: Kernel, crashed: Processor) -> Piece:
    """Read the stack of the crash from its lowest stack pointer up to its base, or as far as it is there or fits."""
    wanted = selection.call_stack(kernel, crashed)
    data = b""
    for piece in memory.present(wanted.address, wanted.length):
        if piece.address != wanted.address + len(data):
            break
        data += piece.data
    owned = crashed.thread is not None and crashed.thread.owns(wanted.address)
    if not data or (owned and len(data) < wanted.length):
        try:
            memory.read(wanted.address, wanted.length)
        except MemoryReadError as error:
            account.lose("call stack", f"{len(data):,} of {wanted.length:,} bytes are in the source: {error}")
    room = 0 if account.full else account.room
    fits = account.fits(len(data))
    if not fits:
        data = data[:room]
    if data:
        account.enter("call stack", len(data))
    if not fits:
        account.lose_for_size("call stack")
    return Piece(wanted.address, data)


def _drivers(account: Account, kernel: Kernel, layouts: SmallDumpLayouts) -> tuple[Driver, ...]:
    """List the loaded modules, those of the crashing process behind the kernel's.

    The engine reads no list of user-mode images from a small dump; in this one it shows them like any other.
    """
    if kernel.user_modules.modules and kernel.user_modules.problem is not None:
        account.lose("user-mode modules", kernel.user_modules.problem, essential=False)
    drivers: list[Driver] = []
    for part, modules in (("driver list", kernel.modules), ("user-mode modules", kernel.user_modules)):
        for module in modules.modules:
            driver = build.driver(module, layouts)
            if not account.fits(driver_size(driver)):
                account.lose_for_size(part)
                break
            account.enter(part, driver_size(driver))
            drivers.append(driver)
    return tuple(drivers)


def _unloaded_drivers(account: Account, kernel: Kernel, layouts: SmallDumpLayouts) -> tuple[Record, ...] | None:
    if kernel.unloaded_drivers is None:
        account.lose("unloaded drivers", "the list is not in the source or cannot be read", essential=False)
        return None
    size = unloaded_size(len(kernel.unloaded_drivers), layouts)
    if not account.fits(size):
        account.lose_for_size("unloaded drivers")
        return None
    account.enter("unloaded drivers", size)
    return tuple(build.unloaded(driver, layouts) for driver in kernel.unloaded_drivers)
