"""Measure `minify` of a folder of 200 dumps: --jobs 2 against --jobs 1.

    python tests/benchmarks/many.py [--runs N] [--folder FOLDER]

Every run is the command line as a process of its own, interpreter and imports included. The runs take turns with
two processes that only count, at once and one after the other: their ratio is what the machine can give at the time,
whatever else it has to do. Exit status: 0 every requirement is met, 1 one is not, 2 it
could not be measured.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from children import MB, Children, Run, Runs, options_of

DUMPS = 200
LEAST_SHARE = 0.85
"""Share of the gain of two processes at once that two workers must reach."""
MAX_MEMORY_MB = 60
"""For the largest of all processes of a run."""

BUILD = """
import sys
from itertools import cycle, islice
from pathlib import Path
from samples.builder import SAMPLES, build
from samples.builder.small import Small
from windbg_ext.structs.header import DumpHeader64
folder = Path(sys.argv[1])
large = [(sample.name, bytearray(build(sample))) for sample in SAMPLES if not isinstance(sample.format, Small)]
time = DumpHeader64.system_time.offset
for number, (name, data) in enumerate(islice(cycle(large), int(sys.argv[2]))):
    data[time : time + 8] = (0x1DA4000_00000000 + number).to_bytes(8, "little")  # another crash each
    path = folder / f"{number % 10}" / f"{number:03}-{name}.dmp"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
"""
COUNT = "sum(i * i for i in range(8_000_000))"


def main() -> int:
    """Build the dumps, measure and print everything, and return the exit status."""
    options = options_of(__doc__, 5, ", 200 MB").parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        met = measure(Path(name), options.runs)
    return 0 if met else 1


def measure(folder: Path, runs: int) -> bool:
    """Time everything in turn, and tell whether the requirements are met."""
    children = Children(folder)
    children.run("-c", BUILD, str(folder / "dumps"), str(DUMPS))
    size = sum(path.stat().st_size for path in (folder / "dumps").rglob("*.dmp"))
    os.sync()
    load = os.getloadavg()[0]
    one: list[Run] = []
    two: list[Run] = []
    done: list[Run] = []
    at_once: list[float] = []
    for _ in range(runs + 1):  # the first round, which compiles bytecode and fills the file cache, does not count
        one.append(minify(children, folder, "1"))
        at_once.append(speed_up_of_two_processes())
        two.append(minify(children, folder, "2"))
        done.append(children.run("-m", "windbg_ext", "minify", "dumps", "small", "--jobs", "2", "--json"))
        assert json.loads(done[-1].output)["skipped"] == DUMPS
    first, second, again = Runs.of(one[1:]), Runs.of(two[1:]), Runs.of(done[1:])
    machine = median(at_once[1:])
    ratios = sorted(a.seconds / b.seconds for a, b in zip(one[1:], two[1:]))
    ratio = median(ratios)

    python, processors = sys.version.split()[0], os.cpu_count()
    print(f"CPython {python}, {runs} runs of each, load average {load:.1f} before on {processors} processors.")
    print(f"{DUMPS} dumps, {size / MB:.0f} MB; seconds: medians, in parentheses the fastest run")
    for what, timed in (("--jobs 1", first), ("--jobs 2", second), ("--jobs 2, all done before", again)):
        cost = f"processor time {timed.processor_seconds:.2f} s, largest process {timed.peak / MB:.0f} MB"
        print(
            f"  {what:26} {timed.seconds:6.2f} s ({timed.fastest:.2f}), {DUMPS / timed.seconds:5.1f} a second, {cost}"
        )
    print(f"  --jobs 2 is {ratio:.2f} times as fast ({ratios[0]:.2f} to {ratios[-1]:.2f});", end=" ")
    print(f"two processes that only count, against one after the other: {machine:.2f}")
    fast, small = ratio / machine >= LEAST_SHARE, max(first.peak, second.peak) <= MAX_MEMORY_MB * MB
    print(f"  share of what the machine gives: {ratio / machine:.2f}, at least {LEAST_SHARE}: {verdict(fast)}")
    print(f"  peak memory of a process: at most {MAX_MEMORY_MB} MB: {verdict(small)}")
    return fast and small


def minify(children: Children, folder: Path, jobs: str) -> Run:
    """Convert all dumps anew; the peak is that of the largest process, workers included."""
    shutil.rmtree(folder / "small", ignore_errors=True)
    run = children.run("-m", "windbg_ext", "minify", "dumps", "small", "--jobs", jobs, "--json")
    assert json.loads(run.output)["written"] == DUMPS
    return run


def speed_up_of_two_processes() -> float:
    """Return how much faster two processes are at once than one after the other: 2 if each has a processor."""
    seconds = []
    for together in (False, True):
        begin = time.perf_counter()
        first = subprocess.Popen([sys.executable, "-c", COUNT])
        if not together:
            first.wait()
        subprocess.run([sys.executable, "-c", COUNT], check=True)
        first.wait()
        seconds.append(time.perf_counter() - begin)
    return seconds[0] / seconds[1]


def verdict(met: bool) -> str:
    """Return the word for a requirement."""
    return "PASS" if met else "FAIL"


if __name__ == "__main__":
    sys.exit(main())
