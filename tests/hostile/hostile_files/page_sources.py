"""Where the pages of large dumps lie: bitmaps, tables of ranges, runs of RAM; and page tables that are counted."""

from __future__ import annotations

import struct
from array import array
from functools import partial
from typing import TYPE_CHECKING, Callable

from hostile_files.archive_bytes import PACKERS
from hostile_files.case import DUMP, MB, Case, dumpkind, dumpkind_json, minify, pagefilefit
from hostile_files.machines import ARM64, LA57, X64, Kind, map_tables, sample, write_complete, write_large
from hostile_files.sparse import patch, write_sparse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from samples.builder.crashed_machine import CrashedMachine

BITMAP_AT = {"kernel": 0x2000, "complete-bitmap": 0x2000, "arm64-kernel": 0x2000, "x86-kernel": 0x1000}
"""File offset of the bitmap header, by the sample: formats.md, sections 2, 3 and 6."""
RANGES_AT = 0x2000


def empty_bitmap(folder: Path, *, name: str, bits: int) -> None:
    """Write a dump whose bitmap has so many bits, none of which is set, as a hole."""
    at = BITMAP_AT[name]
    first_page = at + 0x38 + bits // 8 + 0x1000 & -0x1000
    head = patch(sample(name)[: at + 0x38], {at + 0x20: struct.pack("<QQQ", first_page, 0x1000, bits)})
    write_sparse(folder / DUMP, {0: head}, first_page + MB)


def bitmap_with_a_page_in_each_block(folder: Path, *, name: str, bits: int, step: int) -> None:
    """Write one in which a bit of every `step` bytes is set: each of them takes a block of the disk."""
    empty_bitmap(folder, name=name, bits=bits)
    at = BITMAP_AT[name] + 0x38
    with (folder / DUMP).open("r+b") as file:
        for offset in range(at, at + bits // 8, step):
            file.seek(offset)
            file.write(b"\1")


def summary_bitmap(folder: Path, *, bits: int) -> None:
    """Write a kernel dump of 32-bit Windows 7 whose bitmap of so many bits is a hole."""
    first_page = 0x1020 + bits // 8 + 0x1000 & -0x1000
    head = patch(sample("x86-summary")[:0x1020], {0x100C: struct.pack("<III", first_page & 0xFFFFFFFF, bits, 0x1000)})
    write_sparse(folder / DUMP, {0: head}, first_page + MB)


def ranges(*, name: str, count: int) -> bytes:
    """Return a dump whose table has so many ranges without a page."""
    first_page = RANGES_AT + 0x30 + 16 * count
    changes = {
        RANGES_AT + 0x10: struct.pack("<QQ", first_page - RANGES_AT - 0x20, first_page),
        RANGES_AT + 0x20: struct.pack("<I", count),
    }
    return patch(sample(name)[: RANGES_AT + 0x30], changes) + struct.pack("<QQ", 1, 0) * count + bytes(0x1000)


def packed_ranges(folder: Path, *, name: str, count: int, packer: str) -> None:
    """Write it inside a packed file."""
    (folder / DUMP).write_bytes(PACKERS[packer](ranges(name=name, count=count)))


def sparse_ranges(folder: Path, *, name: str, size: int) -> None:
    """Write a dump with room for a table of so many bytes, of which all but the first and last are a hole."""
    first_page = RANGES_AT + 0x30 + size
    changes = {
        RANGES_AT + 0x10: struct.pack("<QQ", first_page - RANGES_AT - 0x20, first_page),
        RANGES_AT + 0x20: struct.pack("<I", min(size // 16, 0xFFFFFFFF)),
    }
    head = patch(sample(name)[: RANGES_AT + 0x30], changes) + struct.pack("<QQ", 1, 1)
    write_sparse(folder / DUMP, {0: head, first_page - 16: struct.pack("<QQ", 2, 1)}, first_page + MB)


def ranges_of_pages(folder: Path, *, name: str, count: int, order: str, packer: str = "") -> None:
    """Write a dump whose table has so many ranges of one page, one of two pages of RAM being among them.

    order: "rising", "falling", "equal" (all are the same page) or "shuffled"; the file ends with the table.
    """
    numbers = {
        "rising": range(count),
        "falling": range(count - 1, -1, -1),
        "equal": [1] * count,
        "shuffled": [number * 0x9E3779B1 % (1 << 32) for number in range(count)],  # each another one: it is odd
    }[order]
    table = array("Q", bytes(16 * count))
    table[0::2] = array("Q", (2 * number + 1 for number in numbers))
    table[1::2] = array("Q", [1]) * count
    head = ranges(name=name, count=count)[: RANGES_AT + 0x30]
    data = head + table.tobytes()
    (folder / DUMP).write_bytes(PACKERS[packer](data) if packer else data)


def _tables(crashed: CrashedMachine, kind: Kind, count: int, entries_of: Callable[[int], range], depth: int) -> None:
    """Map so many tables, `depth` levels above the lowest one; entries_of: the page frames that each of them names."""
    tables, memory = crashed.machine.page_tables, crashed.memory
    entry, flags = tables.entry, tables.flags.kernel_table
    made = []
    for number in range(count):
        table = memory.allocate()
        frames = entries_of(number)
        memory.write(table, 0, struct.pack(f"<{len(frames)}Q", *(pfn << 12 | flags for pfn in frames)))
        made.append(table)
    for _ in range(tables.levels - 2 - depth):
        above = []
        for start in range(0, len(made), tables.entries):
            table = memory.allocate()
            names = made[start : start + tables.entries]
            memory.write(table, 0, b"".join(struct.pack(entry, pfn << 12 | flags) for pfn in names))
            above.append(table)
        made = above
    map_tables(crashed, kind, made)


def missing_tables(folder: Path, *, kind: Kind, directories: int, depth: int = 1) -> None:
    """Write a dump whose page directories name page tables that are not in it, each another one."""
    start = 0x1000_0000
    frames = lambda number: range(start + number * 512, start + (number + 1) * 512)  # noqa: E731
    write_large(folder / DUMP, kind, lambda crashed: _tables(crashed, kind, directories, frames, depth))


def tables_in_holes(folder: Path, *, kind: Kind, directories: int) -> None:
    """Write a complete dump of 64 GB, sparse, whose page directories name page tables that are holes of the file."""
    start = 0x10_0000
    frames = lambda number: range(start + number * 512, start + (number + 1) * 512)  # noqa: E731
    ram = ((0x1, 0x9E), (0x100, 0xFFFF00))
    write_complete(folder / DUMP, kind, ram, lambda crashed: _tables(crashed, kind, directories, frames, 1))


def scattered_pages(folder: Path, *, kind: Kind, tables: int) -> None:
    """Write a dump whose page tables map page frames that are 16 MB apart."""
    frames = lambda number: range(number * 512 << 12, (number + 1) * 512 << 12, 1 << 12)  # noqa: E731
    write_large(folder / DUMP, kind, lambda crashed: _tables(crashed, kind, tables, frames, 0))


def huge_runs(folder: Path, *, runs: tuple[tuple[int, int], ...]) -> None:
    """Write a complete dump of runs of RAM that no machine has."""
    data = sample("complete")
    block = struct.pack("<II", len(runs), 0) + struct.pack("<Q", sum(count for _, count in runs))
    block += b"".join(struct.pack("<QQ", base, count) for base, count in runs)
    (folder / DUMP).write_bytes(patch(data, {0x88: block}))


def cases() -> Iterator[Case]:
    """Yield the cases."""
    looked_at = (dumpkind(0, 1), dumpkind_json(0, 1), minify(3), pagefilefit(0, 3))
    for name, exponents in (
        ("kernel", (35, 36, 38, 40)),
        ("complete-bitmap", (36, 40)),
        ("arm64-kernel", (36, 40)),
        ("x86-kernel", (32, 40)),
    ):
        for exponent in exponents:
            write = partial(empty_bitmap, name=name, bits=1 << exponent)
            yield Case(f"a bitmap of 2^{exponent} bits is a hole ({name})", write, looked_at, slow=exponent > 36)
    yield Case("a summary dump's bitmap of 2^32 bits is a hole", partial(summary_bitmap, bits=0xFFFFFFF8), looked_at)
    write = partial(bitmap_with_a_page_in_each_block, name="kernel", bits=1 << 38, step=32 * MB)
    yield Case("a bitmap of 2^38 bits has a page in every 32 MB", write, looked_at, slow=True)
    for name in ("ranges-kernel", "ranges-active", "ranges-complete"):
        for packer in PACKERS if name == "ranges-kernel" else ("zstd",):
            write = partial(packed_ranges, name=name, count=4_000_000, packer=packer)
            sentence = f"a table of 4 million ranges without a page, {packer} ({name})"
            yield Case(sentence, write, looked_at, slow=packer not in ("zstd", "gzip"))
        write = partial(sparse_ranges, name=name, size=1 << 40)
        yield Case(f"room for a table of 1 TB of ranges is a hole ({name})", write, looked_at)
    for order in ("rising", "falling", "equal", "shuffled"):
        write = partial(ranges_of_pages, name="ranges-kernel", count=4_194_304, order=order)
        yield Case(f"4,194,304 ranges of a page, {order}", write, looked_at, slow=True)
    write = partial(ranges_of_pages, name="ranges-complete", count=4_000_000, order="rising", packer="zstd")
    yield Case("4,000,000 ranges of a page, rising, zstd", write, looked_at, slow=True)
    for order in ("falling", "shuffled"):
        write = partial(ranges_of_pages, name="ranges-active", count=1 << 18, order=order)
        yield Case(f"262,144 ranges of a page, {order}", write, looked_at, slow=order == "shuffled")
    write = partial(packed_ranges, name="ranges-active", count=16_000_000, packer="zstd")
    yield Case("a table of 16 million ranges without a page, zstd", write, looked_at, slow=True)
    for step in (MB, 128 << 10):
        write = partial(bitmap_with_a_page_in_each_block, name="kernel", bits=1 << 36, step=step)
        yield Case(f"a bitmap of 2^36 bits has a page in every {step >> 10} KB", write, looked_at, slow=True)
    counted = (pagefilefit(0), dumpkind(0, 1), minify(0, 1))
    for kind in (X64, LA57, ARM64):
        for directories in (24, 1000):
            sentence = f"{directories * 512:,} page tables are not in the dump ({kind.name})"
            write = partial(missing_tables, kind=kind, directories=directories)
            yield Case(sentence, write, counted)
        sentence = f"512,000 page tables are holes of the file ({kind.name})"
        yield Case(sentence, partial(tables_in_holes, kind=kind, directories=1000), counted, slow=kind is not X64)
        sentence = f"page tables map 512,000 pages that are 16 MB apart ({kind.name})"
        yield Case(sentence, partial(scattered_pages, kind=kind, tables=1000), counted)
    write = partial(missing_tables, kind=LA57, directories=500, depth=2)
    yield Case("256,000 page directories are not in the dump (x64 with LA57)", write, counted)
    for runs in (((0, (1 << 40) - 1),), tuple((index << 34, (1 << 34) - 1) for index in range(42)), ((1, 0),) * 42):
        yield Case(
            f"{len(runs)} runs of RAM, the first of {runs[0][1]:,} pages", partial(huge_runs, runs=runs), looked_at
        )
