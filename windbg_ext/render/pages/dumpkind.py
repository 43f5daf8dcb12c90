"""The report of `dumpkind` on one file as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.render.document import Address, Answer, Code, Column, Facts, MemoryMap, ModuleName, Notes, WebPage
from windbg_ext.render.dumpkind import (
    KINDS,
    NOT_DESCRIBED,
    SUSPECTS_ARE_HINTS,
    bug_check_text,
    dump_facts,
    header_value,
)
from windbg_ext.render.page import (
    Fold,
    Listing,
    Page,
    PageSection,
    Part,
    Parts,
    PhysicalMap,
    Verdict,
)
from windbg_ext.sources.formats import with_article
from windbg_ext.structs.bug_check_pages import REFERENCE, page_title, parameter_meanings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.commands.dumpkind import BugCheckFound, DumpReport
    from windbg_ext.commands.dumpkind.details import Details
    from windbg_ext.commands.dumpkind.machine import ProcessorState
    from windbg_ext.render.document import Inline, Span
    from windbg_ext.render.page import PageBlock

FIRST_FRAMES = 16
"""Addresses of the stack that are shown at once: those nearest to the crash."""
MAX_FRAMES = 60
"""Those that a page has in all."""
MAX_SHOWN = 400
"""Entries of other lists; what of them fits is the writer's business."""
MODULE_BYTES = 42_000
"""What the rows of a list of modules may take: those of a real machine, which has 150 to 300."""
STALE = "Addresses of code on the stack, nearest first. Some may be left over from earlier calls."


def dumpkind_page(report: DumpReport) -> Page:
    """Return the report of one file, made with details."""
    return Page(f"{report.file_name}: {KINDS[report.kind]}", "dumpkind", tuple(_sections(report)))


def _sections(report: DumpReport) -> Iterator[PageSection]:
    yield PageSection("", (verdict_of(report),))
    yield PageSection("Crash", tuple(_crash(report)))
    if report.suspects:
        yield PageSection("Suspects", (suspects_of(report),))
    if report.stack:
        yield PageSection("Stack", tuple(_stack(report)))
    details = report.details
    if details is not None and details.memory_map is not None:
        found = details.memory_map
        per_slice, slices = found.fine
        fine = MemoryMap(per_slice, slices, found.runs, found.present, found.missing, found.cut)
        yield PageSection("Physical memory", (PhysicalMap(fine, found.in_runs),))
    yield PageSection("File", tuple(_file(report)))
    if details is not None:
        if details.processors:
            yield PageSection("Processors", (_processors(details),))
        yield PageSection("Lists", tuple(_lists(details, report)))


def verdict_of(report: DumpReport) -> Verdict:
    """Return what the file is, and what to do next."""
    packed = f" inside {with_article(report.packed)}" if report.packed else ""
    kind = KINDS[report.kind]
    whole = {True: "whole", False: "not whole", None: "whether it is whole cannot be told"}[report.complete]
    good = report.complete if not report.problems or not report.complete else None
    answer = Answer(f"{kind[0].upper()}{kind[1:]}{packed}, {whole}", good)
    return Verdict(report.path, answer, tuple(_steps(report)))


def _steps(report: DumpReport) -> Iterator[tuple[str, Inline]]:
    for problem in report.problems:
        yield "Problem", (problem,)
    if report.bug_check is not None:
        yield "Bug check", (bug_check_text(report.bug_check),)
    if report.suspects:
        first = report.suspects[0]
        found = ", ".join(first.found)
        yield "First suspect", (ModuleName(first.name), f" ({found}): a hint, found without symbols")
    yield "Next step", (report.advice or _next_step(report),)


def _next_step(report: DumpReport) -> str:
    if report.kind == "small":
        return "open it in WinDbg and run !analyze -v"
    return "open it in WinDbg and run !analyze -v; windbg-ext minify makes a small dump of it that can be mailed"


def _crash(report: DumpReport) -> Iterator[PageBlock]:
    bug_check = report.bug_check
    rows: list[tuple[str, Inline]] = []
    if bug_check is not None:
        rows.append(("bug check", (bug_check_text(bug_check), *_documentation(bug_check))))
    rows += [(label, value) for label, value in dump_facts(report) if label not in ("whole", "bug check", "parameters")]
    yield Facts(tuple(rows))
    if bug_check is not None:
        yield _parameters(bug_check)
    if report.notes:
        yield Notes(tuple(("note", note) for note in report.notes))


def _documentation(bug_check: BugCheckFound) -> Iterator[Span]:
    """Yield the page of Microsoft's documentation, for a bug check that has one."""
    name = bug_check.plain_name
    if name is not None:
        yield f". Microsoft's page: \u201c{page_title(bug_check.plain_code, name)}\u201d, in the "
        yield WebPage("bug check code reference", REFERENCE)


def _parameters(bug_check: BugCheckFound) -> Listing:
    meanings = parameter_meanings(bug_check.plain_code, bug_check.parameters)
    rows = tuple(
        ((str(number),), (Address(value),), (meaning or NOT_DESCRIBED,))
        for number, (value, meaning) in enumerate(zip(bug_check.parameters, meanings), 1)
    )
    columns = (Column("Parameter"), Column("Value"), Column("Meaning, in short"))
    return Listing("Parameters of the bug check", columns, rows)


def suspects_of(report: DumpReport) -> Listing:
    """Return the modules that the crash leads to, with the evidence for each."""
    rows = tuple(
        (
            (ModuleName(suspect.name),),
            (Code(suspect.address, suspect.name, suspect.offset),),
            (Address(suspect.address),),
            (", ".join(suspect.found),),
            ("Microsoft's, by its name" if suspect.microsoft else "not known as Microsoft's",),
        )
        for suspect in report.suspects
    )
    columns = tuple(map(Column, ("Module", "Place", "Address", "Found in", "Whose")))
    return Listing(SUSPECTS_ARE_HINTS, columns, rows, coloured=True)


def _stack(report: DumpReport) -> Iterator[PageBlock]:
    """Yield the addresses of code on the stack, those far from the crash folded."""
    frames: list[tuple[Inline, ...]] = [
        ((str(number),), (Code(place.address, place.module, place.offset or 0),), (Address(place.address, 16),))
        for number, place in enumerate(report.stack[:MAX_FRAMES])
    ]
    columns = (Column("#", right=True), Column("Place"), Column("Address"))
    yield Listing(STALE, columns, tuple(frames[:FIRST_FRAMES]), coloured=True)
    more = tuple(frames[FIRST_FRAMES:])
    if more:
        left_out = len(report.stack) - len(frames)
        name = "Addresses farther from the crash"
        listing = Listing("", columns, more, left_out, coloured=True, name=name)
        yield Fold(f"{name} ({len(report.stack) - FIRST_FRAMES:,})", (listing,))


def _file(report: DumpReport) -> Iterator[PageBlock]:
    details = report.details
    yield Facts(tuple(row for row in dump_facts(report) if row[0] == "whole"))
    if details is not None and details.file_parts:
        parts = tuple(Part(name, length, f"at 0x{offset:x}") for name, offset, length in details.file_parts)
        total = report.file_bytes or 0
        yield Parts("What the bytes of the file are spent on", total, parts, f"{total:,} bytes in all")
    if report.evidence:
        rows = tuple(((item.field,), (item.value,), (item.means,)) for item in report.evidence)
        yield Listing("Evidence for the kind", tuple(map(Column, ("Field", "Value", "What it means"))), rows)


def _processors(details: Details) -> Listing:
    columns = tuple(map(Column, ("Processor", "Instruction", "Stack pointer", "Thread", "Process", "State")))
    rows = tuple(map(_processor, details.processors[:MAX_SHOWN]))
    return Listing("What each processor did", columns, rows, max(0, len(details.processors) - MAX_SHOWN))


def _processor(processor: ProcessorState) -> tuple[Inline, ...]:
    addresses = (processor.instruction, processor.stack, processor.thread)
    return (
        ("-" if processor.number is None else str(processor.number),),
        *[("-",) if address is None else (Address(address, 16),) for address in addresses],
        ("-",) if processor.process is None else (ModuleName(processor.process),),
        ("crashed" if processor.crashed else "-",),
    )


def _lists(details: Details, report: DumpReport) -> Iterator[PageBlock]:
    if details.modules:
        yield _fold("Modules", details, "modules", _modules(details), ("Name", "Base", "Bytes"), MODULE_BYTES)
    if details.unloaded_drivers:
        rows: list[tuple[Inline, ...]] = [
            ((ModuleName(driver.name),), (Address(driver.start, 16),), (Address(driver.end, 16),))
            for driver in details.unloaded_drivers[:MAX_SHOWN]
        ]
        yield _fold("Unloaded drivers, the last one first", details, "unloaded_drivers", rows, ("Name", "From", "To"))
    if details.secondary:
        rows = [
            ((guid,), (name or "-",), (f"0x{offset:x}",), (f"{length:,}",))
            for guid, name, offset, length in details.secondary[:MAX_SHOWN]
        ]
        columns = ("GUID", "What it is", "File offset", "Bytes")
        yield _fold("Secondary data", details, "secondary", rows, columns)
    if details.data_blocks:
        rows = [
            ((Address(address, 16),), (f"0x{offset:x}",), (f"{length:,}",))
            for address, offset, length in details.data_blocks[:MAX_SHOWN]
        ]
        yield _fold("Data blocks", details, "data_blocks", rows, ("Address", "File offset", "Bytes"))
    fields: list[tuple[Inline, ...]] = [((field.name,), header_value(field, report)) for field in details.header_fields]
    yield _fold("Header", details, "header_fields", fields, ("Field", "Value"))


def _modules(details: Details) -> list[tuple[Inline, ...]]:
    return [
        ((ModuleName(module.name),), (Address(module.base, 16),), (f"{module.size:,}",))
        for module in details.modules[:MAX_SHOWN]
    ]


NOT_LISTED = {"secondary": "secondary_data"}


def _fold(
    title: str,
    details: Details,
    name: str,
    rows: list[tuple[Inline, ...]],
    columns: tuple[str, ...],
    most: int = 12_000,
) -> Fold:
    """Return a list that is folded, with what of it is left out."""
    total = len(getattr(details, name)) + details.not_listed.get(NOT_LISTED.get(name, name), 0)
    shown = tuple(Column(column, right=column == "Bytes") for column in columns)
    listing = Listing("", shown, tuple(rows), total - len(rows), most=most, name=title)
    return Fold(f"{title} ({total:,})", (listing,))
