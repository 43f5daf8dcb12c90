"""Which memory a small dump should hold, most important first.

What the debugger engine's own `.dump /m` saves was measured by comparing its output with the dumps it was made from.
This selection holds the same and what that one forgets: the context buffers, without which the engine shows no
registers and no stack of a processor.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from windbg_ext.errors import MemoryReadError
from windbg_ext.kernel.processors import context_length
from windbg_ext.kernel.threads import read_thread
from windbg_ext.memory.paging import PAGE_SHIFT
from windbg_ext.memory.virtual import read_pointer, read_u32
from windbg_ext.structs.kernel import (
    DISPATCHER_HEADER_THREAD,
    DRIVER_POWER_STATE_FAILURE,
    KERNEL_LAYOUTS,
    TRIAGE_9F_SIGNATURE,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from windbg_ext.dump.header import BugCheck
    from windbg_ext.kernel.context import Context
    from windbg_ext.kernel.debugger_data import DebuggerData
    from windbg_ext.kernel.processors import Processor
    from windbg_ext.kernel.target import Kernel, Target
    from windbg_ext.memory.paging import Paging
    from windbg_ext.memory.virtual import Piece, VirtualMemory
    from windbg_ext.structs.architectures import Architecture

PAGE = 0x1000
STACK_OF_PROCESSOR = 0x2000
STACK_OF_CRASH = 0x4000
CODE_AROUND = 0x100
WINDOW = 0x100
VARIABLE = 8
BUILD_LAB = 0x100
VERIFIER_DATA = 0xA0
MAX_LIST_ENTRIES = 256
MAX_REGISTERED_BLOCKS = 4096
MOST_REGISTERED_BYTES = 64 << 20

IO_TYPE_DEVICE, IO_TYPE_DRIVER, IO_TYPE_IRP = 3, 4, 6
"""The first u16 of an I/O object; its size in bytes is the second (wdm.h)."""


@dataclass(frozen=True)
class Wanted:
    """A range of memory.

    name: what to call it when it is missing, empty for what is only nice to have; essential: a debugger needs it;
    holds_pointers: what its quadwords point at is wanted too; memory: where to read it, None for the memory that the
    crashing processor saw.
    """

    address: int
    length: int
    name: str = ""
    essential: bool = False
    holds_pointers: bool = False
    memory: VirtualMemory | None = None


def contexts(kernel: Kernel) -> list[Context]:
    """Give the registers in the header, then every processor's, the crashing one's first."""
    own = [processor.context for processor in _crashed_first(kernel)]
    return [kernel.context, *(context for context in own if context is not None)]


def registers(kernel: Kernel) -> bytes:
    """Give the general registers of all contexts, one behind the other."""
    return b"".join(pointers(context.registers, kernel.architecture) for context in contexts(kernel))


def pointers(values: Sequence[int], architecture: Architecture) -> bytes:
    """Give values as they stand in memory, one behind the other."""
    return struct.pack(f"<{len(values)}{architecture.pointer_code}", *values)


def _crashed_first(kernel: Kernel) -> list[Processor]:
    return sorted(kernel.processors, key=lambda processor: processor is not kernel.crashed)


def call_stack(kernel: Kernel, crashed: Processor) -> Wanted:
    """Give the stack of the crash, from the lower of the header's and the processor's stack pointers up to its base.

    They differ where the header has the registers of an exception and the processor those of the bug check after it.
    """
    stack_pointer = kernel.context.stack_pointer
    top = stack_pointer + STACK_OF_CRASH
    thread, context = crashed.thread, crashed.context
    if thread is not None and thread.owns(stack_pointer):
        top = thread.stack_base
        if context is not None and thread.owns(context.stack_pointer):
            stack_pointer = min(stack_pointer, context.stack_pointer)
    return Wanted(stack_pointer, top - stack_pointer, "call stack", essential=True, holds_pointers=True)


def processors(target: Target, kernel: Kernel, crashed: Processor) -> Iterator[Wanted]:
    """Give each processor's control block, the context that it points at and its stack, then the list of processors.

    The list comes last: with it, the engine wants every control block in a data block and shows no registers at all
    where the first is missing; without it, it shows the crashing processor from the small dump's own parts.
    """
    block = kernel.debugger_data
    for processor in _crashed_first(kernel):
        yield Wanted(processor.prcb, block["SizePrcb"], f"KPRCB of processor {processor.number}", essential=True)
        if processor.context_address is not None:
            length = context_length(target.memory, processor.context_address, kernel.architecture.context)
            name = f"context of processor {processor.number}"
            yield Wanted(processor.context_address, length, name, essential=True)
        if processor is crashed:
            yield call_stack(kernel, crashed)
        if processor.context is not None:
            yield _stack(target, kernel, processor, processor.context.stack_pointer)
    size = kernel.architecture.pointer_size * len(kernel.processors)
    yield Wanted(block["KiProcessorBlock"], size, "KiProcessorBlock", essential=True)


def _stack(target: Target, kernel: Kernel, processor: Processor, stack_pointer: int) -> Wanted:
    """Give a processor's stack from its stack pointer up; one in user mode is read in the process that runs there."""
    name = f"stack of processor {processor.number}"
    if stack_pointer >= kernel.architecture.lowest_kernel:
        return Wanted(stack_pointer, STACK_OF_PROCESSOR, name, essential=True, holds_pointers=True)
    memory = (
        None if processor.thread is None else process_memory(target, kernel.debugger_data, processor.thread.process)
    )
    return Wanted(stack_pointer, STACK_OF_PROCESSOR, name, holds_pointers=memory is None, memory=memory)


def process_memory(target: Target, block: DebuggerData, process: int) -> VirtualMemory | None:
    """Give the memory that a process sees, None if that is the memory of the crash or cannot be told.

    The debugger engine reads user addresses through the current thread's process, too, and through the header's
    directory table base where it cannot find that process.
    """
    try:
        root = read_pointer(target.memory, process + block["OffsetEprocessDirectoryTableBase"])
    except MemoryReadError:
        return None
    mask = 0 if target.paging is None else target.paging.root_mask
    same = (root ^ target.header.directory_table_base) & mask == 0
    return None if same else target.memory_of(root)


def registered_blocks(memory: VirtualMemory, kernel: Kernel) -> Iterator[Wanted]:
    """Give what kernel and drivers registered for small dumps: IopNumTriageDumpDataBlocks times {start, end}.

    Measured on dumps of 64-bit Windows 10 and 11: the second pointer is the end, not the length.
    """
    block, size = kernel.debugger_data, kernel.architecture.pointer_size
    if not block["IopNumTriageDumpDataBlocks"] or not block["IopTriageDumpDataBlocks"]:
        return
    try:
        count = min(read_u32(memory, block["IopNumTriageDumpDataBlocks"]), MAX_REGISTERED_BLOCKS)
        table = memory.read(block["IopTriageDumpDataBlocks"], 2 * size * count)
    except MemoryReadError:
        return
    yield Wanted(block["IopNumTriageDumpDataBlocks"], 4)
    yield Wanted(block["IopTriageDumpDataBlocks"], len(table))
    total = 0
    for start, end in struct.iter_unpack(f"<2{kernel.architecture.pointer_code}", table):
        total += max(end - start, 0)
        if total > MOST_REGISTERED_BYTES:  # nobody registers that much: the list is damaged from here on
            return
        if start < end:
            yield Wanted(start, end - start)


def kernel_variables(kernel: Kernel) -> Iterator[Wanted]:
    """Give the variables that the debugger data block points at, the kernel's image header and the shared data page."""
    block = kernel.debugger_data
    yield Wanted(block["NtBuildLab"], BUILD_LAB)
    yield Wanted(block["MmVerifierData"], VERIFIER_DATA)
    yield Wanted(kernel.architecture.shared_user_data, PAGE)
    yield Wanted(block["KernBase"], PAGE)
    for name in block.record.all_numbers():
        if block[name] >= kernel.architecture.lowest_kernel:
            yield Wanted(block[name], VARIABLE)


def code(kernel: Kernel) -> Iterator[Wanted]:
    """Give the page of the crash's instruction pointer and the code around every other one."""
    crashed = kernel.crashed.context if kernel.crashed else None
    for context in (kernel.context, crashed or kernel.context):
        yield Wanted(context.instruction_pointer & -PAGE, PAGE, "code at the crash")
    for context in contexts(kernel):
        if context.instruction_pointer >= kernel.architecture.lowest_kernel:
            yield Wanted(context.instruction_pointer - CODE_AROUND, 2 * CODE_AROUND)


def crash_surroundings(memory: VirtualMemory, kernel: Kernel, crashed: Processor) -> Iterator[Wanted]:
    """Give what lies below the stack pointer in its page, and the pages of the crashing thread's TEB and PEB."""
    stack_pointer = kernel.context.stack_pointer
    yield Wanted(stack_pointer & -PAGE, stack_pointer % PAGE)
    block, thread = kernel.debugger_data, crashed.thread
    if thread is not None:
        for field, base in (("OffsetKThreadTeb", thread.address), ("OffsetEprocessPeb", thread.process)):
            try:
                address = read_pointer(memory, base + block[field])
            except MemoryReadError:
                continue
            if kernel.architecture.is_pointer(address):
                yield Wanted(address & -PAGE, PAGE)


def pages_of_parameters(parameters: Iterable[int], architecture: Architecture) -> Iterator[Wanted]:
    """Give the pages that bug check parameters point at."""
    for number, parameter in enumerate(parameters, 1):
        if architecture.is_pointer(parameter):
            yield Wanted(parameter & -PAGE, PAGE, f"page at bug check parameter {number}")


def windows(memory: VirtualMemory, piece: Piece, seen: set[int], architecture: Architecture) -> Iterator[Wanted]:
    """Give a window at every pointer that stands in a piece of memory: WINDOW bytes, or the whole I/O object there.

    seen: pointers that had their window already.
    """
    size = architecture.pointer_size
    aligned = piece.data[-piece.address % size :]
    for (value,) in struct.iter_unpack(f"<{architecture.pointer_code}", aligned[: len(aligned) & -size]):
        if value not in seen and architecture.is_pointer(value):
            seen.add(value)
            length = io_object_size(memory, value) if value >= architecture.lowest_kernel else 0
            yield Wanted(value, max(WINDOW, length), holds_pointers=True)


def thread_memory(memory: VirtualMemory, kernel: Kernel, address: int, *, whole_stack: bool) -> Iterator[Wanted]:
    """Give the thread at an address and its stack, if there is one that is switched out; else nothing.

    whole_stack: from its limit up, as the engine saves those that a bug check names; else from its stack pointer up.
    """
    try:
        if address % (2 * memory.pointer_size) or memory.read(address, 1)[0] != DISPATCHER_HEADER_THREAD:
            return
    except MemoryReadError:
        return
    thread = read_thread(memory, kernel.debugger_data, address)
    if thread is None or not thread.owns(thread.kernel_stack):
        return
    start = thread.stack_limit if whole_stack and thread.stack_limit is not None else thread.kernel_stack
    yield Wanted(address, kernel.debugger_data["SizeEThread"])
    yield Wanted(start, thread.stack_base - start)


def bug_check_lists(memory: VirtualMemory, kernel: Kernel, bug_check: BugCheck) -> Iterator[Wanted]:
    """Give the entries of the lists that a bug check hands over.

    0x9F with parameter 1 = 3 points at nt!_TRIAGE_9F_POWER: lists of IRPs and of threads, and a work queue (Microsoft's
    bug check reference names the fields; their offsets were measured on a dump). The queue is a KPRIQUEUE, its list
    links the threads that serve it.
    """
    code, (reason, _, triage, _) = bug_check.code & 0x0FFF_FFFF, bug_check.parameters
    if (code, reason) != (DRIVER_POWER_STATE_FAILURE, 3):
        return
    layout = KERNEL_LAYOUTS[memory.pointer_size].triage_9f_power
    try:
        head = layout.parse(memory.read(triage, layout.size))
    except MemoryReadError:
        return
    if head.number("Signature") != TRIAGE_9F_SIGNATURE:
        return
    yield Wanted(triage, WINDOW, holds_pointers=True)
    for name in ("IrpList", "ThreadList"):
        for entry in _list_entries(memory, head.number(name)):
            yield Wanted(entry, WINDOW, holds_pointers=True)
    block, queue = kernel.debugger_data, head.number("DelayedWorkQueue")
    yield Wanted(queue, PAGE, holds_pointers=True)
    for entry in _list_entries(memory, queue + block["OffsetKPriQueueThreadListHead"]):
        thread = entry - block["OffsetKThreadQueueListEntry"]
        yield from thread_memory(memory, kernel, thread, whole_stack=True)


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


def io_object_size(memory: VirtualMemory, address: int) -> int:
    """Give the size of the device object, driver object or IRP at an address, 0 if there is none (wdm.h)."""
    if address % memory.pointer_size:
        return 0
    layouts = KERNEL_LAYOUTS[memory.pointer_size]
    try:
        kind, size = struct.unpack("<HH", memory.read(address, 4))
    except MemoryReadError:
        return 0
    smallest = {
        IO_TYPE_DEVICE: layouts.device_object,
        IO_TYPE_DRIVER: layouts.driver_object,
        IO_TYPE_IRP: layouts.irp,
    }.get(kind)
    if smallest is None or size < smallest:
        return 0
    if kind == IO_TYPE_IRP and (size - layouts.irp) % layouts.io_stack_location:
        return 0
    return int(size)


def page_table_entries(kernel: Kernel, pages: Iterable[int], paging: Paging) -> Iterator[Wanted]:
    """Give the page-table entries of pages, at the addresses where the kernel maps its own page tables."""
    base, size = kernel.debugger_data["PteBase"] or kernel.architecture.pte_base, paging.entry_size
    mask = (1 << paging.address_bits) - 1
    if not base:
        return
    for page in pages:
        address = page
        for _ in range(paging.mapped_levels):
            address = base + ((address & mask) >> PAGE_SHIFT) * size
            yield Wanted(address, size)
