"""What in a dump could identify a person or a machine, as a page: the verdict, each sort, and what cannot be known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.commands.privacy.report import UNKNOWN
from windbg_ext.render.document import Answer, Notes
from windbg_ext.render.page import Fold, Listing, Page, PageSection, Verdict
from windbg_ext.render.privacy import (
    COLUMNS,
    LEAVE_OUT,
    NEVER,
    columns_of_each,
    looked_at,
    rows_of_each,
    rows_of_sorts,
    verdict,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from windbg_ext.commands.privacy.report import PrivacyReport
    from windbg_ext.render.page import PageBlock


def privacy_page(reports: Sequence[PrivacyReport], *, show: bool) -> Page:
    """Return the reports of some files. show: with the values."""
    sections = [PageSection("", tuple(_blocks(report, show=show))) for report in reports]
    unknown = Notes(tuple(("", text) for text in UNKNOWN))
    return Page(
        f"{reports[0].path if len(reports) == 1 else 'crash dumps'}: what is personal",
        "dumpkind",
        (*sections, PageSection(f"What the rules cannot know ({NEVER})", (unknown,))),
    )


def _blocks(report: PrivacyReport, *, show: bool) -> Iterator[PageBlock]:
    steps = (("Looked at", (looked_at(report),)), *((("Note", (note,))) for note in report.notes))
    if report.findings:
        steps = (*steps, ("Next step", (LEAVE_OUT,)))
    yield Verdict(report.path, Answer(verdict(report), False if report.findings else None), steps)
    if report.findings:
        yield Listing("What was found", COLUMNS, rows_of_sorts(report))
        yield Notes(tuple((finding.name, finding.why) for finding in report.findings))
        each = Listing("Each place", columns_of_each(show=show), rows_of_each(report, show=show), most=60_000)
        yield Fold("Where each of them is", (each,))
