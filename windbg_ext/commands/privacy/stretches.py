"""The stretches of a small dump: every byte that whoever gets the file can read, with its place and its address."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from windbg_ext.commands.privacy.rules import IDENTIFYING_BLOBS
from windbg_ext.limits import MAX_PRIVACY, MAX_STRETCHES
from windbg_ext.sources import Range, read_fields
from windbg_ext.structs.layouts import layouts_of
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from windbg_ext.dump.dump import Dump
    from windbg_ext.dump.small import SmallDumpParts
    from windbg_ext.dump.small_file import SmallDump
    from windbg_ext.structs.layouts import RawHeader

HEADER = "header"
DATA_BLOCK = "data block"
BETWEEN = "between the parts"
BEHIND = "behind the end"
DRIVER_NAME = "driver name"
UNLOADED_DRIVER = "unloaded driver"
SECONDARY_DATA = "secondary data"
PRCB, PROCESS, THREAD, CALL_STACK = "KPRCB", "EPROCESS", "ETHREAD", "call stack"
DEBUGGER_DATA, MM_INFORMATION, DATA_PAGE, DRIVER_LIST = (
    *("debugger data block", "MM information", "data page", "driver list"),
)


class Stretch(NamedTuple):
    """Bytes of a dump.

    place: the part that they are; address: where they were in memory, None for what never was there; offset: where
    they lie in a file, None if they are in none; number: of several in a place; tag: GUID of a blob of secondary data.
    """

    place: str
    data: bytes
    address: int | None = None
    offset: int | None = None
    number: int = 0
    tag: str = ""


class Addresses(NamedTuple):
    """Where the structures were that have a place of their own in a small dump; None if that cannot be told."""

    prcb: int | None = None
    process: int | None = None
    thread: int | None = None
    debugger_data: int | None = None


def stretches_of(dump: SmallDump, addresses: Addresses) -> Iterator[Stretch]:
    """Yield the stretches of a small dump as values, the secondary data not among them.

    Of the entries of its lists there are only the names: nothing else of them is written again.
    """
    yield Stretch(HEADER, dump.header.build())
    yield Stretch(MM_INFORMATION, dump.mm)
    for index, unloaded in enumerate(dump.unloaded_drivers or ()):
        yield Stretch(UNLOADED_DRIVER, unloaded.driver_name[: unloaded.name_length], number=index)
    for index, driver in enumerate(dump.drivers):
        yield Stretch(DRIVER_NAME, driver.name.encode("utf-16-le", "surrogatepass"), number=index)
    yield Stretch(PRCB, dump.prcb, addresses.prcb)
    yield Stretch(PROCESS, dump.process, addresses.process)
    yield Stretch(THREAD, dump.thread, addresses.thread)
    yield Stretch(CALL_STACK, dump.call_stack, dump.top_of_stack)
    yield Stretch(DEBUGGER_DATA, dump.debugger_data, addresses.debugger_data)
    yield Stretch(DATA_PAGE, dump.data_page, dump.data_page_address)
    yield Stretch("architecture", dump.architecture_specific)
    for index, block in enumerate(dump.data_blocks):
        yield Stretch(DATA_BLOCK, block.data, block.address, number=index)


def stretches_of_file(dump: Dump, parts: SmallDumpParts, addresses: Addresses) -> list[Stretch]:
    """Return the stretches of a small dump's file: all of its bytes, also those that belong to no part.

    Raise DumpError where they cannot be read, or are more than any honest small dump has.
    """
    MAX_STRETCHES.check(len(parts.data_blocks), "TRIAGE_DUMP.DataBlocksCount")
    source, layouts = dump.source, layouts_of(dump.fields)
    head = layouts.header.SIZE + layouts.triage.SIZE
    named = [
        (HEADER, 0, head, None),
        (MM_INFORMATION, *parts.mm, None),
        (UNLOADED_DRIVER, *parts.unloaded_drivers, None),
        (PRCB, *parts.prcb, addresses.prcb),
        (PROCESS, *parts.process, addresses.process),
        (THREAD, *parts.thread, addresses.thread),
        (CALL_STACK, *parts.call_stack, parts.triage.top_of_stack),
        (DEBUGGER_DATA, *parts.debugger_data, addresses.debugger_data),
        (DRIVER_LIST, *parts.driver_list, None),
        (DRIVER_NAME, parts.triage.string_pool_offset, parts.triage.string_pool_size, None),
        (DATA_PAGE, *parts.data_page, parts.triage.data_page_address),
        *((DATA_BLOCK, block.offset, block.size, block.address) for block in parts.data_blocks),
    ]
    chain = dump.secondary
    tags = {}
    if chain is not None:
        for tag, (start, end) in zip(["", *(str(blob.tag) for blob in chain.blobs)], chain.extents):
            tags[start] = tag
            named.append((blob_name(tag), start, end - start, None))
    within = [
        (place, offset, min(size, source.size - offset), address)
        for place, offset, size, address in named
        if 0 <= offset < source.size and size > 0
    ]
    end = parts.size_of_dump if chain is None else chain.offset + chain.size
    covered = sorted((offset, offset + size) for _, offset, size, _ in within)
    within += [
        (BETWEEN if start < end else BEHIND, start, upto - start, None) for start, upto in _gaps(covered, source.size)
    ]
    MAX_PRIVACY.check(sum(size for _, _, size, _ in within), "small dump")
    found = read_fields(source, "small dump", [Range(offset, size) for _, offset, size, _ in within])
    return [
        Stretch(place, data, address, offset, tag=tags.get(offset, "") if place.startswith(SECONDARY_DATA) else "")
        for (place, offset, _, address), data in zip(within, found)
    ]


def blob_name(tag: str) -> str:
    """Return the place of a blob of secondary data. tag: its GUID, empty for the head of the chain."""
    known = IDENTIFYING_BLOBS.get(tag)
    return f"{SECONDARY_DATA} {known.name if known else tag}" if tag else SECONDARY_DATA


def _gaps(covered: Sequence[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    """Yield what of a file is not covered."""
    at = 0
    for start, end in (*covered, (size, size)):
        if at < start:
            yield at, start
        at = max(at, end)


class Run(NamedTuple):
    """Stretches that follow one another in memory, so that a text may go on from one to the next, as one piece."""

    stretches: tuple[Stretch, ...]
    starts: tuple[int, ...]

    @property
    def data(self) -> bytes:
        """All of their bytes."""
        return b"".join(stretch.data for stretch in self.stretches)

    def parts(self, start: int, end: int) -> Iterator[tuple[Stretch, int, int]]:
        """Yield the stretches that a piece of the run lies in, and where it begins and ends in each."""
        for index in range(bisect_right(self.starts, start) - 1, len(self.stretches)):
            stretch, first = self.stretches[index], self.starts[index]
            if first >= end:
                return
            yield stretch, max(start - first, 0), min(end - first, len(stretch.data))


def runs(stretches: Iterable[Stretch]) -> list[Run]:
    """Return stretches in runs. What was never in memory, or overlaps another stretch, is a run of its own."""
    found = [stretch for stretch in stretches if stretch.data]
    alone = [Run((stretch,), (0,)) for stretch in found if stretch.address is None]
    placed = sorted(
        (stretch for stretch in found if stretch.address is not None),
        key=lambda stretch: (stretch.address or 0, -len(stretch.data)),
    )
    open_runs: dict[int, tuple[list[Stretch], list[int]]] = {}
    """Runs that may go on, by the address at which they end."""
    together = []
    for stretch in placed:
        address = stretch.address or 0
        members, starts = open_runs.pop(address, ([], [0]))
        if not members:
            together.append((members, starts))
        members.append(stretch)
        starts.append(starts[-1] + len(stretch.data))
        open_runs[address + len(stretch.data)] = (members, starts)
    return [*alone, *(Run(tuple(members), tuple(starts[:-1])) for members, starts in together)]


def header_field(header: RawHeader, offset: int) -> str:
    """Return the name of the field of a header that an offset lies in, or say that it is none."""
    for field in header.FIELDS:
        if field.offset <= offset < field.offset + field.length:
            return field.name
    return "unused bytes" if offset < header.SIZE else "TRIAGE_DUMP"
