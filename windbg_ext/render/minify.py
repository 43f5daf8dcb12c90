"""The report of `minify` as text and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tabulate import tabulate

from windbg_ext.render.text import count, plain, size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.commands.minify import MinifyReport


def minify_text(report: MinifyReport) -> str:
    """Give the report of `minify`: what went in, what was left out and why."""
    return "\n".join(_minify_lines(report))


def _minify_lines(report: MinifyReport) -> Iterator[str]:
    what = f"{count(report.processors, 'processor')}, {count(report.modules, 'module')}"
    yield f"{plain(str(report.destination))}: {size(report.bytes)}, {what}"
    yield ""
    rows = [(part.part, f"{part.bytes:,}", part.blocks) for part in report.parts]
    yield tabulate(rows, headers=("What went in", "Bytes", "Blocks"), colalign=("left", "right", "right"))
    if report.left_out:
        yield ""
        yield "Left out:"
        yield from (f"  {plain(lost.part)}: {plain(lost.why)}" for lost in report.left_out)


def minify_json(report: MinifyReport) -> str:
    """Give the report of `minify`."""
    source = None if report.source is None else str(report.source)
    return json.dumps({"source": source, "destination": str(report.destination), **contents(report)}, indent=2)


def contents(report: MinifyReport | None) -> dict[str, object]:
    """Give what a small dump holds; every value is None where none was written."""
    if report is None:
        return dict.fromkeys(("bytes", "parts", "left_out", "processors", "modules", "complete"))
    return {
        "bytes": report.bytes,
        "parts": [{"part": part.part, "bytes": part.bytes, "blocks": part.blocks} for part in report.parts],
        "left_out": [{"part": lost.part, "why": lost.why} for lost in report.left_out],
        "processors": report.processors,
        "modules": report.modules,
        "complete": report.complete,
    }
