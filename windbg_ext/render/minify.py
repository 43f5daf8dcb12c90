"""The report of `minify` as a document and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.render.document import Column, Document, Notes, Section, Table
from windbg_ext.render.figures import count, size
from windbg_ext.render.json_text import write_json

if TYPE_CHECKING:
    from windbg_ext.commands.minify import MinifyReport

KEYS = ("bytes", "parts", "left_out", "processors", "modules", "complete", "saved_memory", "shared")
COLUMNS = (Column("What went in"), Column("Bytes", right=True), Column("Blocks", right=True))


def minify_document(report: MinifyReport) -> Document:
    """Return the report of `minify`: what went in, what was left out and why."""
    what = f"{count(report.processors, 'processor')}, {count(report.modules, 'module')}"
    parts = Table(tuple(((part.part,), (f"{part.bytes:,}",), (str(part.blocks),)) for part in report.parts), COLUMNS)
    sections = [Section(f"{report.destination}: {size(report.bytes)}, {what}"), Section("", (parts,))]
    if report.left_out:
        sections.append(Section("Left out:", (Notes(tuple((lost.part, lost.why) for lost in report.left_out)),)))
    return Document(tuple(sections))


def minify_json(report: MinifyReport) -> str:
    """Return the report of `minify` as JSON."""
    source = None if report.source is None else str(report.source)
    return write_json({"source": source, "destination": str(report.destination), **contents(report)})


def contents(report: MinifyReport | None) -> dict[str, object]:
    """Return what a small dump holds; every value is None where none was written."""
    if report is None:
        return dict.fromkeys(KEYS)
    return {
        "bytes": report.bytes,
        "parts": [{"part": part.part, "bytes": part.bytes, "blocks": part.blocks} for part in report.parts],
        "left_out": [{"part": lost.part, "why": lost.why} for lost in report.left_out],
        "processors": report.processors,
        "modules": report.modules,
        "complete": report.complete,
        "saved_memory": [
            {
                "start": f"0x{saved.start:x}",
                "end": f"0x{saved.end:x}",
                "bytes": saved.bytes,
                "blocks": saved.blocks,
                "mode": "user" if saved.user else "kernel",
            }
            for saved in report.saved
        ],
        "shared": [
            {"category": shared.category, "bytes": shared.bytes, "about": shared.about} for shared in report.shared
        ],
    }
