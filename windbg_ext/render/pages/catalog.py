"""A catalogue of dumps as a page: what crashes, since when, on which machines, and the newest dumps."""

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import TYPE_CHECKING

from windbg_ext.commands.catalog.views import DUMP_COLUMNS
from windbg_ext.render.catalog import MACHINES_NOTE, NOT_TOLD, shown_time
from windbg_ext.render.document import Answer, Column
from windbg_ext.render.dumpkind_table import HINT
from windbg_ext.render.figures import count
from windbg_ext.render.page import Catalogue, Entry, Listing, Page, PageSection, Ranking, Verdict
from windbg_ext.render.pages.dumps import SAME_CRASH
from windbg_ext.render.pages.timeline import timeline_of_days

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from windbg_ext.commands.catalog import CatalogReport, Group
    from windbg_ext.commands.catalog.database import Row
    from windbg_ext.render.document import Inline

MOST = 10
"""Names that a picture of the most frequent shows."""
MAX_DUMPS = 2000
"""Dumps, the newest first, that the page lists."""
MAX_GROUPS = 100
"""Rows of each view that the page is made of; it lists that many signatures."""
SIGNATURE_COLUMNS = (
    *(Column("Signature"), Column("Crashes", right=True), Column("Dumps", right=True), Column("Machines", right=True)),
    *(Column("First", right=True), Column("Last", right=True), Column("Bug check"), Column("Driver"), Column("Hash")),
)
DUMP_SHOWN = {
    "path": "Dump file",
    "crashed_at": "Crash time (UTC)",
    "bug_check_name": "Bug check",
    "signature": "Signature",
    "driver": "Driver",
    "computer": "Computer",
    "machine": "Machine",
    "build": "Windows build",
    "kind": "Kind",
}
WIDTHS = {"Crash time (UTC)": 21, "Bug check": 36, "Windows build": 11, "Kind": 9}
"""Of columns whose texts are known; the others share the rest."""
SHOWN_DIGITS = 12
"""Of a machine's hash: as many as of a signature's. The details of a dump have all of them."""
DAY = slice(0, 10)
"""Of a time, as ISO 8601 has it."""


def catalog_page(report: CatalogReport, days: Iterable[tuple[str | None, int]], dumps: Iterable[Row]) -> Page:
    """Return what is in a catalogue. report: with MAX_GROUPS rows of each view; dumps: the newest first.

    days: crashes of each day (ISO 8601; None: not known).
    """
    return Page(f"{report.name}: crashes", "dumpkind", tuple(_sections(report, days, dumps)))


def _sections(
    report: CatalogReport, days: Iterable[tuple[str | None, int]], dumps: Iterable[Row]
) -> Iterator[PageSection]:
    yield PageSection("", (_verdict(report),))
    undated, counts = 0, {}
    for text, crashes in days:
        day = _day(text)
        if day is None:
            undated += crashes
        else:
            counts[day] = crashes
    over_time = timeline_of_days(counts, undated, "Crashes over time")
    if over_time is not None:
        yield PageSection("Over time", (over_time,))
    rankings = (
        _ranking("By signature", report, "signature", SAME_CRASH),
        _ranking("By driver", report, "driver", HINT),
        _ranking("By machine", report, "machine", MACHINES_NOTE),
        _ranking("By build", report, "build"),
    )
    yield PageSection("Most frequent", tuple(ranking for ranking in rankings if ranking.rows))
    rows, cut = tuple(map(_signature, report.groups["signature"])), report.more["signature"]
    yield PageSection("Signatures", (Listing("Each signature is one bug", SIGNATURE_COLUMNS, rows, cut, most=60_000),))
    entries = tuple(map(_entry, dumps))
    columns = tuple(Column(title, width=WIDTHS.get(title)) for title in DUMP_SHOWN.values())
    yield PageSection("Newest dumps", (Catalogue(f"The newest {len(entries):,} dumps", columns, entries),))


def _verdict(report: CatalogReport) -> Verdict:
    steps: list[tuple[str, Inline]] = []
    for label, view in (("Most frequent", "signature"), ("Most suspected", "driver"), ("Most crashes on", "machine")):
        known = [group for group in report.groups[view] if group.name is not None]
        if known:
            name = _machine(known[0]) if view == "machine" else known[0].name
            steps.append((label, (f"{name}, {known[0].crashes:,} of {report.crashes:,}",)))
    if report.first is not None:
        steps.append(("Between", (f"{shown_time(report.first)} and {shown_time(report.last)} UTC",)))
    chosen = [f"since {report.choice.since}"] if report.choice.since else []
    chosen += [f"with the signature {report.choice.signature}"] if report.choice.signature else []
    if chosen:
        steps.append(("Shown", (", ".join(chosen),)))
    if report.unread:
        steps.append(("Not read", (f"{count(report.unread, 'file')}: no dump, or not to be read",)))
    machines = f" on {count(report.machines, 'known machine')}" if report.machines else ""
    bugs = "one bug" if report.signatures == 1 else f"{report.signatures:,} different bugs"
    answer = Answer(f"{report.crashes:,} crashes{machines}: {bugs}, by signature", report.crashes == 0)
    return Verdict(report.name, answer, tuple(steps))


def _ranking(title: str, report: CatalogReport, view: str, note: str = "") -> Ranking:
    known = [group for group in report.groups[view] if group.name is not None]
    more, crashes = report.more_named[view]
    rows = tuple(
        [(_machine(group) if view == "machine" else group.name or "", group.crashes) for group in known[:MOST]]
    )
    others = known[MOST:]
    rest = crashes + sum(group.crashes for group in others)
    return Ranking(title, rows, sum(number for _, number in rows) + rest, (len(others) + more, rest), note)


def _machine(group: Group) -> str:
    """Return the computer's name, or the beginning of its hash."""
    return group.about or (group.name or "")[:SHOWN_DIGITS]


def _signature(group: Group) -> tuple[Inline, ...]:
    numbers = (group.crashes, group.dumps, group.machines)
    times = (shown_time(group.first)[DAY], shown_time(group.last)[DAY])
    texts = (group.about or "", group.driver or "", group.hash or "")
    return tuple([(cell,) for cell in (group.name or NOT_TOLD, *(f"{number:,}" for number in numbers), *times, *texts)])


def _entry(row: Row) -> Entry:
    values = dict(zip(DUMP_COLUMNS, row))
    path = str(values["path"] or values["fingerprint"])
    file, machine = path.replace("\\", "/").rpartition("/")[2], str(values["machine"] or "")
    shown = {**values, "path": file, "crashed_at": _shown(values["crashed_at"]), "machine": machine[:SHOWN_DIGITS]}
    cells: tuple[Inline, ...] = tuple([("" if shown[name] is None else str(shown[name]),) for name in DUMP_SHOWN])
    numbers = [_moment(values[name]) if name == "crashed_at" else None for name in DUMP_SHOWN]
    details: list[tuple[str, Inline]] = [
        (name.replace("_", " "), (str(value),))
        for name, value in values.items()
        if value is not None and (name == "machine" or name not in DUMP_SHOWN)
    ]
    return Entry(cells, tuple(numbers), tuple(details), path)


def _shown(value: object) -> str:
    return shown_time(None if value is None else str(value))


def _day(text: str | None) -> date | None:
    """Return a day as ISO 8601 has it, None for anything else."""
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        return None


def _moment(value: object) -> int | None:
    """Return a time as a number, None for what is no time."""
    try:
        moment = None if value is None else datetime.strptime(str(value), "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return None
    return None if moment is None else int(moment.replace(tzinfo=timezone.utc).timestamp())
