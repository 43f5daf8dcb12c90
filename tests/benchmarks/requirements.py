"""What is required of the measurements.

The costs of two dumps are compared in processor time: the files are in the cache, so that is what they take, and on a
busy machine the clock says more about the others on it. What a bitmap costs is a few hundredths of a second, less than
the start of an interpreter varies by: that is compared within a process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from children import MB
from measurements import BITMAP_KINDS, LARGE_DUMPS, LARGEST, POINTER_DUMPS, SMALLEST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from measurements import Comparison, Timings

MOST_GROWTH = 1.5
MOST_MEMORY_MB = 100
MOST_READ_MB = 16
LEAST_SPEED_UP, LEAST_MEMORY_FACTOR = 20, 10
MOST_SECONDS_OF_POINTERS, MOST_MEMORY_OF_POINTERS_MB = 5, 300


@dataclass(frozen=True)
class Requirement:
    """Something measured and the most, or the least, that it may be."""

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
        """Give the line of the table."""
        limit = f"{'>=' if self.at_least else '<='} {self.limit:,.3g} {self.unit}"
        return self.what, f"{self.measured:,.3g} {self.unit}", limit, "PASS" if self.met else "FAIL"


def of_minify(timings: Timings, reads: Mapping[str, Mapping[str, float]]) -> Iterator[Requirement]:
    """Give what `minify` must do: 1 TiB of RAM like 1 GiB, but for a bitmap that has to be read once."""
    small, large = timings.minify[f"complete-{SMALLEST}"], timings.minify[f"complete-{LARGEST}"]
    growth_of_time = large.processor_seconds / small.processor_seconds
    yield Requirement("complete: processor time, 1 TiB to 1 GiB", growth_of_time, MOST_GROWTH)
    yield Requirement("complete: peak memory, 1 TiB to 1 GiB", large.peak / small.peak, MOST_GROWTH)
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
    yield Requirement("peak memory of any", most / MB, MOST_MEMORY_MB, "MB")
    apart = max(reads[dump]["read"] - reads[dump]["read_of_bitmap"] for dump in LARGE_DUMPS)
    yield Requirement("bytes read from any but for its bitmap", apart / MB, MOST_READ_MB, "MB")
    for dump in POINTER_DUMPS:
        runs = timings.minify[dump]
        yield Requirement(f"{dump}: processor time", runs.processor_seconds, MOST_SECONDS_OF_POINTERS, "s")
        yield Requirement(f"{dump}: peak memory", runs.peak / MB, MOST_MEMORY_OF_POINTERS_MB, "MB")


def of_opening(compared: Iterable[Comparison], bare_interpreter: int) -> Iterator[Requirement]:
    """Give what opening must cost next to kdmp-parser: time without imports, memory of all but the interpreter."""
    for both in compared:
        faster = both.kdmp_parser.fastest / both.windbg_ext.fastest
        yield Requirement(f"{both.dump}: times faster than kdmp-parser", faster, LEAST_SPEED_UP, at_least=True)
        less = (both.kdmp_parser.peak - bare_interpreter) / (both.windbg_ext.peak - bare_interpreter)
        yield Requirement(f"{both.dump}: times less memory", less, LEAST_MEMORY_FACTOR, at_least=True)
