"""The parts that have a place of their own in a small dump and are no list: headers, structures of the crash, figures.

Layouts and sources: `windbg_ext.structs.triage`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from windbg_ext.errors import MemoryReadError
from windbg_ext.memory.paging import PAGE_SHIFT

if TYPE_CHECKING:
    from windbg_ext.commands.minify.collector import Collector
    from windbg_ext.commands.minify.crash import Crash
    from windbg_ext.kernel.debugger_data import DebuggerData
    from windbg_ext.memory.virtual import VirtualMemory


def collect_headers(crash: Crash, collector: Collector) -> None:
    """Take the room of the header, in which context and exception lie, and of the TRIAGE_DUMP that follows it."""
    layouts = crash.target.header.layouts
    collector.enter(layouts.header.SIZE + layouts.triage.SIZE)


def collect_kprcb(crash: Crash, collector: Collector) -> None:
    """Collect the control block of the crashed processor."""
    data = _structure(crash, collector, crash.processor.prcb, crash.debugger_data.size_prcb)
    collector.dump = replace(collector.dump, prcb=data)


def collect_ethread(crash: Crash, collector: Collector) -> None:
    """Collect the thread that ran there, or that a debugger takes for it."""
    address = crash.shown_thread.address if crash.shown_thread else 0
    data = _structure(crash, collector, address, crash.debugger_data.size_ethread)
    collector.dump = replace(collector.dump, thread=data)


def collect_eprocess(crash: Crash, collector: Collector) -> None:
    """Collect the process of that thread."""
    process = crash.shown_thread.process if crash.shown_thread else 0
    data = _structure(crash, collector, process, crash.debugger_data.size_eprocess)
    collector.dump = replace(collector.dump, process=data)


def collect_debugger_data(crash: Crash, collector: Collector) -> None:
    """Collect the debugger data block, decoded."""
    collector.dump = replace(collector.dump, debugger_data=_whole(collector, crash.debugger_data.data))


def collect_mm_information(crash: Crash, collector: Collector) -> None:
    """Collect the figures of the memory manager."""
    data = mm_information(crash.memory, crash.debugger_data)
    collector.dump = replace(collector.dump, mm=_whole(collector, data))


def _structure(crash: Crash, collector: Collector, address: int, size: int) -> bytes:
    """Read a structure: the engine takes it for whole, so it is whole or not there."""
    try:
        data = crash.memory.read(address, size) if address and size else b""
    except MemoryReadError as error:
        collector.lose(str(error))
        return b""
    if not data:
        collector.lose("the source does not tell where it is")
        return b""
    return _whole(collector, data)


def _whole(collector: Collector, data: bytes) -> bytes:
    return data if collector.take(len(data)) else b""


def mm_information(memory: VirtualMemory, block: DebuggerData) -> bytes:
    """Return the MM part, from the variables that the debugger data block points at, as the debugger engine fills it.

    Measured: a different value behind each pointer, and where it came out. Windows 10 and 11 leave most of these
    pointers 0; what cannot be read stays 0.
    """

    def u32(address: int) -> int:
        return _variable(memory, address, 4)

    def pages(address: int) -> int:
        return _variable(memory, address, memory.layouts.pointer_size)

    structure = memory.layouts.mm
    return structure.blank(
        version=1,
        size=structure.SIZE,
        mm_special_pool_tag=u32(block.mm_special_pool_tag),
        mm_triage_action_taken=u32(block.mm_triage_action_taken),
        kernel_verifier=u32(block.kernel_verifier),
        maximum_non_paged_pool_pages=u32(block.mm_maximum_non_paged_pool_in_bytes) >> PAGE_SHIFT,
        allocated_non_paged_pool_pages=pages(block.mm_allocated_non_paged_pool),
        paged_pool_maximum_pages=u32(block.mm_size_of_paged_pool_in_bytes) >> PAGE_SHIFT,
        committed_pages=pages(block.mm_total_committed_pages),
        committed_pages_peak=pages(block.mm_peak_commitment),
        commit_limit_maximum=pages(block.mm_total_commit_limit_maximum),
    ).build()


def _variable(memory: VirtualMemory, address: int, size: int) -> int:
    try:
        return int.from_bytes(memory.read(address, size), "little") if address else 0
    except MemoryReadError:
        return 0
