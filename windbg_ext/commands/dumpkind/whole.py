"""Whether a file is as long as its dump says, and what a file that is not is still good for.

What the debugger engine does with cut files was asked of it: a large dump opens with a warning, a small dump opens only
if everything up to SizeOfDump is there (otherwise error 1392).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.commands.dumpkind.kind import has
from windbg_ext.commands.dumpkind.report import Whole
from windbg_ext.dump.kinds import Body, body_of
from windbg_ext.dump.pages import PAGE_SIZE, BitmapPages
from windbg_ext.dump.secondary import MAX_SECONDARY
from windbg_ext.structs.bodies import BITMAP_SIGNATURES, BitmapHeader64
from windbg_ext.structs.header import Attributes, DumpType

if TYPE_CHECKING:
    from windbg_ext.dump.dump import Dump
    from windbg_ext.dump.header import KnownFields
    from windbg_ext.dump.pages import PageSource
    from windbg_ext.sources import Source


def is_whole(dump: Dump, *, size_known: bool) -> Whole:
    """Compare the length of a file with what the dump in it takes.

    What the pages or the parts take is exact. RequiredDumpSpace is the whole length in dumps that the kernel writes; it
    is used where a file is known to be cut, to count the secondary data that was behind the cut.
    size_known: whether the source has been unpacked to its end, where it is packed.
    """
    known, size, secondary = dump.known, dump.source.size, dump.secondary
    told, source = _end_of_body(dump)
    space = known.required_dump_space or 0
    if told is not None:
        body, at_least = told, False
    elif space >= dump.fields.SIZE:  # less is a header that says it should be cut
        body, at_least, source = space, False, "RequiredDumpSpace"
    else:
        body, at_least, source = dump.fields.SIZE, True, "its header"
    end, cut = body, size < body
    if secondary is not None:
        source += " and secondary data"
        end = max(body, secondary.offset + secondary.size, size + secondary.missing if secondary.missing else 0)
        at_least = secondary.problem is not None
        cut = secondary.problem is not None or secondary.missing > 0
    if cut or has(known, Attributes.KERNEL_GENERATED_TRIAGE_DUMP):
        if not _is_of_engine(known) and end < space <= end + MAX_SECONDARY:
            end, source, at_least = space, "RequiredDumpSpace", False
        elif told is not None and size < body:
            at_least = True  # nothing tells whether there was secondary data
    if not size_known:
        return Whole(end, at_least, source)
    missing = max(0, end - size)
    usable = _use_of_cut(dump, body) if missing else ""
    return Whole(end, at_least, source, missing, usable)


def _is_of_engine(known: KnownFields) -> bool:
    """Tell whether it is a small dump of the debugger engine, which leaves RequiredDumpSpace as it was before it."""
    return known.dump_type == DumpType.TRIAGE and known.writer_status is not None


def _end_of_body(dump: Dump) -> tuple[int | None, str]:
    """Return the file offset where pages or parts end and what told it; None if that is not in the file."""
    known, pages = dump.known, dump.pages
    if dump.triage is not None:
        return dump.expected_bytes, "SizeOfDump"
    if pages is not None:
        if isinstance(pages, BitmapPages):
            return pages.end, "the bitmap"
        return pages.end, "the runs of RAM" if body_of(known.dump_type) is Body.RUNS else "the ranges"
    if known.dump_type == DumpType.HEADER:
        return dump.fields.SIZE, "its header"
    if body_of(known.dump_type) is Body.BITMAP:
        return _end_by_bitmap_header(dump.source, dump.fields.SIZE)
    return None, ""


def _end_by_bitmap_header(source: Source, at: int) -> tuple[int | None, str]:
    """Return the end of a bitmap dump whose bitmap itself is cut or cannot be read."""
    try:
        data = source.read(at, BitmapHeader64.SIZE)
    except OSError:
        return None, ""
    if len(data) < BitmapHeader64.SIZE:
        return None, ""
    header = BitmapHeader64.parse(data)
    if header.signature not in BITMAP_SIGNATURES:
        return None, ""
    return header.header_size + header.total_present_pages * PAGE_SIZE, "the bitmap's header"


def _use_of_cut(dump: Dump, body: int) -> str:
    pages, size = dump.pages, dump.source.size
    if dump.known.dump_type == DumpType.TRIAGE:
        if size >= body:
            return "usable: the small dump itself is whole, only secondary data is missing"
        return "not usable: WinDbg refuses a small dump that ends before SizeOfDump (error 1392)"
    if pages is None:
        return "not usable: the part that tells where the pages lie is cut" if size < body else ""
    if size >= body:
        return "usable: all pages are there, only secondary data is missing"
    return f"{pages_there(pages, size):,} of {pages_in(pages):,} pages are there; WinDbg opens it with a warning"


def pages_there(pages: PageSource, size: int) -> int:
    """Return how many of the pages a file of so many bytes has, as whole ones."""
    first = pages.end - pages_in(pages) * PAGE_SIZE
    return min(pages_in(pages), max(0, size - first) // PAGE_SIZE)


def pages_in(pages: PageSource) -> int:
    """Return how many pages a dump should hold: by its bitmap itself, where it has one."""
    return pages.counted_pages if isinstance(pages, BitmapPages) else pages.page_count
