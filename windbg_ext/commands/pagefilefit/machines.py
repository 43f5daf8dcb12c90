"""Many machines: SYSTEM hives, and reports of `pagefilefit --this-machine --json` that were collected, as rows.

A file that cannot be read costs itself. In a folder, other hives and files that are neither are passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from windbg_ext.commands.pagefilefit.collected import is_report, read_report
from windbg_ext.commands.pagefilefit.command import pagefilefit
from windbg_ext.commands.pagefilefit.machine_row import MachineRow
from windbg_ext.commands.pagefilefit.system_hive import SIGNATURE
from windbg_ext.errors import DumpError
from windbg_ext.sources import open_source
from windbg_ext.sources.find import Wanted, find_dumps, is_single
from windbg_ext.sources.progress import no_progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from windbg_ext.commands.pagefilefit.by_hand import HandFigures
    from windbg_ext.commands.pagefilefit.command import PagefileFitReport
    from windbg_ext.dump.kinds import DumpKind
    from windbg_ext.sources.progress import Progress

OTHER_FILES = (".log", ".log1", ".log2", ".blf", ".regtrans-ms", ".sav", ".alt")
"""Files beside hives, by the ends of their names."""
MACHINES = Wanted(lambda name: not name.endswith(OTHER_FILES), "holds no SYSTEM hive and no report of a machine")
NO_SYSTEM_HIVE = r"Select\Current"
"""The field that every SYSTEM hive has, and no other."""


@dataclass(frozen=True)
class MachinesReport:
    """All machines, worst first. skipped: files of folders that are neither hives nor reports."""

    rows: tuple[MachineRow, ...]
    skipped: int

    @property
    def lost(self) -> int:
        """How many machines would lose their dump."""
        return sum(row.lost for row in self.rows)

    @property
    def unreadable(self) -> int:
        """How many files cannot be read."""
        return sum(bool(row.problem) for row in self.rows)

    def all_fit(self, kind: DumpKind) -> bool:
        """Return whether the next dump of a kind fits on every machine, for certain."""
        return all(row.fits is not None and row.fits.get(kind) is True for row in self.rows)


def pagefilefit_machines(
    paths: Sequence[str], by_hand: HandFigures | None = None, progress: Progress = no_progress
) -> MachinesReport:
    """Return a row for each machine. paths: hives, collected reports, folders and wildcards.

    by_hand: figures that count for every hive. Raise DumpError for a folder or a wildcard without any file, and where
    no file is a hive or a report.
    """
    rows: list[MachineRow] = []
    skipped = 0
    files = list(_files(paths))
    for number, (file, named) in enumerate(files):
        progress("looking at machines", number, len(files))
        row = _row(file, named, by_hand)
        if row is None:
            skipped += 1
        else:
            rows.append(row)
    progress("looking at machines", len(files), len(files))
    if not rows:
        raise DumpError("path", MACHINES.none, "name the hives themselves", paths[0])
    rows.sort(key=lambda row: (row.rank, -len(row.no), row.name.lower()))
    return MachinesReport(tuple(rows), skipped)


def is_one_machine(paths: Sequence[str]) -> bool:
    """Return whether the paths are one hive, to which a whole report belongs."""
    return len(paths) == 1 and is_single(paths) and not paths[0].lower().endswith(".json")


def _files(paths: Iterable[str]) -> Iterable[tuple[str, bool]]:
    """Yield each file once, and whether it was named itself."""
    seen: set[str] = set()
    for path in paths:
        named = is_single([path])
        for file in find_dumps([path], lambda _error: None, MACHINES):
            if file not in seen:
                seen.add(file)
                yield file, named


def _row(path: str, named: bool, by_hand: HandFigures | None) -> MachineRow | None:
    """Return the row of a file; None for one that was not named itself and is neither a hive nor a report."""
    try:
        with_source = open_source(path)
        try:
            start = with_source.read(0, len(SIGNATURE))
            if is_report(start):
                return read_report(with_source)
            if start != SIGNATURE and not named:
                return None
        finally:
            with_source.close()
        return row_of(pagefilefit(system_hive=path, by_hand=by_hand), path)
    except (DumpError, OSError) as error:
        field, why = (error.field, error.why) if isinstance(error, DumpError) else ("file", str(error.strerror))
        if field == NO_SYSTEM_HIVE and not named:
            return None
        return MachineRow(name=path, path=path, problem=f"{field}: {why}")


def row_of(report: PagefileFitReport, path: str) -> MachineRow:
    """Return the row of a report."""
    return MachineRow(
        name=report.computer or path,
        path=path,
        kind=report.configured,
        verdict=report.verdict,
        headline=report.headline,
        fits={kind.kind: kind.verdict.fits for kind in report.kinds},
        room=report.space.now,
        at_most=report.space.maximum,
        needs=report.kind(report.advised).needs,
        ram=report.ram,
        place=report.space.path or "",
        no=tuple(check.question for check in report.checks if check.good is False),
        unknown=tuple(check.question for check in report.checks if check.good is None),
        decided=tuple(check.question for check in report.checks if check.good is False and check.decides),
        outdated=report.hive is not None and report.hive.outdated,
    )
