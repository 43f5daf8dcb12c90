"""Numbers as people read them."""

from __future__ import annotations


def size(count: int) -> str:
    """Return a number of bytes in its largest unit: 1,234 bytes is 1.2 KB."""
    value, unit = float(count), "bytes"
    for larger in ("KB", "MB", "GB", "TB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{count:,} bytes" if unit == "bytes" else f"{value:,.1f} {unit}"


def megabytes(number: int | None) -> str:
    """Return bytes in MB, as paging files are set: a dump of RAM + 1 MB must not look like one of RAM."""
    if number is None:
        return "-"
    whole, rest = divmod(number, 1 << 20)
    return f"{whole:,} MB" if not rest else size(number) if not whole else f"{number / (1 << 20):,.1f} MB"


def count(number: int, noun: str) -> str:
    """Return a number with its noun: 1 processor, 1,234 pages."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
