"""The report of `pagefilefit` on many machines as a page: how many would lose their dump, and every machine."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from windbg_ext.render.document import Answer, Column
from windbg_ext.render.figures import count, megabytes
from windbg_ext.render.machines import kind_set, lost_text
from windbg_ext.render.page import Catalogue, Entry, Page, PageSection, Ranking, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.commands.pagefilefit import MachineRow, MachinesReport
    from windbg_ext.render.document import Inline

COLUMNS = (
    *(Column("Machine"), Column("The next dump", width=28), Column("Kind set", width=14)),
    *(Column(name, right=True, width=14) for name in ("Room now", "Needs", "RAM")),
    Column("No, or a problem"),
)
MOST = 10
"""Reasons that a picture shows."""


def machines_page(report: MachinesReport) -> Page:
    """Return the report, worst machines first."""
    return Page("Paging files of many machines", "pagefilefit", tuple(_sections(report)))


def _sections(report: MachinesReport) -> Iterator[PageSection]:
    steps: list[tuple[str, Inline]] = []
    if report.unreadable:
        steps.append(("Not read", (count(report.unreadable, "file"),)))
    if report.skipped:
        steps.append(("Passed over", (f"{count(report.skipped, 'file')} without the settings of a machine",)))
    good = not report.lost and not report.unreadable
    steps.append(("Next step", ("look at the machines on top",) if not good else ("nothing",)))
    answer = Answer(f"{count(len(report.rows), 'machine')}: {lost_text(report)}", good)
    yield PageSection("", (Verdict("Paging files of many machines", answer, tuple(steps)),))
    reasons = Counter(reason for row in report.rows for reason in row.no)
    rankings = (
        _ranking("By answer", Counter(map(_verdict, report.rows)), len(report.rows)),
        _ranking("What the check list says no to", reasons, len(report.rows)),
    )
    yield PageSection("How many", tuple(ranking for ranking in rankings if ranking.rows))
    entries = tuple(map(_entry, report.rows))
    yield PageSection("Machines", (Catalogue("Worst first; a name opens the details", COLUMNS, entries, "machines"),))


def _verdict(row: MachineRow) -> str:
    return "cannot be read" if row.problem else row.verdict.value if row.verdict else "cannot be told"


def _ranking(title: str, found: Counter[str], total: int) -> Ranking:
    counted = found.most_common()
    others = counted[MOST:]
    return Ranking(title, tuple(counted[:MOST]), total, (len(others), sum(number for _, number in others)))


def _entry(row: MachineRow) -> Entry:
    good = False if row.lost or row.problem else row.verdict.likely if row.verdict else None
    cells: tuple[Inline, ...] = (
        (row.name,),
        (Answer(_verdict(row), good),),
        ("" if row.problem else kind_set(row),),
        (megabytes(row.room),),
        (megabytes(row.needs),),
        (megabytes(row.ram),),
        (row.problem or "; ".join(row.no),),
    )
    values = (None, row.rank.value, None, row.room, row.needs, row.ram, None)
    return Entry(cells, values, tuple(_details(row)), row.name)


def _details(row: MachineRow) -> Iterator[tuple[str, Inline]]:
    if row.problem:
        yield "problem", (row.problem,)
    if row.headline:
        yield "answer", (row.headline,)
    if row.place:
        yield "takes the dump", (f"{row.place}, at most {megabytes(row.at_most)}",)
    yield from (("no", (question,)) for question in row.no)
    yield from (("not known", (question,)) for question in row.unknown)
    if row.outdated:
        yield "out of date", ("newer settings may be in logs of the hive that were not read",)
    yield "file", (row.path,)
