"""The report of `dumpkind` on many files as a page: what crashed how often, and every file in one table."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from windbg_ext.render.document import Answer, Code, Column
from windbg_ext.render.dumpkind import bug_check_text, dump_facts, time_text
from windbg_ext.render.dumpkind_table import HINT
from windbg_ext.render.figures import count, size
from windbg_ext.render.page import Catalogue, Entry, Page, PageSection, Ranking, Verdict
from windbg_ext.render.pages.timeline import timeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from windbg_ext.commands.dumpkind import DumpReport
    from windbg_ext.render.document import Inline

MOST = 10
"""Names that a picture of the most frequent shows."""
MAX_FRAMES = 8
"""Addresses of the stack in the details of a file."""
COLUMNS = (
    *(Column("Dump file", width=21), Column("Crash time (UTC)", width=21), Column("Bug check", width=37)),
    *(Column("Caused by", width=19), Column("Signature", width=18), Column("Kind", width=10)),
    *(Column("Windows build", right=True, width=9), Column("File size", right=True, width=10), Column("Problem")),
)
"""The name of a file has room for those that Windows gives small dumps. Problem: only where there is one."""
SAME_CRASH = "The same bug has the same signature on every machine and after every start."
SAME_MACHINE = (
    "Dumps do not name their machine: those with the same build, processors and RAM are counted as one. A catalogue "
    "(--catalog) tells machines apart where dumps hold a UUID or the computer's name."
)


def dumps_page(reports: Sequence[DumpReport]) -> Page:
    """Return the reports of many files, in the order of the table."""
    files = count(len(reports), "file")
    sections = (
        PageSection("", (_verdict(reports),)),
        *_pictures(reports),
        PageSection("All files", (_table(reports),)),
    )
    return Page(f"{files}: crash dumps", "dumpkind", sections)


def _verdict(reports: Sequence[DumpReport]) -> Verdict:
    crashed = _crashes(reports)
    bad = [report for report in reports if not report.complete or report.problems]
    steps: list[tuple[str, tuple[str, ...]]] = []
    for label, names in (("Most frequent", map(_bug_check, crashed)), ("Most suspected", _drivers(crashed))):
        found = Counter(names).most_common(1)
        if found:
            name, number = found[0]
            steps.append((label, (f"{name}, {number:,} of {len(crashed):,}",)))
    times = sorted(report.system_time for report in crashed if report.system_time is not None)
    if times:
        steps.append(("Between", (f"{time_text(times[0])} and {time_text(times[-1])} UTC",)))
    dumps = sum(report.bug_check is not None for report in reports)
    if dumps > len(crashed):
        steps.append(
            ("Counted", (f"each crash once; {dumps - len(crashed):,} of the dumps are further ones of a crash",))
        )
    if bad:
        steps.append(("Next step", ("look at the files with a problem, below: sort the table by its last column",)))
    whole = f"{count(len(bad), 'file')} {'has' if len(bad) == 1 else 'have'} a problem" if bad else "all are whole"
    crashes = f"{len(crashed):,} {'crash' if len(crashed) == 1 else 'crashes'}"
    answer = Answer(f"{crashes} in {count(len(reports), 'file')}, {whole}", None if bad else True)
    return Verdict("Crash dumps", answer, tuple(steps))


def _crashes(reports: Sequence[DumpReport]) -> list[DumpReport]:
    """Return one dump of each crash: Windows writes a small one beside each large one, and files are copied."""
    crashes: dict[object, DumpReport] = {}
    for number, report in enumerate(reports):
        if report.bug_check is not None:
            crashes.setdefault(number if report.crash is None else report.crash, report)
    return list(crashes.values())


def _bug_check(report: DumpReport) -> str:
    return "" if report.bug_check is None else bug_check_text(report.bug_check)


def _drivers(reports: Iterable[DumpReport]) -> Iterator[str]:
    return (report.suspects[0].name for report in reports if report.suspects)


def _pictures(reports: Sequence[DumpReport]) -> Iterator[PageSection]:
    crashed = _crashes(reports)
    over_time = timeline((report.system_time for report in crashed), "Crashes over time")
    if over_time is not None:
        yield PageSection("Over time", (over_time,))
    if crashed:
        signatures = (report.signature.text for report in crashed if report.signature is not None)
        rankings = (
            _ranking("By signature", signatures, SAME_CRASH),
            _ranking("By bug check", map(_bug_check, crashed)),
            _ranking("By driver", _drivers(crashed), HINT),
            _ranking("By machine", map(_machine, crashed), SAME_MACHINE),
        )
        yield PageSection("Most frequent", tuple(ranking for ranking in rankings if ranking.rows))


def _machine(report: DumpReport) -> str:
    build = "unknown build" if report.build is None else f"build {report.build}"
    ram = "unknown RAM" if report.ram_bytes is None else size(report.ram_bytes)
    processors = "? processors" if report.processors is None else count(report.processors, "processor")
    return f"{build}, {report.architecture or 'unknown'}, {processors}, {ram}"


def _ranking(title: str, names: Iterable[str], note: str = "") -> Ranking:
    counted = Counter(names).most_common()
    others = counted[MOST:]
    total = sum(number for _, number in counted)
    return Ranking(title, tuple(counted[:MOST]), total, (len(others), sum(number for _, number in others)), note)


def _table(reports: Sequence[DumpReport]) -> Catalogue:
    columns = COLUMNS if any(report.problems for report in reports) else COLUMNS[:-1]
    entries = tuple([_entry(report, len(columns)) for report in reports])
    return Catalogue("Every file; its name opens the details", columns, entries)


def _entry(report: DumpReport, columns: int) -> Entry:
    suspect = report.suspects[0] if report.suspects else None
    cells = (
        (report.file_name,),
        (time_text(report.system_time) if report.system_time is not None else "",),
        (_bug_check(report),),
        ("" if suspect is None else f"{suspect.name}+0x{suspect.offset:x}",),
        ("" if report.signature is None else report.signature.text,),
        (report.kind,),
        ("" if report.build is None else str(report.build),),
        ("" if report.file_bytes is None else size(report.file_bytes),),
        ("; ".join(report.problems),),
    )
    code = None if report.bug_check is None else report.bug_check.code
    values = (None, report.system_time, code, None, None, None, report.build, report.file_bytes)
    return Entry(cells[:columns], (*values, None)[:columns], tuple(_details(report)), report.path)


IN_COLUMNS = frozenset(("bug check", "time"))


def _details(report: DumpReport) -> Iterator[tuple[str, Inline]]:
    yield from (("problem", (problem,)) for problem in report.problems)
    if report.advice:
        yield "next step", (report.advice,)
    if report.kind == "none":
        return
    yield from ((label, value) for label, value in dump_facts(report) if label not in IN_COLUMNS)
    for suspect in report.suspects:
        place = Code(suspect.address, suspect.name, suspect.offset)
        yield "suspect", (place, f"  {', '.join(suspect.found)}{', Microsoft' if suspect.microsoft else ''}")
    if report.stack:
        places = [(Code(place.address, place.module, place.offset or 0), "  ") for place in report.stack[:MAX_FRAMES]]
        more = len(report.stack) - MAX_FRAMES
        yield "stack", (*(span for pair in places for span in pair), f"and {more:,} more" if more > 0 else "")
    yield from (("note", (note,)) for note in report.notes)
