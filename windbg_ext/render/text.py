"""Text that all reports share. ASCII only: WinDbg's Python prints nothing else."""

from __future__ import annotations


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


def count(number: int, noun: str) -> str:
    """Give a number with its noun: 1 processor, 4 processors."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
