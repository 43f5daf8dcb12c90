"""The report of `minify` as a document and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.render.document import Answer, Column, Document, DumpText, Facts, Notes, Section, Table
from windbg_ext.render.figures import count, size
from windbg_ext.render.json_text import write_json
from windbg_ext.render.privacy import NEVER
from windbg_ext.render.traffic import traffic_json, traffic_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.commands.minify import MinifyReport
    from windbg_ext.commands.minify.verify import Verification
    from windbg_ext.commands.privacy.scrubbing import ScrubReport
    from windbg_ext.render.document import Inline

KEYS = (
    *("bytes", "parts", "left_out", "processors", "modules", "complete"),
    *("saved_memory", "shared", "verify", "traffic", "scrub"),
)
COLUMNS = (Column("What went in"), Column("Bytes", right=True), Column("Blocks", right=True))
SCRUB_COLUMNS = (Column("What"), Column("Times", right=True), Column("Bytes", right=True), Column("Why"))


def minify_document(report: MinifyReport, *, details: bool = False) -> Document:
    """Return the report of `minify`: what was made of what, what was left out and why; details: what went in, too."""
    sections = [Section(f"{report.destination}: {size(report.bytes)}", (Facts(tuple(_facts(report))),))]
    if report.verification is not None and not report.verification.passed:
        sections.append(_not_kept(report.verification))
    if report.scrub is not None:
        sections.extend(_scrubbed(report.scrub))
    if report.left_out:
        sections.append(Section("Left out:", (Notes(tuple((lost.part, lost.why) for lost in report.left_out)),)))
    if details:
        rows = tuple(((part.part,), (f"{part.bytes:,}",), (f"{part.blocks:,}",)) for part in report.parts)
        sections.append(Section("", (Table(rows, COLUMNS),)))
    return Document(tuple(sections))


def _facts(report: MinifyReport) -> Iterator[tuple[str, Inline]]:
    yield "made from", _source(report)
    yield "holds", (f"{count(report.processors, 'processor')}, {count(report.modules, 'module')}",)
    yield "missing", (_missing(report),)
    if report.verification is not None:
        yield "verified", (verification_answer(report.verification),)
    if report.traffic is not None:
        yield "received", (traffic_text(report.traffic),)
    if report.scrub is not None:
        times = sum(row.times for row in report.scrub.rows)
        yield "scrubbed", (f"{count(times, 'thing')} left out that could identify a person or a machine; see below",)


def _source(report: MinifyReport) -> Inline:
    if report.source is None:
        return ("the debugger's session",)
    length = report.source_bytes
    if length is None:
        return (DumpText(report.source),)
    times = length / report.bytes if report.bytes else 0
    larger = f"{times:,.1f}" if times < 10 else f"{times:,.0f}"
    return DumpText(report.source), f", {size(length)}: {larger} times the size"


def _missing(report: MinifyReport) -> Answer:
    if not report.left_out:
        return Answer("nothing", good=True)
    if report.complete:
        return Answer("nothing that a debugger needs; see below", good=True)
    return Answer("something that a debugger needs, or may need; see below", good=False)


def verification_answer(verification: Verification) -> Answer:
    """Return what a comparison with the source found, in one line."""
    return Answer(f"{verification.kept:,} of {verification.asked:,} answers kept", verification.passed)


def _not_kept(verification: Verification) -> Section:
    rows = tuple(
        (differs.answer, f"the source has {differs.source}, the small dump {differs.small}")
        for differs in verification.differences
    )
    more = verification.asked - verification.kept - len(rows)
    return Section("Not kept:", (Notes((*rows, *((("", f"{more:,} more"),) if more else ()))),))


def _verification(verification: Verification | None) -> dict[str, object] | None:
    if verification is None:
        return None
    differences = [differs._asdict() for differs in verification.differences]
    return {"asked": verification.asked, "kept": verification.kept, "differences": differences}


def _scrubbed(report: ScrubReport) -> Iterator[Section]:
    if report.rows:
        table = Table(scrub_rows(report), SCRUB_COLUMNS)
        yield Section("Left out because it could identify a person or a machine:", (table,))
    else:
        yield Section("The rules find nothing that could identify a person or a machine.")
    yield Section(f"What stays ({NEVER}):", (Notes(tuple(("", text) for text in report.stays)),))


def scrub_rows(report: ScrubReport) -> tuple[tuple[Inline, ...], ...]:
    """Return a row for each sort of what was left out."""
    return tuple(((row.name,), (f"{row.times:,}",), (f"{row.bytes:,}",), (row.why,)) for row in report.rows)


def minify_json(report: MinifyReport) -> str:
    """Return the report of `minify` as JSON."""
    source = None if report.source is None else str(report.source)
    head = {"source": source, "source_bytes": report.source_bytes, "destination": str(report.destination)}
    return write_json({**head, **contents(report)})


def contents(report: MinifyReport | None) -> dict[str, object]:
    """Return what a small dump holds; every value is None where none was written."""
    if report is None:
        return dict.fromkeys(KEYS)
    return {
        "bytes": report.bytes,
        "parts": [{"part": part.part, "bytes": part.bytes, "blocks": part.blocks} for part in report.parts],
        "left_out": [{"part": lost.part, "why": lost.why} for lost in report.left_out],
        "processors": report.processors,
        "modules": report.modules,
        "complete": report.complete,
        "saved_memory": [
            {
                "start": f"0x{saved.start:x}",
                "end": f"0x{saved.end:x}",
                "bytes": saved.bytes,
                "blocks": saved.blocks,
                "mode": "user" if saved.user else "kernel",
            }
            for saved in report.saved
        ],
        "shared": [
            {"category": shared.category, "bytes": shared.bytes, "about": shared.about} for shared in report.shared
        ],
        "verify": _verification(report.verification),
        "traffic": traffic_json(report.traffic),
        "scrub": None if report.scrub is None else _scrub(report.scrub),
    }


def _scrub(report: ScrubReport) -> dict[str, object]:
    return {
        "mode": "strict" if report.strict else "standard",
        "anonymous": None,
        "rules": [
            {"what": row.key, "name": row.name, "why": row.why, "times": row.times, "bytes": row.bytes}
            for row in report.rows
        ],
        "stays": list(report.stays),
    }
