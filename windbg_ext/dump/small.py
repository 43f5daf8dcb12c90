"""Small memory dumps: where the parts lie in a file, the parts as bytes, and the way back into a file.

Layout and sources: `windbg_ext.structs.triage`. A reader finds each part by its offset, in whatever order a writer
left them; the writer uses the debugger engine's order.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from os import SEEK_END
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from windbg_ext.errors import DumpError
from windbg_ext.sources import read_field
from windbg_ext.structs.debugger_data import KdDebuggerData64
from windbg_ext.structs.header import DumpType
from windbg_ext.structs.layouts import layouts_of
from windbg_ext.structs.triage import (
    TRIAGE_OPTIONS_ALL,
    TRIAGE_SIGNATURE,
    DumpDriverEntry32,
    DumpDriverEntry64,
    MiniDumpFields,
    TriageDataBlock,
    TriageDump64,
)

if TYPE_CHECKING:
    from windbg_ext.dump.header import DumpHeader
    from windbg_ext.sources import Source
    from windbg_ext.structs.layouts import DumpDriverEntry, DumpUnloadedDriver, Layouts, RawHeader, TriageDump
    from windbg_ext.structs.structure import Field

MAX_DRIVERS = 10_000
MAX_UNLOADED = 1_000
MAX_NAME_UNITS = 0x8000
MAX_POOL = 1 << 20
"""Bytes of the names of all drivers that are read at once; those of 250 drivers with their paths take 28 KB."""
DAMAGED = "the dump is damaged"


class Extent(NamedTuple):
    """A part of the file: offset and size in bytes. Size 0: the dump does not have this part."""

    offset: int = 0
    size: int = 0


class BlockExtent(NamedTuple):
    """A data block: the virtual address that it was read from and where it lies in the file."""

    address: int
    offset: int
    size: int


class Driver(NamedTuple):
    """A loaded module as a small dump lists it: its name and its entry.

    The name is a full path in dumps that the engine writes, a base name in those of the kernel.
    """

    name: str
    entry: DumpDriverEntry


class SmallDumpParts(NamedTuple):
    """Where the parts of a small dump lie. triage: the TriageDump64 or TriageDump32 that says so."""

    triage: TriageDump
    mm: Extent
    unloaded_drivers: Extent
    prcb: Extent
    process: Extent
    thread: Extent
    call_stack: Extent
    debugger_data: Extent
    driver_list: Extent
    data_page: Extent
    data_blocks: tuple[BlockExtent, ...]

    @property
    def size_of_dump(self) -> int:
        """The file offset behind the last part; secondary data starts here."""
        return self.triage.size_of_dump


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


def read_small_dump(source: Source, header: DumpHeader) -> SmallDumpParts:
    """Find the parts of a small dump; an offset or a count that lies is a DumpError."""
    layouts = header.layouts
    triage = layouts.triage.parse(read_field(source, layouts.triage.NAME, header.size, layouts.triage.SIZE))
    starts = sorted({*_offsets(triage), triage.size_of_dump, source.size})
    debugger_data = _extent(source, triage, "DebuggerData", triage.debugger_data_offset, triage.debugger_data_size)
    sizes = _structure_sizes(source, debugger_data)

    def up_to_next(field: Field[int], size: int | None) -> Extent:
        offset = field.of(triage)
        if not offset:
            return Extent()
        room = next((start for start in starts if start > offset), offset + 1) - offset
        return _extent(source, triage, field.name, offset, room if size is None else size)

    return SmallDumpParts(
        triage=triage,
        mm=up_to_next(layouts.triage.mm_offset, layouts.mm.SIZE),
        unloaded_drivers=_unloaded_extent(source, triage, layouts),
        prcb=up_to_next(layouts.triage.prcb_offset, sizes.prcb),
        process=up_to_next(layouts.triage.process_offset, sizes.process),
        thread=up_to_next(layouts.triage.thread_offset, sizes.thread),
        call_stack=_extent(source, triage, "CallStack", triage.call_stack_offset, triage.size_of_call_stack),
        debugger_data=debugger_data,
        driver_list=_driver_extent(source, triage, layouts),
        data_page=_extent(source, triage, "DataPage", triage.data_page_offset, triage.data_page_size),
        data_blocks=_block_extents(source, triage, layouts),
    )


def _offsets(triage: TriageDump) -> tuple[int, ...]:
    """Return where all parts begin; 0 for those that are not there."""
    return (
        *(triage.mm_offset, triage.unloaded_drivers_offset, triage.prcb_offset, triage.process_offset),
        *(triage.thread_offset, triage.call_stack_offset, triage.driver_list_offset, triage.string_pool_offset),
        *(triage.data_page_offset, triage.debugger_data_offset, triage.data_blocks_offset),
    )


def _extent(source: Source, triage: TriageDump, field: str, offset: int, size: int) -> Extent:
    if not offset or not size:
        return Extent()
    if offset + size > source.size:
        raise DumpError(
            f"{triage.NAME}.{field}",
            f"0x{offset:x} to 0x{offset + size:x} is beyond the end of the file at 0x{source.size:x}",
            "the file is cut short or damaged: copy it again",
        )
    return Extent(offset, size)


class _Sizes(NamedTuple):
    """The sizes of PRCB, process and thread; None where the debugger data block does not tell."""

    prcb: int | None = None
    process: int | None = None
    thread: int | None = None


def _structure_sizes(source: Source, debugger_data: Extent) -> _Sizes:
    """Read the sizes that the small dump's own header does not tell."""
    last = KdDebuggerData64.size_ethread
    if debugger_data.size < last.offset + last.length:
        return _Sizes()
    data = read_field(source, "DebuggerData", debugger_data.offset, min(debugger_data.size, KdDebuggerData64.SIZE))
    block = KdDebuggerData64.parse(data.ljust(KdDebuggerData64.SIZE, b"\0"))
    return _Sizes(block.size_prcb or None, block.size_eprocess or None, block.size_ethread or None)


def _unloaded_extent(source: Source, triage: TriageDump, layouts: Layouts) -> Extent:
    offset = triage.unloaded_drivers_offset
    if not offset:
        return Extent()
    count = struct.unpack("<I", read_field(source, "UnloadedDrivers", offset, 4))[0]
    if count > MAX_UNLOADED:
        raise DumpError("UnloadedDrivers", f"a list of {count}, Windows keeps 50", DAMAGED)
    return _extent(source, triage, "UnloadedDriversOffset", offset, unloaded_size(count, layouts))


def _driver_extent(source: Source, triage: TriageDump, layouts: Layouts) -> Extent:
    count = triage.driver_count
    if count > MAX_DRIVERS:
        raise DumpError(f"{layouts.triage.NAME}.DriverCount", f"{count} is absurd", DAMAGED)
    return _extent(source, triage, "DriverListOffset", triage.driver_list_offset, count * layouts.dump_driver.SIZE)


def _block_extents(source: Source, triage: TriageDump, layouts: Layouts) -> tuple[BlockExtent, ...]:
    table = _extent(source, triage, "DataBlocks", triage.data_blocks_offset, triage.data_blocks_count * 16)
    if not table.size:
        return ()
    data = read_field(source, "DataBlocks", table.offset, table.size)
    mask = layouts.address_mask  # data blocks have 64-bit addresses, in 32-bit dumps sign-extended ones
    blocks = tuple(BlockExtent(at & mask, offset, size) for at, offset, size in struct.iter_unpack("<QII", data))
    for index, block in enumerate(blocks):
        if block.size and block.offset < layouts.header.SIZE:
            raise DumpError(f"{triage.NAME}.DataBlocks[{index}]", f"0x{block.offset:x} lies in the header", DAMAGED)
        _extent(source, triage, f"DataBlocks[{index}]", block.offset, block.size)
    if sum(block.size for block in blocks) > source.size:
        raise DumpError(f"{triage.NAME}.DataBlocks", "together longer than the file", DAMAGED)
    return blocks


def read_drivers(source: Source, parts: SmallDumpParts) -> tuple[Driver, ...]:
    """Read the list of loaded modules with their names."""
    data = read_field(source, "DriverList", parts.driver_list.offset, parts.driver_list.size)
    structure = DumpDriverEntry64 if isinstance(parts.triage, TriageDump64) else DumpDriverEntry32
    size = structure.SIZE
    entries = [structure.parse(data[at : at + size]) for at in range(0, len(data), size)]
    start, length = parts.triage.string_pool_offset, parts.triage.string_pool_size
    pool = (
        read_field(source, "StringPool", start, length) if start + length <= source.size and length <= MAX_POOL else b""
    )
    drivers, room = [], source.size
    for entry in entries:
        name = _name(source, start, pool, entry.driver_name_offset)
        room -= 2 * len(name)
        if room < 0:
            raise DumpError("DUMP_STRING", "the names are together longer than the file", DAMAGED)
        drivers.append(Driver(name, entry))
    return tuple(drivers)


def _name(source: Source, start: int, pool: bytes, offset: int) -> str:
    """Read a DUMP_STRING at a file offset; it is in the string pool, which begins at `start`, or else anywhere."""
    if not offset:
        return ""
    at = offset - start
    if at < 0 or at + 4 > len(pool):
        pool, at = read_field(source, "DriverNameOffset", offset, 4), 0
    units = int.from_bytes(pool[at : at + 4], "little")
    if units > MAX_NAME_UNITS:
        raise DumpError("DUMP_STRING.Length", f"a name of {units} characters at 0x{offset:x}", DAMAGED)
    text = pool[at + 4 : at + 4 + 2 * units]
    if len(text) < 2 * units:
        text = read_field(source, "DUMP_STRING", offset + 4, units * 2)
    return text.decode("utf-16-le", "surrogatepass")


def load_small_dump(source: Source, header: DumpHeader, parts: SmallDumpParts) -> SmallDump:
    """Read every part but the secondary data."""
    triage, layouts = parts.triage, header.layouts

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
        drivers=read_drivers(source, parts) if parts.driver_list.size else (),
        data_page_address=triage.data_page_address,
        data_page=load(parts.data_page),
        data_blocks=tuple(
            DataBlock(block.address, load(Extent(block.offset, block.size))) for block in parts.data_blocks
        ),
        service_pack_build=triage.service_pack_build,
        triage_options=triage.triage_options,
        architecture_specific=triage.architecture_specific if isinstance(triage, TriageDump64) else b"",
    )


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
        dump_type=DumpType.TRIAGE, required_dump_space=length, mini_dump_fields=_mini_dump_fields(dump)
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
    """Give the bytes that a driver takes in a file at most: its entry and its name."""
    return driver.entry.SIZE + len(_string_pool([driver.name], 0)[0])


def unloaded_size(count: int, layouts: Layouts) -> int:
    """Give the bytes that a list of unloaded drivers takes in a file."""
    return layouts.unloaded_count + count * layouts.dump_unloaded_driver.SIZE


def _mini_dump_fields(dump: SmallDump) -> int:
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
