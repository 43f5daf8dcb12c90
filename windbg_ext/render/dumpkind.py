"""The report of `dumpkind` on one file, as a document."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from windbg_ext.commands.dumpkind.parameters import Sort
from windbg_ext.limits import MAX_LISTED
from windbg_ext.render.document import (
    Address,
    Answer,
    Code,
    Document,
    DumpText,
    Facts,
    MemoryMap,
    ModuleName,
    Notes,
    Section,
    Table,
)
from windbg_ext.render.figures import count, size
from windbg_ext.sources.formats import with_article
from windbg_ext.structs.bug_check_pages import parameter_meanings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from windbg_ext.commands.dumpkind import BugCheckFound, DumpReport, Suspect
    from windbg_ext.commands.dumpkind.details import Details, HeaderField
    from windbg_ext.commands.dumpkind.machine import ProcessorState
    from windbg_ext.commands.dumpkind.modules import CodeAddress
    from windbg_ext.render.document import Inline, Span

KINDS = {
    "complete": "complete memory dump",
    "active": "active memory dump",
    "kernel": "kernel or automatic memory dump",
    "small": "small memory dump",
    "live": "live dump",
    "header-only": "header without a dump",
    "none": "not a kernel dump",
}
CALENDAR_CYCLE = 146_097 * 86400
"""Seconds of 400 years, after which the calendar repeats itself."""
SECONDS_TO_2001 = 978_307_200
"""From 1970. 2001 begins a cycle, as 1601 does, and every system's `gmtime` knows the years from there to 2400."""
LAST_YEAR = 9999
STACK = "Stack (addresses of code on it, nearest first; some may be left over from earlier calls):"
NOT_DESCRIBED = "not known here: Microsoft's page may tell"
MAX_FRAMES = 10
"""Addresses of the stack that are shown without -v."""
SUSPECTS_ARE_HINTS = "A hint, found without symbols; names that are not known as Microsoft's come first"
SUSPECTS = f"Suspects ({SUSPECTS_ARE_HINTS[0].lower()}{SUSPECTS_ARE_HINTS[1:]}):"
HEADER_ADDRESSES = frozenset(("PfnDataBase", "PsLoadedModuleList", "PsActiveProcessHead", "KdDebuggerDataBlock"))
"""Fields of the header that hold virtual addresses."""


def dumpkind_document(report: DumpReport) -> Document:
    """Return the report of one file."""
    return Document(tuple(_sections(report)))


def _sections(report: DumpReport) -> Iterator[Section]:
    packed = f" inside {with_article(report.packed)}" if report.packed else ""
    notes = Notes(
        (
            *(("problem", Answer(problem, good=False)) for problem in report.problems),
            *((("next step", report.advice),) if report.advice else ()),
            *(("note", note) for note in report.notes),
        )
    )
    yield Section(f"{report.path}: {KINDS[report.kind]}{packed}", (notes, Facts(tuple(dump_facts(report)))))
    yield from _list(SUSPECTS, [_suspect_row(suspect) for suspect in report.suspects])
    yield from _list(STACK, list(_stack_rows(report)))
    yield from _list("Evidence for the kind:", [_texts(*item) for item in report.evidence])
    if report.details is not None:
        yield from _detail_sections(report.details, report)


def _list(title: str, rows: Sequence[tuple[Inline, ...]]) -> Iterator[Section]:
    """Yield a section of rows; nothing without rows."""
    if rows:
        yield Section(title, (Table(tuple(rows)),))


def _texts(*texts: str) -> tuple[Inline, ...]:
    return tuple([(text,) for text in texts])


def dump_facts(report: DumpReport) -> Iterator[tuple[str, Inline]]:
    """Yield the facts of a dump, each with its label."""
    yield "whole", (Answer(_whole(report), report.complete),)
    bug_check = report.bug_check
    if bug_check is not None:
        yield "bug check", (bug_check_text(bug_check),)
        yield "parameters", _joined([parameter_span(report, place) for place in range(len(bug_check.parameters))])
    if report.crash_address is not None:
        yield "crashed at", (code_span(report.crash_address),)
    if report.signature is not None:
        yield "signature", (report.signature.text,)
    if report.system_time is not None:
        yield "time", (time_text(report.system_time) + " UTC",)
    if report.system_up_time is not None:
        yield "up time", (_up_time(report.system_up_time),)
    yield "Windows", (_windows(report),)
    yield "machine", (_machine(report),)
    if report.process is not None:
        yield "process", (ModuleName(report.process),)
    if report.comment is not None:
        yield "comment", (DumpText(report.comment),)
    if report.traffic is not None and report.details is not None:
        from windbg_ext.render.traffic import traffic_text  # files of this machine do not wait for it

        yield "received", (traffic_text(report.traffic),)


def parameter_span(report: DumpReport, place: int, digits: int = 1) -> Span:
    """Return a parameter of the bug check, counted from 0, as what it is."""
    bug_check = report.bug_check
    assert bug_check is not None
    value, sort = bug_check.parameters[place], Sort.NUMBER
    if report.parameter_sorts:
        sort = report.parameter_sorts[place]
    if sort is Sort.DATA:
        return Address(value, digits)
    return Code(value, digits=digits) if sort is Sort.CODE else f"0x{value:0{digits}x}"


def _joined(spans: Sequence[Span]) -> Inline:
    return tuple([piece for span in spans for piece in (" ", span)][1:])


def _whole(report: DumpReport) -> str:
    whole = report.whole
    if whole.expected is None or report.complete is None:
        there = "unknown" if report.file_bytes is None else f"{report.file_bytes:,} bytes"
        expected = f"; {whole.expected:,} are expected by {whole.source}" if whole.expected else ""
        return f"cannot be told: its length is {there}{expected}"
    if report.complete:
        return f"yes: {report.file_bytes:,} bytes, {whole.expected:,} are expected by {whole.source}"
    return f"no: {report.file_bytes:,} of {whole.expected:,} bytes, by {whole.source}; {whole.usable}"


def bug_check_text(bug_check: BugCheckFound) -> str:
    """Return a bug check's code and name, and what it is the same as."""
    text = f"0x{bug_check.code:X} {bug_check.name or '(no documented name)'}"
    if bug_check.plain_code != bug_check.code:
        text += f", the same as 0x{bug_check.plain_code:X} {bug_check.plain_name or ''}".rstrip()
    return text


def _windows(report: DumpReport) -> str:
    build = "unknown build" if report.build is None else f"build {report.build}"
    return f"{report.windows or 'a version that is not in the table'}, {build}"


def _machine(report: DumpReport) -> str:
    processors = "unknown number of processors" if report.processors is None else count(report.processors, "processor")
    ram = "RAM unknown" if report.ram_bytes is None else f"{size(report.ram_bytes)} of RAM"
    where = "by its header" if report.whole.missing else "in the file"
    pages = "" if report.pages_in_file is None else f", {count(report.pages_in_file, 'page')} {where}"
    return f"{report.architecture or 'unknown architecture'}, {processors}, {ram}{pages}"


def _suspect_row(suspect: Suspect) -> tuple[Inline, ...]:
    whose = "  [Microsoft's by name]" if suspect.microsoft else ""
    return (
        (ModuleName(suspect.name), f"+0x{suspect.offset:x}"),
        (Code(suspect.address),),
        (", ".join(suspect.found) + whose,),
    )


def code_span(place: CodeAddress) -> Code:
    """Return an address as a place in its module."""
    return Code(place.address, place.module, place.offset or 0)


def shown_stack(report: DumpReport) -> Sequence[CodeAddress]:
    """Return the addresses on the stack that are shown, nearest first."""
    return report.stack[: MAX_FRAMES if report.details is None else MAX_LISTED]


def _stack_rows(report: DumpReport) -> Iterator[tuple[Inline, ...]]:
    frames = shown_stack(report)
    for place in frames:
        yield (code_span(place),), (f"0x{place.address:x}",)
    more = len(report.stack) - len(frames)
    if more:
        yield _texts(f"... and {more:,} more{' (with -v)' if report.details is None else ''}", "")


def time_text(filetime: int) -> str:
    """Return 100 ns since 1601 as a date and time, or the number where that is no time that a calendar knows."""
    # datetime would do, but importing it takes 2 % of a look at a dump
    cycles, seconds = divmod(filetime // 10_000_000, CALENDAR_CYCLE)
    moment = time.gmtime(SECONDS_TO_2001 + seconds)
    year = moment.tm_year + (cycles - 1) * 400
    return f"0x{filetime:x} (no time)" if year > LAST_YEAR else f"{year:04}-{time.strftime('%m-%d %H:%M:%S', moment)}"


def _up_time(ticks: int) -> str:
    """Return 100 ns ticks as `vertarget` does."""
    seconds = ticks // 10_000_000
    return f"{count(seconds // 86400, 'day')} {seconds // 3600 % 24}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _detail_sections(details: Details, report: DumpReport) -> Iterator[Section]:
    yield from _list("Parameters of the bug check:", list(_parameter_rows(report)))
    memory = details.memory_map
    if memory is not None:
        shown = MemoryMap(
            memory.pages_per_slice, memory.slices, memory.runs, memory.present, memory.missing, memory.cut
        )
        yield Section("", (shown,))
    blobs = [
        _texts(guid, name, f"0x{offset:x}", f"{length:,} bytes") for guid, name, offset, length in details.secondary
    ]
    yield from _list("Secondary data:", [*blobs, *_rest(details, "secondary_data", 4)])
    parts = [_texts(name, f"0x{offset:x}", f"{length:,} bytes") for name, offset, length in details.parts]
    yield from _list("Parts of the small dump:", parts)
    blocks = [
        ((Address(address, 16),), (f"0x{offset:x}",), (f"{length:,}",))
        for address, offset, length in details.data_blocks
    ]
    yield from _list("Data blocks (address, file offset, bytes):", [*blocks, *_rest(details, "data_blocks", 3)])
    modules = [
        ((Address(module.base, 16),), (f"{module.size:,}",), (ModuleName(module.name),)) for module in details.modules
    ]
    yield from _list("Modules (base, bytes, name):", [*modules, *_rest(details, "modules", 3)])
    processors = [_processor_row(processor) for processor in details.processors]
    yield from _list("Processors (instruction, stack, thread, process):", processors)
    unloaded = [
        ((Address(driver.start, 16),), (Address(driver.end, 16),), (ModuleName(driver.name),))
        for driver in details.unloaded_drivers
    ]
    yield from _list("Unloaded drivers (start, end, name), the last one first:", unloaded)
    parts = [_texts(name, f"0x{offset:x}", f"{length:,} bytes") for name, offset, length in details.file_parts]
    yield from _list("What the file is made of:", parts)
    yield from _list("Header:", [((field.name,), header_value(field, report)) for field in details.header_fields])


def _parameter_rows(report: DumpReport) -> Iterator[tuple[Inline, ...]]:
    """Yield each parameter of the bug check with its meaning."""
    bug_check = report.bug_check
    if bug_check is not None:
        meanings = parameter_meanings(bug_check.plain_code, bug_check.parameters)
        for place, meaning in enumerate(meanings[: len(bug_check.parameters)]):
            yield (str(place + 1),), (parameter_span(report, place),), (meaning or NOT_DESCRIBED,)


def _processor_row(processor: ProcessorState) -> tuple[Inline, ...]:
    number = "" if processor.number is None else str(processor.number)
    instruction = processor.instruction
    return (
        (f"{number} *".lstrip() if processor.crashed else number,),
        ("-",) if instruction is None else (Code(instruction, digits=16),),
        *[("-",) if at is None else (Address(at, 16),) for at in (processor.stack, processor.thread)],
        ("-",) if processor.process is None else (ModuleName(processor.process),),
    )


def _rest(details: Details, name: str, columns: int) -> Iterator[tuple[Inline, ...]]:
    """Yield the row that ends a list of which not all is shown."""
    if name in details.not_listed:
        yield _texts(f"... and {details.not_listed[name]:,} more", *[""] * (columns - 1))


def header_value(field: HeaderField, report: DumpReport) -> Inline:
    """Return the value of a field of the header; what is an address is one."""
    if field.name == "BugCheckParameter" and report.bug_check is not None:
        return _joined([parameter_span(report, place, field.digits) for place in range(len(field.numbers))])
    if field.name in HEADER_ADDRESSES and field.numbers:
        return _joined([Address(number, field.digits) for number in field.numbers])
    return (header_text(field),)


def header_text(field: HeaderField) -> str:
    """Return the value of a field of the header as text."""
    return field.text or " ".join(f"0x{number:0{field.digits}x}" for number in field.numbers)
