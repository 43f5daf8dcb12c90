"""Write the dumps that the benchmarks read: `python sparse_dumps.py FOLDER`.

Dumps of machines with 1 GiB, 64 GiB and 1 TiB of RAM, in which the kernel's pages are real and the rest are holes, and
dumps of small machines whose memory is full of pointers. A process of its own: building takes more memory than reading.
"""

from __future__ import annotations

import os
import random
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from samples.builder import Sample, write
from samples.builder.plausible import plausible_machine
from samples.builder.sparse import LARGE_PAGE_FRAME, ram_of, write_sparse
from samples.builder.versions import WINDOWS_10
from samples.builder.writers import Bitmap, Complete, Format, all_ram, kernel_pages
from windbg_ext.structs.header import DumpType

if TYPE_CHECKING:
    from samples.builder.crashed_machine import CrashedMachine

MIB, GIB = 1 << 20, 1 << 30
PAGES_IN_A_ROW, PAGES_BETWEEN = 12, 36
"""On average: a quarter of RAM is in the dump."""
PATTERN_BITS = 1 << 23
REGION = 0xFFFFA000_00000000
"""An address without other memory of the plausible machine."""


def rows_of_pages(crashed: CrashedMachine) -> bytearray:
    """Choose the kernel's pages and a random quarter of RAM in rows, as in a real kernel dump; the same each time.

    The pattern is 32 GiB of RAM long and repeats after that.
    """
    chance = random.Random(64)
    rows: list[str] = []
    length = 0
    while length < PATTERN_BITS:
        here = 1 + int(chance.expovariate(1 / PAGES_IN_A_ROW)), 1 + int(chance.expovariate(1 / PAGES_BETWEEN))
        rows.append("1" * here[0] + "0" * here[1])
        length += sum(here)
    pattern = int("".join(rows)[:PATTERN_BITS], 2).to_bytes(PATTERN_BITS // 8, "little")
    everything = all_ram(crashed)
    repeated = (pattern * (len(everything) // len(pattern) + 1))[: len(everything)]
    chosen = int.from_bytes(everything, "little") & int.from_bytes(repeated, "little")
    chosen |= int.from_bytes(kernel_pages(crashed), "little")
    return bytearray(chosen.to_bytes(len(everything), "little"))


FORMATS: dict[str, Format] = {
    "complete": Complete(),
    "bitmap-all": Bitmap(DumpType.BITMAP_FULL, all_ram),
    "bitmap-rows": Bitmap(DumpType.BITMAP_KERNEL, rows_of_pages),
}
SIZES = {"1GiB": GIB, "64GiB": 64 * GIB, "1TiB": 1024 * GIB}


def write_pointers(path: Path, size: int, *, objects: bool) -> None:
    """Write a complete dump of 64 MiB of RAM in which the stacks lead to `size` bytes full of pointers to each other.

    objects: every second quadword looks like the start of an I/O object of 64 KB, so that the windows are that large
    and overlap; otherwise every one is a pointer.
    """
    machine = plausible_machine(WINDOWS_10, ram_of(64 * MIB), LARGE_PAGE_FRAME)
    chance = random.Random(64)
    step = 16 if objects else 8
    device_object_of_64_kb = 0xFFF8 << 16 | 3

    def pointers(count: int) -> list[int]:
        return [REGION + step * chance.randrange(size // step) for _ in range(count)]

    def fill(crashed: CrashedMachine) -> None:
        words = pointers(size // 8)
        if objects:
            words[::2] = [device_object_of_64_kb] * (len(words) // 2)
        crashed.write(REGION, struct.pack(f"<{len(words)}Q", *words))
        for thread in machine.threads:
            free = thread.kernel_stack + 8 * len(thread.words)
            crashed.write_u64(free, *pointers((thread.stack_base - free) // 8))

    write(Sample(path.stem, "full of pointers", machine, Complete()), path, fill)


def main() -> None:
    folder = Path(sys.argv[1])
    for kind, form in FORMATS.items():
        for name, size in SIZES.items():
            write_sparse(folder / f"{kind}-{name}.dmp", size, form)
    write_pointers(folder / "pointers.dmp", 16 * MIB, objects=False)
    write_pointers(folder / "objects.dmp", 7 * MIB, objects=True)
    os.sync()  # otherwise the first timed runs wait for the disk


if __name__ == "__main__":
    main()
