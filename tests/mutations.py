"""Samples with some of their bytes changed: where a change can do most harm, and what makes it do so."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Union

from hypothesis import strategies as st
from source_memory import PAGE, SourceMemory

from samples.builder import SAMPLES, build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis.strategies import SearchStrategy

    from samples.builder.kernel import CrashedMachine

LARGE = {sample.name: sample for sample in SAMPLES if sample.large}

HEADER_FIELDS = (
    *(0x10, 0x18, 0x20, 0x28, 0x30, 0x34, 0x38, 0x40, 0x48, 0x50, 0x58, 0x80, 0x88, 0x90, 0x8, 0xC),
    *range(0x98, 0x98 + 6 * 8, 8),  # the first runs
    *(0x348 + offset for offset in (0x30, 0x78, 0x90, 0x98, 0xA0, 0xF8)),  # ContextFlags, Rax, Rbx, Rsp, Rbp, Rip
    *(0xF00, 0xF98, 0xFA0, 0xFA8, 0xFB0, 0x1030, 0x1038, 0x103C, 0x1048, 0x104D, 0x1050, 0x1054),
)
BODY_HEADER = range(0x2000, 0x2060, 4)
"""Bitmap or range header and the beginning of what follows it; of a complete dump, page data."""

NUMBERS = (
    *(0, 1, 2, 7, 8, 0x10, 0xFF, 0x100, 0xFFF, 0x1000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 32),
    *(0x45474150, 0x45474150_45474150, (1 << 47) - 1, 1 << 47, 0xFFFF8000_00000000, 0xFFFFF780_00000000),
    *((1 << 63) - 1, 1 << 63, (1 << 64) - 0x1000, (1 << 64) - 8, (1 << 64) - 1),
)


@dataclass(frozen=True)
class Original:
    """A sample to be changed: its bytes, offsets of structures in it, addresses and page-table entries in use."""

    data: bytes
    places: tuple[tuple[int, ...], ...]
    values: tuple[int, ...]


@lru_cache
def original(name: str) -> Original:
    """Give a sample with the places and the values that matter in it."""
    sample = LARGE[name]
    memory, data = SourceMemory(sample), build(sample)
    first_page = 0x2000
    if name != "complete":
        (first_page,) = struct.unpack_from("<Q", data, 0x2018 if name.startswith("ranges") else 0x2020)
    offsets = {pfn: first_page + PAGE * index for index, pfn in enumerate(sorted(memory.frames))}
    crashed = memory.crashed
    structures = [
        tuple(
            offsets[pfn] + at % PAGE
            for at in range(address, address + size, 8)
            if (pfn := memory.crash_space.frame(at)) is not None and pfn in offsets
        )
        for address, size in _structures(memory)
    ]
    tables = list(_page_tables(crashed))
    entries = tuple(offsets[pfn] + offset for pfn, offset, _ in tables if pfn in offsets)
    chain = tuple(range(data.rindex(b"DumpBlob"), len(data) - 4, 4))
    places = (*(places for places in structures if places), entries, chain, tuple(BODY_HEADER), HEADER_FIELDS)
    addresses = [address for address, _ in _structures(memory)]
    return Original(data, places, (*addresses, *(entry for _, _, entry in tables)))


def _structures(memory: SourceMemory) -> Iterator[tuple[int, int]]:
    """Give (address, size) of what a reader goes through."""
    crashed = memory.crashed
    machine, version, variables = crashed.machine, crashed.machine.version, crashed.variables
    yield crashed.debugger_data, version.debugger_data_size
    yield crashed.debugger_data + 0x298, 0xD0  # offsets and sizes
    yield variables["KiProcessorBlock"], 8 * len(machine.processors)
    yield variables["PsLoadedModuleList"], 16
    yield variables["MmUnloadedDrivers"], 8
    yield variables["MmLastUnloadedDriver"], 8
    yield variables["IopNumTriageDumpDataBlocks"], 8
    yield variables["IopTriageDumpDataBlocks"], 16 * 8
    yield crashed.unloaded_drivers, 0x28 * 8
    for entry in crashed.loaded_modules.values():
        yield entry, 0x80
    for module in machine.modules:
        yield module.base, 0x160
    for number, processor in enumerate(machine.processors):
        prcb = memory.prcb(number)
        for field in ("OffsetPrcbCurrentThread", "OffsetPrcbContext"):
            yield prcb + version.number(field), 8
        yield prcb + version.number("OffsetPrcbProcStateSpecialReg"), 0x70
        yield processor.context, 0x108
        yield processor.context + 0x4D0, 0x18
    for thread in machine.threads:
        yield thread.address, 0xC0
        yield thread.kernel_stack, 0x80
    for process in machine.processes:
        yield process.address, 0x40
        if process.peb:
            yield process.peb, PAGE


def _page_tables(crashed: CrashedMachine) -> Iterator[tuple[int, int, int]]:
    """Give (page frame, offset, value) of every entry in use below the root of the address space of the crash."""
    machine = crashed.machine
    space = crashed.space_of(machine.processors[machine.crashed].current_thread)
    tables = [space.root]
    for _ in range(space.tables.levels):
        below = []
        for table in dict.fromkeys(tables):
            for index, (entry,) in enumerate(struct.iter_unpack("<Q", crashed.memory.read(table))):
                if entry:
                    yield table, 8 * index, entry
                if entry & 0x81 == 1 and entry >> 12 & 0xFFFFFFFFFF != space.root:
                    below.append(entry >> 12 & 0xFFFFFFFFFF)
        tables = below


@dataclass(frozen=True)
class Overwrite:
    """Bytes put over a field, and over what follows it as often as `times` says."""

    offset: int
    data: bytes
    times: int = 1

    def apply(self, data: bytearray) -> None:
        _put(data, self.offset, self.data * self.times)


@dataclass(frozen=True)
class Flip:
    """One bit turned over, anywhere."""

    offset: int
    bit: int

    def apply(self, data: bytearray) -> None:
        if self.offset < len(data):
            data[self.offset] ^= 1 << self.bit


@dataclass(frozen=True)
class Copy:
    """A stretch of the file copied to some other place."""

    offset: int
    to: int
    size: int

    def apply(self, data: bytearray) -> None:
        _put(data, self.to, bytes(data[self.offset : self.offset + self.size]))


@dataclass(frozen=True)
class Cut:
    """The end of the file cut off."""

    length: int

    def apply(self, data: bytearray) -> None:
        del data[self.length :]


Change = Union[Overwrite, Flip, Copy, Cut]


def changed(name: str, changes: list[Change]) -> bytes:
    """Give a sample with these changes."""
    data = bytearray(original(name).data)
    for change in changes:
        change.apply(data)
    return bytes(data)


def changes(name: str) -> SearchStrategy[list[Change]]:
    """Give one to eight changes of a sample, most of them in fields that something depends on."""
    base = original(name)
    size = len(base.data)
    places = st.sampled_from(base.places).flatmap(st.sampled_from)
    near = st.sampled_from((-0x1000, -8, -1, 0, 1, 8, 0x10, 0xFF8, 0x1000))
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


def _put(data: bytearray, offset: int, new: bytes) -> None:
    """Overwrite as much as there is."""
    if offset < len(data):
        end = min(offset + len(new), len(data))
        data[offset:end] = new[: end - offset]
