"""Files that no small dump replaces: those that hold more of a machine, or may, and can perhaps not be had again."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from windbg_ext.dump import open_dump
from windbg_ext.dump.header import KnownFields
from windbg_ext.dump.kinds import CRASH_DUMP_KINDS, DumpKind, kind_of
from windbg_ext.dump.other_files import UNKNOWN, ZEROS, identify
from windbg_ext.errors import DestinationError, DumpError
from windbg_ext.sources import open_source
from windbg_ext.structs.header import DumpType
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.sources import Source, SourceLike

OTHER_KINDS = {DumpKind.LIVE: "a live dump", DumpKind.HEADER_ONLY: "the header of a dump"}


class LargerDump(NamedTuple):
    """What a file is, with its article; convertible: whether `minify` reads it."""

    name: str
    convertible: bool


def larger_dump(path: SourceLike) -> LargerDump | None:
    """Return what a file is if it is a dump but not a small one, or may be one; None for anything else.

    A packed file is what it holds. Raise DestinationError if it cannot be read, since it may be one.
    """
    try:
        source = open_source(path)
    except DumpError as error:
        why = f"exists and cannot be looked into ({error.why})"
        raise DestinationError("destination", why, "name another file") from None
    with closing(source):
        return None if not source.size else _looked_into(source)


def _looked_into(source: Source) -> LargerDump | None:
    try:
        known = KnownFields(open_dump(source, unpack=False, header_only=True).fields)
    except DumpError:
        return _other(source)
    if known.dump_type == DumpType.TRIAGE:
        return None
    kind = kind_of(known)
    if kind in CRASH_DUMP_KINDS:
        article = "an" if kind is DumpKind.ACTIVE else "a"
        return LargerDump(f"{article} {kind} memory dump", convertible=True)
    return LargerDump(OTHER_KINDS.get(kind, "a damaged kernel dump"), convertible=kind is DumpKind.LIVE)


def _other(source: Source) -> LargerDump | None:
    try:
        found = identify(source)
    except (DumpError, OSError) as error:
        raise DestinationError("destination", f"exists and cannot be read ({error})", "name another file") from None
    return None if found in (UNKNOWN, ZEROS) else LargerDump(found.name, convertible=False)


def check_replaceable(path: SourceLike, named: object) -> None:
    """Raise DestinationError if a file is a dump but not a small one. named: as the user named it."""
    found = larger_dump(path)
    if found is not None:
        raise DestinationError("destination", f"is {found.name}, which is never replaced", way_out(found, named))


def way_out(found: LargerDump, named: object, first: str = "name another file") -> str:
    """Return what to do instead of replacing a dump. first: what helps whatever the file is."""
    return f'{first}; to convert it: windbg-ext minify "{named}" DESTINATION' if found.convertible else first
