"""The formats of packed files: the bytes that each begins with, and the function that opens it.

Modules are imported when a file of their format is opened: lzma, zlib and zipfile take longer to import than dumpkind
takes for a dump, and most dumps are not packed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.limits import Budget
    from windbg_ext.sources.archive import Content
    from windbg_ext.sources.source import Source


class Format(NamedTuple):
    """A format. signatures: what such a file begins with; endings: of the names of such files."""

    name: str
    signatures: tuple[bytes, ...]
    endings: tuple[str, ...]
    open: Callable[[Source, Budget], Content]


def _open_gzip(source: Source, budget: Budget) -> Content:
    from windbg_ext.sources.compressed import open_gzip

    return open_gzip(source, budget)


def _open_xz(source: Source, budget: Budget) -> Content:
    from windbg_ext.sources.compressed import open_xz

    return open_xz(source, budget)


def _open_zstd(source: Source, budget: Budget) -> Content:
    from windbg_ext.sources.compressed import open_zstd

    return open_zstd(source, budget)


def _open_zip(source: Source, budget: Budget) -> Content:
    from windbg_ext.sources.zip_archive import open_zip

    return open_zip(source, budget)


def _open_cab(source: Source, budget: Budget) -> Content:
    from windbg_ext.sources.cab_archive import open_cab

    return open_cab(source, budget)


FORMATS = (
    Format("gzip", (b"\x1f\x8b",), (".gz",), _open_gzip),
    Format("xz", (b"\xfd7zXZ\0",), (".xz",), _open_xz),
    # pzstd writes a frame for its own use first
    Format("zstd", (b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18"), (".zst",), _open_zstd),
    Format("zip", (b"PK\x03\x04", b"PK\x05\x06"), (".zip",), _open_zip),  # the second one is empty
    Format("CAB", (b"MSCF",), (".cab",), _open_cab),
)
MAX_SIGNATURE = 8
"""Bytes of the longest signature, rounded up."""
ENDINGS = tuple(ending for known in FORMATS for ending in known.endings)
"""Of the names of packed files."""


def with_article(name: str) -> str:
    """Return what a file of a format is called: a gzip file, an xz file."""
    return f"{'an' if name[0] in 'AEIOaeioux' else 'a'} {name} file"


def format_of(source: Source) -> Format | None:
    """Return the format of a packed file; None for any other file, or one that cannot be read: a later read says so."""
    try:
        start = source.read(0, MAX_SIGNATURE)
    except OSError:
        return None
    return next((known for known in FORMATS if start.startswith(known.signatures)), None)
