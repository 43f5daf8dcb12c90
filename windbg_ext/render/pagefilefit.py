"""The report of `pagefilefit` as a document and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.commands.pagefilefit import Place
from windbg_ext.render.document import (
    Answer,
    Bar,
    Bars,
    Column,
    Document,
    Facts,
    Headline,
    Section,
    ShellCommand,
    Steps,
    Table,
)
from windbg_ext.render.figures import count, megabytes
from windbg_ext.render.json_text import write_json
from windbg_ext.render.traffic import traffic_json, traffic_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from windbg_ext.commands.pagefilefit import Check, KindReport, PagefileFitReport, Source, Space
    from windbg_ext.commands.pagefilefit.advice import Advice
    from windbg_ext.commands.pagefilefit.hive_logs import HiveState
    from windbg_ext.commands.pagefilefit.kernel_use import KernelUse
    from windbg_ext.render.document import Inline

FIGURES = ("Needs", "Floor", "Measured", "Room now", "At most")
RANKS = {"Floor": 1, "At most": 2}
"""What a narrow window leaves out if it must; of Measured, it leaves out a column without figures first."""
NOTHING_MEASURED = 3
CHECK_COLUMNS = (Column("Answer", width=9), Column("Question", width=48), Column("Why"))
CHECK_TITLE = "Will the next crash leave a dump, and will it be found?"
SOURCE_COLUMNS = (Column(width=9), Column(right=True, width=12), Column())


def pagefilefit_document(report: PagefileFitReport, *, verbose: bool = False) -> Document:
    """Return the report: the answer and what to do, the figures of each kind with a bar, what else to know.

    verbose: with the page that every figure is from.
    """
    to_do = [advice for advice in report.advice if advice.to_do]
    to_know = [advice for advice in report.advice if not advice.to_do]
    sections = [
        Section("", (Headline(Answer(report.headline, report.verdict.likely)), steps_of(to_do))),
        Section("", (Facts(tuple(facts_of(report))),)),
        Section("", (Table(tuple(_row(kind, report) for kind in report.kinds), _columns(report)),)),
        *_bars(report),
        *_checks(report),
        Section("More to know", (steps_of(to_know),)),
    ]
    if verbose:
        sections.append(Section("Where the figures are from", (_sources(report),)))
    if verbose and report.traffic is not None:
        sections.append(Section("", (Facts((("Received", (traffic_text(report.traffic),)),)),)))
    if report.notes:
        sections.append(Section("Notes", (Steps(tuple((note, ()) for note in report.notes)),)))
    return Document(tuple(sections))


def facts_of(report: PagefileFitReport) -> Iterator[tuple[str, Inline]]:
    """Yield RAM, where the dump goes and the kind that is set, each with its label."""
    ram = "not known" if report.ram is None else f"{megabytes(report.ram)}, from {report.ram_from}"
    yield "RAM", (f"{ram}; {report.architecture.name}",)
    yield "Dump goes to", (_place(report.space),)
    configured = report.configured.value if report.configured else "none" if report.configured_known else "not known"
    if report.kernel_use is not None:
        yield "Kernel uses", (_in_use(report.kernel_use),)
    yield "Kind set", (f"{configured}{f' ({report.settings})' if report.settings else ''}",)


def _in_use(use: KernelUse) -> str:
    parts = [f"paged pool {megabytes(use.paged)}", f"nonpaged pool {megabytes(use.nonpaged)}"]
    if use.about is None:
        parts = ["its pools are not known"]
    if use.drivers:
        parts.append(f"{count(len(use.drivers), 'driver')} {megabytes(use.images)}")
    peak = "" if use.peak_commit is None else f"; most committed since it started {megabytes(use.peak_commit)}"
    about = "" if use.about is None else f"about {megabytes(use.about)} now: "
    return f"{about}{', '.join(parts)}{peak} (from {use.source})"


def _place(space: Space) -> str:
    if space.place is Place.UNKNOWN:
        return "not known: name a paging file (--pagefile) or a SYSTEM hive (--system-hive)"
    if space.place is Place.NONE:
        return f"nowhere: {space.now_from}"
    name = f"the {space.place.value} {space.path or ''}".rstrip()
    if space.now == space.maximum:
        return f"{name}, {_room(space.now)}"
    return f"{name}, {_room(space.now)}, at most {_room(space.maximum)}"


def _columns(report: PagefileFitReport) -> tuple[Column, ...]:
    measured = any(kind.measured is not None for kind in report.kinds)
    ranks = RANKS if measured else {**RANKS, "Measured": NOTHING_MEASURED}
    figures = [Column(figure, right=True, rank=ranks.get(figure, 0)) for figure in FIGURES]
    return Column("Dump"), *figures, Column("The next one")


def _row(kind: KindReport, report: PagefileFitReport) -> tuple[Inline, ...]:
    name = f"{kind.kind.value}{' *' if kind.kind is report.configured else ''}"
    return (
        (name,),
        (megabytes(kind.needs),),
        (floor_of(kind),),
        (megabytes(kind.measured),),
        (megabytes(kind.now),),
        (megabytes(kind.maximum),),
        (answer_of(kind),),
    )


def floor_of(kind: KindReport) -> str:
    """Return the least that a kind of dump takes, behind a mark where that is only what it usually takes."""
    about = "" if any(source.role == "floor" for source in kind.sources) or kind.floor is None else "~"
    return about + megabytes(kind.floor)


def answer_of(kind: KindReport) -> Answer:
    """Return whether the next dump of a kind fits."""
    return Answer(kind.verdict.value, kind.verdict.likely)


def _bars(report: PagefileFitReport) -> Iterator[Section]:
    """Yield the room and what each kind takes, to the scale of the largest."""
    space = report.space
    taken = (figure for kind in report.kinds for figure in (kind.needs, kind.measured))
    scale = max((figure for figure in (space.now, *taken) if figure is not None), default=0)
    if is_to_scale(report):
        kinds = [Bar(kind.kind.value, kind.measured, kind.needs, answer_of(kind), kind.floor) for kind in report.kinds]
        yield Section("", (Bars(scale, space.now, space.maximum, tuple(kinds)),))


def is_to_scale(report: PagefileFitReport) -> bool:
    """Tell whether bars can be held against each other: without RAM, only that of a small dump would have a length."""
    return all(kind.needs is not None or kind.measured is not None for kind in report.kinds)


def _checks(report: PagefileFitReport) -> Iterator[Section]:
    if report.checks:
        rows = tuple(
            ((known(check),), (check.question,), (f"{check.why} [{check.source}]",)) for check in report.checks
        )
        yield Section(CHECK_TITLE, (Table(rows, CHECK_COLUMNS, flowing=True),))


def known(check: Check) -> Answer:
    """Return the answer to a question of the check list."""
    return Answer("not known" if check.good is None else "yes" if check.good else "no", check.good)


def steps_of(advice: Sequence[Advice]) -> Steps:
    """Return pieces of advice with their commands."""
    return Steps(tuple(map(_step, advice)))


def _step(advice: Advice) -> tuple[str, tuple[Inline, ...]]:
    details: list[Inline] = [(ShellCommand(setting.command),) for setting in advice.settings]
    if advice.restart:
        details.append(("Then restart Windows.",))
    return advice.text, tuple(details)


def _room(number: int | None) -> str:
    return "of unknown size" if number is None else megabytes(number)


def _sources(report: PagefileFitReport) -> Table:
    """Return the page of every figure, and where the room for a dump is known from."""
    space = report.space
    rooms = (
        (("room now",), (megabytes(space.now),), (space.now_from,)),
        (("at most",), (megabytes(space.maximum),), (space.maximum_from,)),
    )
    return Table((*_figures(report.kinds), *rooms), SOURCE_COLUMNS, flowing=True)


def _figures(kinds: Sequence[KindReport]) -> Iterator[tuple[Inline, ...]]:
    """Yield every figure with its pages; a kind whose figures are those of the one before says so."""
    shown: tuple[Source, ...] = ()
    for kind in kinds:
        name = (kind.kind.value,)
        if kind.sources == shown:
            yield name, ("",), ("the same",)
            continue
        shown = kind.sources
        pages: dict[tuple[str, str, int | None], list[str]] = {}
        for source in shown:
            pages.setdefault((source.role, source.says, source.bytes), []).append(page_of(source))
        for (role, says, figure), named in pages.items():
            yield name, (megabytes(figure),), (f"{role}: {says} [{'; '.join(named)}]",)


def page_of(source: Source) -> str:
    """Return the page that a figure is from, and when that was looked up."""
    return source.page if source.as_of is None else f"{source.page}, {source.as_of}"


def pagefilefit_json(report: PagefileFitReport) -> str:
    """Return the report as JSON."""
    return write_json(
        {
            "computer": report.computer,
            "dump": report.dump,
            "settings": report.settings,
            "hive": None if report.hive is None else _json_hive(report.hive),
            "traffic": traffic_json(report.traffic),
            "ram_bytes": report.ram,
            "ram_from": report.ram_from,
            "architecture": report.architecture.name,
            "boot_volume": {
                "drive": report.volume.letter,
                "bytes": report.volume.size,
                "free_bytes": report.volume.free,
            },
            "boot_pagefile": _json_space(report.space) if report.space.place is Place.PAGING_FILE else None,
            "dedicated_dump_file": _json_space(report.space) if report.space.place is Place.DEDICATED_FILE else None,
            "configured_kind": report.configured.value if report.configured else None,
            "verdict": report.verdict.value,
            "likely": report.verdict.likely,
            "headline": report.headline,
            "advised_kind": report.advised.value,
            "did_not_fit": report.did_not_fit,
            "kernel_pages": report.kernel_pages,
            "kinds": [_json_kind(kind) for kind in report.kinds],
            "advice": [
                {
                    "text": advice.text,
                    "to_do": advice.to_do,
                    "settings": [
                        {
                            "key": setting.key,
                            "name": setting.name,
                            "type": setting.type,
                            "data": setting.data,
                            "command": setting.command,
                        }
                        for setting in advice.settings
                    ],
                    "restart": advice.restart,
                }
                for advice in report.advice
            ],
            "checks": [
                {
                    "question": check.question,
                    "answer": check.good,
                    "why": check.why,
                    "source": check.source,
                    "decides": check.decides,
                }
                for check in report.checks
            ],
            "kernel_use": None if report.kernel_use is None else _json_use(report.kernel_use),
            "notes": list(report.notes),
        }
    )


def _json_space(space: Space) -> dict[str, object]:
    return {
        "path": space.path,
        "bytes": space.now,
        "maximum_bytes": space.maximum,
        "bytes_from": space.now_from,
        "maximum_from": space.maximum_from,
        "system_managed": space.system_managed,
    }


def _json_hive(hive: HiveState) -> dict[str, object]:
    return {"dirty": hive.dirty, "outdated": hive.outdated, "logs": list(hive.logs), "entries": hive.entries}


def _json_use(use: KernelUse) -> dict[str, object]:
    return {
        "bytes": use.about,
        "paged_pool_bytes": use.paged,
        "nonpaged_pool_bytes": use.nonpaged,
        "drivers": len(use.drivers),
        "driver_bytes": use.images,
        "large_page_drivers": list(use.large_pages),
        "peak_commit_bytes": use.peak_commit,
        "source": use.source,
    }


def _json_kind(kind: KindReport) -> dict[str, object]:
    return {
        "kind": kind.kind.value,
        "needs_bytes": kind.needs,
        "floor_bytes": kind.floor,
        "measured_bytes": kind.measured,
        "fits": kind.verdict.fits,
        "verdict": kind.verdict.value,
        "likely": kind.verdict.likely,
        "why": kind.why,
        "sources": [
            {
                "role": source.role,
                "says": source.says,
                "bytes": source.bytes,
                "page": source.page,
                "as_of": source.as_of,
            }
            for source in kind.sources
        ],
    }
