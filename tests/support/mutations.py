"""Samples with changed bytes: the places and values that can do most harm."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Union

from hypothesis import strategies as st

from samples.builder import SAMPLES, build
from samples.builder.page_tables import VALID
from support.source_memory import PAGE, SourceMemory
from windbg_ext.structs.header import DumpHeader64, DumpType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hypothesis.strategies import SearchStrategy

    from samples.builder import Sample
    from samples.builder.crashed_machine import CrashedMachine

BY_NAME = {sample.name: sample for sample in SAMPLES}
LARGE = {name: sample for name, sample in BY_NAME.items() if sample.large}

RANGES = (DumpType.RANGES_KERNEL, DumpType.RANGES_KERNEL_AND_USER, DumpType.RANGES_FULL)
BITMAPS = (DumpType.BITMAP_FULL, DumpType.BITMAP_KERNEL, DumpType.AUTOMATIC)

HEADER64_FIELDS = (
    *(0x10, 0x18, 0x20, 0x28, 0x30, 0x34, 0x38, 0x40, 0x48, 0x50, 0x58, 0x80, 0x88, 0x90, 0x8, 0xC),
    *range(0x98, 0x98 + 6 * 8, 8),  # the first runs
    *(0x348 + offset for offset in (0x30, 0x78, 0x90, 0x98, 0xA0, 0xF8)),  # ContextFlags, Rax, Rbx, Rsp, Rbp, Rip
    *(0xF00, 0xF98, 0xFA0, 0xFA8, 0xFB0, 0x1030, 0x1038, 0x103C, 0x1048, 0x104D, 0x1050, 0x1054),
)
BODY_HEADER = range(0, 0x60, 4)
"""Bitmap or range header and the beginning of what follows it; of a complete dump, page data."""
FIRST_PAGE = {
    DumpType.SUMMARY: ("<I", 0xC),
    **dict.fromkeys(RANGES, ("<Q", 0x18)),
    **dict.fromkeys(BITMAPS, ("<Q", 0x20)),
}
"""Where the headers of the pages have the offset of the first page."""

NUMBERS = (
    *(0, 1, 2, 7, 8, 0x10, 0xFF, 0x100, 0xFFF, 0x1000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 32),
    *(0x45474150, 0x45474150_45474150, (1 << 47) - 1, 1 << 47, 0xFFFF8000_00000000, 0xFFFFF780_00000000),
    *((1 << 63) - 1, 1 << 63, (1 << 64) - 0x1000, (1 << 64) - 8, (1 << 64) - 1),
)


class Place(NamedTuple):
    """A structure in a file: its name and the offsets of its fields."""

    name: str
    offsets: tuple[int, ...]


@dataclass(frozen=True)
class Original:
    """A file to change: its bytes, its structures, and the addresses and page-table entries in use."""

    data: bytes
    places: tuple[Place, ...]
    values: tuple[int, ...]


@lru_cache
def original(name: str) -> Original:
    """Return a sample with its important places and values."""
    sample = BY_NAME[name]
    return _large_original(sample) if name in LARGE else _small_original(sample)


def by_header(data: bytes) -> Original:
    """Return a dump that is only known to have a header and something behind it."""
    end = 0x1000 if data.startswith(b"PAGEDUMP") else 0x2000
    body = tuple(range(end, min(end + 0x100, len(data)), 4))
    places = (Place("header", (*range(0, 0x100, 4), *range(end - 0x100, end, 4))), Place("body", body or (0,)))
    return Original(data, places, (end, len(data), end + 0x1000))


def header_fields(sample: Sample) -> tuple[int, ...]:
    """Return the offsets of the important fields in a sample's header."""
    structure = sample.machine.architecture.layouts.header
    if structure is DumpHeader64:
        return HEADER64_FIELDS
    fields = (*structure.FIELDS, structure.signature)
    runs = range(0x6C, 0x6C + 6 * 4, 4)
    context = (structure.context_record.offset + offset for offset in (0, 0xB0, 0xB8, 0xC0, 0xC4))
    return (*(field.offset for field in fields), *runs, *context)


def _small_original(sample: Sample) -> Original:
    data, layouts = build(sample), sample.machine.architecture.layouts
    at = layouts.header.SIZE
    triage = layouts.triage.parse(data[at:])
    debugger_data, end = triage.debugger_data_offset, triage.size_of_dump
    parts = (
        ("TRIAGE_DUMP", at, layouts.triage.SIZE),
        ("drivers", triage.driver_list_offset, layouts.dump_driver.SIZE * triage.driver_count),
        ("names of drivers", triage.string_pool_offset, triage.string_pool_size),
        ("unloaded drivers", triage.unloaded_drivers_offset, 0x100),
        ("debugger data", debugger_data + 0x10, 8),
        ("debugger data", debugger_data + 0x298, 0xD0),
        ("data blocks", triage.data_blocks_offset, 16 * triage.data_blocks_count),
        ("secondary data", end, len(data) - end),
    )
    places = [Place(part, tuple(range(offset, offset + size, 4))) for part, offset, size in parts if offset and size]
    offsets = (value for _, value in triage.integers() if 0 < value <= len(data))
    return Original(data, (*places, Place("header", header_fields(sample))), (*offsets, len(data)))


def _large_original(sample: Sample) -> Original:
    data, memory = build(sample), SourceMemory(sample)
    first_page = end_of_header = sample.machine.architecture.layouts.header.SIZE
    if sample.format.dump_type in FIRST_PAGE:
        form, offset = FIRST_PAGE[sample.format.dump_type]
        (first_page,) = struct.unpack_from(form, data, end_of_header + offset)
    offsets = {pfn: first_page + PAGE * index for index, pfn in enumerate(sorted(memory.frames))}
    crashed = memory.crashed
    structures = [
        Place(
            structure,
            tuple(
                offsets[pfn] + at % PAGE
                for at in range(address, address + size, 4)
                if (pfn := memory.crash_space.frame(at)) is not None and pfn in offsets
            ),
        )
        for structure, address, size in _structures(memory)
    ]
    tables = list(_page_tables(crashed))
    entries = tuple(offsets[pfn] + offset for pfn, offset, _ in tables if pfn in offsets)
    chain = tuple(range(data.rindex(b"DumpBlob"), len(data) - 4, 4))
    places = (
        *(place for place in structures if place.offsets),
        Place("page tables", entries),
        Place("secondary data", chain),
        Place("body", tuple(end_of_header + offset for offset in BODY_HEADER)),
        Place("header", header_fields(sample)),
    )
    addresses = [address for _, address, _ in _structures(memory)]
    return Original(data, places, (*addresses, *(entry for _, _, entry in tables)))


def _structures(memory: SourceMemory) -> Iterator[tuple[str, int, int]]:
    """Yield (name, address, size) of the structures that a reader visits."""
    crashed = memory.crashed
    machine, version, variables = crashed.machine, crashed.machine.version, crashed.variables
    yield "debugger data", crashed.debugger_data, version.debugger_data_size
    yield "debugger data", crashed.debugger_data + 0x298, 0xD0  # offsets and sizes
    yield "processors", variables["KiProcessorBlock"], 8 * len(machine.processors)
    yield "modules", variables["PsLoadedModuleList"], 16
    yield "unloaded drivers", variables["MmUnloadedDrivers"], 8
    yield "unloaded drivers", variables["MmLastUnloadedDriver"], 8
    yield "registered blocks", variables["IopNumTriageDumpDataBlocks"], 8
    yield "registered blocks", variables["IopTriageDumpDataBlocks"], 16 * 8
    yield "unloaded drivers", crashed.unloaded_drivers, 0x28 * 8
    for entry in crashed.loaded_modules.values():
        yield "modules", entry, 0x80
    for module in machine.modules:
        yield "modules", module.base, 0x160
    for number, processor in enumerate(machine.processors):
        prcb = memory.prcb(number)
        for field in ("OffsetPrcbCurrentThread", "OffsetPrcbContext"):
            yield "processors", prcb + version.number(field), 8
        yield "processors", prcb + version.number("OffsetPrcbProcStateSpecialReg"), 0x70
        yield "processors", processor.context, 0x108
        yield "processors", processor.context + 0x4D0, 0x18
    for thread in machine.threads:
        yield "threads", thread.address, 0xC0
        yield "threads", thread.kernel_stack, 0x80
    for process in machine.processes:
        yield "processes", process.address, 0x40
        if process.peb:
            yield "processes", process.peb, PAGE


def _page_tables(crashed: CrashedMachine) -> Iterator[tuple[int, int, int]]:
    """Yield (page frame, offset, value) of every entry in use in the page tables of the crash."""
    machine = crashed.machine
    space = crashed.space_of(machine.processors[machine.crashed].current_thread)
    form, tables = space.tables, [space.root]
    if form.root_pages > 1:  # the page directory pointer table of PAE
        offset = space.directory_table_base % PAGE
        pointers = struct.unpack_from("<4Q", crashed.memory.read(space.root), offset)
        yield from ((space.root, offset + 8 * index, pointer) for index, pointer in enumerate(pointers))
        tables = [(pointer & form.frame_bits) >> 12 for pointer in pointers]
    roots = set(tables)
    for _ in range(form.levels):
        below = []
        for table in dict.fromkeys(tables):
            for index, (entry,) in enumerate(struct.iter_unpack(form.entry, crashed.memory.read(table))):
                if entry:
                    yield table, form.entry_size * index, entry
                frame = (entry & form.frame_bits) >> 12
                if entry & VALID and not form.is_large(entry) and frame not in roots:
                    below.append(frame)
        tables = below


STEPS = (-0x1000, -8, -1, 0, 1, 8, 0x10, 0xFF8, 0x1000)
"""Offsets that are added to an address, to miss it by a little."""


@dataclass(frozen=True)
class Overwrite:
    """Bytes that overwrite a field and what follows it, `times` times."""

    offset: int
    data: bytes
    times: int = 1

    def apply(self, data: bytearray) -> None:
        _put(data, self.offset, self.data * self.times)


@dataclass(frozen=True)
class Flip:
    """One bit inverted, anywhere."""

    offset: int
    bit: int

    def apply(self, data: bytearray) -> None:
        if self.offset < len(data):
            data[self.offset] ^= 1 << self.bit


@dataclass(frozen=True)
class Copy:
    """A range of the file copied to another place."""

    offset: int
    to: int
    size: int

    def apply(self, data: bytearray) -> None:
        _put(data, self.to, bytes(data[self.offset : self.offset + self.size]))


@dataclass(frozen=True)
class Cut:
    """The file without its end."""

    length: int

    def apply(self, data: bytearray) -> None:
        del data[self.length :]


Change = Union[Overwrite, Flip, Copy, Cut]


def changed(base: Original, changes: Iterable[Change]) -> bytes:
    """Return a file with these changes."""
    data = bytearray(base.data)
    for change in changes:
        change.apply(data)
    return bytes(data)


def changes(name: str) -> SearchStrategy[list[Change]]:
    """Return a strategy for one to eight changes of a sample, most of them in important fields."""
    base = original(name)
    size = len(base.data)
    places = st.sampled_from(base.places).flatmap(lambda place: st.sampled_from(place.offsets))
    near = st.sampled_from(STEPS)
    leads_somewhere = st.builds(lambda value, step: (value + step) % (1 << 64), st.sampled_from(base.values), near)
    values = st.one_of(leads_somewhere, st.sampled_from(NUMBERS), st.integers(0, (1 << 64) - 1))
    quadwords = values.map(lambda value: value.to_bytes(8, "little"))
    fields = st.builds(lambda data, width: data[:width], quadwords, st.sampled_from((8, 8, 8, 4, 2, 1)))
    overwrite = st.builds(Overwrite, places, fields)
    fill = st.builds(Overwrite, places, quadwords, st.sampled_from((2, 4, 16, 64, 512)))
    flip = st.builds(Flip, st.integers(0, size - 1), st.integers(0, 7))
    copy = st.builds(Copy, places, places, st.sampled_from((8, 0x28, 0x80, 0x1000)))
    cut = st.builds(Cut, st.one_of(st.integers(max(0, size - 0x8000), size), st.integers(0, size)))
    kinds = st.one_of(overwrite, overwrite, overwrite, overwrite, fill, flip, copy)
    cuts = st.lists(cut, min_size=1, max_size=1)
    rarely_cut = st.sampled_from((False,) * 9 + (True,)).flatmap(lambda it: cuts if it else st.just([]))
    return st.builds(list.__add__, st.lists(kinds, min_size=1, max_size=8), rarely_cut)


RECORD = struct.Struct("<BBH8s")


def decoded(data: bytes, base: Original) -> Iterator[Change]:
    """Decode changes of a file from any bytes, so that a fuzzer can make them: 12 bytes for each change.

    A record has the kind of change, the structure, the field and the value.
    """
    for what, place, field, value in RECORD.iter_unpack(data[: len(data) // RECORD.size * RECORD.size]):
        offsets = base.places[place % len(base.places)].offsets
        yield _change(base, what, offsets, offsets[field % len(offsets)], value)


def _change(base: Original, what: int, offsets: tuple[int, ...], offset: int, value: bytes) -> Change:
    number, more, size = int.from_bytes(value, "little"), what >> 4, len(base.data)
    kind = what % 16
    if kind < 4:
        return Overwrite(offset, value[: 8 >> kind])
    if kind < 6:
        return Overwrite(offset, NUMBERS[number % len(NUMBERS)].to_bytes(8, "little")[: 8 >> kind - 4])
    if kind < 9:
        leads = base.values[number % len(base.values)] + STEPS[more % len(STEPS)]
        return Overwrite(offset, (leads % (1 << 64)).to_bytes(8, "little")[: 4 if kind == 8 else 8])
    if kind == 9:
        return Overwrite(offset, value, 2 << more % 9)
    if kind == 10:
        return Copy(offset, offsets[number % len(offsets)], 8 << more)
    if kind == 11:
        return Cut(max(0, size - number % 0x8000))
    if kind == 12:
        return Cut(number % (size + 1))
    if kind == 13:
        return Flip(number % size, more % 8)
    at = int.from_bytes(value[:4], "little") % size
    return Overwrite(at, value[4:] if kind == 14 else value[4:5])


def _put(data: bytearray, offset: int, new: bytes) -> None:
    """Overwrite bytes, up to the end of the file."""
    if offset < len(data):
        end = min(offset + len(new), len(data))
        data[offset:end] = new[: end - offset]
