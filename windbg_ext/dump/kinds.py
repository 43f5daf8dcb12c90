"""Which kind of dump a header is of: one table, by which every command goes.

Sources: mindumpdef.h (DumpType, Attributes), kdmp-parser (types 8 to 0xA), Microsoft's pages on the five kinds of dump.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from windbg_ext.structs.bug_checks import LIVE_ONLY, M_BIT
from windbg_ext.structs.header import Attributes, DumpType
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.dump.header import KnownFields


class DumpKind(str, enum.Enum):
    """The kind of a dump; it is its name in reports and JSON. The first five are those that Windows can be set to."""

    SMALL = "small"
    KERNEL = "kernel"
    AUTOMATIC = "automatic"
    ACTIVE = "active"
    COMPLETE = "complete"
    LIVE = "live"
    HEADER_ONLY = "header-only"
    NONE = "none"

    def __str__(self) -> str:
        """Return the name, as StrEnum does since Python 3.11."""
        return self.value

    def __format__(self, form: str) -> str:
        return format(self.value, form)


CRASH_DUMP_KINDS = (DumpKind.SMALL, DumpKind.KERNEL, DumpKind.AUTOMATIC, DumpKind.ACTIVE, DumpKind.COMPLETE)
"""In the order in which reports list them. A file is never told to be automatic: it is that of a kernel dump."""


class Body(enum.Enum):
    """How what follows the header is laid out."""

    RUNS = enum.auto()
    BITMAP = enum.auto()
    SUMMARY = enum.auto()
    """A bitmap behind a header of its own; that of 64-bit Windows is documented nowhere."""
    RANGES = enum.auto()
    PARTS = enum.auto()
    """Of a small dump."""
    NOTHING = enum.auto()


class KindRow(NamedTuple):
    """What a DumpType stands for.

    body: what follows the header; means: in words; filtered: the kind where Attributes has FilterDumpFile, None if that
    bit decides nothing.
    """

    dump_type: DumpType
    kind: DumpKind
    body: Body
    means: str
    filtered: DumpKind | None = None


TABLE = (
    KindRow(DumpType.FULL, DumpKind.COMPLETE, Body.RUNS, "complete: the pages of all runs of RAM"),
    KindRow(DumpType.SUMMARY, DumpKind.KERNEL, Body.SUMMARY, "kernel summary, as Windows up to 7 writes it"),
    KindRow(DumpType.HEADER, DumpKind.HEADER_ONLY, Body.NOTHING, "a header and nothing behind it"),
    KindRow(DumpType.TRIAGE, DumpKind.SMALL, Body.PARTS, "small memory dump"),
    KindRow(
        DumpType.BITMAP_FULL,
        DumpKind.COMPLETE,
        Body.BITMAP,
        "bitmap of RAM: complete, or active if it was filtered",
        filtered=DumpKind.ACTIVE,
    ),
    KindRow(DumpType.BITMAP_KERNEL, DumpKind.KERNEL, Body.BITMAP, "bitmap of kernel memory: kernel or automatic"),
    KindRow(DumpType.AUTOMATIC, DumpKind.KERNEL, Body.BITMAP, "automatic, which is a setting: dump files carry 6"),
    KindRow(DumpType.RANGES_KERNEL, DumpKind.KERNEL, Body.RANGES, "ranges of kernel memory, as .dump /k writes them"),
    KindRow(
        DumpType.RANGES_KERNEL_AND_USER,
        DumpKind.ACTIVE,
        Body.RANGES,
        "ranges of kernel and user memory, as .dump /ka writes them",
    ),
    KindRow(DumpType.RANGES_FULL, DumpKind.COMPLETE, Body.RANGES, "ranges of all RAM, as .dump /f writes them"),
)
"""A row for each DumpType. On top of it, a dump of any of these types is LIVE where `is_live` says so.

FilterDumpFile decides for bitmaps only. A dump of type 1 holds every page of every run, so nothing was filtered out of
it whatever the bit says, and the debugger engine calls it complete with the bit set, too. What its .dump /f makes of a
filtered dump is type 1 with unset Attributes, the pages that were left out filled up. Type 0xA is what a newer engine's
.dump /f writes; for active memory there is .dump /ka and type 9. (Asked of dbgeng 10.0.15063, which does not open 0xA.)
"""

ROWS: dict[int | None, KindRow] = {row.dump_type: row for row in TABLE}


def body_of(dump_type: int | None) -> Body:
    """Return how the body of a dump is laid out; nothing is known of a type that is in no row."""
    row = ROWS.get(dump_type)
    return Body.NOTHING if row is None else row.body


def kind_by_type(dump_type: int | None, attributes: int | None) -> DumpKind:
    """Return the kind of what was written, of a live dump too. None: the field was never set."""
    row = ROWS.get(dump_type)
    if row is None:
        return DumpKind.NONE
    return row.filtered if row.filtered and (attributes or 0) & Attributes.FILTER_DUMP_FILE else row.kind


def kind_of(known: KnownFields) -> DumpKind:
    """Return the kind of a dump by its header."""
    kind = kind_by_type(known.dump_type, known.attributes)
    return DumpKind.LIVE if kind is not DumpKind.NONE and is_live(known) else kind


def is_live(known: KnownFields) -> bool:
    """Tell whether the machine went on running: by a bug check that never crashes one, or by Attributes."""
    code = known.bug_check_code
    if code is not None and code & ~M_BIT in LIVE_ONLY:
        return True
    return bool((known.attributes or 0) & Attributes.LIVE_DUMP_GENERATED_DUMP) and not (engine_sets_live_bit(known))


def engine_sets_live_bit(known: KnownFields) -> bool:
    """Tell whether the live bit is one that dbgeng 10.0.15063 sets in every small dump it writes (measured)."""
    attributes = known.attributes
    engine = known.writer_status == 0 and known.boot_id is None
    triage = known.dump_type == DumpType.TRIAGE
    return engine and triage and attributes == Attributes.LIVE_DUMP_GENERATED_DUMP
