"""The report of `pagefilefit` on many machines as a document, CSV and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.commands.pagefilefit import Verdict
from windbg_ext.render.csv_text import write_csv
from windbg_ext.render.document import Answer, Column, Document, Headline, Notes, Section, Table
from windbg_ext.render.figures import count, megabytes
from windbg_ext.render.json_text import write_json

if TYPE_CHECKING:
    from windbg_ext.commands.pagefilefit import MachineRow, MachinesReport
    from windbg_ext.render.document import Inline

COLUMNS = (
    *(Column("Machine"), Column("The next one"), Column("Kind set")),
    *(Column(name, right=True) for name in ("Room now", "Needs", "RAM")),
    Column("No"),
)
CSV_HEADER = (
    *(
        "Machine",
        "Verdict",
        "Likely",
        "Loses its dump",
        "Kind set",
        "Takes the dump",
        "Room now",
        "Room at most",
        "Needs",
    ),
    *("RAM", "No", "Not known", "Out of date", "Headline", "Problem", "File"),
)


def machines_document(report: MachinesReport) -> Document:
    """Return the sums and a row for each machine, worst first."""
    said = [f"{count(len(report.rows), 'machine')}: {lost_text(report)}"]
    if report.unreadable:
        said.append(f"{count(report.unreadable, 'file')} cannot be read")
    headline = Headline(Answer(f"{'; '.join(said)}.", not report.lost and not report.unreadable))
    sections = [
        Section("", (headline,)),
        Section("", (Table(tuple(map(_row, report.rows)), COLUMNS, compact=True),)),
    ]
    if report.skipped:
        told = f"{count(report.skipped, 'file')} without the settings of a machine"
        sections.append(Section("", (Notes((("passed over", told),)),)))
    return Document(tuple(sections))


def lost_text(report: MachinesReport) -> str:
    """Return how many machines would lose their dump."""
    if not report.lost:
        return "none would lose its dump"
    return "1 would lose its dump" if report.lost == 1 else f"{report.lost:,} would lose their dump"


def _row(row: MachineRow) -> tuple[Inline, ...]:
    if row.problem:
        return (row.name,), (Answer("cannot be read", good=False),), ("",), ("",), ("",), ("",), (row.problem,)
    verdict = row.verdict.value if row.verdict else ""
    return (
        (row.name,),
        (Answer(verdict, False if row.lost else row.verdict and row.verdict.likely),),
        (kind_set(row),),
        (megabytes(row.room),),
        (megabytes(row.needs),),
        (megabytes(row.ram),),
        ("; ".join(row.no),),
    )


def kind_set(row: MachineRow) -> str:
    """Return the kind of dump that a machine is set to."""
    if row.kind is not None:
        return row.kind.value
    return "none" if row.verdict is Verdict.NOT_WRITTEN else "not known"


def machines_csv(report: MachinesReport) -> str:
    """Return a row for each machine with all that is known, for spreadsheets. Sizes are in bytes."""
    return write_csv(CSV_HEADER, [_cells(row) for row in report.rows])


def _cells(row: MachineRow) -> tuple[str, ...]:
    likely = row.verdict.likely if row.verdict else None
    sizes = ("" if size is None else str(size) for size in (row.room, row.at_most, row.needs, row.ram))
    return (
        *(
            row.name,
            row.verdict.value if row.verdict else "",
            _known(likely),
            _known(None if row.problem else row.lost),
        ),
        *("" if row.problem else kind_set(row), row.place, *sizes, "; ".join(row.no), "; ".join(row.unknown)),
        *(_known(None if row.problem else row.outdated), row.headline, row.problem, row.path),
    )


def _known(answer: bool | None) -> str:
    return "" if answer is None else "yes" if answer else "no"


def machines_json(report: MachinesReport) -> str:
    """Return the report as JSON."""
    return write_json(
        {
            "machines": [
                {
                    "machine": row.name,
                    "path": row.path,
                    "problem": row.problem or None,
                    "verdict": row.verdict.value if row.verdict else None,
                    "likely": row.verdict.likely if row.verdict else None,
                    "lost": None if row.problem else row.lost,
                    "headline": row.headline or None,
                    "configured_kind": row.kind.value if row.kind else None,
                    "fits": {kind.value: fits for kind, fits in (row.fits or {}).items()},
                    "place": row.place or None,
                    "room_bytes": row.room,
                    "maximum_bytes": row.at_most,
                    "needs_bytes": row.needs,
                    "ram_bytes": row.ram,
                    "no": list(row.no),
                    "not_known": list(row.unknown),
                    "outdated": row.outdated,
                }
                for row in report.rows
            ],
            "lost": report.lost,
            "unreadable": report.unreadable,
            "skipped": report.skipped,
        }
    )
