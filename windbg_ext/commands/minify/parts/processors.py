"""Every processor: its control block, its registers and its stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.commands.minify.collector import Wanted
from windbg_ext.commands.minify.parts.stack import call_stack
from windbg_ext.errors import MemoryReadError
from windbg_ext.kernel.processors import context_length
from windbg_ext.memory.virtual import read_pointer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.commands.minify.collector import Collector
    from windbg_ext.commands.minify.crash import Crash
    from windbg_ext.kernel.context import Context
    from windbg_ext.kernel.kernel import Kernel
    from windbg_ext.kernel.processors import Processor
    from windbg_ext.memory.virtual import VirtualMemory

STACK_OF_PROCESSOR = 0x2000
CLOCK_WATCHDOG_TIMEOUT, SYNTHETIC_WATCHDOG_TIMEOUT = 0x101, 0x1CA
"""Bug checks about a processor that hangs: parameter 3 is the address of its KPRCB, or parameter 4 its number."""


def collect_processors(crash: Crash, collector: Collector) -> None:
    """Collect the processors. If not all of it fits, a debugger can show the crashed one only."""
    collector.follow(collector.save(processors(crash)))
    collector.processors = 1 if collector.account.full else len(crash.kernel.processors)


def processors(crash: Crash) -> Iterator[Wanted]:
    """Yield each processor's control block, the context that it points at and its stack, then the list of processors.

    The list comes last: with it, the engine wants every control block in a data block and shows no registers at all
    where the first is missing; without it, it shows the crashing processor from the small dump's own parts.
    """
    block = crash.debugger_data
    for processor in _first_ones_first(crash):
        yield Wanted(processor.prcb, block.size_prcb, f"KPRCB of processor {processor.number}")
        if processor.context_address is not None:
            length = context_length(crash.memory, processor.context_address, crash.architecture.context)
            yield Wanted(processor.context_address, length, f"context of processor {processor.number}")
        if processor is crash.processor:
            yield call_stack(crash)
        if processor.context is not None:
            yield processor_stack(crash, processor, processor.context.stack_pointer)
    size = crash.architecture.layouts.pointer_size * len(crash.kernel.processors)
    yield Wanted(block.ki_processor_block, size, "KiProcessorBlock")


def contexts(kernel: Kernel) -> list[Context]:
    """Return the registers in the header, then every processor's, the crashing one's first."""
    own = [processor.context for processor in _crashed_first(kernel)]
    return [kernel.context, *(context for context in own if context is not None)]


def _crashed_first(kernel: Kernel) -> list[Processor]:
    return sorted(kernel.processors, key=lambda processor: processor is not kernel.crashed)


def _first_ones_first(crash: Crash) -> list[Processor]:
    """Return the processor that hangs, if the bug check is about one, the crashed one, and then the others."""
    code, (_, _, prcb, number) = crash.bug_check.plain_code, crash.bug_check.parameters

    def hangs(processor: Processor) -> bool:
        if code == CLOCK_WATCHDOG_TIMEOUT:
            return processor.prcb == prcb
        return code == SYNTHETIC_WATCHDOG_TIMEOUT and processor.number == number

    return sorted(_crashed_first(crash.kernel), key=lambda processor: not hangs(processor))


def processor_stack(crash: Crash, processor: Processor, stack_pointer: int) -> Wanted:
    """Return a processor's stack from its stack pointer up; one in user mode is read in the process that runs there."""
    name = f"stack of processor {processor.number}"
    if stack_pointer >= crash.architecture.lowest_kernel:
        return Wanted(stack_pointer, STACK_OF_PROCESSOR, name, holds_pointers=True)
    memory = None if processor.thread is None else process_memory(crash, processor.thread.process)
    return Wanted(stack_pointer, STACK_OF_PROCESSOR, name, optional=True, holds_pointers=memory is None, memory=memory)


def process_memory(crash: Crash, process: int) -> VirtualMemory | None:
    """Return the memory that a process sees, None if that is the memory of the crash or cannot be told.

    The debugger engine reads user addresses through the current thread's process, too, and through the header's
    directory table base where it cannot find that process.
    """
    target = crash.target
    try:
        root = read_pointer(crash.memory, process + crash.debugger_data.offset_eprocess_directory_table_base)
    except MemoryReadError:
        return None
    mask = 0 if target.paging is None else target.paging.root_mask
    same = (root ^ target.header.directory_table_base) & mask == 0
    return None if same else target.memory_of(root)
