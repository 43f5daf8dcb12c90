"""Threads and their stacks, found through the offsets of the debugger data block.

Windows 8 and later tell where a stack begins and ends (OffsetKThreadStackLimit, OffsetKThreadStackBase); Windows 7's
block ends before that, there the top is KTHREAD.InitialStack and the limit is not known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.errors import MemoryReadError
from windbg_ext.memory.virtual import read_pointer
from windbg_ext.structs.kernel import DISPATCHER_HEADER_THREAD
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.kernel.debugger_data import DebuggerData
    from windbg_ext.memory.virtual import VirtualMemory

MAX_STACK = 0x20000
"""A kernel stack is 24 KB on x64, 72 KB when a thread has a large one."""


class Thread(NamedTuple):
    """A KTHREAD. stack_limit: lowest address of its kernel stack, None where Windows does not tell; stack_base: the end
    of the stack; kernel_stack: the stack pointer when it was last switched out; process: its KPROCESS.
    """

    address: int
    process: int
    initial_stack: int
    stack_limit: int | None
    stack_base: int
    kernel_stack: int

    def owns(self, stack_pointer: int) -> bool:
        """Tell whether an address lies in the stack of this thread."""
        limit = self.stack_base - MAX_STACK if self.stack_limit is None else self.stack_limit
        return limit <= stack_pointer < self.stack_base


def read_thread(memory: VirtualMemory, block: DebuggerData, address: int) -> Thread | None:
    """Read the thread at an address; None if it cannot be read or its fields do not fit a thread."""
    try:
        kind = memory.read(address, 1)[0]
        initial = read_pointer(memory, address + block.offset_kthread_initial_stack)
        kernel = read_pointer(memory, address + block.offset_kthread_kernel_stack)
        process = read_pointer(memory, address + block.offset_kthread_apc_process)
        limit: int | None = None
        base = initial
        if block.offset_kthread_stack_limit and block.offset_kthread_stack_base:
            limit = read_pointer(memory, address + block.offset_kthread_stack_limit)
            base = read_pointer(memory, address + block.offset_kthread_stack_base)
    except MemoryReadError:
        return None
    if (
        kind != DISPATCHER_HEADER_THREAD
        or initial > base
        or initial % (2 * memory.layouts.pointer_size)
        or base - initial > MAX_STACK
    ):
        return None
    if limit is not None and not 0 < base - limit <= MAX_STACK:
        return None
    return Thread(address, process, initial, limit, base, kernel)
