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
from windbg_ext.memory.virtual import read_u32
from windbg_ext.structs.kernel import DISPATCHER_HEADER_THREAD

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from windbg_ext.kernel.context import Context
    from windbg_ext.kernel.processors import Processor
    from windbg_ext.kernel.target import Kernel
    from windbg_ext.memory.virtual import Piece, VirtualMemory

PAGE = 0x1000
STACK_OF_PROCESSOR = 0x2000
STACK_OF_CRASH = 0x4000
STACK_OF_THREAD = 0x2000
CODE_AROUND = 0x100
WINDOW = 0x100
VARIABLE = 8
BUILD_LAB = 0x100
MAX_REGISTERED_BLOCKS = 4096
LARGEST_REGISTERED_BLOCK = 1 << 20

SHARED_USER_DATA = 0xFFFFF78000000000
"""KUSER_SHARED_DATA in kernel mode, the same address in every x64 Windows (ntddk.h)."""
CLASSIC_PTE_BASE = 0xFFFFF68000000000
"""Where page tables lay before Windows 10 1607 moved them about and put PteBase into the debugger data block."""

LOWEST_USER = 0x10000
HIGHEST_USER = 0x7FFF_FFFF_FFFF
LOWEST_KERNEL = 0xFF00_0000_0000_0000
"""Five-level kernels start here, four-level ones higher; what is not canonical is not mapped."""


@dataclass(frozen=True)
class Wanted:
    """A range of memory.

    name: what to call it when it is missing, empty for what is only nice to have; essential: a debugger needs it;
    holds_pointers: what its quadwords point at is wanted too.
    """

    address: int
    length: int
    name: str = ""
    essential: bool = False
    holds_pointers: bool = False


def contexts(kernel: Kernel) -> list[Context]:
    """Give the registers in the header, then every processor's, the crashing one's first."""
    own = [processor.context for processor in _crashed_first(kernel)]
    return [kernel.context, *(context for context in own if context is not None)]


def registers(kernel: Kernel) -> bytes:
    """Give the general registers of all contexts, one behind the other."""
    return b"".join(struct.pack(f"<{len(context.registers)}Q", *context.registers) for context in contexts(kernel))


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


def processors(memory: VirtualMemory, kernel: Kernel, crashed: Processor) -> Iterator[Wanted]:
    """Give the list of processors, then for each its control block, the context that it points at, and its stack."""
    block = kernel.debugger_data
    yield Wanted(block["KiProcessorBlock"], 8 * len(kernel.processors), "KiProcessorBlock", essential=True)
    for processor in _crashed_first(kernel):
        yield Wanted(processor.prcb, block["SizePrcb"], f"KPRCB of processor {processor.number}", essential=True)
        name = f"context of processor {processor.number}"
        if processor.context_address is not None:
            length = context_length(memory, processor.context_address)
            yield Wanted(processor.context_address, length, name, essential=True)
        if processor is crashed:
            yield call_stack(kernel, crashed)
        if processor.context is not None and processor.context.stack_pointer >= LOWEST_KERNEL:
            yield _stack(processor, processor.context.stack_pointer)


def _stack(processor: Processor, stack_pointer: int) -> Wanted:
    length = STACK_OF_PROCESSOR
    if processor.thread is not None and processor.thread.owns(stack_pointer):
        length = min(length, processor.thread.stack_base - stack_pointer)
    name = f"stack of processor {processor.number}"
    return Wanted(stack_pointer, length, name, essential=True, holds_pointers=True)


def registered_blocks(memory: VirtualMemory, kernel: Kernel) -> Iterator[Wanted]:
    """Give what drivers registered for small dumps: IopNumTriageDumpDataBlocks entries {u64 address, u64 length}."""
    block = kernel.debugger_data
    if not block["IopNumTriageDumpDataBlocks"] or not block["IopTriageDumpDataBlocks"]:
        return
    try:
        count = min(read_u32(memory, block["IopNumTriageDumpDataBlocks"]), MAX_REGISTERED_BLOCKS)
        table = memory.read(block["IopTriageDumpDataBlocks"], 16 * count)
    except MemoryReadError:
        return
    yield Wanted(block["IopNumTriageDumpDataBlocks"], 4)
    yield Wanted(block["IopTriageDumpDataBlocks"], len(table))
    for address, length in struct.iter_unpack("<QQ", table):
        if 0 < length <= LARGEST_REGISTERED_BLOCK:
            yield Wanted(address, length)


def kernel_variables(kernel: Kernel) -> Iterator[Wanted]:
    """Give the variables that the debugger data block points at, the kernel's image header and the shared data page."""
    block = kernel.debugger_data
    yield Wanted(block["NtBuildLab"], BUILD_LAB)
    yield Wanted(SHARED_USER_DATA, PAGE)
    yield Wanted(block["KernBase"], PAGE)
    for value in block.record.all_numbers().values():
        if value >= LOWEST_KERNEL:
            yield Wanted(value, VARIABLE)


def code(kernel: Kernel) -> Iterator[Wanted]:
    """Give the page of the crash's instruction pointer and the code around every other one."""
    crashed = kernel.crashed.context if kernel.crashed else None
    for context in (kernel.context, crashed or kernel.context):
        yield Wanted(context.instruction_pointer & -PAGE, PAGE, "code at the crash")
    for context in contexts(kernel):
        if context.instruction_pointer >= LOWEST_KERNEL:
            yield Wanted(context.instruction_pointer - CODE_AROUND, 2 * CODE_AROUND)


def pages_of_parameters(parameters: Iterable[int]) -> Iterator[Wanted]:
    """Give the pages that bug check parameters point at."""
    for number, parameter in enumerate(parameters, 1):
        if is_pointer(parameter):
            yield Wanted(parameter & -PAGE, PAGE, f"page at bug check parameter {number}")


def windows(piece: Piece, seen: set[int]) -> Iterator[Wanted]:
    """Give a window at every pointer that stands in a piece of memory. seen: pointers that had theirs already."""
    skip = -piece.address % 8
    count = max(len(piece.data) - skip, 0) // 8
    for value in struct.unpack_from(f"<{count}Q", piece.data, skip):
        if value not in seen and is_pointer(value):
            seen.add(value)
            yield Wanted(value, WINDOW)


def thread_stack(memory: VirtualMemory, kernel: Kernel, address: int) -> Wanted | None:
    """Give the stack of the thread at an address, if one is there that is switched out."""
    try:
        if address % 16 or memory.read(address, 1)[0] != DISPATCHER_HEADER_THREAD:
            return None
    except MemoryReadError:
        return None
    thread = read_thread(memory, kernel.debugger_data, address)
    if thread is None or not thread.owns(thread.kernel_stack):
        return None
    return Wanted(thread.kernel_stack, min(thread.stack_base - thread.kernel_stack, STACK_OF_THREAD))


def page_table_entries(kernel: Kernel, pages: Iterable[int], levels: int) -> Iterator[Wanted]:
    """Give the page-table entries of pages, at the addresses where the kernel maps its own page tables."""
    base = kernel.debugger_data["PteBase"] or CLASSIC_PTE_BASE
    mask = (1 << 12 + 9 * levels) - 1
    for page in pages:
        address = page
        for _ in range(levels):
            address = base + ((address & mask) >> 12) * 8
            yield Wanted(address, 8)


def is_pointer(value: int) -> bool:
    """Tell whether a value can be an address in user or kernel mode."""
    return value >= LOWEST_KERNEL or LOWEST_USER <= value <= HIGHEST_USER
