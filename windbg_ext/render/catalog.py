"""A catalogue of dumps as a document, as JSON and as CSV."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from windbg_ext.commands.catalog.views import DUMP_COLUMNS
from windbg_ext.render.document import Column, Document, Facts, ModuleName, Notes, Section, Table
from windbg_ext.render.figures import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from windbg_ext.commands.catalog import CatalogReport, Group, ScanReport
    from windbg_ext.commands.catalog.database import Row
    from windbg_ext.render.document import Inline

NOT_TOLD = "(not told)"
MACHINES_NOTE = "As far as the dumps tell: by the computer's name, or a hash of its SMBIOS UUID."
TITLES = {
    "signature": "By signature",
    "machine": "By machine",
    "driver": "By driver (a hint: the first suspect)",
    "build": "By build",
    "week": "By week",
}
NAMES = {"signature": "Signature", "machine": "Machine", "driver": "Driver", "build": "Build", "week": "Week"}
ABOUT = {"signature": "Bug check", "machine": "Computer", "build": "Windows"}
DUMP_SHOWN = ("crashed_at", "kind", "computer", "machine", "build", "driver", "path")
CSV_ROWS = 1000


def catalog_document(
    report: CatalogReport, scanned: ScanReport | None, dumps: Iterable[Row] | None, *, most: int | None
) -> Document:
    """Return what is in a catalogue. scanned: what the run before did; dumps: those to list, at most so many."""
    sections = [Section(report.name, (Facts(tuple(_totals(report, scanned))),))]
    if scanned is not None and scanned.problems:
        sections.append(Section("Not taken in:", (Notes(scanned.problems),)))
    for view, groups in report.groups.items():
        if groups and not (view == "machine" and all(group.name is None for group in groups)):
            sections.append(_section(view, groups, report.more[view]))
    if dumps is not None:
        sections.append(_dumps(dumps, most))
    return Document(tuple(sections), elsewhere=True)


def _totals(report: CatalogReport, scanned: ScanReport | None) -> Iterator[tuple[str, Inline]]:
    if scanned is not None:
        told = {"new": scanned.new, "known": scanned.known, "moved": scanned.moved}
        told.update({"no dumps": scanned.others, "failed": scanned.failed})
        sums = ", ".join(f"{number:,} {name}" for name, number in told.items() if number)
        yield "this run", (f"{count(scanned.found, 'file')}: {sums or 'nothing'}",)
    chosen = [f"since {report.choice.since}"] if report.choice.since else []
    chosen += [f"signature {report.choice.signature}"] if report.choice.signature else []
    if chosen:
        yield "shown", (", ".join(chosen),)
    yield "crashes", (f"{report.crashes:,}, with {count(report.signatures, 'signature')}",)
    machines = f" of {count(report.machines, 'known machine')}" if report.machines else ""
    yield "dumps", (f"{report.dumps:,}{machines}",)
    if report.first is not None:
        yield "from", (shown_time(report.first),)
        yield "to", (shown_time(report.last),)
    if report.unread:
        yield "not read", (f"{count(report.unread, 'file')}: no dump, or not to be read",)


def shown_time(text: str | None) -> str:
    """Return a time of a catalogue as reports show it."""
    return "" if text is None else text.replace("T", " ").replace("Z", "")


def _section(view: str, groups: tuple[Group, ...], more: int) -> Section:
    columns = [Column(NAMES[view]), Column("Crashes", right=True), Column("Dumps", right=True)]
    if view != "machine":
        columns.append(Column("Machines", right=True))
    if view != "signature":
        columns.append(Column("Signatures", right=True))
    if view != "week":
        columns += [Column("First"), Column("Last")]
    if view in ABOUT:
        columns.append(Column(ABOUT[view]))
    if view == "signature":
        columns += [Column("Driver"), Column("Hash")]
    rows = tuple([_row(view, group) for group in groups])
    blocks = [Table(rows, tuple(columns), compact=True)]
    if more:
        return Section(TITLES[view], (*blocks, Notes((("", f"... and {more:,} more: -v shows all"),))))
    return Section(TITLES[view], tuple(blocks))


def _row(view: str, group: Group) -> tuple[Inline, ...]:
    name: Inline = (NOT_TOLD,) if group.name is None else (ModuleName(group.name) if view == "driver" else group.name,)
    cells: list[Inline] = [name, (f"{group.crashes:,}",), (f"{group.dumps:,}",)]
    if view != "machine":
        cells.append((f"{group.machines:,}" if group.machines else "",))
    if view != "signature":
        cells.append((f"{group.signatures:,}",))
    if view != "week":
        cells += [(shown_time(group.first),), (shown_time(group.last),)]
    if view in ABOUT:
        cells.append((group.about or "",))
    if view == "signature":
        cells += [(ModuleName(group.driver) if group.driver else "",), (group.hash or "",)]
    return tuple(cells)


def _dumps(dumps: Iterable[Row], most: int | None) -> Section:
    places = [DUMP_COLUMNS.index(name) for name in DUMP_SHOWN]
    found = list(islice(dumps, None if most is None else most + 1))
    shown = found if most is None else found[:most]
    rows = tuple([tuple([_cell(row[place]) for place in places]) for row in shown])
    columns = tuple(Column(name.replace("_", " ").capitalize()) for name in DUMP_SHOWN)
    table = Table(rows, columns, compact=True)
    if len(found) > len(shown):
        return Section("Dumps", (table, Notes((("", "... and more: -v shows all"),))))
    return Section("Dumps", (table,))


def _cell(value: object) -> Inline:
    return ("" if value is None else str(value),)


def catalog_json(
    report: CatalogReport,
    scanned: ScanReport | None,
    groups: Mapping[str, Iterable[Group]],
    dumps: Iterable[Row] | None,
) -> Iterator[str]:
    """Yield what is in a catalogue as JSON, piece by piece. groups: by view; dumps: None to leave them out."""
    from windbg_ext.render.json_text import json_pieces, write_json

    document: dict[str, object] = {
        "catalog": report.name,
        "run": None if scanned is None else _run(scanned),
        "since": report.choice.since,
        "signature": report.choice.signature,
        "crashes": report.crashes,
        "dump_count": report.dumps,
        "machines": report.machines,
        "signatures": report.signatures,
        "first": report.first,
        "last": report.last,
        "unread_files": report.unread,
    }
    for view, found in groups.items():
        document[f"by_{view}"] = map(partial(_group, view), found)
    if dumps is not None:
        document["dumps"] = (write_json(dict(zip(DUMP_COLUMNS, row))) for row in dumps)
    return json_pieces(document)


def _run(scanned: ScanReport) -> dict[str, object]:
    return {
        "found": scanned.found,
        "new": scanned.new,
        "known": scanned.known,
        "moved": scanned.moved,
        "no_dumps": scanned.others,
        "failed": scanned.failed,
        "problems": [{"path": path, "problem": why} for path, why in scanned.problems],
    }


def _group(view: str, group: Group) -> str:
    from windbg_ext.render.json_text import write_json

    document: dict[str, object] = {
        view: group.name,
        "crashes": group.crashes,
        "dump_count": group.dumps,
        "machines": group.machines,
        "signatures": group.signatures,
        "first": group.first,
        "last": group.last,
    }
    if view == "signature":
        document.update({"signature_hash": group.hash, "bug_check_name": group.about, "driver": group.driver})
    elif view in ABOUT:
        document[ABOUT[view].lower()] = group.about
    return write_json(document)


def catalog_csv(dumps: Iterable[Row]) -> Iterator[str]:
    """Yield the dumps as CSV, a row for each, some rows at a time: no cell is taken for a formula."""
    import csv
    import io

    from windbg_ext.render.csv_text import harmless
    from windbg_ext.render.lines import plain

    rows: Iterator[Row] = iter(dumps)
    some: list[Row] = [DUMP_COLUMNS]
    while some or (some := list(islice(rows, CSV_ROWS))):
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerows(["" if value is None else harmless(plain(str(value))) for value in row] for row in some)
        yield out.getvalue().rstrip("\n")
        some = []
