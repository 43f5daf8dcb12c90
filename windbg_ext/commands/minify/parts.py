"""The parts of a small dump that are no plain memory: header, lists of drivers, MM information.

Layouts and sources: `windbg_ext.structs.header`, `windbg_ext.structs.triage`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.dump.header import FILL_32
from windbg_ext.dump.small import Driver
from windbg_ext.errors import MemoryReadError, UsageError
from windbg_ext.memory.paging import PAGE_SHIFT
from windbg_ext.structs.header import Attributes

if TYPE_CHECKING:
    from windbg_ext.kernel import Kernel
    from windbg_ext.kernel.debugger_data import DebuggerData
    from windbg_ext.kernel.modules import Module, UnloadedDriver
    from windbg_ext.memory.virtual import VirtualMemory
    from windbg_ext.structs.layout import Layout, Record
    from windbg_ext.structs.triage import SmallDumpLayouts

COMMENT_LENGTH = 127

OF_THE_FILE = (
    Attributes.INSUFFICIENT_DUMPFILE_SIZE | Attributes.KERNEL_GENERATED_TRIAGE_DUMP | Attributes.FILTER_DUMP_FILE
)
"""Attributes that speak of the source file and not of the machine."""

WRITER_OK, WRITER_NO_MODULES, WRITER_CORRUPT_MODULES = 0, 1, 2
"""DUMP_HEADER64.WriterStatus (mindumpdef.h)."""


def small_header(record: Record, kernel: Kernel, comment: str | None) -> Record:
    """Give the header of the source as the small dump carries it; the writer sets type, fields and sizes."""
    status = WRITER_OK
    if kernel.modules.problem is not None:
        status = WRITER_CORRUPT_MODULES if kernel.modules.modules else WRITER_NO_MODULES
    record = record.replace(WriterStatus=status, KdDebuggerDataBlock=kernel.debugger_data.address)
    if record.number("Attributes") != FILL_32:
        record = record.replace(Attributes=record.number("Attributes") & ~int(OF_THE_FILE))
    if comment is not None:
        record = record.replace(Comment=encode_comment(comment))
    return record


def encode_comment(comment: str) -> bytes:
    """Encode a comment for the 128 bytes that the header has for it; UsageError if it does not fit."""
    try:
        data = comment.encode("ascii")
    except UnicodeEncodeError:
        raise UsageError("--comment: the header of a dump holds ASCII text only") from None
    if len(data) > COMMENT_LENGTH or b"\0" in data:
        raise UsageError(f"--comment: the header of a dump holds {COMMENT_LENGTH} characters, these are {len(data)}")
    return data.ljust(COMMENT_LENGTH + 1, b"\0")


def driver(module: Module, layouts: SmallDumpLayouts) -> Driver:
    """Give the entry of a loaded module, under its full path as the debugger engine writes it."""
    entry = layouts.driver.blank(
        DllBase=module.base,
        EntryPoint=module.entry_point,
        SizeOfImage=module.size,
        CheckSum=module.check_sum,
        TimeDateStamp=module.time_date_stamp or 0,
    )
    return Driver(module.full_name or module.name, entry)


def unloaded(unloaded_driver: UnloadedDriver, layouts: SmallDumpLayouts) -> Record:
    """Give the entry of an unloaded driver."""
    name = unloaded_driver.name.encode("utf-16-le", "surrogatepass")[:24]
    return layouts.unloaded_driver.blank(
        NameLength=len(name),
        NameMaximumLength=len(name),
        DriverName=name.ljust(24, b"\0"),
        StartAddress=unloaded_driver.start,
        EndAddress=unloaded_driver.end,
    )


def mm_information(memory: VirtualMemory, block: DebuggerData, layout: Layout) -> bytes:
    """Give the MM part, from the variables that the debugger data block points at, as the debugger engine fills it.

    Measured: a different value behind each pointer, and where it came out. Windows 10 and 11 leave most of these
    pointers 0; what cannot be read stays 0.
    """

    def u32(field: str) -> int:
        return _variable(memory, block[field], 4)

    def pages(field: str) -> int:
        return _variable(memory, block[field], memory.pointer_size)

    return layout.blank(
        Version=1,
        Size=layout.size,
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
