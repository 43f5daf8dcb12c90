"""Opening a source from a path, an open stream or another source; packed files are opened as what they contain."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError
from windbg_ext.sources.archive import ArchiveMember
from windbg_ext.sources.formats import format_of
from windbg_ext.sources.local import LocalFile, is_address

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from typing_extensions import TypeAlias

    from windbg_ext.sources.source import Source

SourceLike: TypeAlias = "str | os.PathLike[str] | BinaryIO | Source"
"""A path or URL, an open binary stream that can seek, or a source that is open already."""


def open_source(what: SourceLike) -> Source:
    """Open a path, a stream or a source. A packed file is read as the file inside it.

    Raise DumpError where it cannot be opened. A source is returned as it is, unless it is packed.
    """
    source = _open_plain(what)
    if isinstance(source, ArchiveMember):  # a packed file inside a packed file is reported, not unpacked
        return source
    try:
        packed = format_of(source)
        return source if packed is None else ArchiveMember(source, packed.name, packed.open)
    except BaseException:
        if source is not what:
            source.close()
        raise


@contextmanager
def opened_source(what: SourceLike) -> Iterator[Source]:
    """Open a source for a with statement, which closes it, unless the caller has opened it already.

    A DumpError that leaves the block names it.
    """
    source = open_source(what)
    try:
        yield source
    except DumpError as error:
        error.path = error.path or source.name
        raise
    finally:
        if source is not what:
            source.close()


def _open_plain(what: SourceLike) -> Source:
    if isinstance(what, (str, os.PathLike)):
        return _open_address(what) if isinstance(what, str) and is_address(what) else LocalFile(what)
    if hasattr(what, "read_many"):
        return what  # type: ignore[return-value]  # the one member that a stream does not have
    from windbg_ext.sources.stream import Stream  # only callers of the library pass one in

    return Stream(what)


def _open_address(url: str) -> Source:
    from windbg_ext.sources.remote.open import open_address  # and all that it needs

    return open_address(url)
