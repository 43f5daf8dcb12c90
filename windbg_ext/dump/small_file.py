"""Small memory dumps as bytes: the parts, read whole, and the way into a file.

Layout and sources: `windbg_ext.structs.triage`. The writer uses the debugger engine's order.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from os import SEEK_END
from typing import TYPE_CHECKING, BinaryIO

from windbg_ext.dump.small import Driver, Extent, read_drivers
from windbg_ext.limits import MAX_SMALL_DUMP
from windbg_ext.sources import Range, read_field, read_fields
from windbg_ext.structs.header import DumpType
from windbg_ext.structs.layouts import layouts_of
from windbg_ext.structs.triage import (
    TRIAGE_OPTIONS_ALL,
    TRIAGE_SIGNATURE,
    MiniDumpFields,
    TriageDataBlock,
    TriageDump64,
)
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.dump.header import DumpHeader
    from windbg_ext.dump.small import SmallDumpParts
    from windbg_ext.limits import Budget
    from windbg_ext.sources import Source
    from windbg_ext.structs.layouts import DumpUnloadedDriver, Layouts, RawHeader, TriageDump


class DataBlock(NamedTuple):
    """Memory as it was at a virtual address."""

    address: int
    data: bytes


@dataclass(frozen=True)
class SmallDump:
    """The parts of a small dump as bytes; empty: not there.

    header: with context and exception in their places; unloaded_drivers: DumpUnloadedDrivers64 or 32, newest first;
    call_stack: memory from top_of_stack, its lowest address, up; secondary: the chain of tagged blobs.
    """

    header: RawHeader
    mm: bytes = b""
    unloaded_drivers: tuple[DumpUnloadedDriver, ...] | None = None
    prcb: bytes = b""
    process: bytes = b""
    thread: bytes = b""
    top_of_stack: int = 0
    call_stack: bytes = b""
    debugger_data: bytes = b""
    drivers: tuple[Driver, ...] = ()
    data_page_address: int = 0
    data_page: bytes = b""
    data_blocks: tuple[DataBlock, ...] = ()
    service_pack_build: int = 0
    triage_options: int = TRIAGE_OPTIONS_ALL
    architecture_specific: bytes = b""


def load_small_dump(source: Source, header: DumpHeader, parts: SmallDumpParts, budget: Budget) -> SmallDump:
    """Read every part but the secondary data. Raise DumpError where one cannot be read, or there is too much of all."""
    triage, layouts = parts.triage, header.layouts
    budget.draw(MAX_SMALL_DUMP, sum(block.size for block in parts.data_blocks), f"{triage.NAME}.DataBlocks")

    def load(extent: Extent) -> bytes:
        return read_field(source, "small dump", extent.offset, extent.size) if extent.size else b""

    return SmallDump(
        header=_header_with_context(source, header, triage),
        mm=load(parts.mm),
        unloaded_drivers=_unloaded_drivers(load(parts.unloaded_drivers), layouts),
        prcb=load(parts.prcb),
        process=load(parts.process),
        thread=load(parts.thread),
        top_of_stack=triage.top_of_stack,
        call_stack=load(parts.call_stack),
        debugger_data=load(parts.debugger_data),
        drivers=read_drivers(source, parts, budget) if parts.driver_list.size else (),
        data_page_address=triage.data_page_address,
        data_page=load(parts.data_page),
        data_blocks=_load_blocks(source, parts),
        service_pack_build=triage.service_pack_build,
        triage_options=triage.triage_options,
        architecture_specific=triage.architecture_specific if isinstance(triage, TriageDump64) else b"",
    )


def _load_blocks(source: Source, parts: SmallDumpParts) -> tuple[DataBlock, ...]:
    there = read_fields(source, "data block", [Range(block.offset, block.size) for block in parts.data_blocks])
    return tuple(DataBlock(block.address, data) for block, data in zip(parts.data_blocks, there))


def _header_with_context(source: Source, header: DumpHeader, triage: TriageDump) -> RawHeader:
    """Put context and exception into the header, wherever the dump had them."""
    record = header.raw
    context, exception = triage.context_offset, triage.exception_offset
    if context not in (0, header.layouts.header.context_record.offset):
        data = read_field(source, "ContextOffset", context, header.architecture.context.SIZE)
        record = record.replace(context_record=data.ljust(len(record.context_record), b"\0"))
    if exception not in (0, header.layouts.header.exception.offset):
        size = header.layouts.exception.SIZE
        record = record.replace(exception=read_field(source, "ExceptionOffset", exception, size))
    return record


def _unloaded_drivers(data: bytes, layouts: Layouts) -> tuple[DumpUnloadedDriver, ...] | None:
    if not data:
        return None
    structure = layouts.dump_unloaded_driver
    starts = range(layouts.unloaded_count, len(data), structure.SIZE)
    return tuple(structure.parse(data[at : at + structure.SIZE]) for at in starts)


def write_small_dump(dump: SmallDump, secondary: bytes, out: BinaryIO) -> int:
    """Write a small dump with secondary data behind it to an empty seekable file; return its length."""
    triage = write_parts(dump, out)
    out.write(secondary)
    return write_headers(dump, triage, out)


def write_parts(dump: SmallDump, out: BinaryIO) -> TriageDump:
    """Write all parts to an empty seekable file, behind the room for the headers; return the TRIAGE_DUMP.

    Secondary data, if there is any, is written next, from where the file stands; `write_headers` comes last.
    """
    body, triage = lay_out(dump)
    layouts = layouts_of(dump.header)
    out.seek(layouts.header.SIZE + layouts.triage.SIZE)
    for part in body:
        out.write(part)
    return triage


def write_headers(dump: SmallDump, triage: TriageDump, out: BinaryIO) -> int:
    """Write the headers of a file that is whole but for them, with the sizes that it has; return its length.

    triage: as `write_parts` returned it.
    """
    length = out.seek(0, SEEK_END)
    header = dump.header.replace(
        dump_type=DumpType.TRIAGE, required_dump_space=length, mini_dump_fields=mini_dump_fields(dump)
    )
    out.seek(0)
    out.write(header.build() + triage.build())
    return length


def lay_out(dump: SmallDump) -> tuple[list[bytes], TriageDump]:
    """Place the parts one behind the other: their bytes from the end of TRIAGE_DUMP on, and that structure."""
    body: list[bytes] = []
    layouts = layouts_of(dump.header)
    end = layouts.header.SIZE + layouts.triage.SIZE

    def place(data: bytes, align: int = 8) -> int:
        nonlocal end
        if not data:
            return 0
        gap = -end % align
        body.append(bytes(gap) + data)
        offset = end + gap
        end = offset + len(data)
        return offset

    triage: dict[str, int] = {
        "mm_offset": place(dump.mm),
        "unloaded_drivers_offset": place(_build_unloaded(dump.unloaded_drivers, layouts)),
        "prcb_offset": place(dump.prcb),
        "process_offset": place(dump.process),
        "thread_offset": place(dump.thread),
        "call_stack_offset": place(dump.call_stack),
        "debugger_data_offset": place(dump.debugger_data),
    }
    end += (gap := -end % 8)
    body.append(bytes(gap))
    entries_end = end + len(dump.drivers) * layouts.dump_driver.SIZE
    pool, names = _string_pool([driver.name for driver in dump.drivers], entries_end + -entries_end % 8)
    triage["driver_list_offset"] = place(
        b"".join(driver.entry.replace(driver_name_offset=name).build() for driver, name in zip(dump.drivers, names))
    )
    triage["string_pool_offset"] = place(pool)
    offset = end + len(dump.data_blocks) * TriageDataBlock.SIZE
    descriptors = []
    for block in dump.data_blocks:
        descriptors.append(struct.pack("<QII", layouts.sign_extended(block.address), offset, len(block.data)))
        offset += len(block.data)
    triage["data_blocks_offset"] = place(b"".join(descriptors))
    body.extend(block.data for block in dump.data_blocks)
    end += sum(len(block.data) for block in dump.data_blocks)
    triage["data_page_offset"] = place(dump.data_page)
    triage["valid_offset"] = place(TRIAGE_SIGNATURE, align=4)
    record = layouts.triage.blank(
        service_pack_build=dump.service_pack_build,
        size_of_dump=end,
        context_offset=layouts.header.context_record.offset,
        exception_offset=layouts.header.exception.offset,
        size_of_call_stack=len(dump.call_stack),
        driver_count=len(dump.drivers),
        string_pool_size=len(pool),
        triage_options=dump.triage_options,
        top_of_stack=dump.top_of_stack,
        data_page_address=dump.data_page_address,
        data_page_size=len(dump.data_page),
        debugger_data_size=len(dump.debugger_data),
        data_blocks_count=len(dump.data_blocks),
        **triage,
    )
    if dump.architecture_specific:
        record = record.replace(architecture_specific=dump.architecture_specific)
    return body, record


def _build_unloaded(drivers: tuple[DumpUnloadedDriver, ...] | None, layouts: Layouts) -> bytes:
    if drivers is None:
        return b""
    return len(drivers).to_bytes(layouts.unloaded_count, "little") + b"".join(driver.build() for driver in drivers)


def _string_pool(names: list[str], offset: int) -> tuple[bytes, list[int]]:
    """Build the DUMP_STRINGs that lie from a file offset on: u32 count of UTF-16 units, units, NUL, padded to 8."""
    pool = bytearray()
    offsets = []
    for name in names:
        offsets.append(offset + len(pool))
        units = name.encode("utf-16-le", "surrogatepass")
        pool += struct.pack("<I", len(units) // 2) + units + b"\0\0"
        pool += bytes(-len(pool) % 8)
    return bytes(pool), offsets


def driver_size(driver: Driver) -> int:
    """Return the most bytes that a driver takes in a file: its entry and its name."""
    return driver.entry.SIZE + len(_string_pool([driver.name], 0)[0])


def mini_dump_fields(dump: SmallDump) -> int:
    """Return the bits of MiniDumpFields that say which parts a small dump has."""
    # every writer sets BROKEN_DRIVER, with or without one, and the engine cannot place the other parts without it
    fields = MiniDumpFields.CONTEXT | MiniDumpFields.EXCEPTION | MiniDumpFields.BROKEN_DRIVER
    parts = {
        MiniDumpFields.PRCB: dump.prcb,
        MiniDumpFields.PROCESS: dump.process,
        MiniDumpFields.THREAD: dump.thread,
        MiniDumpFields.STACK: dump.call_stack,
        MiniDumpFields.DRIVER_LIST: dump.drivers,
        MiniDumpFields.MM_INFORMATION: dump.mm[8:].strip(b"\0"),
        MiniDumpFields.DATA_PAGE: dump.data_page,
        MiniDumpFields.DEBUGGER_DATA: dump.debugger_data,
        MiniDumpFields.DATA_BLOCKS: dump.data_blocks,
    }
    for field, part in parts.items():
        if part:
            fields |= field
    return int(fields)
