"""Files in the folder of another one, on this machine or on the one that it lies on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.sources.local import is_address, is_file
from windbg_ext.sources.open import open_source

if TYPE_CHECKING:
    from windbg_ext.sources.source import Source


def open_beside(source: Source, base_name: str) -> Source | None:
    """Open the file of this name in the folder of a source; None where there is none, or the source is in no folder.

    Raise DumpError where there is one that cannot be opened.
    """
    if is_address(source.name):
        return _open_far(source.name, base_name)
    path = source.beside(base_name)
    return open_source(path) if path is not None and is_file(path) else None


def _open_far(url: str, base_name: str) -> Source | None:
    from windbg_ext.sources.remote.address import parse_address  # only who names URLs waits for its import
    from windbg_ext.sources.remote.transport import MissingFileError

    there = parse_address(url).neighbour(base_name)
    if there is None:
        return None
    try:
        return open_source(there)
    except MissingFileError:
        return None
