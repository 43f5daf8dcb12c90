"""Where the structures were that have a place of their own in a small dump."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.commands.privacy.stretches import Addresses
from windbg_ext.errors import DumpError, MemoryReadError
from windbg_ext.kernel.debugger_data import read_debugger_data
from windbg_ext.memory.virtual import read_pointer

if TYPE_CHECKING:
    from windbg_ext.kernel.debugger_data import DebuggerData
    from windbg_ext.kernel.target import Target


def addresses_of(target: Target, prcb: bytes, thread: bytes) -> Addresses:
    """Return the addresses of a small dump's parts, as far as these tell them. prcb, thread: bytes of these parts."""
    header = target.header
    try:
        block = read_debugger_data(target.memory, header.kd_debugger_data_block, None, target.budget)
    except DumpError:
        return Addresses(debugger_data=header.kd_debugger_data_block)
    size = target.memory.layouts.pointer_size
    return Addresses(
        prcb=_prcb(target, block, prcb),
        process=_pointer(thread, block.offset_kthread_apc_process, size),
        thread=_pointer(prcb, block.offset_prcb_current_thread, size),
        debugger_data=block.address,
    )


def _pointer(structure: bytes, offset: int, size: int) -> int | None:
    return int.from_bytes(structure[offset : offset + size], "little") or None if offset and structure else None


def _prcb(target: Target, block: DebuggerData, prcb: bytes) -> int | None:
    """Return the address of the KPRCB of the crashing processor, by the number that it has itself."""
    if not block.offset_prcb_number or not prcb:
        return None
    number = prcb[block.offset_prcb_number : block.offset_prcb_number + 2]
    size = target.memory.layouts.pointer_size
    try:
        return read_pointer(target.memory, block.ki_processor_block + size * int.from_bytes(number, "little"))
    except MemoryReadError:
        return None
