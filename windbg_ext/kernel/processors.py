"""Processors: their control blocks (KPRCB), registers, current threads, and which of them crashed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError, MemoryReadError
from windbg_ext.kernel.context import Context, parse_context
from windbg_ext.kernel.threads import Thread, read_thread
from windbg_ext.memory.virtual import read_pointer, read_structure, read_u32
from windbg_ext.structs.context_ex import CONTEXT_FLAG_XSTATE, ContextEx
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.kernel.debugger_data import DebuggerData
    from windbg_ext.memory.virtual import VirtualMemory
    from windbg_ext.structs.architectures import AnyContext, Architecture

MAX_PROCESSORS = 2048
"""Windows supports 2048 logical processors."""
MAX_CONTEXT = 0x4000
"""Bytes of a context with all extended processor state: AMX makes it 12 KB long."""


class Processor(NamedTuple):
    """One processor. None: that part is not in the dump.

    prcb: address of its KPRCB; context_address: where the kernel saved its registers when the machine stopped.
    """

    number: int
    prcb: int
    context_address: int | None
    context: Context | None
    thread: Thread | None


def read_processors(
    memory: VirtualMemory, block: DebuggerData, count: int, architecture: Architecture
) -> tuple[Processor, ...]:
    """Read the processors that KiProcessorBlock lists. Raise DumpError for an absurd count or a missing list."""
    if not 1 <= count <= MAX_PROCESSORS:
        raise DumpError("NumberProcessors", f"{count} is not between 1 and {MAX_PROCESSORS}", "the header is damaged")
    try:
        array, size = block.ki_processor_block, memory.layouts.pointer_size
        addresses = [read_pointer(memory, array + size * number) for number in range(count)]
    except MemoryReadError as error:
        raise DumpError("KiProcessorBlock", str(error), "without it no processor can be found") from None
    return tuple(_read_processor(memory, block, number, prcb, architecture) for number, prcb in enumerate(addresses))


def _read_processor(
    memory: VirtualMemory, block: DebuggerData, number: int, prcb: int, architecture: Architecture
) -> Processor:
    context_address = _context_address(memory, prcb, block)
    thread_address = _pointer(memory, prcb, block.offset_prcb_current_thread)
    return Processor(
        number=number,
        prcb=prcb,
        context_address=context_address,
        context=_read_context(memory, context_address, architecture) if context_address else None,
        thread=read_thread(memory, block, thread_address) if thread_address else None,
    )


def _context_address(memory: VirtualMemory, prcb: int, block: DebuggerData) -> int | None:
    """Return where the registers are: behind KPRCB.Context, or in the KPRCB itself before there was that pointer."""
    if block.offset_prcb_context:
        return _pointer(memory, prcb, block.offset_prcb_context)
    return prcb + block.offset_prcb_proc_state_context if block.offset_prcb_proc_state_context else None


def _pointer(memory: VirtualMemory, base: int, offset: int) -> int | None:
    if not offset:  # this version's debugger data block does not tell
        return None
    try:
        return read_pointer(memory, base + offset)
    except MemoryReadError:
        return None


def _read_context(memory: VirtualMemory, address: int, architecture: Architecture) -> Context | None:
    try:
        data = memory.read(address, architecture.context.SIZE)
    except MemoryReadError:
        return None
    return parse_context(data, architecture)


def context_length(memory: VirtualMemory, address: int, context: type[AnyContext]) -> int:
    """Return the length of the context at an address, with the extended processor state behind it where it has one."""
    try:
        flags = read_u32(memory, address + context.context_flags.offset)
        extended = read_structure(memory, address + context.SIZE, ContextEx)
    except MemoryReadError:
        return context.SIZE
    length = extended.all_length
    return length if flags & CONTEXT_FLAG_XSTATE and context.SIZE <= length <= MAX_CONTEXT else context.SIZE


def crashing_processor(processors: tuple[Processor, ...], header_context: Context) -> Processor | None:
    """Find the processor that the header's context belongs to.

    Usually both are the same registers. Where the header has the context of an exception (bug check 0x1000007E), it is
    the processor whose current thread owns the stack of that exception. None if no processor fits.
    """
    for processor in processors:
        context = processor.context
        if context is not None and context.registers == header_context.registers:
            return processor
    for processor in processors:
        if processor.thread is not None and processor.thread.owns(header_context.stack_pointer):
            return processor
    return None
