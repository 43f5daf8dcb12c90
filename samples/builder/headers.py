"""DumpHeader64 or 32 of a machine, as the crashing kernel or a debugger writes it: `windbg_ext.structs.header`."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from samples.builder.contexts import context_buffer, exception_record
from samples.builder.kernel import physical_memory_descriptor
from samples.builder.page_tables import X86_PAE
from windbg_ext.structs.header import FILL, SIGNATURE, DumpHeader32, DumpType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from samples.builder.crashed_machine import CrashedMachine
    from windbg_ext.structs.layouts import RawHeader
    from windbg_ext.structs.structure import Value

FREE_BUILD = 0xF


class Writer(enum.Enum):
    """Who wrote the dump; each leaves other fields unset, and a debugger gives addresses of variables, not values."""

    KERNEL = "the crashing kernel"
    DEBUGGER = "a debugger"


def build_header(crashed: CrashedMachine, dump_type: DumpType, writer: Writer, attributes: int = 0) -> RawHeader:
    """Fill a header; RequiredDumpSpace is set when the length of the file is known."""
    machine = crashed.machine
    architecture = machine.version.architecture
    layouts = architecture.layouts
    crashed_processor = machine.processors[machine.crashed]
    context = machine.context or crashed_processor.registers
    blank = layouts.header.parse(FILL * (layouts.header.SIZE // len(FILL)))
    header = blank.replace(
        signature=SIGNATURE,
        valid_dump=layouts.valid_dump,
        major_version=FREE_BUILD,
        minor_version=machine.version.build,
        directory_table_base=crashed.directory_table_base(crashed.space_of(crashed_processor.current_thread)),
        pfn_data_base=crashed.variables["MmPfnDatabase"],
        ps_loaded_module_list=crashed.variables["PsLoadedModuleList"],
        ps_active_process_head=crashed.variables["PsActiveProcessHead"],
        machine_image_type=architecture.machine_type,
        number_processors=len(machine.processors),
        bug_check_code=machine.bug_check.code,
        bug_check_parameter=list(machine.bug_check.parameters),
        kd_debugger_data_block=crashed.debugger_data,
        physical_memory_block=_fill_up(physical_memory_descriptor(machine), 700),
        context_record=context_buffer(context, crashed_processor.extended_state, architecture).ljust(
            layouts.header.context_record.length, b"\0"
        ),
        exception=exception_record(machine.exception, architecture),
        dump_type=dump_type,
        system_time=machine.system_time,
        system_up_time=machine.system_up_time,
        mini_dump_fields=0,
        product_type=machine.product_type,
        suite_mask=machine.suite_mask,
        kd_secondary_version=0,
    )
    if isinstance(header, DumpHeader32):
        header = header.replace(pae_enabled=int(machine.page_tables is X86_PAE))
    if writer is Writer.DEBUGGER:
        return header.replace(writer_status=0)
    database = {**architecture.addresses, **machine.variables}["MmPfnDatabase"]
    return header.replace(
        pfn_data_base=database, version_user=bytes(32), secondary_data_state=0, attributes=attributes, boot_id=7
    )


def with_fields(header: RawHeader, fields: Mapping[str, Value]) -> RawHeader:
    """Set fields by the names that they have in Windows' headers."""
    return header.replace(**header.by_attribute(fields))


def _fill_up(data: bytes, size: int) -> bytes:
    return data + (FILL * (size // len(FILL)))[len(data) :]
