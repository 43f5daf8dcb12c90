"""Requirements for the measurements.

The costs of two dumps are compared in processor time: the files are in the cache, and on a busy machine the clock also
counts other processes. A bitmap costs a few hundredths of a second, less than the variation of an interpreter's start,
so it is compared within a process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from children import MB
from measurements import BITMAP_KINDS, LARGE_DUMPS, LARGEST, POINTER_DUMPS, SMALLEST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from measurements import Comparison, Timings

MAX_GROWTH = 1.5
MAX_MEMORY_MB = 100
MAX_READ_MB = 16
LEAST_SPEED_UP, LEAST_MEMORY_FACTOR = 20, 10
MAX_SECONDS_OF_POINTERS, MAX_MEMORY_OF_POINTERS_MB = 5, 300
MAX_SHARE_OF_VERIFY, MAX_TIMES_OF_SCRUB = 0.5, 2
MAX_SECONDS_OF_PRIVACY, MAX_SECONDS_FOR_EACH_MB = 0.5, 0.1
"""For a small dump, and for each MB of a longer one."""


@dataclass(frozen=True)
class Requirement:
    """A measured figure and the most, or the least, that it may be."""

    what: str
    measured: float
    limit: float
    unit: str = ""
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the measured figure is within the limit."""
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit

    def row(self) -> tuple[str, str, str, str]:
        """Return the line of the table."""
        limit = f"{'>=' if self.at_least else '<='} {self.limit:,.3g} {self.unit}"
        return self.what, f"{self.measured:,.3g} {self.unit}", limit, "PASS" if self.met else "FAIL"


def of_minify(timings: Timings, reads: Mapping[str, Mapping[str, float]]) -> Iterator[Requirement]:
    """Yield the requirements for `minify`: 1 TiB of RAM costs what 1 GiB does, except that a bitmap is read once."""
    small, large = timings.minify[f"complete-{SMALLEST}"], timings.minify[f"complete-{LARGEST}"]
    growth_of_time = large.processor_seconds / small.processor_seconds
    yield Requirement("complete: processor time, 1 TiB to 1 GiB", growth_of_time, MAX_GROWTH)
    yield Requirement("complete: peak memory, 1 TiB to 1 GiB", large.peak / small.peak, MAX_GROWTH)
    for kind in BITMAP_KINDS:
        dumps = f"{kind}-{SMALLEST}", f"{kind}-{LARGEST}"
        small, large = (timings.minify[dump] for dump in dumps)
        call_small, call_large = (timings.calls[dump] for dump in dumps)
        once_small, once_large = (timings.bitmaps[dump] for dump in dumps)
        growth = f"{kind}: %s, 1 TiB beyond 1 GiB (limit: reading the bitmap once)"
        extra = call_large.processor_seconds - call_small.processor_seconds
        cost = once_large.processor_seconds - once_small.processor_seconds
        yield Requirement(growth % "processor time", extra, cost, "s")
        cost = (once_large.peak - once_small.peak) / MB
        yield Requirement(growth % "peak memory", (large.peak - small.peak) / MB, cost, "MB")
    most = max(timings.minify[dump].peak for dump in LARGE_DUMPS)
    yield Requirement("peak memory of any", most / MB, MAX_MEMORY_MB, "MB")
    apart = max(reads[dump]["read"] - reads[dump]["read_of_bitmap"] for dump in LARGE_DUMPS)
    yield Requirement("bytes read from any but for its bitmap", apart / MB, MAX_READ_MB, "MB")
    for dump in POINTER_DUMPS:
        runs = timings.minify[dump]
        yield Requirement(f"{dump}: processor time", runs.processor_seconds, MAX_SECONDS_OF_POINTERS, "s")
        yield Requirement(f"{dump}: peak memory", runs.peak / MB, MAX_MEMORY_OF_POINTERS_MB, "MB")


def of_opening(compared: Iterable[Comparison], bare_interpreter: int) -> Iterator[Requirement]:
    """Yield the requirements for opening, against kdmp-parser: time without imports, memory without the interpreter."""
    for both in compared:
        faster = both.kdmp_parser.fastest / both.windbg_ext.fastest
        yield Requirement(f"{both.dump}: times faster than kdmp-parser", faster, LEAST_SPEED_UP, at_least=True)
        less = (both.kdmp_parser.peak - bare_interpreter) / (both.windbg_ext.peak - bare_interpreter)
        yield Requirement(f"{both.dump}: times less memory", less, LEAST_MEMORY_FACTOR, at_least=True)


def of_options(
    dump: str, small_bytes: int, minify: float, verify: float, scrub: float, privacy: float
) -> Iterator[Requirement]:
    """Yield the requirements for options of `minify`, and for `dumpkind --privacy` of the small dump; in seconds."""
    yield Requirement(f"{dump}: share that --verify adds", verify / minify - 1, MAX_SHARE_OF_VERIFY)
    yield Requirement(f"{dump}: --scrub, times minify", scrub / minify, MAX_TIMES_OF_SCRUB)
    most = max(MAX_SECONDS_OF_PRIVACY, MAX_SECONDS_FOR_EACH_MB * small_bytes / MB)
    yield Requirement(f"{dump}: --privacy of its small dump", privacy, most, "s")
