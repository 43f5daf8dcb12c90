"""Measure `pagefilefit` on complete dumps of machines with 64 GiB and more, millions of whose pages the kernel maps.

    python tests/benchmarks/pagefilefit.py [FOLDER]

FOLDER: where the dumps go, sparse files that take some hundred MB; by default a temporary one. Exit status: 0 every
requirement is met, 1 one is not. Each run is a process of its own, interpreter and imports included, with a terminal
for its progress bar.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from samples.builder.crashed_machine import CrashedMachine

ROOT = Path(__file__).parents[2]
GIB, MB = 1 << 30, 1_000_000
REGION = 0xFFFF_A000_0000_0000
"""An address without other memory of the plausible machine."""
FOUR_GIB_FRAME = 0x10_0000
MAX_SECONDS, MAX_MEMORY = 10, 100 * MB
MAX_GROWTH = 2
"""Growth of the cost if a file is 16 times as long: the pages are spread over 16 times the RAM."""


@dataclass(frozen=True)
class Machine:
    """ram: bytes; tables: how many page tables map kernel memory, with so many pages each."""

    name: str
    ram: int
    tables: int
    pages_per_table: int


MACHINES = (
    Machine("64 GiB, nothing more mapped", 64 * GIB, 0, 0),
    Machine("64 GiB, 1 million pages", 64 * GIB, 2048, 512),
    Machine("64 GiB, 4 million pages", 64 * GIB, 8192, 512),
    Machine("64 GiB, 4 million pages in four times the tables", 64 * GIB, 32768, 128),
    Machine("1 TiB, 4 million pages", 1024 * GIB, 8192, 512),
)
REQUIRED, LARGEST = MACHINES[2], MACHINES[4]


@dataclass(frozen=True)
class Run:
    """A process: seconds by the clock and of processor time, the most bytes of memory, pages that it counted, whether
    it showed a progress bar.
    """

    seconds: float
    processor_seconds: float
    peak: int
    kernel_pages: int
    showed_progress: bool


def build(path: Path, machine: Machine) -> None:
    """Write the dump of a machine, and beside it how many additional pages must be counted because of the tables."""
    from samples.builder.catalog import Sample, write
    from samples.builder.plausible import plausible_machine
    from samples.builder.sparse import LARGE_PAGE_FRAME, ram_of
    from samples.builder.versions import WINDOWS_10
    from samples.builder.writers import Complete

    def map_pages(crashed: CrashedMachine) -> None:
        allocated = len(crashed.memory.pages)
        tables = []
        for number in range(machine.tables):
            address = REGION + number * 512 * 0x1000
            crashed.system.map(address, 0)
            tables.append(crashed.system.entry(address, 1)[0])
        frames = scattered_frames(crashed, machine)
        for table in tables:
            entries = [next(frames) << 12 | 0x8000_0000_0000_0063 for _ in range(machine.pages_per_table)]
            crashed.memory.write(table, 0, struct.pack(f"<{len(entries)}Q", *entries))
        made = len(crashed.memory.pages) - allocated + machine.tables * machine.pages_per_table
        path.with_suffix(".pages").write_text(str(made))

    plausible = plausible_machine(WINDOWS_10, ram_of(machine.ram), LARGE_PAGE_FRAME, 2)
    without_window = replace(plausible, window=0)  # it would show 1 GB of RAM
    write(Sample(path.stem, machine.name, without_window, Complete()), path, map_pages)


def scattered_frames(crashed: CrashedMachine, machine: Machine) -> Iterator[int]:
    """Yield page frames above 4 GiB that nothing else uses, far from one another."""
    count = machine.ram // 0x1000 - FOUR_GIB_FRAME
    step = int(count * 0.618)
    while math.gcd(step, count) != 1:
        step += 1
    for number in range(count):
        pfn = FOUR_GIB_FRAME + number * step % count
        if pfn not in crashed.memory.pages:
            yield pfn


def run(path: Path) -> Run:
    """Run the command line on a dump with a terminal for its standard error."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("<HHHH", 24, 80, 0, 0))
    shown: list[bytes] = []
    reader = threading.Thread(target=drain, args=(ours, shown))
    begin = time.perf_counter()
    command = [sys.executable, "-m", "windbg_ext", "pagefilefit", str(path), "--system-managed", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=environment, text=True)
    os.close(theirs)
    reader.start()
    assert process.stdout is not None
    with process.stdout:
        output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    reader.join()
    os.close(ours)
    assert process.returncode == 0, b"".join(shown)
    pages = json.loads(output)["kernel_pages"]
    processor_seconds = usage.ru_utime + usage.ru_stime
    return Run(seconds, processor_seconds, usage.ru_maxrss * 1024, pages, b"counting kernel pages" in b"".join(shown))


def drain(terminal: int, shown: list[bytes]) -> None:
    """Read what a terminal shows, until its other end is closed."""
    try:
        while data := os.read(terminal, 4096):
            shown.append(data)
    except OSError:  # Linux: the other end is closed
        pass


def measure(folder: Path) -> bool:
    """Build the dumps, run the command on each, print what it took, and tell whether the requirements are met."""
    runs: dict[Machine, Run] = {}
    plain = 0
    load = f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
    print(f"CPython {sys.version.split()[0]}, {load}; whole processes, fastest of three")
    for number, machine in enumerate(MACHINES):
        path = folder / f"machine-{number}.dmp"
        build_command = [sys.executable, __file__, "--build", str(path), str(number)]
        subprocess.run(build_command, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
        runs[machine] = best = min((run(path) for _ in range(3)), key=lambda run: run.seconds)
        more = int(path.with_suffix(".pages").read_text())
        plain = plain or best.kernel_pages
        assert best.kernel_pages == plain + more, f"{machine.name}: {best.kernel_pages} instead of {plain + more}"
        size = path.stat().st_size
        path.unlink()
        print(
            f"{machine.name:50} {size / MB:12,.0f} MB file {best.kernel_pages:10,} pages"
            f" {best.seconds:6.2f} s {best.processor_seconds:6.2f} CPU s {best.peak / MB:6.1f} MB"
        )
    required, largest = runs[REQUIRED], runs[LARGEST]
    growth = largest.processor_seconds / required.processor_seconds
    checks = {
        f"4 million pages in {required.seconds:.2f} s, at most {MAX_SECONDS} s": required.seconds <= MAX_SECONDS,
        f"with {required.peak / MB:.1f} MB, at most {MAX_MEMORY / MB:.0f} MB": required.peak <= MAX_MEMORY,
        "with a progress bar": required.showed_progress,
        f"processor time, 1 TiB to 64 GiB with as many tables: {growth:.2f}, at most {MAX_GROWTH}": growth
        <= MAX_GROWTH,
    }
    for what, met in checks.items():
        print(f"{'PASS' if met else 'FAIL'}  {what}")
    return all(checks.values())


def main() -> int:
    """Build one dump (--build PATH NUMBER, a process of its own: it takes memory), or measure."""
    if sys.argv[1:2] == ["--build"]:
        build(Path(sys.argv[2]), MACHINES[int(sys.argv[3])])
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        return 0 if measure(Path(sys.argv[1] if len(sys.argv) > 1 else temporary)) else 1


if __name__ == "__main__":
    sys.exit(main())
