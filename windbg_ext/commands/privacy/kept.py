"""Memory of which only the quadwords of a text are left out: code, stacks and the structures that debuggers go by."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError, MemoryReadError
from windbg_ext.kernel.debugger_data import read_debugger_data
from windbg_ext.kernel.processes import image_file_name, image_file_name_offset
from windbg_ext.kernel.processors import context_length, read_processors
from windbg_ext.kernel.threads import MAX_STACK, read_thread
from windbg_ext.limits import MAX_THREADS
from windbg_ext.memory.paging import PAGE_SIZE
from windbg_ext.memory.virtual import read_pointer, read_run
from windbg_ext.structs.kernel import DISPATCHER_HEADER_THREAD
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from windbg_ext.commands.privacy.stretches import Addresses
    from windbg_ext.dump.small_file import SmallDump
    from windbg_ext.kernel.debugger_data import DebuggerData
    from windbg_ext.kernel.target import Target
    from windbg_ext.kernel.threads import Thread

MAX_HEAD = 0x1000
"""Bytes of an EPROCESS in which its name stands."""
Span = tuple[int, int]
"""Where something begins and ends."""


class Kept(NamedTuple):
    """What stays. spans: memory of which only quadwords are left out, in ascending order; process_names: address and
    name of the name in each EPROCESS that is known; lowest_kernel: addresses below it are user mode.
    """

    spans: tuple[Span, ...]
    process_names: tuple[tuple[int, str], ...]
    lowest_kernel: int


def kept(target: Target, dump: SmallDump, addresses: Addresses) -> Kept:
    """Return what stays of a small dump, as far as the kernel's structures in it can be read."""
    header, architecture = target.header, target.header.architecture
    spans = [
        *((driver.entry.dll_base, driver.entry.dll_base + driver.entry.size_of_image) for driver in dump.drivers),
        (dump.top_of_stack, dump.top_of_stack + len(dump.call_stack)),
        (architecture.shared_user_data, architecture.shared_user_data + PAGE_SIZE),
    ]
    for address, data in (
        (addresses.prcb, dump.prcb),
        (addresses.thread, dump.thread),
        (addresses.process, dump.process),
        (addresses.debugger_data, dump.debugger_data),
    ):
        if address is not None:
            spans.append((address, address + len(data)))
    processes = {} if addresses.process is None else {addresses.process: _name(target, dump.process)}
    lowest = architecture.lowest_kernel
    try:
        block = read_debugger_data(
            target.memory, header.kd_debugger_data_block, header.ps_loaded_module_list, target.budget
        )
    except DumpError:
        return Kept(tuple(merged(spans)), tuple(_names(target, processes)), lowest)
    for thread in _threads(target, dump, block, spans):
        spans.append((thread.address, thread.address + block.size_ethread))
        limit = thread.stack_base - MAX_STACK if thread.stack_limit is None else thread.stack_limit
        spans.append((limit, thread.stack_base))
        if thread.process not in processes:
            head = min(block.size_eprocess, MAX_HEAD)
            processes[thread.process] = _name(target, read_run(target.memory, thread.process, head))
    spans.extend((address, address + block.size_eprocess) for address in processes)
    return Kept(tuple(merged(spans)), tuple(_names(target, processes)), max(lowest, _system_start(target, block)))


def _threads(target: Target, dump: SmallDump, block: DebuggerData, spans: list[Span]) -> Iterator[Thread]:
    """Yield the threads of processors, and those that data blocks begin with; add the processors to the spans."""
    memory, size = target.memory, target.memory.layouts.pointer_size
    try:
        processors = read_processors(memory, block, target.header.number_processors, target.header.architecture)
    except DumpError:
        processors = ()
    spans.append((block.ki_processor_block, block.ki_processor_block + size * len(processors)))
    for processor in processors:
        spans.append((processor.prcb, processor.prcb + block.size_prcb))
        if processor.context_address is not None:
            length = context_length(memory, processor.context_address, target.header.architecture.context)
            spans.append((processor.context_address, processor.context_address + length))
        if processor.thread is not None:
            yield processor.thread
    for saved in dump.data_blocks:
        if saved.data[:1] == bytes([DISPATCHER_HEADER_THREAD]) and not saved.address % (2 * size):
            target.budget.draw(MAX_THREADS, 1, "data blocks")
            thread = read_thread(memory, block, saved.address)
            if thread is not None and thread.owns(thread.kernel_stack):
                yield thread


def _name(target: Target, eprocess: bytes) -> str | None:
    return image_file_name(eprocess, target.header.machine, target.header.minor_version)


def _names(target: Target, processes: dict[int, str | None]) -> Iterator[tuple[int, str]]:
    """Yield the address of the name in each EPROCESS, and the name."""
    offset = image_file_name_offset(target.header.machine, target.header.minor_version)
    for address, name in processes.items():
        if name is not None and offset is not None:
            yield address + offset, name


def _system_start(target: Target, block: DebuggerData) -> int:
    """Return where the kernel begins: on x86 a boot option moves it up; 0 if nothing tells."""
    if target.memory.layouts.pointer_size == 8:
        return 0
    try:
        return read_pointer(target.memory, block.mm_system_range_start)
    except MemoryReadError:
        return 0


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return spans in ascending order; those that touch or overlap are one."""
    result: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if result and start <= result[-1][1]:
            result[-1] = result[-1][0], max(result[-1][1], end)
        else:
            result.append((start, end))
    return result


def overlap(span: Span, spans: Sequence[Span]) -> list[Span]:
    """Return what of a span lies in one of some others, which are in ascending order and do not overlap."""
    found = []
    for index in range(max(bisect_right(spans, (span[0],)) - 1, 0), len(spans)):
        start, end = spans[index]
        if start >= span[1]:
            break
        if end > span[0]:
            found.append((max(start, span[0]), min(end, span[1])))
    return found


def without(span: Span, spans: Sequence[Span]) -> list[Span]:
    """Return what of a span lies in none of some others, which are in ascending order and do not overlap."""
    left, at = [], span[0]
    for start, end in overlap(span, spans):
        if at < start:
            left.append((at, start))
        at = end
    return [*left, (at, span[1])] if at < span[1] else left
