"""What only details show of the machine itself: what each processor did, and which drivers had been unloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError, MemoryReadError
from windbg_ext.kernel.context import parse_context
from windbg_ext.kernel.debugger_data import read_debugger_data
from windbg_ext.kernel.modules import UnloadedDriver, read_unloaded_drivers
from windbg_ext.kernel.processes import image_file_name
from windbg_ext.kernel.processors import crashing_processor, read_processors
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.dump.dump import Dump
    from windbg_ext.kernel.context import Context
    from windbg_ext.kernel.debugger_data import DebuggerData
    from windbg_ext.kernel.processors import Processor
    from windbg_ext.kernel.target import DumpTarget


class ProcessorState(NamedTuple):
    """What a processor did when the machine stopped. None: the dump does not tell.

    number: None in a small dump, which has one processor's registers; instruction, stack: where its registers point
    to; thread: address of the KTHREAD that ran; process: the program that this thread worked for; crashed: whether the
    header's registers are its own.
    """

    number: int | None
    instruction: int | None
    stack: int | None
    thread: int | None
    process: str | None
    crashed: bool


def processors_of(target: DumpTarget, process: str | None) -> tuple[ProcessorState, ...]:
    """Return the processors of a machine; nothing where they cannot be found. process: which the crash was in."""
    header = target.header
    context = parse_context(header.raw.context_record, header.architecture)
    if target.dump.small is not None:
        return (ProcessorState(None, *_registers(context), None, process, crashed=True),)
    try:
        block = _debugger_data(target)
        processors = read_processors(target.memory, block, header.number_processors, header.architecture)
        crashed = crashing_processor(processors, context)
        return tuple(
            _state(target, block, processor, context if crashed is not None and processor is crashed else None)
            for processor in processors
        )
    except (DumpError, MemoryReadError, OSError):
        return ()


def _state(target: DumpTarget, block: DebuggerData, processor: Processor, crashed: Context | None) -> ProcessorState:
    """Return the state of a processor. crashed: the header's registers where they are its own."""
    thread, process = processor.thread, None
    if thread is not None:
        memory, header = target.memory, target.header
        data = b"".join(piece.data for piece in memory.present(thread.process, block.size_eprocess))
        process = image_file_name(data, header.machine, header.minor_version)
    registers = _registers(crashed or processor.context)
    address = None if thread is None else thread.address
    return ProcessorState(processor.number, *registers, address, process, crashed=crashed is not None)


def _registers(context: Context | None) -> tuple[int | None, int | None]:
    return (None, None) if context is None else (context.instruction_pointer, context.stack_pointer)


def unloaded_drivers_of(target: DumpTarget) -> tuple[UnloadedDriver, ...]:
    """Return the drivers that had been unloaded, newest first; nothing where the dump does not hold the list."""
    try:
        if target.dump.small is not None:
            return _listed(target.dump)
        return read_unloaded_drivers(target.memory, _debugger_data(target)) or ()
    except (DumpError, MemoryReadError, OSError):
        return ()


def _listed(dump: Dump) -> tuple[UnloadedDriver, ...]:
    """Return those that a small dump lists."""
    from windbg_ext.sources import read_field  # a small dump's part

    assert dump.small is not None
    extent, layouts = dump.small.unloaded_drivers, dump.header.layouts
    data = read_field(dump.source, "UnloadedDrivers", extent.offset, extent.size) if extent.size else b""
    structure = layouts.dump_unloaded_driver
    starts = range(layouts.unloaded_count, len(data) - structure.SIZE + 1, structure.SIZE)
    entries = (structure.parse(data[at : at + structure.SIZE]) for at in starts)
    return tuple(
        UnloadedDriver(
            entry.driver_name[: entry.name_length & ~1].decode("utf-16-le", "surrogatepass").rstrip("\0"),
            entry.start_address,
            entry.end_address,
        )
        for entry in entries
    )


def _debugger_data(target: DumpTarget) -> DebuggerData:
    header = target.header
    return read_debugger_data(target.memory, header.kd_debugger_data_block, header.ps_loaded_module_list, target.budget)
