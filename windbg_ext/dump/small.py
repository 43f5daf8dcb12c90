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
from windbg_ext.structs.debugger_data import KDDEBUGGER_DATA64
from windbg_ext.structs.header import DumpType, Machine
from windbg_ext.structs.triage import (
    SMALL_DUMP_LAYOUTS,
    TRIAGE_DATA_BLOCK,
    TRIAGE_DUMP64,
    TRIAGE_OPTIONS_ALL,
    TRIAGE_SIGNATURE,
    MiniDumpFields,
    SmallDumpLayouts,
)

if TYPE_CHECKING:
    from windbg_ext.dump.header import DumpHeader
    from windbg_ext.sources import Source
    from windbg_ext.structs.layout import Layout, Record

MAX_DRIVERS = 10_000
MAX_UNLOADED = 1_000
MAX_NAME_UNITS = 0x8000
MAX_POOL = 1 << 20
"""Bytes of the names of all drivers that are read at once; those of 250 drivers with their paths take 28 KB."""
DAMAGED = "the dump is damaged"
CONTEXT_SIZES = {Machine.I386: 0x2CC, Machine.AMD64: 0x4D0, Machine.ARM64: 0x390}


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
    entry: Record


@dataclass(frozen=True)
class SmallDumpParts:
    """Where the parts of a small dump lie. triage: the TRIAGE_DUMP64 or TRIAGE_DUMP32 that says so."""

    triage: Record
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
        return self.triage.number("SizeOfDump")


@dataclass(frozen=True)
class DataBlock:
    """Memory as it was at a virtual address."""

    address: int
    data: bytes


@dataclass(frozen=True)
class SmallDump:
    """The parts of a small dump as bytes; empty: not there.

    header: with context and exception in their places; unloaded_drivers: DUMP_UNLOADED_DRIVERS64 or 32, newest first;
    call_stack: memory from top_of_stack, its lowest address, up; secondary: the chain of tagged blobs.
    """

    header: Record
    mm: bytes = b""
    unloaded_drivers: tuple[Record, ...] | None = None
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
    layouts = SMALL_DUMP_LAYOUTS[header.record.layout.name]
    triage = layouts.triage.parse(read_field(source, layouts.triage.name, header.size, layouts.triage.size))
    starts = sorted({triage.number(field) for field in _OFFSETS} | {triage.number("SizeOfDump"), source.size})
    debugger_data = _extent(
        source, layouts.triage, "DebuggerData", triage.number("DebuggerDataOffset"), triage.number("DebuggerDataSize")
    )
    sizes = _structure_sizes(source, debugger_data)

    def up_to_next(field: str, size: int | None) -> Extent:
        offset = triage.number(field)
        if not offset:
            return Extent()
        room = next((start for start in starts if start > offset), offset + 1) - offset
        return _extent(source, layouts.triage, field, offset, room if size is None else size)

    return SmallDumpParts(
        triage=triage,
        mm=up_to_next("MmOffset", layouts.mm.SIZE),
        unloaded_drivers=_unloaded_extent(source, triage.number("UnloadedDriversOffset"), layouts),
        prcb=up_to_next("PrcbOffset", sizes.get("SizePrcb")),
        process=up_to_next("ProcessOffset", sizes.get("SizeEProcess")),
        thread=up_to_next("ThreadOffset", sizes.get("SizeEThread")),
        call_stack=_extent(
            source, layouts.triage, "CallStack", triage.number("CallStackOffset"), triage.number("SizeOfCallStack")
        ),
        debugger_data=debugger_data,
        driver_list=_driver_extent(source, triage, layouts),
        data_page=_extent(
            source, layouts.triage, "DataPage", triage.number("DataPageOffset"), triage.number("DataPageSize")
        ),
        data_blocks=_block_extents(source, triage, header.size),
    )


_OFFSETS = (
    *("MmOffset", "UnloadedDriversOffset", "PrcbOffset", "ProcessOffset", "ThreadOffset", "CallStackOffset"),
    *("DriverListOffset", "StringPoolOffset", "DataPageOffset", "DebuggerDataOffset", "DataBlocksOffset"),
)


def _extent(source: Source, layout: Layout, field: str, offset: int, size: int) -> Extent:
    if not offset or not size:
        return Extent()
    if offset + size > source.size:
        raise DumpError(
            f"{layout.name}.{field}",
            f"0x{offset:x} to 0x{offset + size:x} is beyond the end of the file at 0x{source.size:x}",
            "the file is cut short or damaged: copy it again",
        )
    return Extent(offset, size)


def _structure_sizes(source: Source, debugger_data: Extent) -> dict[str, int]:
    """Give the sizes of PRCB, process and thread, which the small dump's own header does not tell."""
    if debugger_data.size < KDDEBUGGER_DATA64.offset("SizeEThread") + 2:
        return {}
    data = read_field(source, "DebuggerData", debugger_data.offset, min(debugger_data.size, KDDEBUGGER_DATA64.SIZE))
    block = KDDEBUGGER_DATA64.parse(data.ljust(KDDEBUGGER_DATA64.SIZE, b"\0"))
    return {name: block.number(name) for name in ("SizePrcb", "SizeEProcess", "SizeEThread") if block.number(name)}


def _unloaded_extent(source: Source, offset: int, layouts: SmallDumpLayouts) -> Extent:
    if not offset:
        return Extent()
    count = struct.unpack("<I", read_field(source, "UnloadedDrivers", offset, 4))[0]
    if count > MAX_UNLOADED:
        raise DumpError("UnloadedDrivers", f"a list of {count}, Windows keeps 50", DAMAGED)
    return _extent(source, layouts.triage, "UnloadedDriversOffset", offset, unloaded_size(count, layouts))


def _driver_extent(source: Source, triage: Record, layouts: SmallDumpLayouts) -> Extent:
    count = triage.number("DriverCount")
    if count > MAX_DRIVERS:
        raise DumpError(f"{layouts.triage.name}.DriverCount", f"{count} is absurd", DAMAGED)
    return _extent(
        source, layouts.triage, "DriverListOffset", triage.number("DriverListOffset"), count * layouts.driver.size
    )


def _block_extents(source: Source, triage: Record, header_size: int) -> tuple[BlockExtent, ...]:
    table = _extent(
        source, triage.layout, "DataBlocks", triage.number("DataBlocksOffset"), triage.number("DataBlocksCount") * 16
    )
    if not table.size:
        return ()
    data = read_field(source, "DataBlocks", table.offset, table.size)
    mask = _address_mask(triage)
    blocks = tuple(BlockExtent(at & mask, offset, size) for at, offset, size in struct.iter_unpack("<QII", data))
    for index, block in enumerate(blocks):
        if block.size and block.offset < header_size:
            raise DumpError(
                f"{triage.layout.name}.DataBlocks[{index}]", f"0x{block.offset:x} lies in the header", DAMAGED
            )
        _extent(source, triage.layout, f"DataBlocks[{index}]", block.offset, block.size)
    if sum(block.size for block in blocks) > source.size:
        raise DumpError(f"{triage.layout.name}.DataBlocks", "together longer than the file", DAMAGED)
    return blocks


def _address_mask(triage: Record) -> int:
    """Give the bits of an address: data blocks have 64-bit addresses, in 32-bit dumps sign-extended ones."""
    return (1 << 8 * triage.layout.length("TopOfStack")) - 1


def read_drivers(source: Source, parts: SmallDumpParts) -> tuple[Driver, ...]:
    """Read the list of loaded modules with their names."""
    data = read_field(source, "DriverList", parts.driver_list.offset, parts.driver_list.size)
    layout = next(known.driver for known in SMALL_DUMP_LAYOUTS.values() if known.triage is parts.triage.layout)
    size = layout.size
    entries = [layout.parse(data[at : at + size]) for at in range(0, len(data), size)]
    start, length = parts.triage.number("StringPoolOffset"), parts.triage.number("StringPoolSize")
    pool = (
        read_field(source, "StringPool", start, length) if start + length <= source.size and length <= MAX_POOL else b""
    )
    drivers, room = [], source.size
    for entry in entries:
        name = _name(source, start, pool, entry.number("DriverNameOffset"))
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
    triage, layouts = parts.triage, SMALL_DUMP_LAYOUTS[header.record.layout.name]

    def load(extent: Extent) -> bytes:
        return read_field(source, "small dump", extent.offset, extent.size) if extent.size else b""

    return SmallDump(
        header=_header_with_context(source, header, triage, layouts),
        mm=load(parts.mm),
        unloaded_drivers=_unloaded_drivers(load(parts.unloaded_drivers), layouts),
        prcb=load(parts.prcb),
        process=load(parts.process),
        thread=load(parts.thread),
        top_of_stack=triage.number("TopOfStack"),
        call_stack=load(parts.call_stack),
        debugger_data=load(parts.debugger_data),
        drivers=read_drivers(source, parts) if parts.driver_list.size else (),
        data_page_address=triage.number("DataPageAddress"),
        data_page=load(parts.data_page),
        data_blocks=tuple(
            DataBlock(block.address, load(Extent(block.offset, block.size))) for block in parts.data_blocks
        ),
        service_pack_build=triage.number("ServicePackBuild"),
        triage_options=triage.number("TriageOptions"),
        architecture_specific=triage.raw("ArchitectureSpecific") if layouts.triage is TRIAGE_DUMP64 else b"",
    )


def _header_with_context(source: Source, header: DumpHeader, triage: Record, layouts: SmallDumpLayouts) -> Record:
    """Put context and exception into the header, wherever the dump had them."""
    record = header.record
    context, exception = triage.number("ContextOffset"), triage.number("ExceptionOffset")
    if context not in (0, layouts.header.offset("ContextRecord")):
        data = read_field(source, "ContextOffset", context, CONTEXT_SIZES.get(header.machine, 0))
        record = record.replace(ContextRecord=data.ljust(len(record.raw("ContextRecord")), b"\0"))
    if exception not in (0, layouts.header.offset("Exception")):
        record = record.replace(Exception=read_field(source, "ExceptionOffset", exception, layouts.exception.size))
    return record


def _unloaded_drivers(data: bytes, layouts: SmallDumpLayouts) -> tuple[Record, ...] | None:
    if not data:
        return None
    layout = layouts.unloaded_driver
    ends = range(layouts.counter, len(data), layout.size)
    return tuple(layout.parse(data[at : at + layout.size]) for at in ends)


def write_small_dump(dump: SmallDump, secondary: bytes, out: BinaryIO) -> int:
    """Write a small dump with secondary data behind it to an empty seekable file; return its length."""
    triage = write_parts(dump, out)
    out.write(secondary)
    return write_headers(dump, triage, out)


def write_parts(dump: SmallDump, out: BinaryIO) -> Record:
    """Write all parts to an empty seekable file, behind the room for the headers; return the TRIAGE_DUMP.

    Secondary data, if there is any, is written next, from where the file stands; `write_headers` comes last.
    """
    body, triage = lay_out(dump)
    layouts = SMALL_DUMP_LAYOUTS[dump.header.layout.name]
    out.seek(layouts.header.size + layouts.triage.size)
    for part in body:
        out.write(part)
    return triage


def write_headers(dump: SmallDump, triage: Record, out: BinaryIO) -> int:
    """Write the headers of a file that is whole but for them, with the sizes that it has; return its length.

    triage: as `write_parts` returned it.
    """
    length = out.seek(0, SEEK_END)
    header = dump.header.replace(
        DumpType=DumpType.TRIAGE, RequiredDumpSpace=length, MiniDumpFields=_mini_dump_fields(dump)
    )
    out.seek(0)
    out.write(header.build() + triage.build())
    return length


def lay_out(dump: SmallDump) -> tuple[list[bytes], Record]:
    """Place the parts one behind the other: their bytes from the end of TRIAGE_DUMP on, and that structure."""
    body: list[bytes] = []
    layouts = SMALL_DUMP_LAYOUTS[dump.header.layout.name]
    end = layouts.header.size + layouts.triage.size

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
        "MmOffset": place(dump.mm),
        "UnloadedDriversOffset": place(_build_unloaded(dump.unloaded_drivers, layouts)),
        "PrcbOffset": place(dump.prcb),
        "ProcessOffset": place(dump.process),
        "ThreadOffset": place(dump.thread),
        "CallStackOffset": place(dump.call_stack),
        "DebuggerDataOffset": place(dump.debugger_data),
    }
    end += (gap := -end % 8)
    body.append(bytes(gap))
    entries_end = end + len(dump.drivers) * layouts.driver.size
    pool, names = _string_pool([driver.name for driver in dump.drivers], entries_end + -entries_end % 8)
    triage["DriverListOffset"] = place(
        b"".join(driver.entry.replace(DriverNameOffset=name).build() for driver, name in zip(dump.drivers, names))
    )
    triage["StringPoolOffset"] = place(pool)
    offset = end + len(dump.data_blocks) * TRIAGE_DATA_BLOCK.SIZE
    descriptors = []
    for block in dump.data_blocks:
        descriptors.append(struct.pack("<QII", _sign_extended(block.address, layouts), offset, len(block.data)))
        offset += len(block.data)
    triage["DataBlocksOffset"] = place(b"".join(descriptors))
    body.extend(block.data for block in dump.data_blocks)
    end += sum(len(block.data) for block in dump.data_blocks)
    triage["DataPageOffset"] = place(dump.data_page)
    triage["ValidOffset"] = place(TRIAGE_SIGNATURE, align=4)
    record = layouts.triage.blank(
        ServicePackBuild=dump.service_pack_build,
        SizeOfDump=end,
        ContextOffset=layouts.header.offset("ContextRecord"),
        ExceptionOffset=layouts.header.offset("Exception"),
        SizeOfCallStack=len(dump.call_stack),
        DriverCount=len(dump.drivers),
        StringPoolSize=len(pool),
        TriageOptions=dump.triage_options,
        TopOfStack=dump.top_of_stack,
        DataPageAddress=dump.data_page_address,
        DataPageSize=len(dump.data_page),
        DebuggerDataSize=len(dump.debugger_data),
        DataBlocksCount=len(dump.data_blocks),
        **triage,
    )
    if dump.architecture_specific:
        record = record.replace(ArchitectureSpecific=dump.architecture_specific)
    return body, record


def _sign_extended(address: int, layouts: SmallDumpLayouts) -> int:
    """Give the 64-bit address of a data block."""
    bits = 8 * layouts.triage.length("TopOfStack")
    return address | (1 << 64) - (1 << bits) if address >> bits - 1 else address


def _build_unloaded(drivers: tuple[Record, ...] | None, layouts: SmallDumpLayouts) -> bytes:
    if drivers is None:
        return b""
    return len(drivers).to_bytes(layouts.counter, "little") + b"".join(driver.build() for driver in drivers)


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
    return driver.entry.layout.size + len(_string_pool([driver.name], 0)[0])


def unloaded_size(count: int, layouts: SmallDumpLayouts) -> int:
    """Give the bytes that a list of unloaded drivers takes in a file."""
    return layouts.counter + count * layouts.unloaded_driver.size


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
