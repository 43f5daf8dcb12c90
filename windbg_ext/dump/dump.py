"""Opening a dump: the header, its pages or the parts of a small dump, and secondary data, checked against the file."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from windbg_ext.dump.file import DumpFile
from windbg_ext.dump.header import DumpHeader, read_header
from windbg_ext.dump.pages import BitmapPages, PageSource, read_page_source
from windbg_ext.dump.secondary import SecondaryData, read_secondary_data
from windbg_ext.errors import DumpError
from windbg_ext.structs.header import DumpType

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from windbg_ext.dump.small import SmallDumpParts


class Dump(NamedTuple):
    """An open kernel dump.

    pages: where its physical pages lie, None for a small dump; small: the parts of a small dump, else None.
    expected_bytes: where the file should end at least, secondary data not counted; a shorter file is cut.
    """

    file: DumpFile
    header: DumpHeader
    pages: PageSource | None
    small: SmallDumpParts | None
    secondary: SecondaryData | None
    expected_bytes: int

    @property
    def missing_bytes(self) -> int:
        """Bytes of the pages (or of the small dump) that the file is too short for; 0 in a whole dump."""
        return max(0, self.expected_bytes - self.file.size)

    @property
    def unread_bitmap(self) -> str | None:
        """Which part of the bitmap could not be read and what that costs; None if all could, or if there is none."""
        return self.pages.unread if isinstance(self.pages, BitmapPages) else None


@contextmanager
def open_dump(path: str | os.PathLike[str]) -> Iterator[Dump]:
    """Open a dump for reading. DumpError, with the path in it, if it is not a kernel dump or its header lies."""
    with _named(path), DumpFile(path) as file:
        yield _read(file)


@contextmanager
def _named(path: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except DumpError as error:
        error.path = error.path or str(path)
        raise


def _read(file: DumpFile) -> Dump:
    header = read_header(file)
    pages = read_page_source(file, header)
    small = _read_small(file, header) if header.dump_type is DumpType.TRIAGE else None
    if pages is not None:
        end = pages.end
    elif small is not None:
        end = small.size_of_dump
    else:
        end = header.size
    return Dump(file, header, pages, small, read_secondary_data(file, end), end)


def _read_small(file: DumpFile, header: DumpHeader) -> SmallDumpParts:
    from windbg_ext.dump.small import (
        read_small_dump,  # reader and writer of small dumps: not for large ones to wait for
    )

    return read_small_dump(file, header)
