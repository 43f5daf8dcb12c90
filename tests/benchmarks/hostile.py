"""Draw what hostile files cost against their size: it must be flat, or linear in the bytes that are really read.

Those are at most the bytes on disk, holes not counted; of a packed file, those of its content.

Each series is one of the files of tests/hostile at 1, 2, 4 and 8 times its size: as holes, packed, or as bytes that
lead to one another. Processor time, memory and bytes written are of one process for each.

Exit status: 0 every series is flat or linear, 1 one is not.
"""

# ruff: noqa: E402 - the hostile files are found by the path that is set first

from __future__ import annotations

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Callable, NamedTuple

sys.path[:0] = [str(Path(__file__).parents[1] / "hostile"), *map(str, Path(__file__).parents[1:3])]

from hostile_files import archives, hives, kernel_structures, names, page_sources, process, secondary, small_dumps
from hostile_files.case import DUMP, MB, Command, dumpkind, dumpkind_json, hive, minify, pagefilefit
from hostile_files.hive_bytes import REG_BINARY
from hostile_files.machines import KINDS, X64, alias, lead_to_table, write_large

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostile_files.process import Outcome

    from samples.builder.crashed_machine import CrashedMachine

SCALES = (1, 2, 4, 8)
CHEAP_SECONDS, CHEAP_MB = 1.0, 100
"""What costs no more than this at its largest is not judged: the interpreter alone takes a tenth of a second."""
MOST_MB = 300
TOLERANCE = 1.5
"""So many times more than in proportion to the bytes that are read may the largest file cost."""
BAR = 40


class Series(NamedTuple):
    """A hostile file of any size. write: takes a folder and a scale.

    unit: bytes for each scale, where those that are read grow and those on disk do not; None: they are those on disk.
    """

    name: str
    write: Callable[[Path, int], None]
    command: Command
    unit: int | None = None


class Point(NamedTuple):
    """A file of a scale and what a command took on it; on_disk: bytes, holes not counted; read: those that are read."""

    scale: int
    on_disk: int
    read: int
    outcome: Outcome


def threads(folder: Path, scale: int) -> None:
    """Write a dump of so many times 16,000 threads that share a stack."""

    def spoil(crashed: CrashedMachine) -> None:
        kernel_structures.threads_that_share_a_stack(crashed, X64)
        size = scale * MB // 8
        crashed.write(X64.table + size, bytes(MB - size))
        lead_to_table(crashed, X64, size)

    write_large(folder / DUMP, X64, spoil)


def kernel_image(folder: Path, scale: int) -> None:
    """Write a dump whose kernel image has so many times 8 MB, all of one page full of KDBG tags."""

    def spoil(crashed: CrashedMachine) -> None:
        alias(crashed, X64, b"KDBG" * 1024)
        entry = crashed.loaded_modules[crashed.machine.kernel.name]
        crashed.write(entry + 0x30, X64.pointers(X64.region))
        crashed.write(entry + 0x40, (scale * 8 * MB).to_bytes(4, "little"))

    write_large(folder / DUMP, X64, spoil, {"KdDebuggerDataBlock": 0})


def last_bytes(folder: Path, scale: int) -> None:
    """Write a dump in which pointers lead to the last bytes of so many times 16,000 pages."""

    def spoil(crashed: CrashedMachine) -> None:
        kernel_structures.eight_bytes_in_each_of_a_hundred_thousand_pages(crashed, X64)
        size = scale * MB // 8
        crashed.write(X64.table + size, bytes(MB - size))

    write_large(folder / DUMP, X64, spoil)


def paging_files(folder: Path, scale: int, *, line: str, count: int) -> None:
    """Write a hive with so many lines of PagingFiles."""
    hives.write(folder, make=partial(hives.paging_files, lines=[line % index for index in range(count * scale)]))


def blanks(folder: Path, scale: int) -> None:
    """Write a hive with a line of PagingFiles of so many blanks."""
    hives.write(folder, make=partial(hives.paging_files, lines=["C:\\" + " " * (8000 * scale) + "x"]))


def shared_values(folder: Path, scale: int) -> None:
    """Write a hive with 2,000 values that share one cell of so many times 128 KB."""
    make = partial(hives.shared_data, kind=REG_BINARY, length=scale * MB // 8, names=True, keys=("CrashControl",))
    hives.write(folder, make=make)


def all_series() -> Iterator[Series]:
    """Yield them."""
    small = small_dumps.SAMPLES[0]
    yield Series(
        "data blocks of a small dump, a hole",
        lambda folder, scale: small_dumps.block_table(folder, name=small, count=500_000 * scale),
        dumpkind(0, 1),
    )
    yield Series(
        "data blocks of a small dump, a hole, as JSON",
        lambda folder, scale: small_dumps.block_table(folder, name=small, count=100_000 * scale),
        dumpkind_json(0, 1),
    )
    yield Series(
        "process part of a small dump, a hole",
        lambda folder, scale: small_dumps.write_long_process_part(folder, name=small, size=64 * MB * scale),
        dumpkind(0, 1),
    )
    yield Series(
        "drivers of a small dump that share a name, a hole",
        lambda folder, scale: small_dumps.drivers(
            folder, name=small, count=1250 * scale, names=b"", units=0x8000, size=8 << 30
        ),
        dumpkind(0, 1),
    )
    for name, first in (("kernel", 33), ("x86-kernel", 29)):
        yield Series(
            f"bitmap, a hole ({name})",
            lambda folder, scale, name=name, first=first: page_sources.empty_bitmap(  # type: ignore[misc]
                folder, name=name, bits=scale << first
            ),
            dumpkind(0, 1),
        )
    yield Series(
        "ranges without a page, zstd",
        lambda folder, scale: page_sources.packed_ranges(
            folder, name="ranges-kernel", count=500_000 * scale, packer="zstd"
        ),
        dumpkind(0, 1),
        unit=16 * 500_000,
    )
    yield Series(
        "page tables that are not in the dump",
        lambda folder, scale: page_sources.missing_tables(folder, kind=X64, directories=125 * scale),
        pagefilefit(0),
    )
    yield Series(
        "page tables that are holes",
        lambda folder, scale: page_sources.tables_in_holes(folder, kind=X64, directories=60 * scale),
        pagefilefit(0),
    )
    yield Series(
        "pages 16 MB apart",
        lambda folder, scale: page_sources.scattered_pages(folder, kind=X64, tables=125 * scale),
        pagefilefit(0),
    )
    yield Series("kernel image that aliases a page of KDBG tags", kernel_image, minify(3))
    # the rest of their tables of pointers is zeros
    yield Series("threads that share a stack", threads, minify(0, 1), unit=MB // 8)
    yield Series("last 8 bytes of pages", last_bytes, minify(0, 1), unit=MB // 8)
    for kind in KINDS:
        yield Series(
            f"modules that share a name ({kind.name})",
            lambda folder, scale, kind=kind: kernel_structures.write(  # type: ignore[misc]
                folder,
                kind=kind,
                spoil=partial(
                    kernel_structures.module_list,
                    count=512 * scale,
                    name_length=0xFFFE,
                    name=kernel_structures.LETTERS,
                ),
            ),
            minify(0, 1),
        )
    yield Series(
        "secondary data, a hole",
        lambda folder, scale: secondary.large_blobs(folder, name="complete", count=1, size=400 * MB * scale),
        minify(0, 1),
    )
    yield Series(
        "empty blobs",
        lambda folder, scale: secondary.many_blobs(folder, name="complete", count=8192 * scale),
        minify(0, 1),
    )
    yield Series(
        "zeros that a header claims, zstd",
        lambda folder, scale: archives.zstd_of_claimed(folder, gigabytes=scale),
        minify(3),
    )
    yield Series(
        "forged xz indexes, holes",
        lambda folder, scale: archives.forged_xz_indexes(folder, streams=4 * scale, index=MB - 4, records=MB - 8),
        dumpkind(1, 3),
    )
    yield Series(
        "LZX frames of 64 blocks",
        lambda folder, scale: archives.lzx_of_many_blocks(folder, blocks=64, frames=20 * scale),
        minify(3),
    )
    yield Series(
        "what comes before a CAB file's member",
        lambda folder, scale: archives.cab_of_claimed(folder, gigabytes=0, offset=scale * 256 * MB),
        minify(3),
    )
    yield Series("values of a hive that share a cell", shared_values, hive(0, 3))
    yield Series("blanks in a line of PagingFiles", blanks, hive(0, 3))
    for drive in ("C", "D"):
        yield Series(
            f"paging files on {drive}:",
            partial(paging_files, line=f"{drive}:\\p%d.sys 1 1", count=1000),
            hive(0, 3),
        )
    yield Series(
        "free cells of a hive, a hole",
        lambda folder, scale: hives.free_cells(folder, size=2 * MB * scale),
        hive(3),
    )
    yield Series(
        "subkeys of a hive that are one",
        lambda folder, scale: hives.many_subkeys(folder, count=2500 * scale, name=b"n" * 0xFFFF),
        hive(0, 3),
    )
    yield Series(
        "lines of a list",
        lambda folder, scale: names.listed(folder, line=b"a\n", count=scale << 18),
        Command(("minify", "--jobs", "1", "--list", "list.txt", "out"), (1, 2, 3), writes=("out",)),
    )


def measure(series: Series) -> list[Point]:
    """Run the command of a series on each size, until it is killed."""
    points = []
    for scale in SCALES:
        folder = Path(tempfile.mkdtemp(prefix="windbg-ext-growth-"))
        try:
            series.write(folder, scale)
            on_disk = process.bytes_on_disk(folder)
            read = on_disk if series.unit is None else scale * series.unit
            points.append(Point(scale, on_disk, read, process.run(series.command, folder)))
        finally:
            process.remove(folder)
        if points[-1].outcome.killed:
            break
    return points


def faults(points: list[Point]) -> list[str]:
    """Return what grows faster than the bytes that are read."""
    first, last = points[0], points[-1]
    if last.outcome.killed:
        return [f"killed at {last.scale}x"]
    allowed = TOLERANCE * last.read / first.read
    found = []
    seconds, megabytes = last.outcome.processor_seconds, last.outcome.peak / MB
    if seconds > CHEAP_SECONDS and seconds > allowed * first.outcome.processor_seconds:
        found.append("time grows faster than the file")
    if megabytes > CHEAP_MB and megabytes > allowed * first.outcome.peak / MB:
        found.append("memory grows faster than the file")
    if megabytes > MOST_MB:
        found.append(f"it takes more than {MOST_MB} MB")
    if last.outcome.written > CHEAP_MB * MB and last.outcome.written > allowed * first.outcome.written:
        found.append("what it writes grows faster than the file")
    return found


def main() -> int:
    """Measure and print every series; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", default="", help="only those with this word in the name")
    parser.add_argument("--seconds", type=int, default=20, help="of processor time, after which a process is killed")
    options = parser.parse_args()
    process.MOST_PROCESSOR_SECONDS = options.seconds
    failed = 0
    for series in all_series():
        if options.series not in series.name:
            continue
        points = measure(series)
        found = faults(points)
        failed += bool(found)
        print(f"\n{'FAIL' if found else 'PASS'}  {series.name}: {series.command}  {'; '.join(found)}".rstrip())
        most = max(point.outcome.processor_seconds for point in points)
        for scale, on_disk, _, outcome in points:
            bar = "#" * max(1, round(BAR * outcome.processor_seconds / most))
            status = "killed" if outcome.killed else outcome.status
            figures = (
                f"{outcome.processor_seconds:6.2f} s {outcome.peak // MB:5} MB {outcome.written // MB:5} MB written"
            )
            print(f"  {scale}x {on_disk // 1024:8,} KB on disk {figures}  exit {status!s:6} |{bar.ljust(BAR)}|")
        sys.stdout.flush()
    print(f"\n{failed} series grow faster than their files")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
