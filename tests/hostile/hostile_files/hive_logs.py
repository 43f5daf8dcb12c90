"""Transaction logs of registry hives: entries without end, pages outside the hive, bitmaps that claim everything."""

from __future__ import annotations

import os
import struct
from functools import partial
from typing import TYPE_CHECKING

from support.hive_file import base_block, system_hive
from support.hive_logs import dirty
from support.registry_hives import CRASH_CONTROL

from hostile_files.case import MB, Case, hive, hive_json
from hostile_files.sparse import write_sparse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SYSTEM = "SYSTEM"
ROUND = 7
SECTOR = 512


def write(folder: Path, *, logs: Mapping[str, bytes], size: int = 0) -> None:
    """Write a dirty hive and its logs, by their endings; size: the least bytes of each log."""
    hive_bytes = system_hive({CRASH_CONTROL: {"CrashDumpEnabled": 1, "DumpFile": "C:\\dump.dmp"}})
    (folder / SYSTEM).write_bytes(dirty(hive_bytes, ROUND))
    for ending, data in logs.items():
        write_sparse(folder / f"{SYSTEM}{ending}", {0: data}, size)


def head(*, bins: int = 0x1000, kind: int = 6) -> bytes:
    """Return the first sector of a log."""
    return base_block(bins, 0x20, ROUND, ROUND, kind=kind)[:SECTOR]


def entry(size: int, sequence: int, pages: int, references: bytes = b"", *, bins: int = 0x1000) -> bytes:
    """Return the beginning of an entry."""
    return struct.pack("<4s5I16x", b"HvLE", size, 0, sequence, bins, pages) + references


def many_entries(folder: Path, *, count: int) -> None:
    """Write a log with so many entries of one sector, none of which has a page."""
    entries = b"".join(entry(SECTOR, ROUND + number, 0).ljust(SECTOR, b"\0") for number in range(count))
    write(folder, logs={".LOG1": head() + entries})


def link_to_itself(folder: Path) -> None:
    """Write a dirty hive whose logs are links to themselves, and a pipe."""
    write(folder, logs={})
    (folder / "SYSTEM.LOG1").symlink_to("SYSTEM.LOG1")
    os.mkfifo(folder / "SYSTEM.LOG2")


def cases() -> Iterator[Case]:
    """Yield the cases."""
    told = (hive(0, 3), hive_json(0, 3))
    for count in (9_000, 200_000):
        yield Case(f"a log has {count:,} entries", partial(many_entries, count=count), told)
    for count in (0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF):
        log = head() + entry(0xFFFFFE00, ROUND, count)
        sentence = f"an entry of 4 GB has {count:,} pages, in a log of 300 MB"
        yield Case(sentence, partial(write, logs={".LOG1": log}, size=300 * MB), told)
    for at, length in ((0, 64 * MB), (0xFFFFF000, 0x1000), (0, 0xFFFFFE00), (0x1000, 0), (0, 1)):
        log = head() + entry(250 * MB, ROUND, 1, struct.pack("<II", at, length))
        sentence = f"a page of a log has {length:,} bytes at 0x{at:x}"
        yield Case(sentence, partial(write, logs={".LOG1": log}, size=300 * MB), told)
    references = struct.pack("<II", 0, SECTOR) * 200_000
    log = head() + entry(120 * MB, ROUND, 200_000, references)
    yield Case("200,000 pages of a log are the same one", partial(write, logs={".LOG1": log}, size=130 * MB), told)
    log = head() + entry(SECTOR, ROUND, 0, bins=0xFFFFF000)
    yield Case("a log says that the hive has grown to 4 GB", partial(write, logs={".LOG1": log}, size=4096), told)
    for bins in (64 * MB, 0xFFFFF000):
        for bits in (b"\xff", b"\x01"):
            log = head(bins=bins, kind=1) + b"DIRT" + bits * min(MB, bins // SECTOR // 8)
            sentence = f"a bitmap of {bins:,} bytes of bins is all {bits.hex()}"
            yield Case(sentence, partial(write, logs={".LOG": log}, size=80 * MB), told)
    yield Case("the logs of a hive are a link to itself and a pipe", link_to_itself, told)
