"""A file by what tells of it without reading it: whether it is the one of an earlier look."""

from __future__ import annotations

import os

from windbg_ext.errors import DumpError
from windbg_ext.sources.local import CHECK_PATH, advice_on, is_address, system_path
from windbg_ext.values import NamedTuple


class Stamp(NamedTuple):
    """A file: its name, its size in bytes, and its time of change, or the version of what is behind a URL.

    modified: empty where a server tells no version.
    """

    path: str
    size: int
    modified: str


def stamp_of(path: str) -> Stamp:
    """Ask for the size and the time of a file. Raise DumpError where they are not told."""
    if is_address(path):
        from windbg_ext.sources.remote.open import open_address  # and all that it needs

        source = open_address(path)
        try:
            return Stamp(path, source.size, source.version)
        finally:
            source.close()
    try:
        status = os.stat(system_path(path))
    except OSError as error:
        raise DumpError("file", f"cannot be opened ({error.strerror})", advice_on(error), path) from None
    except ValueError as error:  # a NUL in the name
        raise DumpError("file", f"cannot be opened ({error})", CHECK_PATH, path) from None
    return Stamp(path, status.st_size, str(status.st_mtime_ns))


def public_name(path: str) -> str:
    """Return the name of a file as it may be stored and shown: a URL without what nobody else should know."""
    if not is_address(path):
        return path
    from windbg_ext.sources.remote.address import without_secrets

    return without_secrets(path)
