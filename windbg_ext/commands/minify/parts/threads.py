"""Threads that a pointer led to, with their stacks."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from windbg_ext.commands.minify.collector import Wanted
from windbg_ext.errors import MemoryReadError
from windbg_ext.kernel.threads import read_thread
from windbg_ext.limits import MAX_STACKS
from windbg_ext.memory.ahead import gather
from windbg_ext.structs.kernel import DISPATCHER_HEADER_THREAD

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from windbg_ext.commands.minify.collector import Collector
    from windbg_ext.commands.minify.crash import Crash

BUG_CHECK_LISTS = "lists of the bug check"
"""The part that changes how much of a stack is collected."""


def collect_other_threads(crash: Crash, collector: Collector) -> None:
    """Collect the threads at the addresses of windows."""
    whole_stack = bool(collector.pointers.get(BUG_CHECK_LISTS))

    def threads() -> Iterator[Wanted]:
        looked_at = 0
        seen: set[Wanted] = set()
        for address in collector.windows:
            for wanted in thread_memory(crash, address, whole_stack=whole_stack):
                if wanted in seen:  # threads that share a stack
                    continue
                seen.add(wanted)
                looked_at += wanted.length
                if looked_at > MAX_STACKS:
                    collector.lose(f"stopped after {looked_at >> 20} MB of threads and stacks that overlap")
                    return
                yield wanted

    gather(crash.memory, lambda: _look_at(crash, collector.windows, whole_stack=whole_stack))
    collector.save(threads())


def _look_at(crash: Crash, addresses: Iterable[int], *, whole_stack: bool) -> None:
    """Read the threads at addresses, to no end but to have them at hand."""
    for wanted in chain.from_iterable(thread_memory(crash, at, whole_stack=whole_stack) for at in addresses):
        for _ in crash.memory.present(wanted.address, wanted.length):
            pass


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
