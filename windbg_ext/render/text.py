"""Reports as text for people. ASCII only: WinDbg's Python prints nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabulate import tabulate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.commands.minify import MinifyReport


def plain(text: str) -> str:
    """Make text from a dump or a path safe to print: control characters and what is not ASCII are escaped."""
    return "".join(c if " " <= c <= "~" else c.encode("unicode_escape").decode("ascii") for c in text)


def size(count: int) -> str:
    """Give a number of bytes as people read it: 1,234 bytes, 1.5 MB."""
    value, unit = float(count), "bytes"
    for larger in ("KB", "MB", "GB", "TB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{count:,} bytes" if unit == "bytes" else f"{value:,.1f} {unit}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def minify_text(report: MinifyReport) -> str:
    """Give the report of `minify`: what went in, what was left out and why."""
    return "\n".join(_minify_lines(report))


def _minify_lines(report: MinifyReport) -> Iterator[str]:
    what = f"{_count(report.processors, 'processor')}, {_count(report.modules, 'module')}"
    yield f"{plain(str(report.destination))}: {size(report.bytes)}, {what}"
    yield ""
    rows = [(part.part, f"{part.bytes:,}", part.blocks) for part in report.parts]
    yield tabulate(rows, headers=("What went in", "Bytes", "Blocks"), colalign=("left", "right", "right"))
    if report.left_out:
        yield ""
        yield "Left out:"
        yield from (f"  {plain(lost.part)}: {plain(lost.why)}" for lost in report.left_out)
