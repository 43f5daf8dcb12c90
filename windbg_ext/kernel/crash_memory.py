"""Virtual memory as the crashing processor saw it, from the directory table base in a dump's header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.errors import MemoryReadError
from windbg_ext.kernel.debugger_data import TAG_OFFSET
from windbg_ext.memory.paging import PagedMemory
from windbg_ext.memory.virtual import read_pointer
from windbg_ext.structs.header import DumpHeader32
from windbg_ext.structs.paging import X86_PAE

if TYPE_CHECKING:
    from windbg_ext.dump.header import DumpHeader
    from windbg_ext.memory.physical import PhysicalPages
    from windbg_ext.memory.virtual import VirtualMemory
    from windbg_ext.structs.paging import Paging


def crash_memory(physical: PhysicalPages, header: DumpHeader) -> PagedMemory:
    """Return the virtual memory behind the page tables that the header names."""
    memories = [PagedMemory(physical, header.directory_table_base, paging) for paging in _pagings(header)]
    return next((memory for memory in memories if _fits(memory, header)), memories[0])


def _pagings(header: DumpHeader) -> tuple[Paging, ...]:
    """Return how addresses may be translated, likeliest first: no header tells of LA57, one of x86 tells of PAE."""
    pagings = header.architecture.pagings
    with_pae = isinstance(header.raw, DumpHeader32) and header.raw.pae_enabled == 1
    return tuple(sorted(pagings, key=lambda paging: paging is not X86_PAE)) if with_pae else pagings


def _fits(memory: VirtualMemory, header: DumpHeader) -> bool:
    """Tell whether kernel addresses of the header lead anywhere: the header does not tell how many levels there are."""
    try:
        if header.kd_debugger_data_block is not None:
            memory.read(header.kd_debugger_data_block, TAG_OFFSET + 8)
            return True
        head = header.ps_loaded_module_list or 0
        return read_pointer(memory, read_pointer(memory, head) + memory.layouts.pointer_size) == head
    except MemoryReadError:
        return False
