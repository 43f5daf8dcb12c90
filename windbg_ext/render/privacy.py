"""What in a dump could identify a person or a machine, as a document and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.commands.privacy.report import UNKNOWN
from windbg_ext.render.document import Address, Column, Document, Notes, Section, Table
from windbg_ext.render.figures import count, size
from windbg_ext.render.json_text import write_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from windbg_ext.commands.privacy.report import Finding, Occurrence, PrivacyReport
    from windbg_ext.render.document import Inline

MAX_PLACES = 4
"""Places that a row names; `-v` lists all."""
COLUMNS = (Column("What"), Column("Times", right=True), Column("Where"))
EACH = (Column("What"), Column("Place"), Column("Address"), Column("Offset", right=True), Column("Bytes", right=True))
LEAVE_OUT = "minify --scrub (/scrub in WinDbg) makes a small dump without it"
NEVER = "nothing can tell that a dump is anonymous"


def privacy_document(reports: Sequence[PrivacyReport], *, details: bool, show: bool) -> Document:
    """Return the reports of some files. details: each occurrence with its place; show: with the values."""
    sections = [section for report in reports for section in _sections(report, details=details, show=show)]
    unknown = Notes(tuple(("", text) for text in UNKNOWN))
    return Document((*sections, Section(f"What the rules cannot know ({NEVER}):", (unknown,))))


def verdict(report: PrivacyReport) -> str:
    """Return the answer in a line. It is never that a dump is anonymous."""
    if report.problem is not None:
        return f"cannot be looked through: {report.problem}"
    if not report.findings:
        return "the rules find nothing that could identify a person or a machine"
    found = f"{count(report.times, 'thing')} of {count(len(report.findings), 'sort')}"
    return f"holds what could identify a person or a machine: {found}"


def looked_at(report: PrivacyReport) -> str:
    """Return what was looked at."""
    return f"{size(report.bytes)}, " + ("the whole file" if report.whole_file else "what minify would save")


def _sections(report: PrivacyReport, *, details: bool, show: bool) -> Iterator[Section]:
    looked = [] if report.problem else [("looked at", looked_at(report))]
    notes = [*looked, *(("note", note) for note in report.notes)]
    if report.findings:
        notes.append(("next step", LEAVE_OUT))
    yield Section(f"{report.path}: {verdict(report)}", (Notes(tuple(notes)),))
    if report.findings:
        yield Section("", (Table(rows_of_sorts(report), COLUMNS),))
        yield Section("Why:", (Notes(tuple((finding.name, finding.why) for finding in report.findings)),))
        if details or show:
            yield Section("Each of them:", (Table(rows_of_each(report, show=show), columns_of_each(show=show)),))
            more = [(found.name, f"{found.not_listed:,} more") for found in report.findings if found.not_listed]
            if more:
                yield Section("Not listed:", (Notes(tuple(more)),))


def rows_of_sorts(report: PrivacyReport) -> tuple[tuple[Inline, ...], ...]:
    """Return a row for each sort: what, how many times, where."""
    return tuple(((finding.name,), (f"{finding.times:,}",), _where(finding)) for finding in report.findings)


def _where(finding: Finding) -> Inline:
    named = [f"{place} ({times})" if times > 1 else place for place, times in finding.places[:MAX_PLACES]]
    more = len(finding.places) - MAX_PLACES
    return (", ".join(named) + (f" and {count(more, 'other part')}" if more > 0 else ""),)


def columns_of_each(*, show: bool) -> tuple[Column, ...]:
    """Return the columns for `rows_of_each`."""
    return (*EACH, Column("Value")) if show else EACH


def rows_of_each(report: PrivacyReport, *, show: bool) -> tuple[tuple[Inline, ...], ...]:
    """Return a row for each thing that was found."""
    return tuple(_row(finding, one, show=show) for finding in report.findings for one in finding.occurrences)


def _row(finding: Finding, one: Occurrence, *, show: bool) -> tuple[Inline, ...]:
    address: Inline = () if one.address is None else (Address(one.address),)
    offset = "" if one.offset is None else f"0x{one.offset:x}"
    row: tuple[Inline, ...] = ((finding.name,), (one.place,), address, (offset,), (f"{one.bytes:,}",))
    return (*row, (one.value,)) if show else row


def privacy_json(report: PrivacyReport) -> str:
    """Return the report of a file as JSON, an item of the list "dumps"."""
    values = {
        "path": report.path,
        "kind": report.kind,
        "privacy": {
            "looked_at": "file" if report.whole_file else "what minify would save",
            "bytes": report.bytes,
            "times": report.times,
            "anonymous": None,
            "findings": [
                {
                    "what": finding.key,
                    "name": finding.name,
                    "why": finding.why,
                    "times": finding.times,
                    "places": [{"place": place, "times": times} for place, times in finding.places],
                    "occurrences": [_occurrence(one) for one in finding.occurrences],
                    "not_listed": finding.not_listed,
                }
                for finding in report.findings
            ],
            "not_known": list(UNKNOWN),
            "notes": list(report.notes),
            "problem": report.problem,
        },
    }
    return write_json(values)


def _occurrence(one: Occurrence) -> dict[str, object]:
    return {
        "place": one.place,
        "address": None if one.address is None else f"0x{one.address:x}",
        "offset": one.offset,
        "bytes": one.bytes,
        "value": one.value or None,
    }
