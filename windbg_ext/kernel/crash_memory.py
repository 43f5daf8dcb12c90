"""Virtual memory as the crashing processor saw it, from the directory table base in a dump's header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.errors import MemoryReadError
from windbg_ext.kernel.debugger_data import TAG_OFFSET
from windbg_ext.memory.paging import ARM64, X64, X64_LA57, X86, X86_PAE, PagedMemory
from windbg_ext.memory.virtual import read_pointer
from windbg_ext.structs.header import Machine

if TYPE_CHECKING:
    from windbg_ext.dump.header import DumpHeader
    from windbg_ext.memory.physical import PhysicalPages
    from windbg_ext.memory.virtual import VirtualMemory


PAGINGS = {Machine.I386: (X86_PAE, X86), Machine.AMD64: (X64, X64_LA57), Machine.ARM64: (ARM64,)}
"""Those of a machine, the usual one first. A header tells neither LA57 nor, where a debugger wrote it, PAE."""


def crash_memory(physical: PhysicalPages, header: DumpHeader) -> PagedMemory:
    """Give virtual memory behind the page tables that the header names."""
    memories = [PagedMemory(physical, header.directory_table_base, paging) for paging in PAGINGS[header.machine]]
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
