"""Dumps of machines with a lot of RAM, as sparse files: the kernel's pages are real, the rest are holes.

A file as long as RAM takes seconds and a few MiB of disk, if the file system has sparse files.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from samples.builder.catalog import Sample, write
from samples.builder.physical import PAGE_SIZE, Runs, runs_of
from samples.builder.plausible import plausible_machine
from samples.builder.versions import WINDOWS_10
from samples.builder.writers import all_ram, kernel_pages

if TYPE_CHECKING:
    from pathlib import Path

    from samples.builder.crashed_machine import CrashedMachine
    from samples.builder.writers import Format

DEVICES, FOUR_GIB = 0xC0000, 0x100000
"""Page frames from 3 to 4 GiB belong to devices."""
LARGE_PAGE_FRAME = 0x3000


def ram_of(size: int) -> Runs:
    """Return the runs of a machine with about this many bytes of RAM (at least 64 MiB), with the usual holes."""
    frames = size // PAGE_SIZE
    below = min(frames, DEVICES)
    runs = [(0x1, 0x9E), (0x100, below - 0x100)]
    if frames > below:
        runs.append((FOUR_GIB, frames - below))
    return runs_of(*runs)


def write_sparse(path: Path, ram: int, form: Format, processors: int = 2) -> Sample:
    """Write the dump of a plausible machine with this many bytes of RAM and return it as a sample."""
    machine = plausible_machine(WINDOWS_10, ram_of(ram), LARGE_PAGE_FRAME, processors)
    sample = Sample(path.stem, f"{ram} bytes of RAM", machine, form)
    write(sample, path)
    return sample


PATTERN = bytes(
    itertools.chain.from_iterable(
        [filler] * count
        for filler, count in ((0xFF, 40), (0x00, 23), (0xF0, 3), (0x5B, 11), (0x00, 64), (0xFF, 9), (1, 7))
    )
)
"""Rows of present pages, gaps and single pages, 1256 page frames long."""


def patterned(crashed: CrashedMachine) -> bytearray:
    """Choose the kernel's pages and, all over RAM, a pattern of rows and gaps as in a real kernel dump."""
    everything = all_ram(crashed)
    pattern = PATTERN * (len(everything) // len(PATTERN) + 1)
    chosen = int.from_bytes(everything, "little") & int.from_bytes(pattern[: len(everything)], "little")
    chosen |= int.from_bytes(kernel_pages(crashed), "little")
    return bytearray(chosen.to_bytes(len(everything), "little"))
