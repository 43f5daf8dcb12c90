"""Opening a dump: the header, its pages or the parts of a small dump, and secondary data, checked against the file."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from windbg_ext.dump.file import DumpFile
from windbg_ext.dump.header import DumpHeader, read_header
from windbg_ext.dump.packed import explain_inside, open_packed
from windbg_ext.dump.pages import BitmapPages, PageSource, read_page_source
from windbg_ext.dump.secondary import MOST_SECONDARY, SecondaryData, read_secondary_data
from windbg_ext.errors import DumpError
from windbg_ext.structs.header import DumpType

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from typing import Callable

    from windbg_ext.dump.packed import PackedStream
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
def open_dump(
    path: str | os.PathLike[str], progress: Callable[[str, int, int], None] = lambda doing, done, total: None
) -> Iterator[Dump]:
    """Open a dump for reading, also one inside a packed file: a long one is unpacked to a temporary file.

    progress: called while that takes its time with what is being done, bytes done and bytes to do. DumpError, with the
    path in it: it is not a kernel dump, its header lies, or it cannot be unpacked.
    """
    with _named(path), DumpFile(path) as file:
        packed = open_packed(file)
        if packed is None:
            yield _read(file)
            return
        with DumpFile(path, packed) as content:
            yield _read_packed(content, packed, progress)


@contextmanager
def _named(path: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except DumpError as error:
        error.path = error.path or str(path)
        raise


def _read_packed(file: DumpFile, packed: PackedStream, progress: Callable[[str, int, int], None]) -> Dump:
    try:
        header = read_header(file)
    except DumpError as error:
        explain_inside(error, packed.kind)
        raise
    end = _end_of_body(file, header)
    packed.unpack(end, end + MOST_SECONDARY, progress)
    return _read(file)


def _end_of_body(file: DumpFile, header: DumpHeader) -> int:
    """Tell where secondary data begins, without a look at what lies before it."""
    if header.dump_type is DumpType.TRIAGE:
        from windbg_ext.structs.triage import SMALL_DUMP_LAYOUTS  # not for large ones to wait for

        layout = SMALL_DUMP_LAYOUTS[header.record.layout.name].triage
        return layout.parse(file.read_field(layout.name, header.size, layout.size)).number("SizeOfDump")
    pages = read_page_source(file, header)
    return header.size if pages is None else pages.end


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
