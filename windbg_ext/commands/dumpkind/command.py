"""From a path to a report: every question is asked by itself, so that one damaged part does not hide the others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from windbg_ext.commands.dumpkind.crash import Crash, read_crash, suspects_of
from windbg_ext.commands.dumpkind.kind import attribute_bits, evidence_of, has, kind_of, small_marks
from windbg_ext.commands.dumpkind.report import NONE, BugCheckFound, DumpReport, Evidence, Whole
from windbg_ext.commands.dumpkind.whole import is_whole, pages_in
from windbg_ext.dump.dump import Dump
from windbg_ext.dump.file import DumpFile
from windbg_ext.dump.header import comment_of, header_layout, number_of, parse_header, physical_pages
from windbg_ext.dump.packed import MOST_UNPACKED, UNKNOWN_SIZE, explain_inside, open_packed
from windbg_ext.dump.pages import PAGE_SIZE, BitmapPages, read_page_source
from windbg_ext.dump.secondary import read_secondary_data
from windbg_ext.errors import DumpError
from windbg_ext.structs.architectures import ARCHITECTURES
from windbg_ext.structs.bug_checks import M_BIT, bug_check_name
from windbg_ext.structs.header import FILL, Attributes, DumpType
from windbg_ext.structs.windows_versions import windows_name

if TYPE_CHECKING:
    import os

    from windbg_ext.commands.dumpkind.details import Details
    from windbg_ext.dump.header import DumpHeader
    from windbg_ext.dump.packed import PackedStream
    from windbg_ext.dump.pages import RunPages
    from windbg_ext.dump.secondary import SecondaryData
    from windbg_ext.dump.small import SmallDumpParts
    from windbg_ext.structs.layout import Layout, Record

MOST_PROCESSORS = 2048
COPY_AGAIN = "copy it again from where it was made"
TOO_SMALL = (
    "Windows could not write all of it: the paging file on the boot volume, or the dedicated dump file, was too small "
    "for the kind of dump that was set"
)
ENCRYPTED = "the pages are encrypted: nothing but the header can be read without the key"


def dumpkind(path: str | os.PathLike[str], *, details: bool = False) -> DumpReport:
    """Tell what a file is, whether it is whole, and what crashed. details: also what only `-v` shows.

    Raises nothing for what is wrong with the file: that is in the report. A kind of "none" is no kernel dump at all.
    """
    path = Path(path)
    try:
        with DumpFile(path) as file:
            packed = open_packed(file)
            if packed is None:
                return _Reader(path, file, None, details=details).report()
            return _report_packed(path, packed, details=details)
    except DumpError as error:
        return DumpReport(path, problems=(f"{error.field}: {error.why}",), advice=error.advice)
    except OSError as error:
        return DumpReport(path, problems=(f"file: cannot be read ({error.strerror})",), advice=COPY_AGAIN)


def _report_packed(path: Path, packed: PackedStream, *, details: bool) -> DumpReport:
    with DumpFile(path, packed) as file:
        try:
            return _Reader(path, file, packed, details=details).report()
        except DumpError as error:
            explain_inside(error, packed.kind)
            return DumpReport(path, packed=packed.kind, problems=(f"{error.field}: {error.why}",), advice=error.advice)


class _Reader:
    """Collects the parts of a dump and what is wrong with them."""

    def __init__(self, path: Path, file: DumpFile, packed: PackedStream | None, *, details: bool) -> None:
        self.path, self.file, self.packed, self.details = path, file, packed, details
        self.layout = header_layout(file)
        self.record = _read_header(file, self.layout)
        self.header_cut = file.size < self.layout.size
        self._end_sought = False
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.header: DumpHeader | None = None
        self.pages: BitmapPages | RunPages | None = None
        self.triage: Record | None = None
        self.small: SmallDumpParts | None = None
        self.secondary: SecondaryData | None = None
        self._read_body()

    def _complain(self, error: DumpError) -> None:
        self.problems.append(f"{error.field}: {error.why}")

    def _read_body(self) -> None:
        """Find the pages or the parts behind the header, and the secondary data behind those."""
        if self.header_cut:
            return
        if number_of(self.record, "DumpType") is None:
            self.problems.append("DumpType: was never set, so what follows the header cannot be told")
            return
        try:
            self.header = parse_header(self.record)
            self.pages = read_page_source(self.file, self.header)
            if self.header.dump_type is DumpType.TRIAGE:
                self._read_small()
            elif self.pages is None and self.header.dump_type is DumpType.SUMMARY:
                self.notes.append(
                    "where the pages of a 64-bit summary dump lie is documented nowhere: open it in WinDbg"
                )
            end = self.pages.end if self.pages is not None else self.triage.number("SizeOfDump") if self.triage else 0
            self._find_size(end)
            # behind the reach of a packed file nothing is looked for: `_crash` says so
            self.secondary = read_secondary_data(self.file, end) if 0 < end <= self.file.reach else None
        except DumpError as error:
            self._complain(error)

    def _read_small(self) -> None:
        from windbg_ext.dump.small import read_small_dump  # not for large dumps to wait for
        from windbg_ext.structs.triage import SMALL_DUMP_LAYOUTS

        layout = SMALL_DUMP_LAYOUTS[self.layout.name].triage
        self.triage = layout.parse(self.file.read_field(layout.name, self.layout.size, layout.size))
        self._find_size(self.triage.number("SizeOfDump"))
        assert self.header is not None
        try:
            self.small = read_small_dump(self.file, self.header)
        except DumpError as error:
            self._complain(error)

    def _find_size(self, end: int) -> None:
        """Unpack to the end to learn its length, where that is within bounds. Damage on the way is told once."""
        if self.packed is None or end > MOST_UNPACKED or self._end_sought:
            return
        self._end_sought = True
        try:
            self.packed.find_end()
        except DumpError as error:
            self._complain(error)

    @property
    def _size_known(self) -> bool:
        return self.file.size != UNKNOWN_SIZE

    def report(self) -> DumpReport:
        """Put the answers together."""
        record = self.record
        whole = is_whole(self.file, record, self.pages, self.triage, self.secondary, size_known=self._size_known)
        crash = self._crash(whole)
        if crash is not None and whole.missing and self.pages is not None:
            among = "are not among them" if crash.problem else "are among them"
            whole = whole._replace(usable=f"{whole.usable}; modules and stack of the crash {among}")
        bug_check = self._bug_check()
        code = number_of(record, "MachineImageType")
        build = number_of(record, "MinorVersion")
        ram = physical_pages(record)
        attributes = number_of(record, "Attributes")
        cut, advice = self._cut(whole)
        return DumpReport(
            path=self.path,
            kind=kind_of(record),
            packed=self.packed.kind if self.packed else None,
            dump_type=number_of(record, "DumpType"),
            architecture=None
            if code is None
            else next((known.name for machine, known in ARCHITECTURES.items() if machine == code), f"0x{code:x}"),
            major_version=number_of(record, "MajorVersion"),
            build=build,
            windows=None if build is None else windows_name(build, number_of(record, "ProductType")),
            processors=self._processors(),
            bug_check=bug_check,
            system_time=number_of(record, "SystemTime") or None,
            system_up_time=number_of(record, "SystemUpTime") or None,
            ram_bytes=None if ram is None else ram * PAGE_SIZE,
            pages_in_file=None if self.pages is None else pages_in(self.pages),
            file_bytes=self.file.size if self._size_known else None,
            whole=whole,
            attributes=None if attributes is None else tuple(name for name, _, _ in attribute_bits(record)),
            comment=comment_of(record),
            process=crash.process if crash else None,
            fault_address=(crash.exception or crash.instruction) if crash else None,
            suspects=suspects_of(crash, bug_check.parameters) if crash and bug_check else (),
            stack=crash.stack if crash else (),
            evidence=tuple(self._evidence(crash.driver_names if crash else ())),
            problems=(*cut, *self._state(), *self.problems),
            advice=advice,
            notes=tuple(self.notes),
            details=self._details(crash) if self.details else None,
        )

    def _processors(self) -> int | None:
        count = number_of(self.record, "NumberProcessors")
        if count is not None and not 1 <= count <= MOST_PROCESSORS:
            self.problems.append(f"NumberProcessors: {count}, Windows has 1 to {MOST_PROCESSORS}")
        return count

    def _bug_check(self) -> BugCheckFound | None:
        code = number_of(self.record, "BugCheckCode")
        if code is None:
            return None
        plain = code & ~M_BIT
        parameters = self.record.numbers("BugCheckParameter")
        return BugCheckFound(code, bug_check_name(code), parameters, plain, bug_check_name(plain))

    def _cut(self, whole: Whole) -> tuple[list[str], str]:
        if kind_of(self.record) == NONE and not self.header_cut:
            return [], "the header is damaged, or the writer did not finish it: get the dump again"
        if not whole.missing:
            if has(self.record, Attributes.INSUFFICIENT_DUMPFILE_SIZE):
                return [], "enlarge the paging file: windbg-ext pagefilefit tells how large it has to be"
            return [], ""
        least = "at least " if whole.at_least else ""
        where = "in the header" if self.header_cut else f"by {whole.source}"
        return [f"cut short: {least}{whole.missing:,} of {whole.expected:,} bytes are missing ({where})"], COPY_AGAIN

    def _state(self) -> list[str]:
        found = []
        if has(self.record, Attributes.INSUFFICIENT_DUMPFILE_SIZE):
            found.append(TOO_SMALL)
        if self._encrypted:
            found.append(ENCRYPTED)
        if isinstance(self.pages, BitmapPages) and self.pages.counted_pages != self.pages.page_count:
            found.append(
                f"bitmap: it has {self.pages.counted_pages:,} bits set, its header says {self.pages.page_count:,} pages"
            )
        if isinstance(self.pages, BitmapPages) and self.pages.unread is not None:
            found.append(f"bitmap: {self.pages.unread}")
        if self.secondary is not None and self.secondary.problem is not None:
            found.append(f"secondary data: {self.secondary.problem}")
        return found

    @property
    def _encrypted(self) -> bool:
        return has(self.record, Attributes.ENCRYPTED_DUMP_DATA) and not has(self.record, Attributes.DECRYPTED_DUMP)

    def _crash(self, whole: Whole) -> Crash | None:
        if self.header is None or self._encrypted or self.header_cut:
            return None
        if self.packed is not None and self.pages is not None and self.pages.end > self.file.reach:
            self.notes.append(
                f"modules, stack and secondary data are not looked for inside a {self.packed.kind} file of that "
                "length: unpack it to see them"
            )
            return None
        if self.pages is None and self.small is None:
            return None
        crash = read_crash(Dump(self.file, self.header, self.pages, self.small, self.secondary, whole.expected or 0))
        if crash.problem is not None:
            told = self.problems if not whole.missing else self.notes
            told.append(f"modules and stack cannot be read: {crash.problem}")
        self.problems.extend(f"pages: {why}" for why in crash.unread)
        return crash

    def _evidence(self, driver_names: tuple[str, ...]) -> list[Evidence]:
        found = list(evidence_of(self.record, None if self.pages is None else pages_in(self.pages)))
        if self.triage is not None:
            found.extend(small_marks(self.record, self.triage, self.file.size, driver_names))
        return found

    def _details(self, crash: Crash | None) -> Details:
        from windbg_ext.commands.dumpkind import details as more  # not for those to wait for who do not ask for it

        blocks = self.small.data_blocks if self.small else ()
        runs = self.header.physical_memory if self.header else None
        return more.Details(
            header_fields=tuple(more.header_fields(self.record)),
            memory_map=more.memory_map(self.pages, runs) if self.pages is not None else None,
            secondary=tuple(more.secondary_blobs(self.secondary)),
            parts=tuple(more.small_parts(self.small)) if self.small else (),
            data_blocks=tuple((block.address, block.offset, block.size) for block in blocks),
            modules=crash.modules.modules if crash else (),
        )


def _read_header(file: DumpFile, layout: Layout) -> Record:
    """Read a header; where the file ends inside it, all fields that are not wholly there count as unset."""
    data = file.read(0, layout.size)
    if len(data) == layout.size:
        return layout.parse(data)
    whole = [field for field in layout.fields() if layout.offset(field) + layout.length(field) <= len(data)]
    fields = layout.parse(data.ljust(layout.size, b"\0"))
    unset = layout.parse(FILL * (layout.size // len(FILL)))
    return unset.replace(**{field: fields.value(field) for field in whole})
