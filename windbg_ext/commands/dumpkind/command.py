"""From a source to a report: every question is asked by itself, so that one damaged part does not hide the others."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from windbg_ext.commands.dumpkind.crash import Crash, read_crash, suspects_of
from windbg_ext.commands.dumpkind.kind import attribute_bits, evidence_of, has, small_marks
from windbg_ext.commands.dumpkind.parameters import Sort, parameter_sorts
from windbg_ext.commands.dumpkind.report import BugCheckFound, DumpReport, Evidence, Whole
from windbg_ext.commands.dumpkind.signature import signature_of
from windbg_ext.commands.dumpkind.whole import is_whole, pages_in, pages_there
from windbg_ext.dump.dump import Part
from windbg_ext.dump.header import comment_of, physical_pages
from windbg_ext.dump.kinds import DumpKind, kind_of
from windbg_ext.dump.opener import open_dump
from windbg_ext.dump.pages import PAGE_SIZE, BitmapPages
from windbg_ext.errors import DumpError
from windbg_ext.kernel.target import DumpTarget
from windbg_ext.limits import MAX_LISTED
from windbg_ext.sources import open_source
from windbg_ext.sources.archive import UNKNOWN_SIZE, ArchiveMember
from windbg_ext.sources.far import confirm, traffic_of
from windbg_ext.structs.architectures import ARCHITECTURES
from windbg_ext.structs.bug_checks import M_BIT, bug_check_name
from windbg_ext.structs.header import Attributes, DumpType
from windbg_ext.structs.windows_versions import windows_name

if TYPE_CHECKING:
    from windbg_ext.commands.dumpkind.details import Details
    from windbg_ext.dump.dump import Dump
    from windbg_ext.sources import Source, SourceLike

MAX_PROCESSORS = 2048
COPY_AGAIN = "copy it again from where it was made"
TOO_SMALL = (
    "Windows could not write all of it: the paging file on the boot volume, or the dedicated dump file, was too small "
    "for the kind of dump that was set"
)
ENCRYPTED = "the pages are encrypted: nothing but the header can be read without the key"


def dumpkind(source: SourceLike, *, details: bool = False) -> DumpReport:
    """Report what a file is, whether it is whole, and what crashed. details: also what only `-v` shows.

    source: a path, a binary stream or an open source. Raise nothing for what is wrong with the file: that is in the
    report. A kind of "none" is no kernel dump at all.
    """
    try:
        opened = open_source(source)
    except DumpError as error:
        return _not_a_dump(error.path, None, error)
    if opened is source:
        return _report(opened, details=details)
    with closing(opened):
        return _report(opened, details=details)


def _report(source: Source, *, details: bool) -> DumpReport:
    packed = source.kind if isinstance(source, ArchiveMember) else None
    try:
        report = _Answers(open_dump(source, unpack=False), details=details).report()
        confirm(source)
    except DumpError as error:
        return _not_a_dump(source.name, packed, error)
    except OSError as error:
        return _not_a_dump(source.name, packed, DumpError("file", f"cannot be read ({error.strerror})", COPY_AGAIN))
    return report._replace(traffic=traffic_of(source))


def _not_a_dump(path: str, packed: str | None, error: DumpError) -> DumpReport:
    return DumpReport(path, packed=packed, problems=(f"{error.field}: {error.why}",), advice=error.advice)


class _Answers:
    """The answers of one dump, each asked for by itself, and the problems that were found."""

    def __init__(self, dump: Dump, *, details: bool) -> None:
        self.dump, self.known, self.details = dump, dump.known, details
        self.header_cut = any(problem.part is Part.CUT_HEADER for problem in dump.problems)
        told = (problem.error for problem in dump.problems if problem.part is not Part.CUT_HEADER)
        self.problems = [f"{error.field}: {error.why}" for error in told]
        self.notes: list[str] = []
        self.target: DumpTarget | None = None
        if dump.parsed is not None and dump.pages is None and dump.parsed.dump_type is DumpType.SUMMARY:
            self.notes.append("where the pages of a 64-bit summary dump lie is documented nowhere: open it in WinDbg")

    @property
    def _size_known(self) -> bool:
        return self.dump.source.size != UNKNOWN_SIZE

    def report(self) -> DumpReport:
        """Put the answers together."""
        dump, known = self.dump, self.known
        whole = is_whole(dump, size_known=self._size_known)
        crash = self._crash(whole)
        if crash is not None and whole.missing and dump.pages is not None:
            among = "are not among them" if crash.problem else "are among them"
            whole = whole._replace(usable=f"{whole.usable}; modules and stack of the crash {among}")
        kind, bug_check = kind_of(known), self._bug_check()
        code = known.machine_image_type
        build = known.minor_version
        ram = physical_pages(dump.fields)
        attributes = known.attributes
        cut, advice = self._cut(whole)
        details = self._details(crash) if self.details else None
        if self.target is not None:  # all that is read of memory was read by now
            self.problems.extend(f"pages: {why}" for why in self.target.unread_pages())
        return DumpReport(
            path=dump.source.name,
            kind=kind,
            packed=dump.archive,
            dump_type=known.dump_type,
            architecture=None
            if code is None
            else next((found.name for machine, found in ARCHITECTURES.items() if machine == code), f"0x{code:x}"),
            major_version=known.major_version,
            build=build,
            windows=None if build is None else windows_name(build, known.product_type),
            processors=self._processors(),
            bug_check=bug_check,
            system_time=known.system_time or None,
            system_up_time=known.system_up_time or None,
            ram_bytes=None if ram is None else ram * PAGE_SIZE,
            pages_in_file=None if dump.pages is None else pages_in(dump.pages),
            file_bytes=dump.source.size if self._size_known else None,
            whole=whole,
            attributes=None if attributes is None else tuple(name for name, _, _ in attribute_bits(known)),
            comment=comment_of(dump.fields),
            process=crash.process if crash else None,
            parameter_sorts=self._parameter_sorts(crash, bug_check),
            crash_address=crash.address if crash else None,
            suspects=suspects_of(crash, bug_check.parameters) if crash and bug_check else (),
            stack=crash.stack if crash else (),
            evidence=tuple(self._evidence(crash.driver_names if crash else ())),
            problems=(*cut, *self._state(), *self.problems),
            advice=advice,
            notes=tuple(self.notes),
            details=details,
            signature=signature_of(bug_check, crash, dump.parsed.machine if dump.parsed else None)
            if bug_check is not None and bug_check.code and kind is not DumpKind.NONE
            else None,
        )

    def _processors(self) -> int | None:
        count = self.known.number_processors
        if count is not None and not 1 <= count <= MAX_PROCESSORS:
            self.problems.append(f"NumberProcessors: {count}, Windows has 1 to {MAX_PROCESSORS}")
        return count

    def _bug_check(self) -> BugCheckFound | None:
        code = self.known.bug_check_code
        if code is None:
            return None
        plain = code & ~M_BIT
        parameters = self.dump.fields.bug_check_parameter
        return BugCheckFound(code, bug_check_name(code), parameters, plain, bug_check_name(plain))

    def _parameter_sorts(self, crash: Crash | None, bug_check: BugCheckFound | None) -> tuple[Sort, ...]:
        if crash is None or bug_check is None or self.dump.parsed is None:
            return ()
        code, parameters = bug_check.plain_code, bug_check.parameters
        return parameter_sorts(code, parameters, crash.modules, self.dump.parsed.architecture)

    def _cut(self, whole: Whole) -> tuple[list[str], str]:
        if kind_of(self.known) is DumpKind.NONE and not self.header_cut:
            return [], "the header is damaged, or the writer did not finish it: get the dump again"
        if not whole.missing:
            if has(self.known, Attributes.INSUFFICIENT_DUMPFILE_SIZE):
                return [], "enlarge the paging file: windbg-ext pagefilefit tells how large it has to be"
            return [], ""
        least = "at least " if whole.at_least else ""
        where = "in the header" if self.header_cut else f"by {whole.source}"
        return [f"cut short: {least}{whole.missing:,} of {whole.expected:,} bytes are missing ({where})"], COPY_AGAIN

    def _state(self) -> list[str]:
        found = []
        if has(self.known, Attributes.INSUFFICIENT_DUMPFILE_SIZE):
            found.append(TOO_SMALL)
        if self._encrypted:
            found.append(ENCRYPTED)
        pages, secondary = self.dump.pages, self.dump.secondary
        if isinstance(pages, BitmapPages) and pages.counted_pages != pages.page_count:
            found.append(f"bitmap: it has {pages.counted_pages:,} bits set, its header says {pages.page_count:,} pages")
        if isinstance(pages, BitmapPages) and pages.unread is not None:
            found.append(f"bitmap: {pages.unread}")
        if secondary is not None and secondary.problem is not None:
            found.append(f"secondary data: {secondary.problem}")
        return found

    @property
    def _encrypted(self) -> bool:
        return has(self.known, Attributes.ENCRYPTED_DUMP_DATA) and not has(self.known, Attributes.DECRYPTED_DUMP)

    def _crash(self, whole: Whole) -> Crash | None:
        dump = self.dump
        if dump.parsed is None or self._encrypted or (dump.pages is None and dump.small is None):
            return None
        if dump.pages is not None and dump.pages.end > dump.source.reach and dump.archive is not None:
            self.notes.append(
                f"modules, stack and secondary data are not looked for inside a {dump.archive} file of that length: "
                "unpack it to see them"
            )
            return None
        target = DumpTarget(dump)
        crash = read_crash(target)
        self.target = target
        if crash.problem is not None:
            told = self.problems if not whole.missing else self.notes
            told.append(f"modules and stack cannot be read: {crash.problem}")
        return crash

    def _evidence(self, driver_names: tuple[str, ...]) -> list[Evidence]:
        dump = self.dump
        found = list(evidence_of(dump.known, None if dump.pages is None else pages_in(dump.pages)))
        if dump.triage is not None:
            found.extend(small_marks(dump.known, dump.triage, dump.source.size, driver_names))
        return found

    def _pages_there(self) -> int | None:
        """Return how many pages a file has that ends before its last page; None where it has all, or may have."""
        pages, size = self.dump.pages, self.dump.source.size
        return pages_there(pages, size) if pages is not None and self._size_known and size < pages.end else None

    def _details(self, crash: Crash | None) -> Details:
        from windbg_ext.commands.dumpkind import details as more  # not for those to wait for who do not ask for it
        from windbg_ext.commands.dumpkind import machine
        from windbg_ext.commands.dumpkind.file_parts import file_parts

        dump = self.dump
        blocks = dump.small.data_blocks if dump.small else ()
        blobs = dump.secondary.blobs if dump.secondary else ()
        modules = crash.modules.modules if crash else ()
        runs = dump.parsed.physical_memory if dump.parsed else None
        return more.Details(
            header_fields=tuple(more.header_fields(dump.fields)),
            memory_map=more.memory_map(dump.pages, runs, self._pages_there()) if dump.pages is not None else None,
            secondary=tuple(more.secondary_blobs(blobs[:MAX_LISTED])),
            parts=tuple(more.small_parts(dump.small)) if dump.small else (),
            data_blocks=tuple((block.address, block.offset, block.size) for block in blocks[:MAX_LISTED]),
            modules=modules[:MAX_LISTED],
            not_listed=more.not_listed(blobs, blocks, modules),
            file_parts=tuple(file_parts(dump)) if self._size_known else (),
            processors=machine.processors_of(self.target, crash.process if crash else None) if self.target else (),
            unloaded_drivers=machine.unloaded_drivers_of(self.target) if self.target else (),
        )
