"""The lists that a bug check hands over in its parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.commands.minify.collector import Wanted
from windbg_ext.commands.minify.parts.threads import thread_memory
from windbg_ext.commands.minify.parts.windows import WINDOW
from windbg_ext.errors import MemoryReadError
from windbg_ext.memory.paging import PAGE_SIZE
from windbg_ext.memory.virtual import read_pointer, read_structure
from windbg_ext.structs.kernel import DRIVER_POWER_STATE_FAILURE, TRIAGE_9F_SIGNATURE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.commands.minify.crash import Crash
    from windbg_ext.memory.virtual import VirtualMemory

MAX_LIST_ENTRIES = 256


def bug_check_lists(crash: Crash) -> Iterator[Wanted]:
    """Yield the entries of the lists that a bug check hands over.

    0x9F with parameter 1 = 3 points at nt!_TRIAGE_9F_POWER: lists of IRPs and of threads, and a work queue (Microsoft's
    bug check reference names the fields; their offsets were measured on a dump). The queue is a KPRIQUEUE, its list
    links the threads that serve it.
    """
    memory, bug_check = crash.memory, crash.bug_check
    code, (reason, _, triage, _) = bug_check.code & 0x0FFF_FFFF, bug_check.parameters
    if (code, reason) != (DRIVER_POWER_STATE_FAILURE, 3):
        return
    try:
        head = read_structure(memory, triage, memory.layouts.triage_9f_power)
    except MemoryReadError:
        return
    if head.signature != TRIAGE_9F_SIGNATURE:
        return
    yield Wanted(triage, WINDOW, holds_pointers=True)
    for list_head in (head.irp_list, head.thread_list):
        for entry in _list_entries(memory, list_head):
            yield Wanted(entry, WINDOW, holds_pointers=True)
    block, queue = crash.debugger_data, head.delayed_work_queue
    yield Wanted(queue, PAGE_SIZE, holds_pointers=True)
    for entry in _list_entries(memory, queue + block.offset_kpri_queue_thread_list_head):
        yield from thread_memory(crash, entry - block.offset_kthread_queue_list_entry, whole_stack=True)


def _list_entries(memory: VirtualMemory, head: int) -> Iterator[int]:
    entry = head
    for _ in range(MAX_LIST_ENTRIES):
        try:
            entry = read_pointer(memory, entry)
        except MemoryReadError:
            return
        if entry == head:
            return
        yield entry
