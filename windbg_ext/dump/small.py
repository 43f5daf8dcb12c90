"""Small memory dumps: where the parts lie in a file.

Layout and sources: `windbg_ext.structs.triage`. Each part is found by its offset, in whatever order a writer left them.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError
from windbg_ext.limits import (
    MAX_CALL_STACK,
    MAX_DATA_BLOCKS,
    MAX_DATA_PAGE,
    MAX_DEBUGGER_DATA,
    MAX_DRIVER_NAMES,
    MAX_DRIVERS,
    MAX_NAME,
    MAX_STRUCTURE,
    MAX_UNLOADED_DRIVERS,
)
from windbg_ext.sources import read_field
from windbg_ext.structs.debugger_data import KdDebuggerData64
from windbg_ext.structs.triage import (
    DumpDriverEntry32,
    DumpDriverEntry64,
    TriageDump64,
)
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.dump.header import DumpHeader
    from windbg_ext.limits import Budget, Limit
    from windbg_ext.sources import Source
    from windbg_ext.structs.layouts import DumpDriverEntry, Layouts, TriageDump
    from windbg_ext.structs.structure import Field

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


def read_triage(source: Source, header: DumpHeader) -> TriageDump:
    """Read the header of a small dump, which lies behind that of all dumps."""
    triage = header.layouts.triage
    return triage.parse(read_field(source, triage.NAME, header.size, triage.SIZE))


def read_small_dump(
    source: Source, header: DumpHeader, budget: Budget, triage: TriageDump | None = None
) -> SmallDumpParts:
    """Find the parts of a small dump. Raise DumpError for a wrong offset or count. triage: if it was read before."""
    layouts = header.layouts
    if triage is None:
        triage = read_triage(source, header)
    starts = sorted({*_offsets(triage), triage.size_of_dump, source.size})
    debugger_data = _sized(source, triage, "DebuggerData", MAX_DEBUGGER_DATA)
    sizes = _structure_sizes(source, debugger_data)

    def up_to_next(field: Field[int], size: int | None) -> Extent:
        offset = field.of(triage)
        if not offset:
            return Extent()
        room = next((start for start in starts if start > offset), offset + 1) - offset
        return _extent(source, triage, field.name, offset, min(room, MAX_STRUCTURE) if size is None else size)

    return SmallDumpParts(
        triage=triage,
        mm=up_to_next(layouts.triage.mm_offset, layouts.mm.SIZE),
        unloaded_drivers=_unloaded_extent(source, triage, layouts, budget),
        prcb=up_to_next(layouts.triage.prcb_offset, sizes.prcb),
        process=up_to_next(layouts.triage.process_offset, sizes.process),
        thread=up_to_next(layouts.triage.thread_offset, sizes.thread),
        call_stack=_sized(source, triage, "CallStack", MAX_CALL_STACK),
        debugger_data=debugger_data,
        driver_list=_driver_extent(source, triage, layouts, budget),
        data_page=_sized(source, triage, "DataPage", MAX_DATA_PAGE),
        data_blocks=_block_extents(source, triage, layouts, budget),
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


def _sized(source: Source, triage: TriageDump, part: str, limit: Limit) -> Extent:
    """Find a part whose size the header tells, which is not to be more than a limit."""
    offset, size = {
        "CallStack": (triage.call_stack_offset, type(triage).size_of_call_stack),
        "DataPage": (triage.data_page_offset, type(triage).data_page_size),
        "DebuggerData": (triage.debugger_data_offset, type(triage).debugger_data_size),
    }[part]
    if offset:
        limit.check(size.of(triage), f"{triage.NAME}.{size.name}")
    return _extent(source, triage, part, offset, size.of(triage))


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


def _unloaded_extent(source: Source, triage: TriageDump, layouts: Layouts, budget: Budget) -> Extent:
    offset = triage.unloaded_drivers_offset
    if not offset:
        return Extent()
    count = struct.unpack("<I", read_field(source, "UnloadedDrivers", offset, 4))[0]
    budget.draw(MAX_UNLOADED_DRIVERS, count, "UnloadedDrivers")
    return _extent(source, triage, "UnloadedDriversOffset", offset, unloaded_size(count, layouts))


def unloaded_size(count: int, layouts: Layouts) -> int:
    """Return the bytes that a list of unloaded drivers takes in a file."""
    return layouts.unloaded_count + count * layouts.dump_unloaded_driver.SIZE


def _driver_extent(source: Source, triage: TriageDump, layouts: Layouts, budget: Budget) -> Extent:
    count = triage.driver_count
    budget.draw(MAX_DRIVERS, count, f"{triage.NAME}.DriverCount")
    return _extent(source, triage, "DriverListOffset", triage.driver_list_offset, count * layouts.dump_driver.SIZE)


def _block_extents(source: Source, triage: TriageDump, layouts: Layouts, budget: Budget) -> tuple[BlockExtent, ...]:
    if not triage.data_blocks_offset:
        return ()
    budget.draw(MAX_DATA_BLOCKS, triage.data_blocks_count, f"{triage.NAME}.DataBlocksCount")
    table = _extent(source, triage, "DataBlocks", triage.data_blocks_offset, triage.data_blocks_count * 16)
    if not table.size:
        return ()
    data = read_field(source, "DataBlocks", table.offset, table.size)
    mask = layouts.address_mask  # data blocks have 64-bit addresses, in 32-bit dumps sign-extended ones
    first, end, total = layouts.header.SIZE, source.size, 0
    blocks = []
    for index, (address, offset, size) in enumerate(struct.iter_unpack("<QII", data)):
        if size and offset < first:
            raise DumpError(f"{triage.NAME}.DataBlocks[{index}]", f"0x{offset:x} lies in the header", DAMAGED)
        if size and offset + size > end:
            _extent(source, triage, f"DataBlocks[{index}]", offset, size)
        total += size
        blocks.append(BlockExtent(address & mask, offset, size))
    if total > end:
        raise DumpError(f"{triage.NAME}.DataBlocks", "together longer than the file", DAMAGED)
    return tuple(blocks)


def read_drivers(source: Source, parts: SmallDumpParts, budget: Budget) -> tuple[Driver, ...]:
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
        name = _name(source, start, pool, entry.driver_name_offset, budget)
        room -= 2 * len(name)
        if room < 0:
            raise DumpError("DUMP_STRING", "the names are together longer than the file", DAMAGED)
        drivers.append(Driver(name, entry))
    return tuple(drivers)


def _name(source: Source, start: int, pool: bytes, offset: int, budget: Budget) -> str:
    """Read a DUMP_STRING at a file offset; it is in the string pool, which begins at `start`, or else anywhere."""
    if not offset:
        return ""
    at = offset - start
    if at < 0 or at + 4 > len(pool):
        pool, at = read_field(source, "DriverNameOffset", offset, 4), 0
    units = int.from_bytes(pool[at : at + 4], "little")
    MAX_NAME.check(units, "DUMP_STRING.Length")
    budget.draw(MAX_DRIVER_NAMES, units, "DUMP_STRING.Length")
    text = pool[at + 4 : at + 4 + 2 * units]
    if len(text) < 2 * units:
        text = read_field(source, "DUMP_STRING", offset + 4, units * 2)
    return text.decode("utf-16-le", "surrogatepass")
