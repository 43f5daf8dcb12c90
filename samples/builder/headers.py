"""DUMP_HEADER64 or 32 of a machine, as the crashing kernel or a debugger writes it: `windbg_ext.structs.header`."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from samples.builder.contexts import context_buffer, exception_record
from samples.builder.kernel import physical_memory_descriptor
from samples.builder.page_tables import X86_PAE
from windbg_ext.structs.header import FILL, SIGNATURE, DumpType

if TYPE_CHECKING:
    from samples.builder.kernel import CrashedMachine
    from windbg_ext.structs.layout import Record

FREE_BUILD = 0xF


class Writer(enum.Enum):
    """Who wrote the dump; each leaves other fields unset, and a debugger gives addresses of variables, not values."""

    KERNEL = "the crashing kernel"
    DEBUGGER = "a debugger"


def build_header(crashed: CrashedMachine, dump_type: DumpType, writer: Writer, attributes: int = 0) -> Record:
    """Fill a header; RequiredDumpSpace is set when the length of the file is known."""
    machine = crashed.machine
    architecture = machine.version.architecture
    layout = architecture.header.header
    crashed_processor = machine.processors[machine.crashed]
    context = machine.context or crashed_processor.registers
    blank = layout.parse(FILL * (layout.size // len(FILL)))
    header = blank.replace(
        Signature=SIGNATURE,
        ValidDump=architecture.header.valid,
        MajorVersion=FREE_BUILD,
        MinorVersion=machine.version.build,
        DirectoryTableBase=crashed.directory_table_base(crashed.space_of(crashed_processor.current_thread)),
        PfnDataBase=crashed.variables["MmPfnDatabase"],
        PsLoadedModuleList=crashed.variables["PsLoadedModuleList"],
        PsActiveProcessHead=crashed.variables["PsActiveProcessHead"],
        MachineImageType=architecture.machine_type,
        NumberProcessors=len(machine.processors),
        BugCheckCode=machine.bug_check.code,
        BugCheckParameter=list(machine.bug_check.parameters),
        KdDebuggerDataBlock=crashed.debugger_data,
        PhysicalMemoryBlock=_fill_up(physical_memory_descriptor(machine), 700),
        ContextRecord=context_buffer(context, crashed_processor.extended_state, architecture).ljust(
            layout.length("ContextRecord"), b"\0"
        ),
        Exception=exception_record(machine.exception, architecture),
        DumpType=dump_type,
        SystemTime=machine.system_time,
        SystemUpTime=machine.system_up_time,
        MiniDumpFields=0,
        ProductType=machine.product_type,
        SuiteMask=machine.suite_mask,
        KdSecondaryVersion=0,
    )
    if "PaeEnabled" in layout.fields():
        header = header.replace(PaeEnabled=int(machine.page_tables is X86_PAE))
    if writer is Writer.DEBUGGER:
        return header.replace(WriterStatus=0)
    database = {**architecture.addresses, **machine.variables}["MmPfnDatabase"]
    return header.replace(
        PfnDataBase=database, VersionUser=bytes(32), SecondaryDataState=0, Attributes=attributes, BootId=7
    )


def _fill_up(data: bytes, size: int) -> bytes:
    return data + (FILL * (size // len(FILL)))[len(data) :]
