"""Virtual memory as the crashing processor saw it, from the directory table base in a dump's header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.errors import MemoryReadError
from windbg_ext.kernel.context import parse_context
from windbg_ext.kernel.debugger_data import TAG_OFFSET
from windbg_ext.memory.ahead import begin, paged_memory
from windbg_ext.memory.virtual import read_pointer
from windbg_ext.structs.header import DumpHeader32
from windbg_ext.structs.paging import X86_PAE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.dump.header import DumpHeader
    from windbg_ext.memory.far import FarMemory
    from windbg_ext.memory.paging import PagedMemory
    from windbg_ext.memory.physical import PhysicalPages
    from windbg_ext.memory.virtual import VirtualMemory
    from windbg_ext.structs.paging import Paging


def crash_memory(physical: PhysicalPages, header: DumpHeader) -> PagedMemory | FarMemory:
    """Return the virtual memory behind the page tables that the header names."""
    root = header.directory_table_base
    memories = [paged_memory(physical, root, paging) for paging in _pagings(header)]
    for memory in memories:
        begin(memory, _named_by(header))
        if _fits(memory, header):
            return memory
    return memories[0]


def _named_by(header: DumpHeader) -> Iterator[int]:
    """Yield the addresses that a header names: all that is read of the kernel begins at one of them."""
    context = parse_context(header.raw.context_record, header.architecture)
    named = (header.kd_debugger_data_block, header.ps_loaded_module_list, *header.bug_check.parameters)
    for address in (*named, context.instruction_pointer, *context.registers):
        if address is not None and header.architecture.is_pointer(address):
            yield address


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
