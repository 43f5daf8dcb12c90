"""An open dump: the parts that could be read, and what is wrong with the others."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from windbg_ext.dump.pages import BitmapPages
from windbg_ext.errors import DumpError
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from types import TracebackType

    from windbg_ext.dump.header import DumpHeader, KnownFields
    from windbg_ext.dump.pages import PageSource
    from windbg_ext.dump.secondary import SecondaryData
    from windbg_ext.dump.small import SmallDumpParts
    from windbg_ext.limits import Budget
    from windbg_ext.sources import Source
    from windbg_ext.structs.layouts import RawHeader, TriageDump


class Part(enum.Enum):
    """What a problem is about."""

    CUT_HEADER = "the file ends inside the header"
    HEADER = "a field of the header"
    PAGES = "where the pages lie"
    SMALL_DUMP = "the parts of a small dump"
    SECONDARY_DATA = "the chain of secondary data"
    PACKED_FILE = "the packed file that the dump is in"


class Problem(NamedTuple):
    """Something that keeps a part of a dump from being read. error: field, reason and advice, to be shown or raised."""

    part: Part
    error: DumpError


class Dump(NamedTuple):
    """A kernel dump as `open_dump` found it. Use it in a with statement, or close it.

    known: the numbers of the header, None for those that were never set or that the file ends before;
    parsed: the header as values, None where a field of it is wrong or missing (`header` is for callers that need one);
    pages: where physical pages lie, None for a small dump; triage, small: the header of a small dump and where its
    parts lie; secondary: the chain of tagged blobs, None without one; problems: in the order in which they were found;
    archive: the format of the packed file that the dump is in; budget: what is left of the limits for what a file may
    ask for, which every reader of the dump draws on.

    What could not be read is None, and a problem says why.
    """

    source: Source
    known: KnownFields
    parsed: DumpHeader | None
    pages: PageSource | None
    triage: TriageDump | None
    small: SmallDumpParts | None
    secondary: SecondaryData | None
    problems: tuple[Problem, ...]
    archive: str | None
    owns_source: bool
    budget: Budget

    @property
    def fields(self) -> RawHeader:
        """Every field of the header as it stands in the file, the writer's fill where the file ends before it."""
        return self.known.raw

    @property
    def header(self) -> DumpHeader:
        """The header as values. Raise DumpError where it could not be read."""
        if self.parsed is None:
            raise self._named(self.problems[0])
        return self.parsed

    def check(self) -> None:
        """Raise the first problem as a DumpError that names the file; return where there is none."""
        if self.problems:
            raise self._named(self.problems[0])

    def _named(self, problem: Problem) -> DumpError:
        problem.error.path = problem.error.path or self.source.name
        return problem.error

    @property
    def expected_bytes(self) -> int:
        """Where the file should end at least, secondary data not counted. A shorter file is cut."""
        if self.pages is not None:
            return self.pages.end
        if self.triage is not None:
            return self.triage.size_of_dump
        return self.fields.SIZE

    @property
    def missing_bytes(self) -> int:
        """Bytes of the pages (or of the small dump) that the file is too short for; 0 in a whole dump."""
        return max(0, self.expected_bytes - self.source.size)

    @property
    def unread_bitmap(self) -> str | None:
        """Which part of the bitmap could not be read and what that costs; None if all could, or if there is none."""
        return self.pages.unread if isinstance(self.pages, BitmapPages) else None

    def close(self) -> None:
        """Close the source, unless the caller of `open_dump` opened it."""
        if self.owns_source:
            self.source.close()

    def __enter__(self) -> Dump:
        """Use the dump in a with statement."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close it. A DumpError that leaves the block names the file."""
        if isinstance(error, DumpError):
            error.path = error.path or self.source.name
        self.close()
