"""What only -v shows: all header fields, the map of physical memory, secondary data, the parts of a small dump."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from windbg_ext.dump.header import number_of
from windbg_ext.limits import MAX_LISTED
from windbg_ext.structs.header import FILL
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sized

    from windbg_ext.commands.dumpkind.machine import ProcessorState
    from windbg_ext.commands.dumpkind.modules import LoadedModule
    from windbg_ext.dump.header import PhysicalMemoryRun
    from windbg_ext.dump.pages import PageSource
    from windbg_ext.dump.secondary import SecondaryBlob
    from windbg_ext.dump.small import SmallDumpParts
    from windbg_ext.kernel.modules import UnloadedDriver
    from windbg_ext.structs.layouts import RawHeader

SLICES = 64
"""Equal parts that physical memory is counted in, for a line of text."""
FINE_SLICES = 256
"""Equal parts for a picture."""
SHOWN_BYTES = 32

SECONDARY_NAMES = {
    "2b4ae195-a64d-4f04-8ede-7e4f981bd42a": "TRIAGEDUMP_DATA",
    "65755a40-f146-43ea-8c91-36b85728fd35": "crashdmp",
    "54c84888-01d1-4c1e-bed6-282c98241303": "WDF in-flight recorder",
    "bc5c008f-1e3a-44d7-988d-86f6884c6758": "SMBIOS",
    "f57308df-cc45-4e01-ad76-29a4ebb010ec": "black box BSD",
}
"""Names of blobs of secondary data by their GUIDs; source: ntoseye `tagged.rs`."""


class MemoryMap(NamedTuple):
    """Physical memory, counted in pages.

    slices: (pages in the dump, pages of RAM) of each equal part of it; pages_per_slice: the length of a part; runs:
    (first page frame, count) of RAM; present, missing: pages of RAM that the dump holds or leaves out; fine: as
    (pages_per_slice, slices), in smaller parts; in_runs: pages of each run that the dump holds; cut: pages that it held
    before the file was cut short, and which count as missing.
    """

    pages_per_slice: int
    slices: tuple[tuple[int, int], ...]
    runs: tuple[tuple[int, int], ...]
    present: int
    missing: int | None
    fine: tuple[int, tuple[tuple[int, int], ...]] = (0, ())
    in_runs: tuple[int, ...] = ()
    cut: int = 0


class HeaderField(NamedTuple):
    """A field of the header: its numbers, written with at least that many digits, or a text in place of them."""

    name: str
    text: str = ""
    numbers: tuple[int, ...] = ()
    digits: int = 1


class Details(NamedTuple):
    """What only -v shows. secondary: (GUID, known name, offset, size); data_blocks: (address, offset, size).

    file_parts: (name, offset, bytes) of what the file is made of, in the order of the file; unloaded_drivers: newest
    first.

    Each list has at most MAX_LISTED entries. not_listed: how many more the dump has of those that are longer, by the
    name of the list.
    """

    header_fields: tuple[HeaderField, ...] = ()
    memory_map: MemoryMap | None = None
    secondary: tuple[tuple[str, str, int, int], ...] = ()
    parts: tuple[tuple[str, int, int], ...] = ()
    data_blocks: tuple[tuple[int, int, int], ...] = ()
    modules: tuple[LoadedModule, ...] = ()
    not_listed: Mapping[str, int] = MappingProxyType({})
    file_parts: tuple[tuple[str, int, int], ...] = ()
    processors: tuple[ProcessorState, ...] = ()
    unloaded_drivers: tuple[UnloadedDriver, ...] = ()


def not_listed(secondary: Sized, data_blocks: Sized, modules: Sized) -> dict[str, int]:
    """Return by how much each list is longer than what is shown of it, those that are not left out."""
    lists = {"secondary_data": secondary, "data_blocks": data_blocks, "modules": modules}
    return {name: len(entries) - MAX_LISTED for name, entries in lists.items() if len(entries) > MAX_LISTED}


def header_fields(raw: RawHeader) -> Iterator[HeaderField]:
    """Yield every field of the header with its value in the manner of .dumpdebug; unset ones are told as such."""
    for field in raw.FIELDS:
        name, value = field.name, field.of(raw)
        if isinstance(value, int):
            unset = number_of(field, raw) is None
            yield HeaderField(name, "unset") if unset else HeaderField(name, "", (value,), 2 * field.length)
        elif isinstance(value, tuple):
            yield HeaderField(name, "", value)
        elif value == FILL * (len(value) // 4) and field is not type(raw).signature:  # which is "PAGE" itself
            yield HeaderField(name, "unset")
        elif len(value) > SHOWN_BYTES:
            yield HeaderField(name, f"{len(value)} bytes" if any(value) else f"{len(value)} zeros")
        else:
            yield HeaderField(name, value.rstrip(b"\0").decode("latin-1"))


def memory_map(
    pages: PageSource, runs: tuple[PhysicalMemoryRun, ...] | None, there: int | None = None
) -> MemoryMap | None:
    """Count the pages of each part of physical memory. runs: of RAM; None: of none is known. Return None without pages.

    there: how many pages a file has that is cut short; None: all. Without runs, what is not in the dump cannot be told
    from what is no RAM.
    """
    ram = [(run.base_page, run.page_count) for run in runs or ()]
    end = max([pages.frames, *(base + count for base, count in ram)])
    if not end:
        return None
    below = pages.pages_below
    if there is not None and pages.in_order:  # else the first pages of the file are anywhere in memory
        below = partial(_at_most, there, pages.pages_below)
    step, slices = _slices(below, ram, end, SLICES)
    present = below(end)
    in_runs = tuple(below(base + count) - below(base) for base, count in ram)
    missing = sum(count for _, count in ram) - sum(in_runs) if ram else None
    held = sum(pages.pages_below(base + count) - pages.pages_below(base) for base, count in ram)
    cut = held - sum(in_runs) if ram else pages.pages_below(end) - present
    return MemoryMap(step, slices, tuple(ram), present, missing, _slices(below, ram, end, FINE_SLICES), in_runs, cut)


def _at_most(there: int, pages_below: Callable[[int], int], pfn: int) -> int:
    return min(there, pages_below(pfn))


def _slices(
    below: Callable[[int], int], ram: list[tuple[int, int]], end: int, parts: int
) -> tuple[int, tuple[tuple[int, int], ...]]:
    """Return the page frames of a slice, and of each slice its pages in the dump and in RAM."""
    step = max(1, -(-end // parts))
    return step, tuple([_count(below, ram, start, start + step) for start in range(0, end, step)])


def _count(below: Callable[[int], int], ram: list[tuple[int, int]], start: int, end: int) -> tuple[int, int]:
    present = below(end) - below(start)
    return present, sum(max(0, min(end, base + count) - max(start, base)) for base, count in ram)


def secondary_blobs(blobs: Iterable[SecondaryBlob]) -> Iterator[tuple[str, str, int, int]]:
    """Yield (GUID, known name or nothing, file offset, bytes) of each blob of secondary data."""
    for blob in blobs:
        yield str(blob.tag), SECONDARY_NAMES.get(str(blob.tag), ""), blob.offset, blob.size


def small_parts(parts: SmallDumpParts) -> Iterator[tuple[str, int, int]]:
    """Yield (name, file offset, bytes) of each part of a small dump that is there."""
    named = {
        "MM information": parts.mm,
        "unloaded drivers": parts.unloaded_drivers,
        "PRCB": parts.prcb,
        "process": parts.process,
        "thread": parts.thread,
        "call stack": parts.call_stack,
        "debugger data": parts.debugger_data,
        "driver list": parts.driver_list,
        "data page": parts.data_page,
    }
    for name, extent in named.items():
        if extent.size:
            yield name, extent.offset, extent.size
