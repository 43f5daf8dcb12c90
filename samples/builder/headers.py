"""DUMP_HEADER64 of a machine, as the crashing kernel or a debugger writes it. Layout: `windbg_ext.structs.header`."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from samples.builder.contexts import context_buffer, exception_record
from samples.builder.kernel import VARIABLES, physical_memory_descriptor
from windbg_ext.structs.header import DUMP_HEADER64, FILL, SIGNATURE, VALID_DUMP_64, DumpType, Machine

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
    crashed_processor = machine.processors[machine.crashed]
    context = machine.context or crashed_processor.registers
    blank = DUMP_HEADER64.parse(FILL * (DUMP_HEADER64.size // len(FILL)))
    header = blank.replace(
        Signature=SIGNATURE,
        ValidDump=VALID_DUMP_64,
        MajorVersion=FREE_BUILD,
        MinorVersion=machine.version.build,
        DirectoryTableBase=crashed.directory_table_base(crashed.space_of(crashed_processor.current_thread)),
        PfnDataBase=crashed.variables["MmPfnDatabase"],
        PsLoadedModuleList=crashed.variables["PsLoadedModuleList"],
        PsActiveProcessHead=crashed.variables["PsActiveProcessHead"],
        MachineImageType=Machine.AMD64,
        NumberProcessors=len(machine.processors),
        BugCheckCode=machine.bug_check.code,
        BugCheckParameter=list(machine.bug_check.parameters),
        KdDebuggerDataBlock=crashed.debugger_data,
        PhysicalMemoryBlock=_fill_up(physical_memory_descriptor(machine), 700),
        ContextRecord=context_buffer(context, crashed_processor.extended_state).ljust(3000, b"\0"),
        Exception=exception_record(machine.exception),
        DumpType=dump_type,
        SystemTime=machine.system_time,
        SystemUpTime=machine.system_up_time,
        MiniDumpFields=0,
        ProductType=machine.product_type,
        SuiteMask=machine.suite_mask,
        KdSecondaryVersion=0,
    )
    if writer is Writer.DEBUGGER:
        return header.replace(WriterStatus=0)
    database = {**VARIABLES, **machine.variables}["MmPfnDatabase"]
    return header.replace(
        PfnDataBase=database, VersionUser=bytes(32), SecondaryDataState=0, Attributes=attributes, BootId=7
    )


def _fill_up(data: bytes, size: int) -> bytes:
    return data + (FILL * (size // len(FILL)))[len(data) :]
