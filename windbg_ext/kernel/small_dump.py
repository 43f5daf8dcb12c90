"""A small dump as a target: the memory in its parts, and what it lists where a large dump has structures to walk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.dump.small import BlockExtent, Extent, read_drivers
from windbg_ext.kernel.modules import Module
from windbg_ext.memory.blocks import BlockMemory
from windbg_ext.sources import read_field
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.dump.dump import Dump
    from windbg_ext.dump.small import Driver, SmallDumpParts


class Listing(NamedTuple):
    """What a small dump tells without any walk.

    driver_names: as they stand in the list of drivers, with or without paths; modules: those drivers; call_stack:
    memory from the lowest saved stack address, top_of_stack, up; process: the EPROCESS, empty where it was not saved.
    """

    driver_names: tuple[str, ...]
    modules: tuple[Module, ...]
    call_stack: bytes
    process: bytes
    top_of_stack: int

    def stack_from(self, stack_pointer: int) -> bytes:
        """Return the stack from an address up; all of it where that is not among what was saved.

        It may begin lower: with the frames of the bug check, where the header has the registers of an exception.
        """
        below = stack_pointer - self.top_of_stack
        return self.call_stack[below:] if 0 <= below < len(self.call_stack) else self.call_stack


def read_listing(dump: Dump, parts: SmallDumpParts) -> Listing:
    """Read it. Raise DumpError where a part of it is damaged."""
    drivers = read_drivers(dump.source, parts, dump.budget) if parts.driver_list.size else ()
    return Listing(
        driver_names=tuple(driver.name for driver in drivers),
        modules=tuple(map(_module, drivers)),
        call_stack=_read(dump, "CallStack", parts.call_stack),
        process=_read(dump, "Process", parts.process),
        top_of_stack=parts.triage.top_of_stack,
    )


def _read(dump: Dump, field: str, extent: Extent) -> bytes:
    return read_field(dump.source, field, extent.offset, extent.size) if extent.size else b""


def _module(driver: Driver) -> Module:
    entry = driver.entry
    return Module(
        entry_address=0,
        base=entry.dll_base,
        size=entry.size_of_image,
        entry_point=entry.entry_point,
        name=driver.name.rpartition("\\")[2],
        full_name=driver.name,
        check_sum=entry.check_sum,
        time_date_stamp=entry.time_date_stamp,
    )


def block_memory(dump: Dump, parts: SmallDumpParts) -> BlockMemory:
    """Return the virtual memory that the parts of a small dump hold."""
    stack, block = parts.call_stack, parts.debugger_data
    extents = [*parts.data_blocks, BlockExtent(parts.triage.top_of_stack, stack.offset, stack.size)]
    if dump.header.kd_debugger_data_block is not None:
        extents.append(BlockExtent(dump.header.kd_debugger_data_block, block.offset, block.size))
    return BlockMemory(dump.source, extents, dump.header.layouts, dump.budget)
