"""The report of `minify` of many dumps as a document and as JSON."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from windbg_ext.commands.minify.batch import Outcome
from windbg_ext.render.document import Answer, Column, Document, DumpFile, Message, Notes, Section, Table
from windbg_ext.render.figures import count, size
from windbg_ext.render.json_text import json_pieces, write_json
from windbg_ext.render.minify import contents
from windbg_ext.sources.formats import ENDINGS
from windbg_ext.sources.local import is_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.commands.minify.batch import BatchReport, FileReport
    from windbg_ext.render.document import Inline, Span

PACKED = frozenset(ENDINGS) - {".cab"}
COLUMNS = (Column("File"), Column("Outcome"), Column("Size", right=True), Column("Reason"))


def batch_document(report: BatchReport) -> Document:
    """Return a row for each file, and the sums."""
    files = Table(tuple(_row(file) for file in report.files), COLUMNS)
    sums = ", ".join(f"{number} {outcome}" for outcome, number in _sums(report).items() if number)
    said = Notes(((count(len(report.files), "file"), sums),))
    return Document((Section("", (files,)), Section("", (said,))))


def _row(file: FileReport) -> tuple[Inline, ...]:
    written = "" if file.report is None else size(file.report.bytes)
    outcome = Answer(file.outcome.value, good=file.outcome in (Outcome.WRITTEN, Outcome.SKIPPED))
    return (_source(file),), (outcome,), (written,), (Message(file.problem),)


def _source(file: FileReport) -> Span:
    """Return a source, as a dump to open if it was read and a debugger can open it, which it can of no packed file."""
    read = file.report is not None or file.outcome is Outcome.SKIPPED
    opens = read and not is_address(file.source) and PurePath(file.source).suffix.lower() not in PACKED
    return DumpFile(file.source, file.source) if opens else file.source


def _sums(report: BatchReport) -> dict[str, int]:
    return {outcome.value: report.count(outcome) for outcome in Outcome}


def batch_json(report: BatchReport) -> Iterator[str]:
    """Yield the reports of all files and the sums as JSON, piece by piece."""
    return json_pieces({"files": map(_file, report.files), **_sums(report)})


def _file(file: FileReport) -> str:
    destination = None if file.destination is None else str(file.destination)
    head = {"source": file.source, "destination": destination, "outcome": file.outcome.value}
    return write_json({**head, "problem": file.problem or None, **contents(file.report)})
