"""Measure `dumpkind` on 64 GiB bitmap dumps and on a folder of 500 small dumps, beside kdmp-parser and Volatility 3.

    python tests/benchmarks/dumpkind.py [--runs N] [--folder FOLDER] [--volatility PYTHON]

PYTHON: one that has volatility3; without it, that comparison is left out. WINDBG_EXT_DUMPS: a folder whose small dumps
replace the sample in the 500. Every run is a process of its own, interpreter and imports included, and the
bare interpreter runs in turn with dumpkind, so that other load on the machine affects both. Exit status: 0 every
requirement is met, 1 one is not.
"""

from __future__ import annotations

import lzma
import os
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

from children import MB, ROOT, Children, Run, Runs, give_up, options_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


SMALL_DUMPS = 500
MAX_SECONDS_OVER_START, MAX_MEMORY_MB, MAX_SECONDS_OF_FOLDER = 0.050, 40, 5
DUMPS = ("bitmap-all-64GiB.dmp", "bitmap-rows-64GiB.dmp")

BUILD = """
import sys
from pathlib import Path
from samples.builder.sparse import patterned, write_sparse
from samples.builder.writers import Bitmap, all_ram
from windbg_ext.structs.header import DumpType
folder = Path(sys.argv[1])
write_sparse(folder / "bitmap-all-64GiB.dmp", 64 << 30, Bitmap(DumpType.BITMAP_FULL, all_ram))
write_sparse(folder / "bitmap-rows-64GiB.dmp", 64 << 30, Bitmap(DumpType.BITMAP_FULL, patterned))
"""
KDMP_PARSER = """
import sys
from pathlib import Path
import kdmp_parser
dump = kdmp_parser.KernelDumpParser(Path(sys.argv[1]))
print(dump.type)
"""
VOLATILITY = """
# Runs windows.crashinfo. Its own search for page tables wants symbols, so they are named here; it prints the header.
import sys
from pathlib import Path
from volatility3.framework import contexts
from volatility3.framework.layers import crash, intel, physical
from volatility3.plugins.windows.crashinfo import Crashinfo
context = contexts.Context()
context.config["base.location"] = Path(sys.argv[1]).resolve().as_uri()
context.add_layer(physical.FileLayer(context, "base", "base_layer"))
context.config["crash.base_layer"] = "base_layer"
layer = crash.WindowsCrashDump64Layer(context, "crash", "crash")
context.add_layer(layer)
primary = "plugins.Crashinfo.primary"
context.config[primary] = "primary"
context.config[primary + ".memory_layer"] = "crash"
context.config[primary + ".page_map_offset"] = int(layer.get_header().DirectoryTableBase) & ~0xFFF
context.add_layer(intel.WindowsIntel32e(context, primary, "primary"))
Crashinfo(context, "plugins.Crashinfo").run().populate(lambda node, _: print(*node.values), None)
"""


def main() -> int:
    """Build the dumps, measure and print everything, and return the exit status."""
    parser = options_of(__doc__, 15)
    parser.add_argument("--volatility", metavar="PYTHON", help="a Python that has volatility3")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        children = Children(folder)
        children.run("-c", BUILD, name)
        source = link_small_dumps(folder)
        print(f"CPython {sys.version.split()[0]}, load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
        met = [*measure_large(children, folder, options.runs, options.volatility), measure_folder(children, source)]
    return 0 if all(met) else 1


def link_small_dumps(folder: Path) -> str:
    """Make a folder of 500 small dumps and return a description of them."""
    given = os.environ.get("WINDBG_EXT_DUMPS")
    sources = list(unpacked_small_dumps(Path(given), folder)) if given else []
    what = f"{len(sources)} given small dumps" if sources else "the sample"
    many = folder / "many"
    many.mkdir()
    for number, path in enumerate(islice(cycle(sources or [ROOT / "samples" / "small.dmp"]), SMALL_DUMPS)):
        (many / f"{number:03}.dmp").symlink_to(path)
    return what


def unpacked_small_dumps(source: Path, folder: Path) -> Iterator[Path]:
    """Unpack the small dumps of a folder into another one."""
    for path in sorted((*source.rglob("*.dmp"), *source.rglob("*.dmp.xz"))):
        with lzma.open(path) if path.suffix == ".xz" else path.open("rb") as file:
            data = file.read(0x2000)
            if data[:8] == b"PAGEDU64" and data[0xF98:0xF9C] == b"\4\0\0\0":
                copy = folder / path.name.replace(".xz", "")
                copy.write_bytes(data + file.read())
                yield copy


def measure_large(children: Children, folder: Path, runs: int, volatility: str | None) -> Iterator[bool]:
    """Time each program on each 64 GiB dump and tell whether `dumpkind` meets its requirements."""
    with_kdmp_parser = has_kdmp_parser()
    for dump in DUMPS:
        bare: list[Run] = []
        ours: list[Run] = []
        for _ in range(runs + 1):  # the first round, which compiles bytecode and fills the file cache, does not count
            bare.append(children.run("-c", "pass"))
            ours.append(children.run("-m", "windbg_ext", "dumpkind", dump))
        start, dumpkind = Runs.of(bare[1:]), Runs.of(ours[1:])
        over = dumpkind.fastest - start.fastest
        print(f"\n{dump}: dumpkind")
        yield show("seconds over the interpreter's start, fastest run", over, MAX_SECONDS_OVER_START)
        print(f"  median {dumpkind.seconds - start.seconds:.3f}; the interpreter's start: {start.fastest:.3f}")
        yield show("peak memory, MB", dumpkind.peak / MB, MAX_MEMORY_MB)
        if with_kdmp_parser:
            compare("kdmp-parser", [children.run("-c", KDMP_PARSER, dump) for _ in range(3)], dumpkind)
        if volatility is not None:
            timed = [run_other(volatility, "-c", VOLATILITY, str(folder / dump))]
            compare("volatility3, windows.crashinfo", timed, dumpkind)


def has_kdmp_parser() -> bool:
    """Tell whether this Python can run the comparison."""
    return not subprocess.run([sys.executable, "-c", "import kdmp_parser"], capture_output=True).returncode


def run_other(*command: str) -> Run:
    """Run another Python to its end."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        give_up(f"exit status {process.returncode} of {command[0]}")
    return Run(time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, "")


def compare(name: str, others: Sequence[Run], ours: Runs) -> None:
    """Print how many times as much another program takes."""
    other = Runs.of(others)
    ratio, memory = other.fastest / ours.fastest, other.peak / ours.peak
    print(
        f"  {name}: {other.fastest:.2f} s, {other.peak / MB:.0f} MB: {ratio:.0f} x the time, {memory:.0f} x the memory"
    )


def measure_folder(children: Children, source: str) -> bool:
    """Time `dumpkind` on the folder and tell whether it is quick enough."""
    runs = [children.run("-m", "windbg_ext", "dumpkind", "many") for _ in range(3)]
    assert runs[0].output.count(".dmp") == SMALL_DUMPS
    print(f"\n{SMALL_DUMPS} small dumps in a folder ({source})")
    met = show("seconds, fastest run", Runs.of(runs).fastest, MAX_SECONDS_OF_FOLDER)
    print(f"  processor time {Runs.of(runs).processor_seconds:.2f} s, peak memory {Runs.of(runs).peak / MB:.0f} MB")
    return met


def show(what: str, measured: float, limit: float) -> bool:
    """Print a figure and its limit, and tell whether it is within the limit."""
    met = measured <= limit
    print(f"  {what}: {measured:.3f}, at most {limit:g}: {'PASS' if met else 'FAIL'}")
    return met


if __name__ == "__main__":
    sys.exit(main())
