"""What a dump tells: how much RAM the machine had, what this dump took, what a kernel dump would have taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from windbg_ext.commands.pagefilefit.rules import GB
from windbg_ext.dump.header import physical_pages
from windbg_ext.dump.kinds import CRASH_DUMP_KINDS, DumpKind, kind_by_type
from windbg_ext.dump.pages import PAGE_SIZE
from windbg_ext.errors import DumpError
from windbg_ext.kernel import DumpTarget
from windbg_ext.structs.bodies import BitmapHeader64
from windbg_ext.structs.header import Attributes

if TYPE_CHECKING:
    from windbg_ext.dump import Dump
    from windbg_ext.dump.header import DumpHeader
    from windbg_ext.sources.far import Traffic
    from windbg_ext.sources.progress import Progress
    from windbg_ext.structs.architectures import Architecture

MAX_RAM = 1 << 48
"""256 TiB: Windows Server 2025 takes 240 TB."""
MOST_SECONDARY_DATA = 4 * GB
"""By so much at most can a dump be larger than RAM and be believed."""

OWN_SIZE = "the size of this dump"


@dataclass(frozen=True)
class Measured:
    """What a dump of a kind takes on this machine. bytes: of the file; how: where that is known from."""

    kind: DumpKind
    bytes: int
    how: str


@dataclass(frozen=True)
class DumpFacts:
    """What a dump tells of its machine. ram: bytes, None where the header does not tell; kind: None for odd dumps.

    dump: its name; did_not_fit: Windows noted that there was too little room (InsufficientDumpfileSize); notes: what is
    odd; traffic: what reading it took, if it is on another machine.
    """

    dump: str
    ram: int | None
    architecture: Architecture
    kind: DumpKind | None
    measured: tuple[Measured, ...]
    kernel_pages: int | None
    did_not_fit: bool
    notes: tuple[str, ...]
    traffic: Traffic | None = None


def measure(dump: Dump, progress: Progress, *, with_ram: bool = True) -> DumpFacts:
    """Read what a dump tells. with_ram: False where somebody else tells how much RAM there is.

    DumpError if its header says something absurd of the RAM.
    """
    header = dump.header
    notes: list[str] = []
    kind = kind_of(header)
    attributes = header.attributes or 0
    did_not_fit = bool(attributes & Attributes.INSUFFICIENT_DUMPFILE_SIZE)
    if attributes & Attributes.LIVE_DUMP_GENERATED_DUMP:
        notes.append("this is a live dump: it was written straight to its file, no paging file took part")
    ram = _ram(header, notes) if with_ram else None
    if dump.unread_bitmap is not None:
        notes.append(f"bitmap: {dump.unread_bitmap}")
    measured = [] if kind is None else _own_size(dump, kind, ram, notes)
    kernel_pages = None
    if kind in (DumpKind.ACTIVE, DumpKind.COMPLETE):
        kernel_pages = _count_kernel_pages(dump, progress, notes)
        if kernel_pages is not None:
            size = _size_of_kernel_dump(dump, kernel_pages)
            how = f"{kernel_pages:,} pages of RAM that the kernel half of this dump's page tables maps"
            measured += [Measured(kind, size, how) for kind in (DumpKind.KERNEL, DumpKind.AUTOMATIC)]
    return DumpFacts(
        dump=dump.source.name,
        ram=ram,
        architecture=header.architecture,
        kind=kind,
        measured=tuple(measured),
        kernel_pages=kernel_pages,
        did_not_fit=did_not_fit,
        notes=tuple(notes),
    )


def kind_of(header: DumpHeader) -> DumpKind | None:
    """Return the kind of a dump, KERNEL for an automatic one too: the file is the same. None: only a header."""
    kind = kind_by_type(header.dump_type, header.attributes)
    return kind if kind in CRASH_DUMP_KINDS else None


def _ram(header: DumpHeader, notes: list[str]) -> int | None:
    """Return the bytes of RAM that Windows used, None if the header does not tell."""
    if header.physical_memory is None:
        return None
    in_runs = sum(run.page_count for run in header.physical_memory)
    pages = physical_pages(header.raw) or 0
    for number, field in ((pages, "NumberOfPages"), (in_runs, "Run")):
        if not 0 < number * PAGE_SIZE <= MAX_RAM:
            why = f"0x{number:x} pages of RAM make no sense"
            raise DumpError(f"PhysicalMemoryBlock.{field}", why, "the header is damaged: give --ram")
    if pages != in_runs:
        notes.append(f"the header contradicts itself: NumberOfPages is {pages:,}, its runs have {in_runs:,} pages")
    return max(pages, in_runs) * PAGE_SIZE


def _own_size(dump: Dump, kind: DumpKind, ram: int | None, notes: list[str]) -> list[Measured]:
    """Return what this dump took: its headers, pages (or parts) and secondary data, or what Windows noted it needed."""
    size, how = dump.expected_bytes + _secondary_size(dump), OWN_SIZE
    if dump.secondary is not None and dump.secondary.problem is not None:
        notes.append(f"secondary data: {dump.secondary.problem}, so its size is not known")
    attributes = dump.header.attributes or 0
    if kind is DumpKind.SMALL:  # a debugger's has more in it than Windows writes when it crashes
        return [Measured(kind, size, how)] if attributes & Attributes.KERNEL_GENERATED_TRIAGE_DUMP else []
    required = dump.header.required_dump_space or 0
    if required > size and ram is not None and required <= ram + MOST_SECONDARY_DATA:
        size, how = required, "RequiredDumpSpace of this dump"
    elif required > size:
        notes.append(f"RequiredDumpSpace of this dump, {required:,} bytes, makes no sense: it is left out of account")
    if attributes & Attributes.INSUFFICIENT_DUMPFILE_SIZE and how == OWN_SIZE:
        notes.append("this dump did not fit, so its size is no measure of what it takes")
        return []
    return [
        Measured(kind, size, how)
        for kind in ((DumpKind.KERNEL, DumpKind.AUTOMATIC) if kind is DumpKind.KERNEL else (kind,))
    ]


def _count_kernel_pages(dump: Dump, progress: Progress, notes: list[str]) -> int | None:
    try:
        target = DumpTarget(dump)
        pages = target.count_kernel_pages(lambda done, total: progress("counting kernel pages", done, total))
        notes.extend(f"{part}: {why}" for part, why in target.read_failures() if part == "pages")
    except DumpError as error:
        notes.append(f"the size of a kernel dump cannot be counted: {error}")
        return None
    if pages is None:
        notes.append("the size of a kernel dump cannot be counted: the header does not tell what is RAM")
        return None
    if pages.missing_tables:
        notes.append(
            f"{pages.missing_tables:,} page tables are not in this dump or cannot be read: "
            "a kernel dump may be larger than counted"
        )
    return pages.count if pages.count else None


def _size_of_kernel_dump(dump: Dump, pages: int) -> int:
    """Return the bytes of a bitmap dump of so many pages, with the secondary data of this one."""
    runs = dump.header.physical_memory or ()
    bits = max((run.base_page + run.page_count for run in runs), default=0)
    headers = dump.header.size + BitmapHeader64.SIZE + -(-bits // 8)
    return headers + -headers % PAGE_SIZE + pages * PAGE_SIZE + _secondary_size(dump)


def _secondary_size(dump: Dump) -> int:
    return dump.secondary.size if dump.secondary is not None else 0
