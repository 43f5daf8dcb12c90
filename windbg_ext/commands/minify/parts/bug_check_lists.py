"""The lists that a bug check hands over in its parameters, and other memory of it that takes a lot of room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.commands.minify.collector import Wanted
from windbg_ext.commands.minify.crash import PNP_BLOCKED
from windbg_ext.commands.minify.parts.devices import Devices
from windbg_ext.commands.minify.parts.threads import thread_memory
from windbg_ext.commands.minify.parts.watchdog import WATCHDOG_VIOLATION, watchdog_profile
from windbg_ext.commands.minify.parts.windows import WINDOW, io_object_size
from windbg_ext.errors import MemoryReadError
from windbg_ext.memory.paging import PAGE_SIZE
from windbg_ext.memory.virtual import read_pointer, read_structure
from windbg_ext.structs.io_objects import TRIAGE_9F_PNP_SIGNATURE
from windbg_ext.structs.kernel import DRIVER_POWER_STATE_FAILURE, TRIAGE_9F_SIGNATURE, TRIAGE_9F_TWO_QUEUES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.commands.minify.crash import Crash
    from windbg_ext.memory.virtual import VirtualMemory

MAX_LIST_ENTRIES = 256
IRP_BLOCKED = 3
"""Parameter 1 of 0x9F: a device blocks an IRP."""


def bug_check_lists(crash: Crash) -> Iterator[Wanted]:
    """Yield what the lists of a bug check lead to.

    Microsoft's bug check reference names what the parameters of 0x9F point at; see `windbg_ext.structs.kernel` and
    `windbg_ext.structs.io_objects`.
    """
    code, (reason, second, third, fourth) = crash.bug_check.plain_code, crash.bug_check.parameters
    if code == WATCHDOG_VIOLATION:
        yield from watchdog_profile(crash)
    if code != DRIVER_POWER_STATE_FAILURE:
        return
    devices = Devices(crash)
    if reason == PNP_BLOCKED:
        yield from thread_memory(crash, third, whole_stack=True)
        yield from _pnp_lists(crash, devices, fourth)
        return
    for address in (second, third):  # device objects where they are any
        yield from devices.device(address)
    if reason == IRP_BLOCKED:
        yield from _power_lists(crash, devices, third)


def _power_lists(crash: Crash, devices: Devices, triage: int) -> Iterator[Wanted]:
    """Yield what nt!_TRIAGE_9F_POWER lists: IRPs with their devices, threads, and the queues of workers."""
    memory, layouts = crash.memory, crash.memory.layouts
    try:
        head = read_structure(memory, triage, layouts.triage_9f_power)
    except MemoryReadError:
        return
    if head.signature != TRIAGE_9F_SIGNATURE:
        return
    yield Wanted(triage, WINDOW, holds_pointers=True)
    for entry in _list_entries(memory, head.irp_list):
        yield Wanted(entry, WINDOW, holds_pointers=True)
        try:
            irp = read_structure(memory, entry, layouts.followed.pop_irp_data)
        except MemoryReadError:
            continue
        if size := io_object_size(memory, irp.irp):
            yield Wanted(irp.irp, size, holds_pointers=True)
        yield from devices.device(irp.pdo)
    for entry in _list_entries(memory, head.thread_list):
        yield Wanted(entry, WINDOW, holds_pointers=True)
    yield from _queue(crash, head.delayed_work_queue)
    if head.revision >= TRIAGE_9F_TWO_QUEUES:
        yield from _queue(crash, head.second_work_queue)


def _pnp_lists(crash: Crash, devices: Devices, triage: int) -> Iterator[Wanted]:
    """Yield what nt!_TRIAGE_9F_PNP lists: the devices whose requests are under way, and the queue of workers."""
    memory, layouts = crash.memory, crash.memory.layouts
    try:
        head = read_structure(memory, triage, layouts.followed.triage_9f_pnp)
    except MemoryReadError:
        return
    if head.signature != TRIAGE_9F_PNP_SIGNATURE:
        return
    yield Wanted(triage, WINDOW, holds_pointers=True)
    yield Wanted(head.completion_queue, WINDOW, holds_pointers=True)
    for entry in _list_entries(memory, head.completion_queue):
        yield Wanted(entry, WINDOW, holds_pointers=True)
        try:
            node = read_pointer(memory, entry + 2 * layouts.pointer_size)
            pdo = read_structure(memory, node, layouts.followed.device_node).physical_device_object
        except MemoryReadError:
            continue
        yield from devices.node(node)
        yield from devices.device(pdo)
    yield from _queue(crash, head.delayed_work_queue)


def _queue(crash: Crash, queue: int) -> Iterator[Wanted]:
    """Yield a KPRIQUEUE, its list of the threads that serve it, and those of them that were switched out."""
    if not queue:
        return
    memory, block = crash.memory, crash.debugger_data
    yield Wanted(queue, PAGE_SIZE, holds_pointers=True)
    for entry in _list_entries(memory, queue + block.offset_kpri_queue_thread_list_head):
        yield Wanted(entry, 2 * memory.layouts.pointer_size)
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
