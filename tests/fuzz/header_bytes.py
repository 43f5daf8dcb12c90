"""Change every byte of the header of every sample, and of what follows it, and run the three commands each time.

    python tests/fuzz/header_bytes.py --jobs 2             all of it: some hours of one processor
    python tests/fuzz/header_bytes.py --sample kernel      one sample

Each byte is inverted, and set to another value by chance. The file is in memory where the system can do that, and only
the byte is written. Exit status 1: something failed; what failed is printed with the offset and the value.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS.parent), str(TESTS)]

from command_line import run  # noqa: E402  # this is also a script
from contract import check_minify, check_outcome  # noqa: E402
from limits import limited  # noqa: E402

import samples  # noqa: E402
from fuzz.targets import IN_MEMORY  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SAMPLES = sorted(Path(samples.__file__).parent.glob("*.dmp"))
BODY = 0x80
"""Bytes behind the header: TRIAGE_DUMP64 is as long; the headers of a bitmap and of ranges are shorter."""


class Swept(NamedTuple):
    """What became of the changes of a sample. slowest: processor seconds of one command."""

    sample: str
    runs: int
    slowest: float
    peak_mb: int
    failures: tuple[str, ...]


def bytes_of(sample: Path) -> range:
    """Give the offsets of the bytes to be changed."""
    with sample.open("rb") as file:
        return range((0x1000 if file.read(8) == b"PAGEDUMP" else 0x2000) + BODY)


class ChangedSample:
    """A copy of a sample of which one byte at a time is changed."""

    def __init__(self, sample: Path, folder: Path) -> None:
        self.path = folder / "MEMORY.DMP"
        self._data = sample.read_bytes()
        self.path.write_bytes(self._data)

    def values(self, offset: int, chance: Random) -> tuple[int, int]:
        """Give two values for a byte: the inverted one, and one by chance."""
        byte = self._data[offset]
        return byte ^ 0xFF, byte ^ chance.randrange(1, 0xFF)

    @contextmanager
    def byte(self, offset: int, value: int) -> Iterator[None]:
        """Let a byte have another value for a while."""
        with self.path.open("r+b", buffering=0) as file:
            file.seek(offset)
            file.write(bytes([value]))
            yield
            file.seek(offset)
            file.write(self._data[offset : offset + 1])


def check_commands(path: Path) -> Iterator[float]:
    """Run the three commands on a file and assert what holds whatever is in it; gives the seconds of each."""
    small = path.with_name("small.dmp")
    for arguments in (("dumpkind", "-v", path), ("pagefilefit", path), ("minify", "--salvage", path, small)):
        began = time.process_time()
        with limited():
            outcome = run(*arguments)
        took = time.process_time() - began
        if small in arguments:
            check_minify(outcome, path.parent)
            small.unlink(missing_ok=True)
        else:
            check_outcome(outcome)
        yield took


def sweep(sample: Path, seed: int = 1, offsets: Iterable[int] | None = None) -> Swept:
    """Change the bytes at these offsets, all that `bytes_of` gives without any."""
    chance, runs, slowest, failures = Random(seed), 0, 0.0, []
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        changed = ChangedSample(sample, Path(folder))
        for offset in bytes_of(sample) if offsets is None else offsets:
            for value in changed.values(offset, chance):
                with changed.byte(offset, value):
                    try:
                        for took in check_commands(changed.path):
                            runs, slowest = runs + 1, max(slowest, took)
                    except Exception as error:  # whatever it is, the others are tried too
                        failures.append(f"{sample.name}: byte 0x{offset:x} = 0x{value:02x}: {error!r}")
                        changed.path.with_name("small.dmp").unlink(missing_ok=True)
    return Swept(sample.name, runs, slowest, _peak_mb(), tuple(failures))


def _peak_mb() -> int:
    """Give the most memory that this process has had; 0 on Windows, which has another way to tell."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def main() -> int:
    """Sweep the samples; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", action="append", metavar="NAME", help="only this one; may be given again")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="for other values (default: 1)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes at a time (default: 1)")
    options = parser.parse_args()
    chosen = [path for path in SAMPLES if path.stem in (options.sample or [path.stem])]
    began, runs, failed = time.monotonic(), 0, False
    with ProcessPoolExecutor(options.jobs) as pool:
        for swept in pool.map(partial(sweep, seed=options.seed), chosen):
            figures = f"{swept.runs:>9,} runs, slowest {swept.slowest:.2f} s, peak RSS {swept.peak_mb} MB"
            print(f"{swept.sample:24}{figures}, {len(swept.failures)} failed", *swept.failures, sep="\n", flush=True)
            runs, failed = runs + swept.runs, failed or bool(swept.failures)
    print(f"{runs:,} runs in {time.monotonic() - began:.0f} s")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
