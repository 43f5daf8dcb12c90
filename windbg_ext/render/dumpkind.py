"""The reports of `dumpkind`: one file as a document, many as a table or CSV, any number as JSON."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from windbg_ext.commands.dumpkind.modules import CodeAddress
from windbg_ext.commands.dumpkind.parameters import Sort
from windbg_ext.dump.kinds import DumpKind
from windbg_ext.limits import MAX_LISTED
from windbg_ext.render.document import (
    Address,
    Answer,
    Code,
    Column,
    Document,
    DumpFile,
    DumpText,
    Facts,
    MemoryMap,
    ModuleName,
    Notes,
    Section,
    Table,
)
from windbg_ext.render.figures import count, size
from windbg_ext.render.text import text_of
from windbg_ext.sources.formats import with_article
from windbg_ext.sources.local import is_address

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from typing import Union

    from windbg_ext.commands.dumpkind import BugCheckFound, DumpReport, Suspect
    from windbg_ext.commands.dumpkind.details import Details, HeaderField
    from windbg_ext.commands.dumpkind.machine import ProcessorState
    from windbg_ext.render.document import Inline, Span

    Value = Union[int, str, CodeAddress, None]

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
MAX_FRAMES = 10
"""Addresses of the stack that are shown without -v."""
SUSPECTS_ARE_HINTS = "A hint, found without symbols; names that are not known as Microsoft's come first"
SUSPECTS = f"Suspects ({SUSPECTS_ARE_HINTS[0].lower()}{SUSPECTS_ARE_HINTS[1:]}):"
HINT = "Caused by: a hint, found without symbols; dumpkind of a single file shows all suspects."
MORE = "More columns: -v shows all, --csv has them for a spreadsheet."
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
        yield "parameters", _joined([_parameter(report, place) for place in range(len(bug_check.parameters))])
    if report.crash_address is not None:
        yield "crashed at", (_code(report.crash_address),)
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


def _parameter(report: DumpReport, place: int, digits: int = 1) -> Span:
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
    pages = "" if report.pages_in_file is None else f", {count(report.pages_in_file, 'page')} in the file"
    return f"{report.architecture or 'unknown architecture'}, {processors}, {ram}{pages}"


def _suspect_row(suspect: Suspect) -> tuple[Inline, ...]:
    whose = "  [Microsoft's by name]" if suspect.microsoft else ""
    return (
        (ModuleName(suspect.name), f"+0x{suspect.offset:x}"),
        (Code(suspect.address),),
        (", ".join(suspect.found) + whose,),
    )


def _code(place: CodeAddress) -> Code:
    return Code(place.address, place.module, place.offset or 0)


def _shown_stack(report: DumpReport) -> Sequence[CodeAddress]:
    return report.stack[: MAX_FRAMES if report.details is None else MAX_LISTED]


def _stack_rows(report: DumpReport) -> Iterator[tuple[Inline, ...]]:
    frames = _shown_stack(report)
    for place in frames:
        yield (_code(place),), (f"0x{place.address:x}",)
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


def _moment(filetime: int) -> datetime | None:
    from datetime import datetime, timedelta, timezone  # only JSON waits for it

    try:
        return datetime(1601, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=filetime // 10)
    except OverflowError:
        return None


def _up_time(ticks: int) -> str:
    """Return 100 ns ticks as `vertarget` does."""
    seconds = ticks // 10_000_000
    return f"{count(seconds // 86400, 'day')} {seconds // 3600 % 24}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _detail_sections(details: Details, report: DumpReport) -> Iterator[Section]:
    memory = details.memory_map
    if memory is not None:
        shown = MemoryMap(memory.pages_per_slice, memory.slices, memory.runs, memory.present, memory.missing)
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
        return _joined([_parameter(report, place, field.digits) for place in range(len(field.numbers))])
    if field.name in HEADER_ADDRESSES and field.numbers:
        return _joined([Address(number, field.digits) for number in field.numbers])
    return (_header_text(field),)


def _header_text(field: HeaderField) -> str:
    return field.text or " ".join(f"0x{number:0{field.digits}x}" for number in field.numbers)


def dumpkind_json(reports: Sequence[DumpReport]) -> str:
    """Return the reports of any number of files as JSON."""
    from windbg_ext.render.json_text import write_json  # 5 ms that only those who ask for JSON wait for

    return write_json({"dumps": [_json(report) for report in reports]})


def _json(report: DumpReport) -> dict[str, object]:
    from windbg_ext.render.traffic import traffic_json
    from windbg_ext.structs.bug_check_pages import parameter_meanings

    bug_check = report.bug_check
    moment = None if report.system_time is None else _moment(report.system_time)
    document: dict[str, object] = {
        "path": report.path,
        "kind": report.kind,
        "packed": report.packed,
        "dump_type": report.dump_type,
        "architecture": report.architecture,
        "build": report.build,
        "windows": report.windows,
        "processors": report.processors,
        "bug_check": None
        if bug_check is None
        else {
            "code": f"0x{bug_check.code:X}",
            "name": bug_check.name,
            "parameters": [f"0x{parameter:x}" for parameter in bug_check.parameters],
            "meanings": list(parameter_meanings(bug_check.plain_code)),
        },
        "system_time": None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "system_up_time_seconds": None if report.system_up_time is None else report.system_up_time / 10_000_000,
        "ram_bytes": report.ram_bytes,
        "pages_in_file": report.pages_in_file,
        "file_bytes": report.file_bytes,
        "expected_bytes": report.whole.expected,
        "missing_bytes": report.whole.missing,
        "complete": report.complete,
        "attributes": None if report.attributes is None else list(report.attributes),
        "comment": report.comment,
        "process": report.process,
        "crash_address": None if report.crash_address is None else _code_json(report.crash_address),
        "stack": [_code_json(place) for place in _shown_stack(report)],
        "stack_length": len(report.stack),
        "signature": None if report.signature is None else report.signature.text,
        "signature_hash": None if report.signature is None else report.signature.hash,
        "suspects": [
            {
                "name": suspect.name,
                "address": f"0x{suspect.address:x}",
                "offset": f"0x{suspect.offset:x}",
                "found": list(suspect.found),
                "microsoft": suspect.microsoft,
            }
            for suspect in report.suspects
        ],
        "evidence": [{"field": item.field, "value": item.value, "means": item.means} for item in report.evidence],
        "problem": "; ".join(report.problems) or None,
        "advice": report.advice or None,
        "traffic": traffic_json(report.traffic),
        "notes": list(report.notes),
    }
    if report.details is not None:
        document["details"] = _details_json(report.details)
    return document


def _code_json(place: CodeAddress) -> dict[str, object]:
    return {
        "address": f"0x{place.address:x}",
        "module": place.module,
        "offset": None if place.offset is None else f"0x{place.offset:x}",
    }


def _details_json(details: Details) -> dict[str, object]:
    memory = details.memory_map
    document: dict[str, object] = {
        "header": {field.name: _header_text(field) for field in details.header_fields},
        "memory_map": None
        if memory is None
        else {
            "runs": [
                {"base_page": f"0x{base:x}", "pages": pages, "pages_present": present}
                for (base, pages), present in zip(memory.runs, memory.in_runs)
            ],
            "pages_present": memory.present,
            "pages_missing": memory.missing,
        },
        "secondary_data": [
            {"guid": guid, "name": name or None, "offset": offset, "bytes": length}
            for guid, name, offset, length in details.secondary
        ],
        "parts": [{"part": name, "offset": offset, "bytes": length} for name, offset, length in details.parts],
        "data_blocks": [
            {"address": f"0x{address:x}", "offset": offset, "bytes": length}
            for address, offset, length in details.data_blocks
        ],
        "modules": [
            {"name": module.name, "base": f"0x{module.base:x}", "bytes": module.size} for module in details.modules
        ],
        "unloaded_drivers": [
            {"name": driver.name, "start": f"0x{driver.start:x}", "end": f"0x{driver.end:x}"}
            for driver in details.unloaded_drivers
        ],
        "processors": [
            {
                "number": processor.number,
                "instruction": _hexadecimal(processor.instruction),
                "stack_pointer": _hexadecimal(processor.stack),
                "thread": _hexadecimal(processor.thread),
                "process": processor.process,
                "crashed": processor.crashed,
            }
            for processor in details.processors
        ],
        "file_parts": [
            {"part": name, "offset": offset, "bytes": length} for name, offset, length in details.file_parts
        ],
    }
    if details.not_listed:
        document["not_listed"] = dict(details.not_listed)
    return document


def _hexadecimal(address: int | None) -> str | None:
    return None if address is None else f"0x{address:x}"


TIME = "Crash time (UTC)"
COLUMNS = (
    *("Dump file", TIME, "Bug check string", "Bug check code"),
    *("Parameter 1", "Parameter 2", "Parameter 3", "Parameter 4", "Caused by driver", "Caused by address"),
    *("Processor", "Crash address", "Stack address 1", "Stack address 2", "Stack address 3", "Full path"),
    *("Processors count", "Major version", "Minor version", "Dump file size", "Kind", "Process", "Problem"),
    *("Signature", "Signature hash"),
)
"""As BlueScreenView names and orders them, and five of our own. Caused by: the first suspect, a hint."""
SHOWN = {
    "Dump file": 0,
    TIME: 1,
    "Bug check string": 5,
    "Bug check code": 2,
    "Caused by driver": 10,
    "Caused by address": 0,
    "Signature": 4,
    "Kind": 3,
    "Processor": 6,
    "Processors count": 8,
    "Minor version": 9,
    "Dump file size": 7,
    "Problem": 0,
}
"""What is shown without -v, and the ranks of the columns, of which a narrow window leaves out the last ones."""


def sort_key(column: str) -> str:
    """Return the word by which --sort knows a column: "Bug check code" is bug-check-code, the crash time is time."""
    return "time" if column == TIME else column.lower().replace(" ", "-")


def sorted_reports(reports: Sequence[DumpReport], column: str, *, reverse: bool = False) -> list[DumpReport]:
    """Sort by a column, the crash time newest first and all others rising; what has no value comes last."""

    def key(report_and_value: tuple[DumpReport, Value]) -> tuple[str, int]:
        _, value = report_and_value
        if isinstance(value, tuple):
            return value.module or "", value.address if value.offset is None else value.offset
        return ("", value) if isinstance(value, int) else (value or "", 0)

    if len(reports) == 1:
        return [*reports]
    valued = [(report, _values(report, (column,))[column]) for report in reports]
    known = [each for each in valued if each[1] not in (None, "")]
    unknown = [each for each in valued if each[1] in (None, "")]
    return [report for report, _ in (*sorted(known, key=key, reverse=(column == TIME) != reverse), *unknown)]


PARAMETERS = [column for column in COLUMNS if column.startswith("Parameter")]
MODULES = frozenset(("Caused by driver", "Process"))


def _values(report: DumpReport, columns: Sequence[str]) -> dict[str, Value]:
    """Return a report's values by column, the crash time as a FILETIME. columns: those that matter at least."""
    bug_check, suspect = report.bug_check, report.suspects[0] if report.suspects else None
    parameters = bug_check.parameters if bug_check else (None,) * 4
    stack = (*report.stack[:3], None, None, None)
    values: dict[str, Value] = {
        "Dump file": report.file_name,
        TIME: report.system_time,
        "Bug check string": (bug_check.name or "") if bug_check else None,
        "Bug check code": bug_check.code if bug_check else None,
        **{f"Parameter {number}": parameter for number, parameter in enumerate(parameters, 1)},
        "Caused by driver": suspect.name if suspect else None,
        "Caused by address": CodeAddress(suspect.address, suspect.name, suspect.offset) if suspect else None,
        "Processor": report.architecture,
        "Crash address": report.crash_address,
        **{f"Stack address {number}": stack[number - 1] for number in (1, 2, 3)},
        "Full path": report.path,
        "Processors count": report.processors,
        "Major version": report.major_version,
        "Minor version": report.build,
        "Dump file size": report.file_bytes,
        "Kind": report.kind,
        "Process": report.process,
        "Problem": "; ".join(report.problems),
        "Signature": report.signature.text if report.signature else None,
    }
    if "Signature hash" in columns:  # the one that takes time
        values["Signature hash"] = report.signature.hash if report.signature else None
    return values


def _cells(report: DumpReport, columns: Sequence[str]) -> tuple[Inline, ...]:
    values = _values(report, columns)
    return tuple([_cell(report, column, values[column]) for column in columns])


def _opens(report: DumpReport) -> bool:
    """Tell whether a debugger opens a file: it looks into no packed file but a CAB, and takes a path only."""
    return report.kind != DumpKind.NONE and report.packed in (None, "CAB") and not is_address(report.path)


def _cell(report: DumpReport, column: str, value: Value) -> Inline:
    if value is None:
        return ("",)
    if isinstance(value, tuple):
        return (_code(value),)
    if column in ("Dump file", "Full path"):
        return (DumpFile(report.path, str(value)) if _opens(report) else str(value),)
    if column == "Problem":
        return (Answer(str(value), good=False),) if value else ("",)
    if isinstance(value, str):
        return (ModuleName(value) if column in MODULES else value,)
    if column == TIME:
        return (time_text(value),)
    if column == "Bug check code":
        return (f"0x{value:08X}",)
    if column in PARAMETERS:
        return (_parameter(report, PARAMETERS.index(column)),)
    return (str(value),)


def dumpkind_table_document(reports: Sequence[DumpReport], *, details: bool = False) -> Document:
    """Return a row for each file; details: all columns."""
    columns = tuple(Column(name) for name in COLUMNS) if details else _short_columns(reports)
    rows = tuple([_cells(report, [column.header for column in columns]) for report in reports])
    files = Section("", (Table(rows, columns, compact=True),))
    notes = [HINT] if any(report.suspects for report in reports) else []
    notes += [] if details else [MORE]
    return (
        Document((files, Section("", (Notes(tuple(("", note) for note in notes)),)))) if notes else Document((files,))
    )


def _short_columns(reports: Sequence[DumpReport]) -> tuple[Column, ...]:
    """Return the columns without -v; that of the problems only where there is one."""
    troubled = any(report.problems for report in reports)
    return tuple(Column(name, rank=rank) for name, rank in SHOWN.items() if troubled or name != "Problem")


def dumpkind_csv(reports: Sequence[DumpReport]) -> str:
    """Return a row for each file with all columns, for spreadsheets: no cell is taken for a formula."""
    import csv
    import io

    from windbg_ext.render.csv_text import harmless

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([harmless(text_of(cell)) for cell in _cells(report, COLUMNS)] for report in reports)
    return out.getvalue().rstrip("\n")
