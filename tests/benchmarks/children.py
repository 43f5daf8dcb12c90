"""Python in processes of its own, and the time and memory that they took."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MB = 1_000_000


@dataclass(frozen=True)
class Run:
    """A process: seconds by the clock, seconds of processor time, the most bytes of memory, standard output."""

    seconds: float
    processor_seconds: float
    peak: int
    output: str

    @property
    def values(self) -> dict[str, float]:
        """The JSON object that a probe has printed."""
        values: dict[str, float] = json.loads(self.output)
        return values


@dataclass(frozen=True)
class Runs:
    """Several runs of a process: median and least seconds by the clock, median processor time, largest peak."""

    seconds: float
    fastest: float
    processor_seconds: float
    peak: int

    @classmethod
    def of(cls, runs: Sequence[Run]) -> Runs:
        """Summarize several runs."""
        seconds = [run.seconds for run in runs]
        processor_seconds = median(run.processor_seconds for run in runs)
        return cls(median(seconds), min(seconds), processor_seconds, max(run.peak for run in runs))


@dataclass(frozen=True)
class Calls:
    """Times that a probe took within its process: medians of several runs, and the largest peak of the process."""

    seconds: float
    processor_seconds: float
    peak: int

    @classmethod
    def of(cls, runs: Sequence[Run]) -> Calls:
        """Summarize several runs."""
        return cls(
            median(run.values["seconds"] for run in runs),
            median(run.values["processor_seconds"] for run in runs),
            max(run.peak for run in runs),
        )


class Children:
    """Runs Python in a folder, with the package of this checkout; bytecode is kept, as for an installed package."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(folder / "pycache")}
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def run(self, *arguments: str) -> Run:
        """Run Python to its end. If it fails, the benchmarks fail."""
        begin = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *arguments], stdout=subprocess.PIPE, cwd=self._folder, env=self._environment, text=True
        )
        assert process.stdout is not None
        with process.stdout:
            output = process.stdout.read()
        # of this process alone, which getrusage does not tell; at least the memory of this parent, which is smaller
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            give_up(f"exit status {process.returncode} of: python {' '.join(arguments)}")
        return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, output)

    def minify(self, dump: str) -> Run:
        """Run the command line."""
        return self.run("-m", "windbg_ext", "minify", f"{dump}.dmp", f"{dump}.small", "--overwrite")

    def probe(self, name: str, dump: str) -> Run:
        """Run a probe. Its peak is the one that it prints."""
        run = self.run(str(HERE / "probe.py"), name, f"{dump}.dmp")
        return replace(run, peak=int(run.values["peak"]))

    def bare_interpreter(self) -> int:
        """Return the peak memory, in bytes, of an interpreter that does nothing."""
        status = self.run("-c", "print(open('/proc/self/status').read())").output.split()
        return int(status[status.index("VmHWM:") + 1]) * 1024


def options_of(description: str | None, runs: int, room: str = "") -> ArgumentParser:
    """Return what reads a benchmark's arguments. runs: by default; room: of its dumps, such as ", 200 MB"."""
    if not sys.platform.startswith("linux"):
        give_up("time, memory and reads are taken from wait4 and /proc: run this on Linux")
    parser = ArgumentParser(description=description, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=runs, help="how often each thing is timed (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help=f"where to write the dumps{room} (default: for temporary files)")
    return parser


def give_up(why: str) -> NoReturn:
    """Exit with status 2: it could not be measured."""
    print(f"benchmarks: {why}", file=sys.stderr)
    raise SystemExit(2)
