"""The parts that have a place of their own in a small dump and are no list: headers, structures of the crash, figures.

Layouts and sources: `windbg_ext.structs.triage`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from windbg_ext.errors import MemoryReadError
from windbg_ext.memory.paging import PAGE_SHIFT
from windbg_ext.structs.triage import SMALL_DUMP_LAYOUTS

if TYPE_CHECKING:
    from windbg_ext.commands.minify.collector import Collector
    from windbg_ext.commands.minify.crash import Crash
    from windbg_ext.kernel.debugger_data import DebuggerData
    from windbg_ext.memory.virtual import VirtualMemory
    from windbg_ext.structs.layout import Layout


def collect_headers(crash: Crash, collector: Collector) -> None:
    """Take the room of the header, in which context and exception lie, and of the TRIAGE_DUMP that follows it."""
    layouts = SMALL_DUMP_LAYOUTS[crash.target.header.record.layout.name]
    collector.enter(layouts.header.size + layouts.triage.size)


def collect_kprcb(crash: Crash, collector: Collector) -> None:
    """Collect the control block of the crashed processor."""
    data = _structure(crash, collector, crash.processor.prcb, crash.debugger_data["SizePrcb"])
    collector.dump = replace(collector.dump, prcb=data)


def collect_ethread(crash: Crash, collector: Collector) -> None:
    """Collect the thread that ran there."""
    address = crash.thread.address if crash.thread else 0
    data = _structure(crash, collector, address, crash.debugger_data["SizeEThread"])
    collector.dump = replace(collector.dump, thread=data)


def collect_eprocess(crash: Crash, collector: Collector) -> None:
    """Collect the process of that thread."""
    data = _structure(crash, collector, crash.process, crash.debugger_data["SizeEProcess"])
    collector.dump = replace(collector.dump, process=data)


def collect_debugger_data(crash: Crash, collector: Collector) -> None:
    """Collect the debugger data block, decoded."""
    collector.dump = replace(collector.dump, debugger_data=_whole(collector, crash.debugger_data.data))


def collect_mm_information(crash: Crash, collector: Collector) -> None:
    """Collect the figures of the memory manager."""
    layout = SMALL_DUMP_LAYOUTS[crash.target.header.record.layout.name].mm
    data = _mm_information(crash.memory, crash.debugger_data, layout)
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


def _mm_information(memory: VirtualMemory, block: DebuggerData, layout: Layout) -> bytes:
    """Return the MM part, from the variables that the debugger data block points at, as the debugger engine fills it.

    Measured: a different value behind each pointer, and where it came out. Windows 10 and 11 leave most of these
    pointers 0; what cannot be read stays 0.
    """

    def u32(field: str) -> int:
        return _variable(memory, block[field], 4)

    def pages(field: str) -> int:
        return _variable(memory, block[field], memory.layouts.pointer_size)

    return layout.blank(
        Version=1,
        Size=layout.SIZE,
        MmSpecialPoolTag=u32("MmSpecialPoolTag"),
        MmTriageActionTaken=u32("MmTriageActionTaken"),
        KernelVerifier=u32("KernelVerifier"),
        MaximumNonPagedPoolPages=u32("MmMaximumNonPagedPoolInBytes") >> PAGE_SHIFT,
        AllocatedNonPagedPoolPages=pages("MmAllocatedNonPagedPool"),
        PagedPoolMaximumPages=u32("MmSizeOfPagedPoolInBytes") >> PAGE_SHIFT,
        CommittedPages=pages("MmTotalCommittedPages"),
        CommittedPagesPeak=pages("MmPeakCommitment"),
        CommitLimitMaximum=pages("MmTotalCommitLimitMaximum"),
    ).build()


def _variable(memory: VirtualMemory, address: int, size: int) -> int:
    try:
        return int.from_bytes(memory.read(address, size), "little") if address else 0
    except MemoryReadError:
        return 0
