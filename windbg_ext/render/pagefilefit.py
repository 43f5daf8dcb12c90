"""The report of `pagefilefit` as text and as JSON."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

from tabulate import tabulate

from windbg_ext.commands.pagefilefit import Kind, Place, Verdict
from windbg_ext.render.text import plain, size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from windbg_ext.commands.pagefilefit import KindReport, PagefileFitReport, Source, Space

WIDTH = 110
BAR = 40


def pagefilefit_text(report: PagefileFitReport) -> str:
    """Give the report: the answers, a bar for each kind, what to do, where every figure is from."""
    return "\n".join(_lines(report))


def _lines(report: PagefileFitReport) -> Iterator[str]:
    yield from _machine(report)
    yield ""
    rows = [_row(kind, report) for kind in report.kinds]
    headers = ("Dump", "Needs", "Floor", "Measured", "Room now", "At most", "The next one")
    yield tabulate(rows, headers=headers, colalign=("left", *("right",) * 5, "left"))
    yield ""
    yield from _bars(report)
    yield f"What to do for {_a(report.advised)} dump"
    for advice in report.advice:
        yield from _wrapped("- ", advice.text)
        for setting in advice.settings:
            yield plain(f"    {setting.name} ({setting.type}) = {setting.data} in {setting.key}")
            yield plain(f"    > {setting.command}")
        if advice.restart:
            yield "    Then restart Windows."
    yield ""
    yield "Where the figures are from"
    yield from _sources(report.kinds)
    yield from _wrapped(f"  {'room now':9}  {megabytes(report.space.now):>12}  ", report.space.now_from)
    yield from _wrapped(f"  {'at most':9}  {megabytes(report.space.maximum):>12}  ", report.space.maximum_from)
    if report.notes:
        yield ""
        yield "Notes"
        for note in report.notes:
            yield from _wrapped("- ", note)


def _machine(report: PagefileFitReport) -> Iterator[str]:
    ram = "not known" if report.ram is None else f"{megabytes(report.ram)}, from {report.ram_from}"
    yield f"RAM           {ram}; {report.architecture.value}"
    yield f"Dump goes to  {plain(_place(report.space))}"
    configured = report.configured.value if report.configured else "none" if report.configured_known else "not known"
    yield f"Kind set      {configured}{f' ({plain(report.settings)})' if report.settings else ''}"


def _place(space: Space) -> str:
    if space.place is Place.UNKNOWN:
        return "not known: name a paging file (--pagefile) or a SYSTEM hive (--system-hive)"
    if space.place is Place.NONE:
        return f"nowhere: {space.now_from}"
    name = f"the {space.place.value} {space.path or ''}".rstrip()
    if space.now == space.maximum:
        return f"{name}, {_room(space.now)}"
    return f"{name}, {_room(space.now)}, at most {_room(space.maximum)}"


def _row(kind: KindReport, report: PagefileFitReport) -> tuple[str, ...]:
    name = f"{kind.kind.value}{' *' if kind.kind is report.configured else ''}"
    about = "" if any(source.role == "floor" for source in kind.sources) or kind.floor is None else "~"
    return (
        name,
        megabytes(kind.needs),
        about + megabytes(kind.floor),
        megabytes(kind.measured),
        megabytes(kind.now),
        megabytes(kind.maximum),
        kind.verdict.value,
    )


def _bars(report: PagefileFitReport) -> Iterator[str]:
    """Draw the room, and below it what each kind takes, all to one scale."""
    space = report.space
    taken = (figure for kind in report.kinds for figure in (kind.needs, kind.measured))
    scale = max((figure for figure in (space.now, *taken) if figure is not None), default=0)
    if not scale:
        return
    room = _bar(scale, "=", space.now, ">", space.maximum)
    yield f"{'room':9} |{room}|  = now  > at most; the whole bar is {megabytes(scale)}"
    for kind in report.kinds:
        yield f"{kind.kind.value:9} |{_bar(scale, '#', kind.measured, '-', kind.needs)}|  {kind.verdict.value}"
    yield f"{'':9}  # measured on this machine  - needs, by Microsoft's safe figure"
    yield ""


def _bar(scale: int, first_mark: str, first: int | None, second_mark: str, second: int | None) -> str:
    """Draw two figures one behind the other. Room is rounded down and what is needed up: too little looks like it."""
    add = 0 if first_mark == "=" else scale - 1
    first_end, second_end = (
        min(BAR, max(1, (figure * BAR + add) // scale)) if figure else 0 for figure in (first, second)
    )
    return (first_mark * first_end + second_mark * max(0, second_end - first_end)).ljust(BAR)


def _room(number: int | None) -> str:
    return "of unknown size" if number is None else megabytes(number)


def _sources(kinds: Sequence[KindReport]) -> Iterator[str]:
    """List every figure with its pages; a kind whose figures are those of the one before says so."""
    shown: tuple[Source, ...] = ()
    for kind in kinds:
        if kind.sources == shown:
            yield f"  {kind.kind.value:9}  {'':>12}  the same"
            continue
        shown = kind.sources
        pages: dict[tuple[str, str, int | None], list[str]] = {}
        for source in shown:
            pages.setdefault((source.role, source.says, source.bytes), []).append(_page(source))
        for (role, says, figure), named in pages.items():
            text = f"{role}: {says} [{'; '.join(named)}]"
            yield from _wrapped(f"  {kind.kind.value:9}  {megabytes(figure):>12}  ", text)


def _page(source: Source) -> str:
    return source.page if source.as_of is None else f"{source.page}, {source.as_of}"


def _wrapped(start: str, text: str) -> list[str]:
    return textwrap.wrap(
        plain(text),
        WIDTH,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_on_hyphens=False,
        break_long_words=False,  # names of pages and settings stay whole
    )


def megabytes(number: int | None) -> str:
    """Give bytes in MB, as paging files are set: a dump of RAM + 1 MB must not look like one of RAM."""
    if number is None:
        return "-"
    whole, rest = divmod(number, 1 << 20)
    return f"{whole:,} MB" if not rest else size(number) if not whole else f"{number / (1 << 20):,.1f} MB"


def _a(kind: Kind) -> str:
    return f"{'an' if kind.value[0] == 'a' else 'a'} {kind.value}"


FITS = {Verdict.FITS: True, Verdict.DOES_NOT_FIT: False}
"""As JSON has it; the other verdicts are null."""


def pagefilefit_json(report: PagefileFitReport) -> str:
    """Give the report."""
    return json.dumps(
        {
            "dump": None if report.dump is None else str(report.dump),
            "settings": report.settings,
            "ram_bytes": report.ram,
            "ram_from": report.ram_from,
            "architecture": report.architecture.value,
            "boot_volume": {
                "drive": report.volume.letter,
                "bytes": report.volume.size,
                "free_bytes": report.volume.free,
            },
            "boot_pagefile": _json_space(report.space) if report.space.place is Place.PAGING_FILE else None,
            "dedicated_dump_file": _json_space(report.space) if report.space.place is Place.DEDICATED_FILE else None,
            "configured_kind": report.configured.value if report.configured else None,
            "advised_kind": report.advised.value,
            "did_not_fit": report.did_not_fit,
            "kernel_pages": report.kernel_pages,
            "kinds": [_json_kind(kind) for kind in report.kinds],
            "advice": [
                {
                    "text": advice.text,
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
            "notes": list(report.notes),
        },
        indent=2,
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


def _json_kind(kind: KindReport) -> dict[str, object]:
    return {
        "kind": kind.kind.value,
        "needs_bytes": kind.needs,
        "floor_bytes": kind.floor,
        "measured_bytes": kind.measured,
        "fits": FITS.get(kind.verdict),
        "verdict": kind.verdict.value,
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
