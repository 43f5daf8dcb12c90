"""The report of `pagefilefit` as a page: every kind of dump against the room for it, what to do, and every source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.commands.pagefilefit import Place
from windbg_ext.render.document import Answer, Column, Facts, Reference
from windbg_ext.render.figures import megabytes
from windbg_ext.render.page import Fit, FitBars, Footnotes, Listing, Mark, Page, PageSection, Verdict
from windbg_ext.render.pagefilefit import (
    CHECK_TITLE,
    answer_of,
    facts_of,
    floor_of,
    is_to_scale,
    known,
    page_of,
    steps_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from windbg_ext.commands.pagefilefit import Check, KindReport, PagefileFitReport
    from windbg_ext.render.document import Inline, Span

HEADERS = ("Safe", "Floor", "Measured", "Room now", "At most")
COLUMNS = (Column("Dump"), *(Column(header, right=True) for header in HEADERS), Column("The next one"), Column("Why"))
CHECK_COLUMNS = (Column("Question"), Column("Answer"), Column("Why"), Column("From"))
SAFE, LEAST, MEASURED, OTHER = ("safe",), ("floor", "typical"), ("measured", "in use"), ("other", "likelihood")
"""The roles of the sources of a figure."""


def pagefilefit_page(report: PagefileFitReport) -> Page:
    """Return the report."""
    return Page("Paging file and crash dumps", "pagefilefit", tuple(_sections(report)))


def _sections(report: PagefileFitReport) -> Iterator[PageSection]:
    to_do = [advice for advice in report.advice if advice.to_do]
    to_know = [advice for advice in report.advice if not advice.to_do]
    about = report.dump or report.settings or "Paging file and crash dumps"
    verdict = Verdict(about, Answer(report.headline, report.verdict.likely), tuple(facts_of(report)))
    yield PageSection("", (verdict,))
    if to_do:
        yield PageSection("What to do", (steps_of(to_do),))
    notes = _Notes()
    rows = tuple(_row(kind, report, notes) for kind in report.kinds)
    numbers = Listing("In numbers", COLUMNS, rows)
    pictures = (_bars(report),) if is_to_scale(report) else ()
    yield PageSection("Dumps and the room for them", (*pictures, numbers))
    if report.checks:
        yield PageSection(CHECK_TITLE, (Listing("Check list", CHECK_COLUMNS, tuple(map(_check, report.checks))),))
    if to_know:
        yield PageSection("More to know", (steps_of(to_know),))
    space = report.space
    rooms = (("Room now", space.now, space.now_from), ("At most", space.maximum, space.maximum_from))
    facts: tuple[tuple[str, Inline], ...] = tuple(
        (name, (f"{'not known' if room is None else megabytes(room)}: {why}",)) for name, room, why in rooms
    )
    yield PageSection("Where the figures are from", (Facts(facts), Footnotes(tuple(notes.texts))))
    if report.notes:
        yield PageSection("Notes", (Footnotes(tuple((note,) for note in report.notes), numbered=False),))


class _Notes:
    """Footnotes in the order in which they are first needed."""

    def __init__(self) -> None:
        self.texts: list[Inline] = []

    def of(self, kind: KindReport, roles: Iterable[str]) -> Iterator[Span]:
        """Yield a mark for each source of a figure."""
        for source in kind.sources:
            if source.role in roles:
                note = (f"{source.says} [{page_of(source)}]",)
                if note not in self.texts:
                    self.texts.append(note)
                yield Reference(self.texts.index(note) + 1)


def _row(kind: KindReport, report: PagefileFitReport, notes: _Notes) -> tuple[Inline, ...]:
    name = f"{kind.kind.value}{' (set)' if kind.kind is report.configured else ''}"
    return (
        (name, *notes.of(kind, OTHER)),
        (megabytes(kind.needs), *notes.of(kind, SAFE)),
        (floor_of(kind), *notes.of(kind, LEAST)),
        (megabytes(kind.measured), *notes.of(kind, MEASURED)),
        (megabytes(kind.now),),
        (megabytes(kind.maximum),),
        (answer_of(kind),),
        (kind.why,),
    )


def _check(check: Check) -> tuple[Inline, ...]:
    return (check.question,), (known(check),), (check.why,), (check.source,)


def _bars(report: PagefileFitReport) -> FitBars:
    fits = tuple(
        Fit(kind.kind.value, kind.needs, kind.floor, kind.measured, answer_of(kind), kind.kind is report.configured)
        for kind in report.kinds
    )
    place = report.space.place
    room = f"the {place.value}" if place in (Place.PAGING_FILE, Place.DEDICATED_FILE) else "the room for it"
    title = f"What each kind of dump takes, and {room} now and at most, to one scale"
    return FitBars(title, tuple(_marks(report)), fits)


def _marks(report: PagefileFitReport) -> Iterator[Mark]:
    space = report.space
    if space.now is not None:
        same = space.now == space.maximum
        yield Mark("now", "now and at most" if same else "now", space.now)
        if space.maximum is not None and not same:
            yield Mark("most", "at most", space.maximum)
    if report.ram is not None:
        yield Mark("ram", "RAM", report.ram)
    if report.volume.free is not None:
        yield Mark("free", f"free on {report.volume.letter}", report.volume.free)
