"""Threads that a pointer led to, with their stacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.commands.minify.collector import Wanted
from windbg_ext.errors import MemoryReadError
from windbg_ext.kernel.threads import read_thread
from windbg_ext.structs.kernel import DISPATCHER_HEADER_THREAD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.commands.minify.collector import Collector
    from windbg_ext.commands.minify.crash import Crash

BUG_CHECK_LISTS = "lists of the bug check"
"""The part that changes how much of a stack is collected."""


def collect_other_threads(crash: Crash, collector: Collector) -> None:
    """Collect the threads at the addresses of windows."""
    whole_stack = bool(collector.pointers.get(BUG_CHECK_LISTS))

    def threads() -> Iterator[Wanted]:
        for address in collector.windows:
            yield from thread_memory(crash, address, whole_stack=whole_stack)

    collector.save(threads())


def thread_memory(crash: Crash, address: int, *, whole_stack: bool) -> Iterator[Wanted]:
    """Yield the thread at an address and its stack, if there is one that is switched out; else nothing.

    whole_stack: from its limit up, as the engine saves those that a bug check names; else from its stack pointer up.
    """
    memory, block = crash.memory, crash.debugger_data
    try:
        if address % (2 * memory.layouts.pointer_size) or memory.read(address, 1)[0] != DISPATCHER_HEADER_THREAD:
            return
    except MemoryReadError:
        return
    thread = read_thread(memory, block, address)
    if thread is None or not thread.owns(thread.kernel_stack):
        return
    start = thread.stack_limit if whole_stack and thread.stack_limit is not None else thread.kernel_stack
    yield Wanted(address, block.size_ethread)
    yield Wanted(start, thread.stack_base - start)
