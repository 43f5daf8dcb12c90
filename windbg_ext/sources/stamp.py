"""A file by what tells of it without reading it: whether it is the one of an earlier look."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError
from windbg_ext.sources.local import is_address, system_path
from windbg_ext.sources.open import open_source
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.sources.source import Source


class Stamp(NamedTuple):
    """A file: its name, its size in bytes, and its time of change, or what an address has instead."""

    path: str
    size: int
    modified: str


def stamp_of(path: str) -> Stamp:
    """Ask for the size and the time of a file. Raise DumpError where they are not told."""
    if is_address(path):
        source = open_source(path)
        try:
            return _stamp_of_source(path, source)
        finally:
            source.close()
    try:
        status = os.stat(system_path(path))
    except OSError as error:
        raise DumpError("file", f"cannot be opened ({error.strerror})", "", path) from None
    except ValueError as error:  # a NUL in the name
        raise DumpError("file", f"cannot be opened ({error})", "", path) from None
    return Stamp(path, status.st_size, str(status.st_mtime_ns))


def _stamp_of_source(path: str, source: Source) -> Stamp:
    return Stamp(path, source.size, str(source.identity))
