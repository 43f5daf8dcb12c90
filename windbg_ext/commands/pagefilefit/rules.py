"""Microsoft's figures for paging files and crash dumps: one table of data, a row for each statement of each page.

Where pages contradict one another every row stays: the safe figure, the floor and the others are shown side by side.
A page that says something new is one changed row. Pages are named by the last part of their address on
learn.microsoft.com; the debugger's documentation is there too.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from windbg_ext.dump.kinds import DumpKind
from windbg_ext.structs.architectures import ARM64, X64, X86

if TYPE_CHECKING:
    from typing import Callable

    from windbg_ext.structs.architectures import Architecture

KB, MB, GB = 1 << 10, 1 << 20, 1 << 30


class Role(enum.Enum):
    """What a figure is good for.

    SAFE: with that much the dump fits. FLOOR: with less it does not. TYPICAL: what it usually takes, no bound.
    OTHER: another page's figure for the same thing.
    """

    SAFE = "safe"
    FLOOR = "floor"
    TYPICAL = "typical"
    OTHER = "other"


@dataclass(frozen=True)
class Rule:
    """What one page says that a paging file must have for a kind of dump.

    says: the figure as the page gives it; formula: from bytes of RAM to bytes, None where the figure does not apply;
    needs_ram: False where the figure is the same for any RAM; as_of: when the statement was taken from the page.
    """

    kinds: tuple[DumpKind, ...]
    role: Role
    says: str
    formula: Callable[[int], int | None]
    page: str
    as_of: str
    architectures: tuple[Architecture, ...] = (X86, X64, ARM64)
    needs_ram: bool = True

    def figure(self, ram: int | None) -> int | None:
        """Return the bytes for a machine with so many bytes of RAM; None: not known, or the figure does not apply."""
        if ram is None:
            return None if self.needs_ram else self.formula(0)
        return self.formula(ram)


LEARN = "2026-11"
BITS_32, BITS_64 = (X86,), (X64, ARM64)
"""The pages tell 32-bit and 64-bit Windows apart, of which ARM64 is one."""
SMALL, ACTIVE, COMPLETE = (DumpKind.SMALL,), (DumpKind.ACTIVE,), (DumpKind.COMPLETE,)
KERNEL_OR_AUTOMATIC = (DumpKind.KERNEL, DumpKind.AUTOMATIC)

MEMORY_DUMP_FILE_OPTIONS = "memory-dump-file-options (KB254649)"
READ_SMALL_DUMP = "read-small-memory-dump-file (KB315263)"
FAILURE_AND_RECOVERY = "configure-system-failure-and-recovery-options"
PAGE_SIZE_64 = "how-to-determine-the-appropriate-page-file-size-for-64-bit-versions-of-windows"
FREEZE = "windows-based-computer-freeze-troubleshooting"
BEST_PRACTICES = "best practices for crash dumps (2026)"
DEBUGGER_SMALL = "debugger documentation, small-memory-dump"
DEBUGGER_KERNEL = "debugger documentation, kernel-memory-dump"
DEBUGGER_AUTOMATIC = "debugger documentation, automatic-memory-dump"
DEBUGGER_COMPLETE = "debugger documentation, complete-memory-dump"
NO_PAGE = "no page gives a figure for active dumps"

RULES = (
    Rule(SMALL, Role.SAFE, "2 MB", lambda ram: 2 * MB, MEMORY_DUMP_FILE_OPTIONS, LEARN, needs_ram=False),
    Rule(SMALL, Role.SAFE, "2 MB", lambda ram: 2 * MB, READ_SMALL_DUMP, LEARN, needs_ram=False),
    Rule(SMALL, Role.SAFE, "2 MB", lambda ram: 2 * MB, FAILURE_AND_RECOVERY, LEARN, needs_ram=False),
    Rule(SMALL, Role.OTHER, "1 MB", lambda ram: 1 * MB, PAGE_SIZE_64, LEARN, needs_ram=False),
    Rule(SMALL, Role.FLOOR, "64 KB", lambda ram: 64 * KB, DEBUGGER_SMALL, LEARN, needs_ram=False),
    Rule(
        KERNEL_OR_AUTOMATIC,
        Role.SAFE,
        "RAM + 128 MB in the worst case",
        lambda ram: ram + 128 * MB,
        FAILURE_AND_RECOVERY,
        LEARN,
        BITS_64,
    ),
    Rule(
        KERNEL_OR_AUTOMATIC,
        Role.SAFE,
        "2 GB + 16 MB in the worst case",
        lambda ram: 2 * GB + 16 * MB,
        FAILURE_AND_RECOVERY,
        LEARN,
        BITS_32,
        needs_ram=False,
    ),
    Rule(
        KERNEL_OR_AUTOMATIC,
        Role.FLOOR,
        "150 MB, more with more RAM",
        lambda ram: 150 * MB,
        MEMORY_DUMP_FILE_OPTIONS,
        LEARN,
        BITS_32,
        needs_ram=False,
    ),
    Rule(
        KERNEL_OR_AUTOMATIC,
        Role.OTHER,
        "up to 2 GB, by RAM",
        lambda ram: 2 * GB,
        MEMORY_DUMP_FILE_OPTIONS,
        LEARN,
        BITS_32,
        needs_ram=False,
    ),
    Rule(
        KERNEL_OR_AUTOMATIC,
        Role.TYPICAL,
        "about RAM / 3; it depends on the kernel memory in use",
        lambda ram: ram // 3,
        DEBUGGER_KERNEL,
        LEARN,
    ),
    Rule(
        ACTIVE,
        Role.SAFE,
        "RAM + 257 MB: a complete dump is the upper bound",
        lambda ram: ram + 257 * MB,
        NO_PAGE,
        LEARN,
    ),
    Rule(
        ACTIVE,
        Role.TYPICAL,
        "more than a kernel dump, about RAM / 3: the lower bound",
        lambda ram: ram // 3,
        NO_PAGE,
        LEARN,
    ),
    Rule(
        COMPLETE,
        Role.SAFE,
        "RAM + 257 MB: 1 MB of header, up to 256 MB of drivers' secondary data",
        lambda ram: ram + 257 * MB,
        PAGE_SIZE_64,
        LEARN,
    ),
    Rule(COMPLETE, Role.SAFE, "RAM + 257 MB", lambda ram: ram + 257 * MB, MEMORY_DUMP_FILE_OPTIONS, LEARN),
    Rule(COMPLETE, Role.FLOOR, "RAM + 1 MB", lambda ram: ram + 1 * MB, DEBUGGER_COMPLETE, LEARN),
    Rule(COMPLETE, Role.OTHER, "RAM + 100 MB", lambda ram: ram + 100 * MB, FREEZE, LEARN),
    Rule(
        COMPLETE,
        Role.OTHER,
        "RAM + 300 MB, up to 32 GB of RAM",
        lambda ram: ram + 300 * MB if ram <= 32 * GB else None,
        BEST_PRACTICES,
        LEARN,
    ),
)
"""What a dump of each kind needs."""


@dataclass(frozen=True)
class SystemManagedRule:
    """What one page says of the size of a system-managed paging file; fields as in `Rule`."""

    says: str
    formula: Callable[[int], int]
    page: str
    as_of: str


SYSTEM_MANAGED_MINIMUM = SystemManagedRule(
    "RAM / 8, at most 32 GB", lambda ram: min(ram // 8, 32 * GB), PAGE_SIZE_64, LEARN
)
SYSTEM_MANAGED_MAXIMUM = SystemManagedRule(
    "3 x RAM or 4 GB, whichever is larger", lambda ram: max(3 * ram, 4 * GB), PAGE_SIZE_64, LEARN
)
SYSTEM_MANAGED_OF_VOLUME = SystemManagedRule(
    "at most an eighth of the volume", lambda volume: volume // 8, PAGE_SIZE_64, LEARN
)
"""From bytes of the volume to bytes."""
SYSTEM_MANAGED_FOR_A_DUMP = SystemManagedRule(
    "for a crash dump to within 1 GB of the free space", lambda free: max(0, free - 1 * GB), PAGE_SIZE_64, LEARN
)
"""From bytes that are free to bytes by which the file can grow."""
AFTER_AN_AUTOMATIC_DUMP_DID_NOT_FIT = (
    SystemManagedRule("at least RAM", lambda ram: ram, DEBUGGER_AUTOMATIC, LEARN),
    SystemManagedRule("RAM, at most 32 GB", lambda ram: min(ram, 32 * GB), PAGE_SIZE_64, LEARN),
    SystemManagedRule("as for a complete dump, RAM + 257 MB", lambda ram: ram + 257 * MB, PAGE_SIZE_64, LEARN),
)
"""For four weeks from LastCrashTime; the second and third are neighbouring paragraphs of one page."""


@dataclass(frozen=True)
class LikelihoodRule:
    """What one page says happens most of the time, without a bound; fields as in `Rule`."""

    kinds: tuple[DumpKind, ...]
    says: str
    page: str
    as_of: str


SYSTEM_MANAGED_FITS = LikelihoodRule(
    KERNEL_OR_AUTOMATIC,
    "a system-managed paging file is large enough for a kernel dump most of the time",
    DEBUGGER_AUTOMATIC,
    LEARN,
)
"""The page says it of the smaller file that Windows makes for automatic dumps. A kernel dump is the same dump, and with
that setting the file is no smaller."""

SMALLEST_PAGING_FILE = 2 * MB
"""smss makes none that is smaller."""
LARGEST_WITHOUT_PAE = 4 * GB
"""32-bit Windows without PAE has no larger paging file."""
FREE_SPACE_TO_KEEP_A_DUMP = 25 * GB
"""A client that is in no domain keeps MEMORY.DMP only with more free space, or with AlwaysKeepMemoryDump = 1."""
WEEKS_AFTER_A_CRASH = 4


def rules_for(kind: DumpKind, architecture: Architecture) -> tuple[Rule, ...]:
    """Return the rows for a kind on an architecture, in the order of the table."""
    return tuple(rule for rule in RULES if kind in rule.kinds and architecture in rule.architectures)
