"""The report of `minify` as a page: what went in, what did not, and what one is about to share."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from windbg_ext.render.document import Answer, Column, Notes
from windbg_ext.render.figures import count, size
from windbg_ext.render.minify import SCRUB_COLUMNS, scrub_rows, verification_answer
from windbg_ext.render.page import (
    AddressMap,
    AddressRange,
    Listing,
    Page,
    PageSection,
    Part,
    Parts,
    Ranking,
    Verdict,
)
from windbg_ext.render.pages.dumpkind import MAX_SHOWN
from windbg_ext.render.privacy import NEVER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.commands.minify import MinifyReport
    from windbg_ext.commands.minify.batch import BatchReport, FileReport
    from windbg_ext.commands.minify.verify import Verification
    from windbg_ext.commands.privacy.scrubbing import ScrubReport
    from windbg_ext.render.document import Inline
    from windbg_ext.render.page import PageBlock

FILE_BYTES = 400_000
"""What the rows of a table of files may take: 2,000 files."""


def minify_page(report: MinifyReport) -> Page:
    """Return the report of one dump."""
    return Page(f"{PurePath(report.destination).name}: small memory dump", "minify", tuple(_sections(report)))


def _sections(report: MinifyReport) -> Iterator[PageSection]:
    yield PageSection("", (_verdict(report),))
    rows = tuple(
        ((shared.category,), ("-" if shared.bytes is None else f"{shared.bytes:,}",), (shared.about,))
        for shared in report.shared
    )
    if rows:
        columns = (Column("What"), Column("Bytes", right=True), Column("What it is"))
        yield PageSection("What you are about to share", (Listing(SHARED, columns, rows),))
    if report.scrub is not None:
        yield from _scrubbed(report.scrub)
    if report.verification is not None:
        yield PageSection("Compared with its source", tuple(_verified(report.verification)))
    if report.left_out:
        lost = tuple(((lost.part,), (lost.why,)) for lost in report.left_out[:MAX_SHOWN])
        more = max(0, len(report.left_out) - MAX_SHOWN)
        yield PageSection(
            "What was left out", (Listing("", (Column("Part"), Column("Why")), lost, more, name="What was left out"),)
        )
    yield PageSection("What went in", (_parts(report),))
    if report.saved:
        ranges = tuple(AddressRange(*saved) for saved in report.saved)
        yield PageSection("Where it is from", (AddressMap("Ranges of virtual memory that were saved", ranges),))


def _scrubbed(report: ScrubReport) -> Iterator[PageSection]:
    title = "Left out because it could identify a person or a machine"
    yield PageSection(title, (Listing("", SCRUB_COLUMNS, scrub_rows(report), name=title),))
    yield PageSection(f"What stays ({NEVER})", (Notes(tuple(("", text) for text in report.stays)),))


def _verified(verification: Verification) -> Iterator[PageBlock]:
    """Yield how many answers the small dump keeps, and those that it does not."""
    lost = verification.asked - verification.kept
    parts = (("kept", verification.kept), ("not kept", lost))
    rows = tuple((name, number) for name, number in parts if number)
    yield Ranking("Answers of the source", rows, verification.asked)
    if verification.differences:
        columns = tuple(map(Column, ("Asked", "The source", "The small dump")))
        table = tuple(((each.answer,), (each.source,), (each.small,)) for each in verification.differences)
        yield Listing("Answers that differ", columns, table, lost - len(table))


SHARED = "A small dump holds pieces of memory: whoever gets it can read this"


def _verdict(report: MinifyReport) -> Verdict:
    what = f"{count(report.processors, 'processor')}, {count(report.modules, 'module')}"
    whole = "with all that a debugger needs" if report.complete else "without some of what a debugger needs"
    steps: list[tuple[str, Inline]] = []
    if report.source is not None:
        steps.append(("Made of", (report.source,)))
    steps.append(("Size", (f"{report.bytes:,} bytes",)))
    if report.verification is not None:
        steps.append(("Verified", (verification_answer(report.verification),)))
    if report.left_out and not report.complete:
        steps.append(("Left out", (f"{count(len(report.left_out), 'thing')}, below",)))
    steps.append(("Next step", ("look at what you are about to share, then mail the small dump",)))
    answer = Answer(f"Small memory dump of {size(report.bytes)}, {what}, {whole}", report.complete)
    return Verdict(str(report.destination), answer, tuple(steps))


def _parts(report: MinifyReport) -> Parts:
    parts = [Part(part.part, part.bytes, count(part.blocks, "piece")) for part in report.parts]
    rest = report.bytes - sum(part.bytes for part in report.parts)
    if rest > 0:
        parts.append(Part("tables and paddings", rest))
    return Parts(
        "What the bytes of the small dump are spent on",
        report.bytes,
        tuple(parts),
        f"{report.bytes:,} in all",
        "Pieces",
    )


def batch_page(report: BatchReport) -> Page:
    """Return the report of many dumps."""
    files = count(len(report.files), "file")
    done = [file.report.bytes for file in report.files if file.report is not None]
    answer = Answer(f"{count(len(done), 'small dump')} of {files}, {size(sum(done))} in all", report.complete)
    sums: dict[str, int] = {}
    for file in report.files:
        sums[file.outcome.value] = sums.get(file.outcome.value, 0) + 1
    steps: tuple[tuple[str, Inline], ...] = tuple((name, (f"{number:,}",)) for name, number in sums.items())
    columns = (Column("File"), Column("Outcome"), Column("Bytes", right=True), Column("Reason"))
    table = Listing("Every file", columns, tuple(map(_row, report.files)), most=FILE_BYTES)
    return Page(
        f"{files}: small memory dumps",
        "minify",
        (PageSection("", (Verdict("Small memory dumps", answer, steps),)), PageSection("Files", (table,))),
    )


def _row(file: FileReport) -> tuple[Inline, ...]:
    good = file.outcome.value in ("written", "skipped")
    written = "" if file.report is None else f"{file.report.bytes:,}"
    return (file.source,), (Answer(file.outcome.value, good),), (written,), (file.problem,)
