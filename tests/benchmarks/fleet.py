"""Measure a fleet: 10,000 small dumps into a catalogue, and small dumps of 200 large ones, with every engine.

    python tests/benchmarks/fleet.py [--dumps N] [--large N] [--folder FOLDER]

Needs PostgreSQL and Dask (apt-get install postgresql; pip install -e '.[fleet]'), and Linux. All servers run on this
machine. Every run is a process of its own. What a run takes is told in seconds and in processor time of the process
and its workers, since on a busy machine the clock also counts other programs; of a cluster's workers and of PostgreSQL,
it is read from /proc. Exit status: 0 every requirement is met, 1 one is not.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.command_line import command, contents, environment  # noqa: E402
from support.fleet_dumps import write_fleet  # noqa: E402
from support.servers import Cluster, Postgres, cluster, descendants, postgres  # noqa: E402

from samples.builder.writers import Bitmap, kernel_pages  # noqa: E402 - as a program
from windbg_ext.commands.catalog import open_catalog  # noqa: E402
from windbg_ext.structs.header import DumpType  # noqa: E402

MAX_MS_A_FILE = 1.0
"""Beside reading it: what dumpkind alone takes for the same files."""
MAX_SECONDS_OF_THE_SECOND_RUN = 2.0
MAX_GROWTH_MB = 10
"""Of the peak memory, between a quarter of the files and all."""
TICKS = os.sysconf("SC_CLK_TCK")
KEY = {"WINDBG_EXT_CATALOG_KEY": "the same for all catalogues"}
MEASURED = """
import sys
from pathlib import Path
from windbg_ext.cli import main
if __name__ == "__main__":
    peak, sys.argv = sys.argv[1], ["windbg-ext", *sys.argv[2:]]
    status = main()
    lines = Path("/proc/self/status").read_text().splitlines()
    Path(peak).write_text(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
    sys.exit(status)
"""
"""The command line, which tells its own peak: what wait4 tells of a child counts its parent's memory before exec."""
SCRIPT = Path(tempfile.gettempdir(), f"windbg-ext-measured-{os.getpid()}.py")
PEAK = Path(tempfile.gettempdir(), f"windbg-ext-peak-{os.getpid()}")
READ_ALONE = """
import sys
from pathlib import Path
from windbg_ext.commands.dumpkind import dumpkind
paths = sorted(map(str, Path(sys.argv[1]).rglob("*.dmp")))
for path in paths:
    dumpkind(path)
"""


@dataclass(frozen=True)
class Run:
    """What a run took: seconds by the clock and of processors, and the peak of the largest process in MB."""

    seconds: float
    processor: float
    peak: float
    out: str

    def line(self, files: int) -> str:
        """Return the figures as a row."""
        a_file = 1000 * self.processor / files
        rate = f"{files / self.seconds:7,.0f} files/s"
        spent = f"processors {self.processor:7.2f} s, {a_file:5.2f} ms/file"
        return f"{self.seconds:7.2f} s  {rate}  {spent}  {self.peak:4.0f} MB"


def processor_time(processes: list[int]) -> float:
    """Return the seconds that processes have taken so far."""
    total = 0
    for process in processes:
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))
    return total / TICKS


def run(arguments: list[str], also: list[int], *, statuses: tuple[int, ...] = (0,)) -> Run:
    """Run a program, and count what other processes take for it."""
    before, begin = processor_time(also), time.perf_counter()
    process = subprocess.Popen(arguments, env=environment(**KEY), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in statuses, process.stderr.read().decode()
    spent = usage.ru_utime + usage.ru_stime + processor_time(also) - before
    peak = int(PEAK.read_text()) / 1024 if PEAK.exists() else 0.0
    PEAK.unlink(missing_ok=True)
    return Run(seconds, spent, peak, out.decode())


def rows(catalog: object) -> list[tuple[object, ...]]:
    """Return all that a catalogue has of dumps and files."""
    files = "SELECT path, size, modified, reader, fingerprint, problem FROM catalog_files ORDER BY path"
    with open_catalog(str(catalog), create=False) as opened:
        return [
            *opened.database.rows("SELECT * FROM catalog_dumps ORDER BY fingerprint"),
            *opened.database.rows(files),
        ]


class Fleet:
    """The measurements; `failed` has what was not met."""

    def __init__(self, folder: Path, dumps: int, server: Postgres, dask: Cluster) -> None:
        self.folder, self.count, self.server, self.dask = folder, dumps, server, dask
        self.failed: list[str] = []

    def check(self, what: str, met: bool) -> None:
        """Print whether a requirement is met."""
        print(f"  {'PASS' if met else 'FAIL'}  {what}")
        if not met:
            self.failed.append(what)

    def dumpkind(self, *arguments: object, server: bool = False, dask: bool = False) -> Run:
        """Run dumpkind and count the servers that it uses."""
        also = [process for process in self._server_processes() if server]
        also += [
            process for started in self.dask.processes if dask for process in (started.pid, *descendants(started.pid))
        ]
        arguments = (SCRIPT, PEAK, "dumpkind", *arguments, "--json")
        return run([sys.executable, *map(str, arguments)], also)

    def _server_processes(self) -> list[int]:
        main = self.server.process_id
        return [main, *descendants(main)]

    def catalogues(self) -> None:
        """Time every engine and database, and compare the catalogues."""
        dumps, count = self.folder / "dumps", self.count
        print(f"{count:,} small dumps, 40 crashes, 25 machines")
        alone = run([sys.executable, "-c", READ_ALONE, str(dumps)], [])
        print(f"  {'dumpkind alone, no catalogue':34} {alone.line(count)}")
        made: dict[str, object] = {}
        for kind in ("SQLite", "PostgreSQL"):
            server = kind == "PostgreSQL"

            def new(name: str, kind: str = kind) -> object:
                path = self.folder / f"{name}.db"
                return self.server.new_database(name) if kind == "PostgreSQL" else path

            some = sorted(dumps.iterdir())[:6]
            quarter = self.dumpkind(*some, "--catalog", new("quarter"), "--jobs", 1)
            runs: dict[str, tuple[object, ...]] = {
                "1 process": ("--jobs", 1),
                "2 processes": ("--jobs", 2),
                "Dask, 2 workers": ("--cluster", self.dask.address),
            }
            for name, options in runs.items():
                catalog = made[f"{kind}, {name}"] = new(name.split()[0].lower())
                first = self.dumpkind(dumps, "--catalog", catalog, *options, server=server, dask="Dask" in name)
                print(f"  {kind + ', ' + name:34} {first.line(count)}")
                if name == "1 process":
                    second = self.dumpkind(dumps, "--catalog", catalog, "--jobs", 1, server=server)
                    assert json.loads(second.out)["run"]["known"] == count
                    print(f"  {kind + ', second run':34} {second.line(count)}")
                    beside = 1000 * (first.processor - alone.processor) / count
                    self.check(f"{kind}: {beside:.2f} ms a file beside reading it, at most 1", beside <= MAX_MS_A_FILE)
                    most = MAX_SECONDS_OF_THE_SECOND_RUN
                    self.check(f"{kind}: second run {second.processor:.2f} s, at most 2", second.processor <= most)
                    grown = first.peak - quarter.peak
                    self.check(f"{kind}: {grown:.1f} MB more than for a quarter, at most 10", grown <= MAX_GROWTH_MB)
            parts = [new(f"part{number}") for number in range(1, 5)]
            for number, part in enumerate(parts, 1):
                self.dumpkind(dumps, "--catalog", part, "--shard", f"{number}/4", "--jobs", 1)
            merged = made[f"{kind}, four shards merged"] = new("merged")
            merges = [word for part in parts for word in ("--merge", part)]
            merging = self.dumpkind("--catalog", merged, *merges, server=server)
            print(f"  {kind + ', merging four shards':34} {merging.line(count)}")
        expected = rows(made["SQLite, 1 process"])
        self.check(f"{len(expected):,} rows", len(expected) == 2 * count)
        for name, catalog in made.items():
            self.check(f"{name}: the same catalogue", rows(catalog) == expected)

    def small_dumps(self, large: int) -> None:
        """Make small dumps with every engine, and compare them byte for byte."""
        write_fleet(self.folder / "large", large, machines=5, form=Bitmap(DumpType.BITMAP_KERNEL, kernel_pages))
        print(f"minify of {large} large dumps")
        made: dict[str, dict[str, bytes]] = {}
        engines: dict[str, list[tuple[object, ...]]] = {
            "1 process": [("--jobs", 1)],
            "2 processes": [("--jobs", 2)],
            "Dask, 2 workers": [("--cluster", self.dask.address)],
            "four shards": [("--jobs", 1, "--shard", f"{number}/4") for number in range(1, 5)],
        }
        for name, commands in engines.items():
            folder = self.folder / name.replace(" ", "-")
            seconds = 0.0
            for options in commands:
                seconds += run(command("minify", self.folder / "large", folder, *options, "--json"), []).seconds
            print(f"  {name:34} {seconds:7.2f} s  {large / seconds:5.0f} files/s")
            made[name] = contents(folder)
        first = made["1 process"]
        self.check(f"{large} small dumps", sum(name.endswith("-small.dmp") for name in first) == large)
        for name, found in made.items():
            self.check(f"{name}: byte for byte the same", found == first)


def main() -> int:
    """Measure and print everything, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dumps", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=200)
    parser.add_argument("--folder", type=Path, help="where to write the dumps, 2 GB (default: for temporary files)")
    options = parser.parse_args()
    os.environ.update(KEY)
    SCRIPT.write_text(MEASURED)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder)))
        server = stack.enter_context(postgres())
        dask = stack.enter_context(cluster(folder))
        write_fleet(folder / "dumps", options.dumps)
        load = os.getloadavg()[0]
        print(f"CPython {sys.version.split()[0]}, {os.cpu_count()} processors, load average {load:.1f} before")
        fleet = Fleet(folder, options.dumps, server, dask)
        fleet.catalogues()
        fleet.small_dumps(options.large)
    SCRIPT.unlink()
    return 1 if fleet.failed else 0


if __name__ == "__main__":
    sys.exit(main())
