"""Opening a dump: every part is read by itself, so that a damaged one does not hide the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.dump.dump import Dump, Part, Problem
from windbg_ext.dump.header import KnownFields, header_layouts, parse_header
from windbg_ext.dump.pages import PAGE_SIZE, read_page_source
from windbg_ext.dump.secondary import MAX_SECONDARY, read_secondary_data
from windbg_ext.errors import DumpError
from windbg_ext.limits import Budget
from windbg_ext.sources import open_source
from windbg_ext.sources.archive import MAX_IN_MEMORY, ArchiveMember
from windbg_ext.sources.far import as_far, hint
from windbg_ext.sources.progress import no_progress
from windbg_ext.structs.header import FILL, DumpType
from windbg_ext.structs.secondary import SECONDARY_SIGNATURE, DumpBlobFileHeader, DumpBlobHeader

if TYPE_CHECKING:
    from windbg_ext.dump.header import DumpHeader
    from windbg_ext.dump.pages import PageSource
    from windbg_ext.dump.secondary import SecondaryData
    from windbg_ext.dump.small import SmallDumpParts
    from windbg_ext.sources import Source, SourceLike
    from windbg_ext.sources.progress import Progress
    from windbg_ext.structs.layouts import RawHeader, TriageDump


def open_dump(
    source: SourceLike, *, unpack: bool = True, header_only: bool = False, progress: Progress = no_progress
) -> Dump:
    """Open a kernel dump: a path, a binary stream or a source; also one inside a packed file.

    unpack: a long packed dump goes to a temporary file, so that all of it can be read; without it, nothing is looked
    for behind its first 64 MB. header_only: nothing behind the header is read. progress: called while a packed file is
    unpacked with what is being done, bytes done and bytes to do.

    Raise DumpError, with the file's name in it, where it cannot be opened or is no kernel dump at all. Whatever else
    is wrong is in the dump's `problems`; `Dump.check` raises the first of them.
    """
    opened = open_source(source)
    owns_source = opened is not source
    try:
        return _Opening(opened, unpack=unpack, progress=progress).read(header_only=header_only, owns_source=owns_source)
    except BaseException as error:
        if isinstance(error, DumpError):
            error.path = error.path or opened.name
        if owns_source:
            opened.close()
        raise


ADDRESS = (1 << 48) - 1
"""The bits of a directory table base that are an address on any machine of today."""


class _Opening:
    """The parts of a dump as far as they were read, and the problems met on the way."""

    def __init__(self, source: Source, *, unpack: bool, progress: Progress) -> None:
        self.source = source
        self.packed = source if isinstance(source, ArchiveMember) else None
        self._unpack, self._progress = unpack, progress
        self.problems: list[Problem] = []
        self.budget = Budget()
        self.known = KnownFields(self._read_fields())
        self.parsed: DumpHeader | None = None
        self.pages: PageSource | None = None
        self.triage: TriageDump | None = None
        self.small: SmallDumpParts | None = None
        self.secondary: SecondaryData | None = None

    def read(self, *, header_only: bool, owns_source: bool) -> Dump:
        """Read what is asked for."""
        self._parse_header()
        if self.parsed is not None and not header_only:
            self._read_body(self.parsed)
        return Dump(
            source=self.source,
            known=self.known,
            parsed=self.parsed,
            pages=self.pages,
            triage=self.triage,
            small=self.small,
            secondary=self.secondary,
            problems=tuple(self.problems),
            archive=None if self.packed is None else self.packed.kind,
            owns_source=owns_source,
            budget=self.budget,
        )

    def _read_fields(self) -> RawHeader:
        """Read the header. Raise DumpError for a file that has none."""
        try:
            structure = header_layouts(self.source).header
        except DumpError as error:
            if self.packed is not None and error.field in ("Signature", "file"):
                error.field = f"the {self.packed.kind} file holds no kernel dump: {error.field}"
            raise
        try:
            data = self.source.read(0, structure.SIZE)
        except OSError as error:
            advice = "copy it again from where it was made"
            raise DumpError("file", f"cannot be read ({error.strerror})", advice) from None
        if len(data) < structure.SIZE:
            why = f"lies at 0x0 to 0x{structure.SIZE:x}, the file ends at 0x{len(data):x}"
            advice = "the file is cut short: copy it again from where it was made"
            self.problems.append(Problem(Part.CUT_HEADER, DumpError(structure.NAME, why, advice)))
        return _parse_as_far_as_it_goes(structure, data)

    def _parse_header(self) -> None:
        if self.problems:
            return
        if self.known.dump_type is None:
            why = "was never set, so what follows the header cannot be told"
            advice = "the writer did not finish it: get the dump again"
            self.problems.append(Problem(Part.HEADER, DumpError("DumpType", why, advice)))
            return
        try:
            self.parsed = parse_header(self.known)
        except DumpError as error:
            self.problems.append(Problem(Part.HEADER, error))

    def _read_body(self, header: DumpHeader) -> None:
        """Find the pages or the parts behind the header, and the secondary data behind those."""
        part = Part.SMALL_DUMP if header.dump_type is DumpType.TRIAGE else Part.PAGES
        try:
            end = self._read_small_dump(header) if part is Part.SMALL_DUMP else self._read_pages(header)
            part = Part.SECONDARY_DATA
            if 0 < end <= self.source.reach:
                self.secondary = read_secondary_data(self.source, end, self.budget)
        except _UnpackingFailedError as failed:
            self.problems.append(Problem(Part.PACKED_FILE, failed.error))
        except DumpError as error:
            self.problems.append(Problem(part, error))

    def _read_pages(self, header: DumpHeader) -> int:
        """Find the pages; return the file offset behind them, 0 where there are none."""
        self.pages = read_page_source(self.source, header, self.budget)
        if self.pages is None:
            return 0
        self._unpack_to(self.pages.end)
        self._hint_root(self.pages, header)
        return self.pages.end

    def _hint_root(self, pages: PageSource, header: DumpHeader) -> None:
        """Let the root of the page tables come along with what is read next, where that comes from another machine."""
        if as_far(self.source) is not None:
            root = pages.offset_of((header.directory_table_base & ADDRESS) // PAGE_SIZE)
            if root is not None:
                hint(self.source, root, PAGE_SIZE)
            hint(self.source, max(0, self.source.size - PAGE_SIZE), PAGE_SIZE)  # where secondary data should end

    def _read_small_dump(self, header: DumpHeader) -> int:
        """Find the parts and return the file offset behind them. A wrong one is a problem of the parts alone."""
        from windbg_ext.dump.small import read_small_dump, read_triage  # not for large dumps to wait for

        self.triage = read_triage(self.source, header)
        end = self.triage.size_of_dump
        self._unpack_to(end)
        try:
            self.small = read_small_dump(self.source, header, self.budget, self.triage)
        except DumpError as error:
            self.problems.append(Problem(Part.SMALL_DUMP, error))
        return end

    def _unpack_to(self, end: int) -> None:
        """Unpack a dump whose body ends at an offset; without `unpack`, find its size where it fits into memory."""
        if self.packed is None:
            return
        try:
            if self._unpack:
                self._unpack_dump(self.packed, end)
            elif end <= MAX_IN_MEMORY:
                self.packed.find_end()
        except DumpError as error:
            if self._unpack:
                raise _UnpackingFailedError(error) from None
            self.problems.append(Problem(Part.PACKED_FILE, error))

    def _unpack_dump(self, packed: ArchiveMember, end: int) -> None:
        """Unpack a dump; what follows its body only as far as the headers of its secondary data say."""
        packed.unpack(end, end + DumpBlobFileHeader.SIZE, self._progress)
        start = packed.read(end, DumpBlobFileHeader.SIZE)
        if not start.startswith(SECONDARY_SIGNATURE) or len(start) < DumpBlobFileHeader.SIZE:
            return
        at = end + max(DumpBlobFileHeader.parse(start).header_size, DumpBlobFileHeader.SIZE)
        most = end + MAX_SECONDARY
        while at < most:
            packed.unpack(end, min(at + DumpBlobHeader.SIZE, most), self._progress)
            data = packed.read(at, DumpBlobHeader.SIZE)
            if len(data) < DumpBlobHeader.SIZE:
                return
            header = DumpBlobHeader.parse(data)
            if header.header_size != DumpBlobHeader.SIZE:
                return
            at += DumpBlobHeader.SIZE + header.pre_pad + header.data_size + header.post_pad
        packed.unpack(end, most, self._progress)


class _UnpackingFailedError(Exception):
    """A packed file that should have been unpacked could not be, so that nothing more is read of it."""

    def __init__(self, error: DumpError) -> None:
        super().__init__(error)
        self.error = error


def _parse_as_far_as_it_goes(structure: type[RawHeader], data: bytes) -> RawHeader:
    """Parse a header. Where the file ends inside it, fields that are not wholly there hold the writer's fill."""
    if len(data) == structure.SIZE:
        return structure.parse(data)
    fields = structure.parse(data.ljust(structure.SIZE, b"\0"))
    unset = structure.parse(FILL * (structure.SIZE // len(FILL)))
    whole = [field for field in structure.FIELDS if field.offset + field.length <= len(data)]
    return unset.replace(**{field.attribute: field.of(fields) for field in whole})
