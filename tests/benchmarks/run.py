"""Measure time, memory and reads of large dumps against their requirements: see README.md beside this file.

Exit status: 0 every requirement is met, 1 one is not, 2 it could not be measured.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import requirements
from children import HERE, MB, Children, give_up, options_of
from measurements import compare_opening, count_reads, time_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from children import Runs
    from measurements import Comparison, Timings


def main() -> int:
    """Read the arguments, run everything, and return the exit status."""
    parser = options_of(__doc__, 7, ", 100 MB")
    parser.add_argument("--without-kdmp-parser", action="store_true", help="leave out the comparison")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        check_holes(Path(folder))
        met = benchmark(Path(folder), options.runs, with_kdmp_parser=not options.without_kdmp_parser)
    return 0 if met else 1


def check_holes(folder: Path) -> None:
    """Exit if the file system has no sparse files."""
    path = folder / "hole"
    with path.open("wb") as file:
        file.seek(64 * MB)
        file.write(b"end")
    if path.stat().st_blocks * 512 > MB:
        give_up(f"the file system of {folder} has no sparse files: name another folder with --folder")
    path.unlink()


def benchmark(folder: Path, runs: int, *, with_kdmp_parser: bool) -> bool:
    """Measure and print everything, and tell whether every requirement is met."""
    children = Children(folder)
    if with_kdmp_parser:
        children.run("-c", "import kdmp_parser")
    children.run(str(HERE / "sparse_dumps.py"), str(folder))
    bare = children.bare_interpreter()
    timings = time_all(children, runs)
    reads = count_reads(children)

    print(
        f"CPython {sys.version.split()[0]}, {runs} runs of each, load average {load()} on {os.cpu_count()} processors."
    )
    print("s: median of the seconds; CPU s: median of processor time; peak, reads and sizes: MB (1,000,000 bytes).")
    print(f"Whole processes, interpreter and imports included; a bare interpreter: {bare / MB:.1f} MB.")
    show_minify(folder, timings.minify, reads)
    show_bitmaps(timings)
    required = list(requirements.of_minify(timings, reads))
    if with_kdmp_parser:
        compared = compare_opening(children, runs)
        show_opening(compared, bare)
        required += requirements.of_opening(compared, bare)
    show("Required", ("", "measured", "limit", ""), [requirement.row() for requirement in required])
    return all(requirement.met for requirement in required)


def load() -> str:
    """Return the load: processes that wanted a processor in the last minute, on average."""
    return f"{os.getloadavg()[0]:.1f}"


def show_minify(folder: Path, timings: Mapping[str, Runs], reads: Mapping[str, Mapping[str, float]]) -> None:
    """Print what `minify` took, dump by dump."""
    rows = []
    for dump, runs in timings.items():
        size = (folder / f"{dump}.dmp").stat().st_size
        names = ("bitmap", "read", "read_by_local_file", "read_of_bitmap", "small_dump")
        counts = (f"{reads[dump][name] / MB:.3f}" for name in names)
        rows.append((dump, f"{size / MB:,.0f}", *times(runs), *counts))
    columns = ("dump", "file", *TIMES, "bitmap", "read", "by LocalFile", "of the bitmap", "small dump")
    show("windbg-ext minify", columns, rows)


def show_bitmaps(timings: Timings) -> None:
    """Print what a bitmap costs: in `minify`, and if it is only read."""
    rows = []
    for dump, call in timings.calls.items():
        once = timings.bitmaps[dump]
        seconds = (call.seconds, call.processor_seconds, once.seconds, once.processor_seconds)
        rows.append((dump, *(f"{value:.4f}" for value in seconds), f"{once.peak / MB:.1f}"))
    columns = ("dump", "minify() s", "CPU s", "bitmap once s", "CPU s", "peak")
    show("Within a process: minify, and without windbg-ext the bitmap read once and its pages counted", columns, rows)


TIMES = ("s", "fastest", "CPU s", "peak")


def times(runs: Runs) -> tuple[str, ...]:
    """Return the cells of the columns TIMES."""
    seconds = (runs.seconds, runs.fastest, runs.processor_seconds)
    return (*(f"{value:.3f}" for value in seconds), f"{runs.peak / MB:.1f}")


def show_opening(compared: Iterable[Comparison], bare: int) -> None:
    """Print what opening took, library by library."""
    rows = []
    for both in compared:
        for library, opening in (("windbg-ext", both.windbg_ext), ("kdmp-parser", both.kdmp_parser)):
            seconds = (opening.seconds, opening.fastest, opening.importing, opening.process)
            memory = (opening.peak, opening.peak - bare)
            cells = (*(f"{value:.4f}" for value in seconds), *(f"{value / MB:.1f}" for value in memory))
            rows.append((both.dump, library, *cells))
    columns = ("dump", "library", "open s", "fastest", "import s", "whole process s", "peak", "over a bare interpreter")
    show("Opening a dump and reading one page", columns, rows)


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table with numbers aligned to the right."""
    from tabulate import tabulate  # imported late: a child counts the memory of its parent as its own

    right = [all(row[index][:1].isdigit() for row in rows) for index in range(len(columns))]
    aligned = ["right" if is_number else "left" for is_number in right]
    print(f"\n{title}\n{tabulate(rows, columns, disable_numparse=True, colalign=aligned)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
