"""What only -v shows: all header fields, the map of physical memory, secondary data, the parts of a small dump."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from windbg_ext.dump.header import number_of
from windbg_ext.structs.header import FILL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.commands.dumpkind.report import LoadedModule
    from windbg_ext.dump.header import PhysicalMemoryRun
    from windbg_ext.dump.pages import PageSource
    from windbg_ext.dump.secondary import SecondaryData
    from windbg_ext.dump.small import SmallDumpParts
    from windbg_ext.structs.layout import Record

STRIP = 64
"""Characters of the strip that physical memory is drawn as."""
ALL, SOME, LEFT_OUT, NO_RAM = "#", "+", ".", " "
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
    """Physical memory. strip: a character for each equal part of it; pages_per_character: how much that is.

    runs: (first page frame, count) of RAM; present, missing: pages of RAM that the dump holds or leaves out.
    """

    strip: str
    pages_per_character: int
    runs: tuple[tuple[int, int], ...]
    present: int
    missing: int | None


class Details(NamedTuple):
    """What only -v shows. secondary: (GUID, known name, offset, size); data_blocks: (address, offset, size)."""

    header_fields: tuple[tuple[str, str], ...] = ()
    memory_map: MemoryMap | None = None
    secondary: tuple[tuple[str, str, int, int], ...] = ()
    parts: tuple[tuple[str, int, int], ...] = ()
    data_blocks: tuple[tuple[int, int, int], ...] = ()
    modules: tuple[LoadedModule, ...] = ()


def header_fields(record: Record) -> Iterator[tuple[str, str]]:
    """Give every field of the header with its value in the manner of .dumpdebug; unset ones are told as such."""
    for name in record.layout.fields():
        value = record.value(name)
        if isinstance(value, int):
            known = number_of(record, name)
            shown = "unset" if known is None else f"0x{value:0{2 * record.layout.length(name)}x}"
        elif isinstance(value, list):
            shown = " ".join(f"0x{item:x}" for item in value)
        elif value == FILL * (len(value) // 4) and name != "Signature":  # which is "PAGE" itself
            shown = "unset"
        elif len(value) > SHOWN_BYTES:
            shown = f"{len(value)} bytes" if any(value) else f"{len(value)} zeros"
        else:
            shown = value.rstrip(b"\0").decode("latin-1")
        yield name, shown


def memory_map(pages: PageSource, runs: tuple[PhysicalMemoryRun, ...] | None) -> MemoryMap | None:
    """Draw physical memory: # all of a part is in the dump, + some, . RAM that is left out, blank no RAM.

    runs: of RAM; without them, what is not in the dump cannot be told from what is no RAM. None: no pages at all.
    """
    ram = [(run.base_page, run.page_count) for run in runs or ()]
    end = max([pages.frames, *(base + count for base, count in ram)])
    if not end:
        return None
    step = max(1, -(-end // STRIP))
    strip = "".join(_cell(pages, ram, start, start + step) for start in range(0, end, step))
    present = pages.pages_below(end)
    in_ram = sum(pages.pages_below(base + count) - pages.pages_below(base) for base, count in ram)
    missing = sum(count for _, count in ram) - in_ram if ram else None
    return MemoryMap(strip, step, tuple(ram), present, missing)


def _cell(pages: PageSource, ram: list[tuple[int, int]], start: int, end: int) -> str:
    present = pages.pages_below(end) - pages.pages_below(start)
    known = sum(max(0, min(end, base + count) - max(start, base)) for base, count in ram)
    if present:
        return ALL if present >= (known or end - start) else SOME
    return LEFT_OUT if known else NO_RAM


def secondary_blobs(secondary: SecondaryData | None) -> Iterator[tuple[str, str, int, int]]:
    """Give (GUID, known name or nothing, file offset, bytes) of each blob of secondary data."""
    for blob in secondary.blobs if secondary is not None else ():
        yield str(blob.tag), SECONDARY_NAMES.get(str(blob.tag), ""), blob.offset, blob.size


def small_parts(parts: SmallDumpParts) -> Iterator[tuple[str, int, int]]:
    """Give (name, file offset, bytes) of each part of a small dump that is there."""
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
