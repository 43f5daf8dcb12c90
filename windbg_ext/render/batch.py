"""The report of `minify` of many dumps as a table and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tabulate import tabulate

from windbg_ext.commands.minify.batch import Outcome
from windbg_ext.render.minify import contents
from windbg_ext.render.text import count, plain, size

if TYPE_CHECKING:
    from windbg_ext.commands.minify.batch import BatchReport, FileReport


def batch_text(report: BatchReport) -> str:
    """Give a row for each file, and the sums."""
    rows = [(*map(plain, _row(file)),) for file in report.files]
    table = tabulate(
        rows,
        headers=("File", "Outcome", "Size", "Reason"),
        colalign=("left", "left", "right", "left"),
        disable_numparse=True,
    )
    sums = ", ".join(f"{number} {outcome}" for outcome, number in _sums(report).items() if number)
    return f"{table}\n\n{count(len(report.files), 'file')}: {sums}"


def _row(file: FileReport) -> tuple[str, str, str, str]:
    written = "" if file.report is None else size(file.report.bytes)
    return str(file.source), file.outcome.value, written, file.problem


def _sums(report: BatchReport) -> dict[str, int]:
    return {outcome.value: report.count(outcome) for outcome in Outcome}


def batch_json(report: BatchReport) -> str:
    """Give the reports of all files and the sums as one document."""
    files = [
        {
            "source": str(file.source),
            "destination": None if file.destination is None else str(file.destination),
            "outcome": file.outcome.value,
            "problem": file.problem or None,
            **contents(file.report),
        }
        for file in report.files
    ]
    return json.dumps({"files": files, **_sums(report)}, indent=2)
