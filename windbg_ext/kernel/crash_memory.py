"""Virtual memory as the crashing processor saw it, from the directory table base in a dump's header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError, MemoryReadError
from windbg_ext.kernel.debugger_data import TAG_OFFSET
from windbg_ext.memory.virtual import read_pointer
from windbg_ext.memory.x64 import X64Memory
from windbg_ext.structs.header import Machine

if TYPE_CHECKING:
    from windbg_ext.dump.header import DumpHeader
    from windbg_ext.memory.physical import PhysicalPages
    from windbg_ext.memory.virtual import VirtualMemory


def crash_memory(physical: PhysicalPages, header: DumpHeader) -> X64Memory:
    """Give virtual memory behind the page tables that the header names. DumpError for other machines than x64."""
    if header.machine is not Machine.AMD64:
        raise DumpError("MachineImageType", f"{header.machine.name}: page tables of x64 only can be read so far")
    memories = [X64Memory(physical, header.directory_table_base, levels) for levels in (4, 5)]
    return next((memory for memory in memories if _fits(memory, header)), memories[0])


def _fits(memory: VirtualMemory, header: DumpHeader) -> bool:
    """Tell whether kernel addresses of the header lead anywhere: the header does not tell how many levels there are."""
    try:
        if header.kd_debugger_data_block is not None:
            memory.read(header.kd_debugger_data_block, TAG_OFFSET + 8)
            return True
        head = header.ps_loaded_module_list or 0
        return read_pointer(memory, read_pointer(memory, head) + 8) == head
    except MemoryReadError:
        return False
