"""The stack of the crash."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from windbg_ext.commands.minify.collector import Wanted
from windbg_ext.errors import MemoryReadError
from windbg_ext.memory.virtual import read_run

if TYPE_CHECKING:
    from windbg_ext.commands.minify.collector import Collector
    from windbg_ext.commands.minify.crash import Crash

STACK_OF_CRASH = 0x4000
"""Bytes of a stack whose base is not known."""


def call_stack(crash: Crash) -> Wanted:
    """Return the stack of the crash, from the lower of the header's and the processor's stack pointers up to its base.

    They differ where the header has the registers of an exception and the processor those of the bug check after it.
    """
    stack_pointer = crash.kernel.context.stack_pointer
    top = stack_pointer + STACK_OF_CRASH
    thread, context = crash.thread, crash.processor.context
    if thread is not None and thread.owns(stack_pointer):
        top = thread.stack_base
        if context is not None and thread.owns(context.stack_pointer):
            stack_pointer = min(stack_pointer, context.stack_pointer)
    return Wanted(stack_pointer, top - stack_pointer, "call stack", holds_pointers=True)


def collect_call_stack(crash: Crash, collector: Collector) -> None:
    """Collect the stack of the crash from its lowest address up, as far as it is there and fits."""
    wanted = call_stack(crash)
    data = read_run(crash.memory, wanted.address, wanted.length)
    owned = crash.thread is not None and crash.thread.owns(wanted.address)
    if not data or (owned and len(data) < wanted.length):
        try:
            crash.memory.read(wanted.address, wanted.length)
        except MemoryReadError as error:
            collector.lose(f"{len(data):,} of {wanted.length:,} bytes are in the source: {error}")
    fits = collector.account.fits(len(data))
    if not fits:
        data = data[: collector.account.room]
    if data:
        collector.enter(len(data))
    if not fits:
        collector.refuse()
    collector.dump = replace(collector.dump, top_of_stack=wanted.address, call_stack=data)
