"""The measurements: on which dumps, how often and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from children import Calls, Run, Runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from children import Children

KINDS = ("complete", "bitmap-all", "bitmap-rows")
BITMAP_KINDS = KINDS[1:]
SIZES = ("1GiB", "64GiB", "1TiB")
SMALLEST, COMPARED, LARGEST = SIZES
LARGE_DUMPS = tuple(f"{kind}-{size}" for kind in KINDS for size in SIZES)
POINTER_DUMPS = ("pointers", "objects")


@dataclass(frozen=True)
class Timings:
    """By dump. minify: whole processes of the command line; calls: the library's function alone, without the start of
    the interpreter and imports; bitmaps: reading the bitmap once, without the library.
    """

    minify: dict[str, Runs]
    calls: dict[str, Calls]
    bitmaps: dict[str, Calls]


def time_all(children: Children, runs: int) -> Timings:
    """Run everything in turn, so that other load on the machine affects all alike.

    The first round, which compiles bytecode and fills the file cache, does not count.
    """
    minify: dict[str, list[Run]] = {dump: [] for dump in (*LARGE_DUMPS, *POINTER_DUMPS)}
    with_bitmap = [f"{kind}-{size}" for kind in BITMAP_KINDS for size in (SMALLEST, LARGEST)]
    calls: dict[str, list[Run]] = {dump: [] for dump in with_bitmap}
    bitmaps: dict[str, list[Run]] = {dump: [] for dump in with_bitmap}
    for _ in range(runs + 1):
        for dump in minify:
            minify[dump].append(children.minify(dump))
        for dump in with_bitmap:
            calls[dump].append(children.probe("minify", dump))
            bitmaps[dump].append(children.probe("read-bitmap", dump))
    return Timings(
        {dump: Runs.of(measured[1:]) for dump, measured in minify.items()},
        {dump: Calls.of(measured[1:]) for dump, measured in calls.items()},
        {dump: Calls.of(measured[1:]) for dump, measured in bitmaps.items()},
    )


def count_reads(children: Children) -> dict[str, dict[str, float]]:
    """Count the bytes that `minify` reads, by dump."""
    return {dump: children.probe("minify", dump).values for dump in (*LARGE_DUMPS, *POINTER_DUMPS)}


@dataclass(frozen=True)
class Opening:
    """How a library opens a dump and reads one page.

    seconds, fastest: of that alone, median and least; importing, process: medians; peak: bytes of memory.
    """

    seconds: float
    fastest: float
    importing: float
    process: float
    peak: int

    @classmethod
    def of(cls, runs: Sequence[Run]) -> Opening:
        """Summarize several runs."""
        seconds = [run.values["open"] for run in runs]
        return cls(
            seconds=median(seconds),
            fastest=min(seconds),
            importing=median(run.values["import"] for run in runs),
            process=median(run.seconds for run in runs),
            peak=max(run.peak for run in runs),
        )


@dataclass(frozen=True)
class Comparison:
    """Both libraries on the same dump."""

    dump: str
    windbg_ext: Opening
    kdmp_parser: Opening


def compare_opening(children: Children, runs: int) -> list[Comparison]:
    """Open the bitmap dumps of 64 GiB with both libraries in turn."""
    compared = []
    for dump in (f"{kind}-{COMPARED}" for kind in BITMAP_KINDS):
        both = [(children.probe("windbg-ext", dump), children.probe("kdmp-parser", dump)) for _ in range(runs + 1)]
        ours, theirs = zip(*both[1:])
        compared.append(Comparison(dump, Opening.of(ours), Opening.of(theirs)))
    return compared
