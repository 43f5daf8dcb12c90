"""Measure what `--verify` and `--scrub` add to minify, and how long `dumpkind --privacy` takes.

    python tests/benchmarks/options.py [--runs N] [--folder FOLDER]

The dumps are the sample of a complete dump, two of those that run.py measures, and the large dumps of the folder that
WINDBG_EXT_DUMPS names. Every run is the command line as a process of its own, interpreter and imports included; the
options take turns. They are compared in processor time. Exit status: 0 every requirement is met, 1 one is not, 2 it
could not be measured.
"""

from __future__ import annotations

import lzma
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import requirements
from children import HERE, ROOT, Children, Run, Runs, options_of

if TYPE_CHECKING:
    from collections.abc import Iterator

SPARSE = ("complete-64GiB", "pointers")
SMALL = 4
"""DumpType."""


def main() -> int:
    """Read the arguments, run everything, and return the exit status."""
    options = options_of(__doc__, 5).parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        children = Children(folder)
        children.run(str(HERE / "sparse_dumps.py"), name)
        shutil.copy(ROOT / "samples" / "complete.dmp", folder / "sample.dmp")
        dumps = ["sample", *SPARSE, *given(folder)]
        print(f"CPython {sys.version.split()[0]}, load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
        print("processor time of whole processes, seconds, medians\n")
        print(f"{'dump':40}{'minify':>8}{'--verify':>10}{'--scrub':>10}{'--privacy of it':>17}")
        required = [requirement for dump in dumps for requirement in measure(children, folder, dump, options.runs)]
    print()
    for requirement in required:
        print("  ".join(requirement.row()))
    return 0 if all(requirement.met for requirement in required) else 1


def given(folder: Path) -> Iterator[str]:
    """Unpack the large 64-bit dumps of WINDBG_EXT_DUMPS into a folder, and yield their names."""
    named = os.environ.get("WINDBG_EXT_DUMPS")
    for path in sorted(Path(named).rglob("*.dmp.xz")) if named else ():
        with lzma.open(path) as file:
            head = file.read(0x2000)
            if head[:8] == b"PAGEDU64" and head[0xF98] != SMALL:
                name = path.name[: -len(".dmp.xz")]
                (folder / f"{name}.dmp").write_bytes(head + file.read())
                yield name


def measure(children: Children, folder: Path, dump: str, runs: int) -> Iterator[requirements.Requirement]:
    """Time one dump, print a line, and yield what is required."""
    plain: list[Run] = []
    verified: list[Run] = []
    scrubbed: list[Run] = []
    looked_at: list[Run] = []
    for _ in range(runs + 1):  # the first round, which compiles bytecode and fills the file cache, does not count
        plain.append(minify(children, dump))
        verified.append(minify(children, dump, "--verify"))
        scrubbed.append(minify(children, dump, "--scrub", small=f"{dump}.scrubbed"))
        looked_at.append(children.run("-c", PRIVACY, f"{dump}.small"))
    timed = [Runs.of(some[1:]).processor_seconds for some in (plain, verified, scrubbed, looked_at)]
    print(f"{dump:40}{timed[0]:8.3f}{timed[1]:10.3f}{timed[2]:10.3f}{timed[3]:17.3f}", flush=True)
    small_bytes = (folder / f"{dump}.small").stat().st_size
    yield from requirements.of_options(dump, small_bytes, *timed)


PRIVACY = """
import sys
from windbg_ext.cli.main import main
assert main(["dumpkind", "--privacy", "--json", sys.argv[1]]) in (0, 1)
"""
"""Exit status 1 is that something was found."""


def minify(children: Children, dump: str, *options: str, small: str | None = None) -> Run:
    """Run the command line."""
    small = small or f"{dump}.small"
    return children.run("-m", "windbg_ext", "minify", f"{dump}.dmp", small, "--overwrite", *options)


if __name__ == "__main__":
    sys.exit(main())
