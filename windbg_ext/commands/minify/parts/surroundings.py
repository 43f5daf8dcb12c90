"""What lies around the crash: code, stacks, TEB and PEB, pages at bug check parameters and at registers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.commands.minify.collector import Wanted
from windbg_ext.commands.minify.parts.processors import contexts
from windbg_ext.errors import MemoryReadError
from windbg_ext.memory.paging import PAGE_SIZE
from windbg_ext.memory.virtual import read_pointer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.commands.minify.crash import Crash

CODE_AROUND = 0x100
STACK_OF_THREAD = 0x6000
"""Bytes of a kernel stack on x64 whose lower end is not known, and of the stack of a processor's DPCs."""


def code(crash: Crash) -> Iterator[Wanted]:
    """Yield the page of the crash's instruction pointer and the code around every other one."""
    kernel = crash.kernel
    crashed = kernel.crashed.context if kernel.crashed else None
    for context in (kernel.context, crashed or kernel.context):
        yield Wanted(context.instruction_pointer & -PAGE_SIZE, PAGE_SIZE, "code at the crash")
    for context in contexts(kernel):
        if context.instruction_pointer >= crash.architecture.lowest_kernel:
            yield Wanted(context.instruction_pointer - CODE_AROUND, 2 * CODE_AROUND)


def crash_surroundings(crash: Crash) -> Iterator[Wanted]:
    """Yield what lies below the stack pointer in its page, and the pages of the crashing thread's TEB and PEB."""
    stack_pointer = crash.kernel.context.stack_pointer
    yield Wanted(stack_pointer & -PAGE_SIZE, stack_pointer % PAGE_SIZE)
    block, thread = crash.debugger_data, crash.thread
    if thread is not None:
        for at in (thread.address + block.offset_kthread_teb, thread.process + block.offset_eprocess_peb):
            try:
                address = read_pointer(crash.memory, at)
            except MemoryReadError:
                continue
            if crash.architecture.is_pointer(address):
                yield Wanted(address & -PAGE_SIZE, PAGE_SIZE)
    yield from _interrupted_stacks(crash)


def _interrupted_stacks(crash: Crash) -> Iterator[Wanted]:
    """Yield the stacks of DPCs and of the thread if the crash ran on another one: it interrupted what ran there."""
    thread, block = crash.thread, crash.debugger_data
    if thread is None or thread.owns(crash.kernel.context.stack_pointer):
        return
    if block.offset_prcb_dpc_stack:
        try:
            base = read_pointer(crash.memory, crash.processor.prcb + block.offset_prcb_dpc_stack)
        except MemoryReadError:
            base = 0
        if base >= crash.architecture.lowest_kernel:
            yield Wanted(base - STACK_OF_THREAD, STACK_OF_THREAD, holds_pointers=True)
    limit = thread.stack_base - STACK_OF_THREAD if thread.stack_limit is None else thread.stack_limit
    yield Wanted(limit, thread.stack_base - limit, holds_pointers=True)


def pages_at_registers(crash: Crash) -> Iterator[Wanted]:
    """Yield the page at every general register of the crashed processor that is a pointer.

    Windows takes the registers that the processor had in KeBugCheckEx, even where the header has those of an exception.
    """
    context = crash.processor.context or crash.kernel.context
    for value in context.registers:
        if crash.architecture.is_pointer(value):
            yield Wanted(value & -PAGE_SIZE, PAGE_SIZE)


def pages_of_parameters(crash: Crash) -> Iterator[Wanted]:
    """Yield the pages that bug check parameters point at."""
    for number, parameter in enumerate(crash.bug_check.parameters, 1):
        if crash.architecture.is_pointer(parameter):
            yield Wanted(parameter & -PAGE_SIZE, PAGE_SIZE, f"page at bug check parameter {number}")
