"""Change every byte of the header of every sample, and of what follows it, and run the three commands each time.

    python tests/fuzz/header_bytes.py --jobs 2             all of it: an hour and a half of one processor
    python tests/fuzz/header_bytes.py --sample kernel      one sample

Each byte is inverted, and set to a random other value (`--inverted`: only the first). Bytes that belong to no field
are changed 64 at a time. The file is in memory where the system can do that, and only those bytes are written. Exit
status 1: something failed; what failed is printed with the offset and the value.
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

from support.command_line import run  # noqa: E402  # this is also a script
from support.contract import check_minify, check_outcome  # noqa: E402
from support.limits import limited  # noqa: E402

import samples  # noqa: E402
from fuzz.targets import IN_MEMORY  # noqa: E402
from windbg_ext.structs.architectures import ARCHITECTURES  # noqa: E402
from windbg_ext.structs.header import DumpHeader32, DumpHeader64  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SAMPLES = sorted(Path(samples.__file__).parent.glob("*.dmp"))
AT_ONCE = 64
BODY = 0x80
"""Bytes behind the header: TRIAGE_DUMP64 is as long; the headers of a bitmap and of ranges are shorter."""


class Swept(NamedTuple):
    """The outcome of the changes of a sample. slowest: processor seconds of one command."""

    sample: str
    runs: int
    slowest: float
    peak_mb: int
    failures: tuple[str, ...]


def places_of(sample: Path) -> list[range]:
    """Return the offsets of the bytes to change, grouped by what is changed at once."""
    with sample.open("rb") as file:
        structure = DumpHeader32 if file.read(8) == b"PAGEDUMP" else DumpHeader64
    context = max(known.context.SIZE for known in ARCHITECTURES.values())
    read = set(range(structure.SIZE, structure.SIZE + BODY))
    for field in structure.FIELDS:
        length = min(field.length, context) if field is structure.context_record else field.length
        read.update(range(field.offset, field.offset + length))
    together = (range(at, at + AT_ONCE) for at in range(0, structure.SIZE, AT_ONCE))
    unread = [group for group in together if read.isdisjoint(group)]
    alone = set(range(structure.SIZE + BODY)).difference(*unread)
    return [*(range(at, at + 1) for at in sorted(alone)), *unread]


class ChangedSample:
    """A copy of a sample of which one byte at a time is changed."""

    def __init__(self, sample: Path, folder: Path) -> None:
        self.path = folder / "MEMORY.DMP"
        self._data = sample.read_bytes()
        self.path.write_bytes(self._data)

    @contextmanager
    def bytes(self, places: range, mask: int) -> Iterator[None]:
        """Let bytes have other values for a while, with the bits of a mask inverted."""
        with self.path.open("r+b", buffering=0) as file:
            file.seek(places.start)
            file.write(bytes(self._data[at] ^ mask for at in places))
            yield
            file.seek(places.start)
            file.write(self._data[places.start : places.stop])


def check_commands(path: Path) -> Iterator[float]:
    """Run the three commands on a file, assert what always holds, and return the seconds of each."""
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


def sweep(sample: Path, seed: int = 1, places: Iterable[range] | None = None, *, inverted: bool = False) -> Swept:
    """Change the bytes at these places, by default all of `places_of`. inverted: in one way instead of two."""
    chance, runs, slowest, failures = Random(seed), 0, 0.0, []
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        changed = ChangedSample(sample, Path(folder))
        for place in places_of(sample) if places is None else places:
            for mask in (0xFF,) if inverted else (0xFF, chance.randrange(1, 0xFF)):
                with changed.bytes(place, mask):
                    try:
                        for took in check_commands(changed.path):
                            runs, slowest = runs + 1, max(slowest, took)
                    except Exception as error:  # whatever it is, the others are tried, too
                        failures.append(f"{sample.name}: from 0x{place.start:x} on, bits 0x{mask:02x}: {error!r}")
                        changed.path.with_name("small.dmp").unlink(missing_ok=True)
    return Swept(sample.name, runs, slowest, _peak_mb(), tuple(failures))


def _peak_mb() -> int:
    """Return the peak memory of this process; 0 on Windows, which does not tell it this way."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def main() -> int:
    """Sweep the samples and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", action="append", metavar="NAME", help="only this one; may be given again")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="for other values (default: 1)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes at a time (default: 1)")
    parser.add_argument("--inverted", action="store_true", help="only invert the bytes, which takes half the time")
    options = parser.parse_args()
    chosen = [path for path in SAMPLES if path.stem in (options.sample or [path.stem])]
    began, runs, failed = time.monotonic(), 0, False
    with ProcessPoolExecutor(options.jobs) as pool:
        for swept in pool.map(partial(sweep, seed=options.seed, inverted=options.inverted), chosen):
            figures = f"{swept.runs:>9,} runs, slowest {swept.slowest:.2f} s, peak RSS {swept.peak_mb} MB"
            print(f"{swept.sample:24}{figures}, {len(swept.failures)} failed", *swept.failures, sep="\n", flush=True)
            runs, failed = runs + swept.runs, failed or bool(swept.failures)
    print(f"{runs:,} runs in {time.monotonic() - began:.0f} s")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
