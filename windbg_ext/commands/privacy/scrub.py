"""Leave out of a small dump what could identify a person or a machine.

A small dump has two sorts of places. Data blocks can have holes: what is left out of them is not in the file. Six parts
have a place of their own and go in as a whole, or else Microsoft's engine does not open the dump (measured): in these,
the quadwords that are left out are zeros, as are all places in a dump that nobody set, and the report says how many.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Callable

from windbg_ext.commands.privacy.addresses import addresses_of
from windbg_ext.commands.privacy.environment import environment_of
from windbg_ext.commands.privacy.find import Found, find
from windbg_ext.commands.privacy.holes import Windows, in_order, with_block, without_spans
from windbg_ext.commands.privacy.kept import Kept, Span, kept, merged, overlap
from windbg_ext.commands.privacy.rules import IDENTIFYING_BLOBS, Rule, rule
from windbg_ext.commands.privacy.scrubbed_header import scrubbed_header
from windbg_ext.commands.privacy.scrubbing import Scrubbing, ScrubReport
from windbg_ext.commands.privacy.search import Search
from windbg_ext.commands.privacy.stretches import (
    DEBUGGER_DATA,
    DRIVER_NAME,
    HEADER,
    MM_INFORMATION,
    PRCB,
    PROCESS,
    SECONDARY_DATA,
    THREAD,
    UNLOADED_DRIVER,
    Stretch,
    stretches_of,
)
from windbg_ext.commands.privacy.tally import Tally
from windbg_ext.dump.small_file import DataBlock
from windbg_ext.kernel.processes import IMAGE_FILE_NAME_SIZE
from windbg_ext.memory.paging import PAGE_SIZE
from windbg_ext.structs.layouts import layouts_of
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from windbg_ext.commands.privacy.stretches import Addresses
    from windbg_ext.dump.small import Driver
    from windbg_ext.dump.small_file import SmallDump
    from windbg_ext.kernel.target import Target
    from windbg_ext.structs.layouts import DumpUnloadedDriver

AROUND = 0x100
"""Bytes on either side of what is found that go with it where no window tells how far it belongs together."""
WHOLE: Mapping[str, Callable[[SmallDump, bytes], SmallDump]] = MappingProxyType(
    {
        PRCB: lambda dump, data: replace(dump, prcb=data),
        PROCESS: lambda dump, data: replace(dump, process=data),
        THREAD: lambda dump, data: replace(dump, thread=data),
        DEBUGGER_DATA: lambda dump, data: replace(dump, debugger_data=data),
        MM_INFORMATION: lambda dump, data: replace(dump, mm=data),
    }
)
"""Parts that are whole or not there: returns a dump with other bytes for one."""

STAYS = (
    "bug check, exception and all registers",
    "kernel stacks, but for texts on them",
    "KPRCBs, threads and processes",
    "kernel modules with time stamps and sizes",
    "unloaded drivers",
    "debugger data block",
)


class Scrubbed(NamedTuple):
    """A small dump without what is personal. blobs: numbers of the blobs that are left out; removed: what of the data
    blocks was, in ascending order.
    """

    dump: SmallDump
    blobs: frozenset[int]
    removed: tuple[Span, ...]
    report: ScrubReport


def scrub(
    dump: SmallDump,
    target: Target,
    options: Scrubbing,
    *,
    blobs: Sequence[Stretch],
    windows: Iterable[Span] | None = None,
    comment: bytes | None = None,
    not_taken: int = 0,
) -> Scrubbed:
    """Leave what is personal out of a small dump.

    target: the machine; blobs: its secondary data, the head of the chain first; windows: the ranges that were saved, so
    that one goes as a whole, None: the data blocks are. comment: what the header's comment is to be; not_taken: ranges
    of user-mode memory that were not collected in the first place.
    """
    work = _Scrub(dump, target, options, blobs, windows)
    if not_taken:
        work.tally.add(rule("user_memory"), 0, not_taken)
    return work.scrubbed(comment)


class _Scrub:
    def __init__(
        self,
        dump: SmallDump,
        target: Target,
        options: Scrubbing,
        blobs: Sequence[Stretch],
        windows: Iterable[Span] | None,
    ) -> None:
        self.options, self.target, self.blobs = options, target, blobs
        self.dump = replace(dump, data_blocks=in_order(dump.data_blocks))
        self.addresses: Addresses = addresses_of(target, dump.prcb, dump.thread)
        self.kept: Kept = kept(target, self.dump, self.addresses)
        if windows is None:
            windows = [(block.address, block.address + len(block.data)) for block in dump.data_blocks]
        self.tally = Tally(self.kept.spans)
        self.windows = Windows([span for span in windows if span[1] - span[0] < PAGE_SIZE])
        self.search = Search(options.words, target.budget)
        if options.strict:
            for _, name in self.kept.process_names:
                self.search.learned.add(name, rule("process_name"))

    def scrubbed(self, comment: bytes | None) -> Scrubbed:
        """Do all of it, in the order in which one thing depends on the other."""
        self.search.learn(self._user_texts())
        self._leave_out_user_memory()
        personal = find([*stretches_of(self.dump, self.addresses), *self.blobs], self.search, self.target.budget)
        names = sorted(address for address, _ in self.kept.process_names)
        stays, goes = ([], names) if self.options.strict else (names, [])
        found = [one for one in personal if not _lies_in(one, stays)]
        removed = self._leave_out_memory(found, [(address, address + IMAGE_FILE_NAME_SIZE) for address in goes])
        self._leave_out_of_lists(found)
        registers = self._leave_out_of_header(found, comment)
        blobs = self._leave_out_blobs(found)
        return Scrubbed(self.dump, blobs, tuple(removed), self._report(registers))

    def _user_texts(self) -> list[bytes]:
        """Return memory that is not shared, but tells the names to look for in what is."""
        own = [block.data for block in self.dump.data_blocks if block.address < self.kept.lowest_kernel]
        return [*own, environment_of(self.target, self.addresses.process)]

    def _leave_out_user_memory(self) -> None:
        dump, lowest = self.dump, self.kept.lowest_kernel
        for block in dump.data_blocks:
            if block.address < lowest:
                self.tally.add(rule("user_memory"), len(block.data))
        blocks = tuple(block for block in dump.data_blocks if block.address >= lowest)
        self.dump = replace(dump, data_blocks=blocks, architecture_specific=b"")
        if dump.data_page and dump.data_page_address < lowest:
            self.tally.add(rule("user_memory"), len(dump.data_page))
            self.dump = replace(self.dump, data_page=b"", data_page_address=0)
        if dump.call_stack and dump.top_of_stack < lowest:
            self.tally.add(rule("user_memory"), len(dump.call_stack))
            self.dump = replace(self.dump, call_stack=bytes(self._word))  # without one the engine opens no dump

    @property
    def _word(self) -> int:
        return layouts_of(self.dump.header).pointer_size

    def _leave_out_memory(self, found: Sequence[Found], names: Sequence[Span]) -> list[Span]:
        """Leave texts out of parts and data blocks. names: memory that goes in any case. Return what went."""
        for one in found:
            span, place = _in_memory(one), one.run.stretches[0].place
            if span is not None:
                start, end = self.windows.around(span)
                window = min(start, span[0] - AROUND), max(end, span[1] + AROUND)
                self.tally.cut(one.rule, self._words(span), window)
                self.tally.add(one.rule, 0)
            elif place in WHOLE:
                self._blank(place, one.start, one.end)
                self.tally.add(one.rule, one.end - one.start)
        for span in names:
            self.tally.add(rule("process_name"), 0)
            self.tally.cut(rule("process_name"), self._words(span))
        removed = self.tally.removed(self._present())
        self._cut_parts(removed)
        self.dump = replace(self.dump, data_blocks=tuple(without_spans(self.dump.data_blocks, removed)))
        return removed

    def _present(self) -> list[Span]:
        """Return the memory that the dump holds, in data blocks and in parts."""
        dump, addresses = self.dump, self.addresses
        parts = (
            (addresses.prcb, dump.prcb),
            (addresses.process, dump.process),
            (addresses.thread, dump.thread),
            (addresses.debugger_data, dump.debugger_data),
            (dump.top_of_stack, dump.call_stack),
            (dump.data_page_address, dump.data_page),
            *dump.data_blocks,
        )
        return merged((address, address + len(data)) for address, data in parts if address is not None)

    def _words(self, span: Span) -> Span:
        """Return the words that a span lies in."""
        return span[0] & -self._word, span[1] + self._word - 1 & -self._word

    def _blank(self, place: str, start: int, end: int) -> None:
        """Put zeros into a part that is whole or not there."""
        data = _bytes_of(self.dump, place)
        start, end = self._words((start, end))
        self.dump = WHOLE[place](self.dump, data[:start] + bytes(min(end, len(data)) - start) + data[end:])

    def _cut_parts(self, cuts: Sequence[Span]) -> None:
        """Leave memory out of the parts that have an address: zeros in structures; a call stack ends there."""
        addresses = self.addresses
        for place, address in (
            (PRCB, addresses.prcb),
            (PROCESS, addresses.process),
            (THREAD, addresses.thread),
            (DEBUGGER_DATA, addresses.debugger_data),
        ):
            if address is not None:
                size = len(_bytes_of(self.dump, place))
                for start, end in overlap((address, address + size), cuts):
                    self._blank(place, start - address, end - address)
        dump = self.dump
        if overlap((dump.data_page_address, dump.data_page_address + len(dump.data_page)), cuts):
            self.dump = dump = replace(dump, data_page=b"", data_page_address=0)
        top = dump.top_of_stack
        hit = overlap((top, top + len(dump.call_stack)), cuts)
        if hit:
            upto = hit[0][0] - top
            first = dump.call_stack[:upto] if upto else bytes(self._word)
            # the engine reads the rest of the stack from data blocks
            blocks = with_block(dump.data_blocks, DataBlock(top, dump.call_stack))
            self.dump = replace(dump, call_stack=first, data_blocks=blocks)

    def _leave_out_of_lists(self, found: Sequence[Found]) -> None:
        names = {stretch.number: one.rule for one in found for stretch, *_ in _of(one, DRIVER_NAME)}
        gone = {stretch.number: one.rule for one in found for stretch, *_ in _of(one, UNLOADED_DRIVER)}
        drivers = tuple(self._without_names(names))
        unloaded = self.dump.unloaded_drivers
        if unloaded is not None:
            unloaded = tuple(self._unloaded(driver, gone.get(number)) for number, driver in enumerate(unloaded))
        self.dump = replace(self.dump, drivers=drivers, unloaded_drivers=unloaded)

    def _without_names(self, hits: Mapping[int, Rule]) -> Iterator[Driver]:
        """Yield the drivers, with paths only of the kernel's own. hits: by which rule names go, by their numbers."""
        bare = {
            number: driver.name.replace("/", "\\").rpartition("\\")[2]
            for number, driver in enumerate(self.dump.drivers)
            if number in hits or driver.entry.dll_base < self.kept.lowest_kernel
        }
        names = [*dict.fromkeys(bare.values())]
        stretches = [Stretch(DRIVER_NAME, name.encode("utf-16-le", "surrogatepass")) for name in names]
        found = find(stretches, self.search, self.target.budget) if stretches else []
        personal = {one.run.stretches[0].data for one in found}
        gone = {name for name, stretch in zip(names, stretches) if stretch.data in personal}
        for number, driver in enumerate(self.dump.drivers):
            name = bare.get(number, driver.name)
            yield self._driver(driver, "" if number in bare and name in gone else name, hits.get(number))

    def _driver(self, driver: Driver, name: str, by: Rule | None) -> Driver:
        """Return an entry under another name, with those fields that tell of the image."""
        entry = driver.entry
        bare = type(entry).blank(
            dll_base=entry.dll_base,
            entry_point=entry.entry_point,
            size_of_image=entry.size_of_image,
            flags=entry.flags,
            check_sum=entry.check_sum,
            time_date_stamp=entry.time_date_stamp,
        )
        if name != driver.name:
            self.tally.add(by or rule("module_path"), 2 * (len(driver.name) - len(name)))
        return driver._replace(name=name, entry=bare)

    def _unloaded(self, driver: DumpUnloadedDriver, by: Rule | None) -> DumpUnloadedDriver:
        name = driver.driver_name[: driver.name_length] if by is None else b""
        if by is not None:
            self.tally.add(by, driver.name_length)
        return type(driver).blank(
            name_length=len(name),
            name_maximum_length=len(name),
            driver_name=name.ljust(len(driver.driver_name), b"\0"),
            start_address=driver.start_address,
            end_address=driver.end_address,
        )

    def _leave_out_of_header(self, found: Sequence[Found], comment: bytes | None) -> int:
        """Return how many things stay, because they are in registers."""
        header, left = scrubbed_header(self.dump.header, self.target.header.architecture.context, comment)
        self.dump = replace(self.dump, header=header)
        if left.comment:
            self.tally.add(rule("comment"), left.comment)
        registers = 0
        for one in found:
            for stretch, start, end in _of(one, HEADER):
                if header.build()[start:end] == stretch.data[start:end]:
                    registers += 1
                else:
                    self.tally.add(one.rule, end - start)
        return registers

    def _leave_out_blobs(self, found: Sequence[Found]) -> frozenset[int]:
        """Return the numbers of the blobs that go: those that hold a text, and those that are known to identify."""
        hits = {stretch.number: one.rule for one in found for stretch, *_ in _of(one, SECONDARY_DATA)}
        gone = set()
        for blob in self.blobs:
            by = hits.get(blob.number)
            if blob.tag in IDENTIFYING_BLOBS or (self.options.strict and blob.tag):
                by = rule("firmware")
            if by is not None and blob.number >= 0:
                self.tally.add(by, len(blob.data))
                gone.add(blob.number)
        if gone and len(gone) == len(self.blobs) - 1:
            gone.add(-1)  # a chain without a blob
        return frozenset(gone)

    def _report(self, registers: int) -> ScrubReport:
        stays = list(STAYS)
        if not self.options.strict:
            stays.append("names of processes (--scrub=strict leaves them out)")
        elif not self.kept.process_names:
            stays.append("the process name, perhaps: where this build of Windows keeps it is not known")
        if registers:
            stays.append(f"{registers} of what was found, because it is in registers")
        return ScrubReport(self.options.strict, self.tally.rows(), tuple(stays))


def _bytes_of(dump: SmallDump, place: str) -> bytes:
    """Return the bytes of a part that is whole or not there."""
    parts = {PRCB: dump.prcb, PROCESS: dump.process, THREAD: dump.thread, DEBUGGER_DATA: dump.debugger_data}
    return parts.get(place, dump.mm)


def _of(one: Found, place: str) -> list[tuple[Stretch, int, int]]:
    """Return the pieces of what was found that lie in a place that never was in memory, by how its name begins."""
    if _in_memory(one) is not None:  # perhaps in a hundred thousand blocks
        return []
    return [part for part in one.run.parts(one.start, one.end) if part[0].place.startswith(place)]


def _in_memory(one: Found) -> Span | None:
    """Return where what was found was in memory; None if it never was there. A run of stretches has no gaps there."""
    address = one.run.stretches[0].address
    return None if address is None else (address + one.start, address + one.end)


def _lies_in(one: Found, names: Sequence[int]) -> bool:
    """Tell whether all of what was found is the name of a process. names: where they begin, in ascending order."""
    span = _in_memory(one)
    if span is None:
        return False
    index = bisect_left(names, span[1] - IMAGE_FILE_NAME_SIZE)
    return index < len(names) and names[index] <= span[0]
