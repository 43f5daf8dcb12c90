"""A small memory dump made from a machine's memory, part by part, as a debugger makes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from samples.builder.contexts import context_buffer
from samples.builder.headers import Writer, build_header, with_fields
from samples.builder.images import ENTRY_POINT
from samples.builder.physical import PAGE_SIZE
from samples.builder.writers import secondary_data
from windbg_ext.dump.small import Driver
from windbg_ext.dump.small_file import DataBlock, SmallDump, write_small_dump
from windbg_ext.structs.header import DumpType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from samples.builder.crashed_machine import CrashedMachine
    from windbg_ext.structs.layouts import DumpUnloadedDriver
    from windbg_ext.structs.structure import Value

NAME_BYTES = 24
"""DUMP_UNLOADED_DRIVERS.DriverName holds 12 UTF-16 units."""


@dataclass(frozen=True)
class Small:
    """The crashed thread and what it touches, every processor with its context and stack, lists of drivers."""

    dump_type: DumpType = DumpType.TRIAGE

    def write(self, crashed: CrashedMachine, out: BinaryIO, header: Mapping[str, Value]) -> None:
        """Write the dump, as `Format` says. `header` cannot change DumpType, RequiredDumpSpace and MiniDumpFields."""
        write_small_dump(_parts(crashed, header), secondary_data(crashed.machine), out)


def _parts(crashed: CrashedMachine, header: Mapping[str, Value]) -> SmallDump:
    machine, version = crashed.machine, crashed.machine.version
    processor = machine.processors[machine.crashed]
    thread = machine.thread(processor.current_thread)
    mm, read = machine.architecture.layouts.mm, crashed.system.read
    return SmallDump(
        header=with_fields(build_header(crashed, DumpType.TRIAGE, Writer.DEBUGGER), header),
        mm=mm.blank(version=1, size=mm.SIZE).build(),
        unloaded_drivers=tuple(_unloaded_drivers(crashed)),
        prcb=read(processor.pcr + version.number("OffsetPcrContainedPrcb"), version.number("SizePrcb")),
        process=read(machine.process(thread.process).address, version.number("SizeEProcess")),
        thread=read(thread.address, version.number("SizeEThread")),
        top_of_stack=thread.kernel_stack,
        call_stack=read(thread.kernel_stack, thread.stack_base - thread.kernel_stack),
        debugger_data=read(crashed.debugger_data, version.debugger_data_size),
        drivers=tuple(_drivers(crashed)),
        data_blocks=tuple(DataBlock(address, read(address, size)) for address, size in _blocks(crashed)),
    )


def _unloaded_drivers(crashed: CrashedMachine) -> Iterator[DumpUnloadedDriver]:
    for driver in crashed.machine.unloaded_drivers:
        name = driver.name.encode("utf-16-le")[:NAME_BYTES]
        yield crashed.architecture.layouts.dump_unloaded_driver.blank(
            name_length=len(name),
            name_maximum_length=len(name),
            driver_name=name.ljust(NAME_BYTES, b"\0"),
            start_address=driver.start,
            end_address=driver.end,
        )


def _drivers(crashed: CrashedMachine) -> Iterator[Driver]:
    for module in crashed.machine.modules:
        entry = crashed.architecture.layouts.dump_driver.blank(
            dll_base=module.base,
            size_of_image=module.size,
            check_sum=module.check_sum,
            time_date_stamp=module.time_date_stamp,
        )
        yield Driver(module.path, entry)


def _blocks(crashed: CrashedMachine) -> Iterator[tuple[int, int]]:
    """Yield (address, size) of the data blocks."""
    machine, version = crashed.machine, crashed.machine.version
    for processor in machine.processors:
        thread = machine.thread(processor.current_thread)
        yield processor.pcr + version.number("OffsetPcrContainedPrcb"), version.number("SizePrcb")
        if "OffsetPrcbContext" in version.debugger_data:  # before Windows 7, registers are in the KPRCB alone
            yield processor.context, len(context_buffer({}, processor.extended_state, machine.architecture))
        yield thread.kernel_stack, thread.stack_base - thread.kernel_stack
        yield thread.address, version.number("SizeEThread")
    for process in machine.processes:
        yield process.address, version.number("SizeEProcess")
    yield crashed.variables["KiProcessorBlock"], machine.architecture.pointer_size * len(machine.processors)
    yield crashed.variables["NtBuildLab"], 0x100
    yield machine.kernel.base, PAGE_SIZE
    yield machine.kernel.base + ENTRY_POINT, PAGE_SIZE
    yield machine.architecture.cpu.shared_user_data, PAGE_SIZE
    for start, end in machine.triage_blocks:
        yield start, end - start
