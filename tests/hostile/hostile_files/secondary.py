"""Secondary data: chains of blobs that promise more than anybody should copy."""

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING

from hostile_files.case import DUMP, MB, SMALL, Case, Command, dumpkind, dumpkind_json, minify, pagefilefit
from hostile_files.machines import sample
from hostile_files.sparse import write_sparse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GB = 1 << 30
MOST = 176 * MB
"""Bytes that may be written without --size: 96 MB of memory, 64 MB of secondary data, and reports."""


def body(name: str) -> bytes:
    """Return a sample without its secondary data."""
    data = sample(name)
    return data[: data.rfind(b"DumpBlob")]


def chain(header_size: int = 0x10) -> bytes:
    """Return the header of a chain (formats.md, section 11)."""
    return b"DumpBlob" + struct.pack("<II", header_size, 0xF0001DB1)


def blob(size: int, before: int = 0, behind: int = 0) -> bytes:
    """Return the header of a blob."""
    return struct.pack("<I", 0x20) + bytes(range(16)) + struct.pack("<III", size, before, behind)


def large_blobs(folder: Path, *, name: str, count: int, size: int = 0, before: int = 0, behind: int = 0) -> None:
    """Write a dump with so many blobs whose data and paddings are holes."""
    start = body(name)
    at = len(start)
    pieces = {0: start, at: chain()}
    at += 0x10
    for _ in range(count):
        pieces[at] = blob(size, before, behind)
        at += 0x20 + before + size + behind
    write_sparse(folder / DUMP, pieces, at)


def many_blobs(folder: Path, *, name: str, count: int, size: int = 0) -> None:
    """Write a dump with so many small blobs."""
    (folder / DUMP).write_bytes(body(name) + chain() + (blob(size) + bytes(size)) * count)


def long_header(folder: Path, *, name: str) -> None:
    """Write a dump whose chain has a header of 4 GB, behind which it goes on."""
    start = body(name)
    pieces = {0: start, len(start): chain(0xFFFFFFF0), len(start) + 0xFFFFFFF0: blob(8) + bytes(8)}
    write_sparse(folder / DUMP, pieces)


def cases() -> Iterator[Case]:
    """Yield the cases."""
    copied = (
        dumpkind(0, 1),
        dumpkind_json(0, 1),
        minify(1, written=MOST),
        minify(1, written=MOST, arguments=("minify", "--json", DUMP, SMALL)),
        pagefilefit(0, 1),
    )
    for name in ("complete", "kernel", "x86-complete", "arm64-complete", "ranges-kernel"):
        write = partial(large_blobs, name=name, count=1, size=0xF000_0000)
        yield Case(f"one blob of 3.8 GB ({name})", write, copied)
    for sentence, write in (
        ("200 blobs of 50 MB", partial(large_blobs, name="complete", count=200, size=50 * MB)),
        (
            "30 blobs with 128 MB of padding before them",
            partial(large_blobs, name="complete", count=30, before=128 * MB),
        ),
        (
            "30 blobs with 128 MB of padding behind them",
            partial(large_blobs, name="complete", count=30, behind=128 * MB),
        ),
        ("a chain with a header of 4 GB", partial(long_header, name="complete")),
    ):
        yield Case(sentence, write, copied)
    for name in ("complete", "x86-complete", "arm64-complete"):
        write = partial(many_blobs, name=name, count=65_536, size=1024)
        yield Case(f"65,536 blobs of 1 KB, which are more than 64 MB with their headers ({name})", write, copied)
    whole = (dumpkind(0, 1), dumpkind_json(0, 1), minify(0, 1, written=MOST), pagefilefit(0, 1))
    for count in (65_536, 65_537):
        yield Case(f"{count:,} empty blobs", partial(many_blobs, name="complete", count=count), whole)
    batch = Command(("minify", "--jobs", "2", ".", "out"), (1,), writes=("out",), written=2 * MOST)
    yield Case(
        "one blob of 3.8 GB, in a batch", partial(large_blobs, name="kernel", count=1, size=0xF000_0000), (batch,)
    )
    asked = minify(0, 1, written=40 * MB, arguments=("minify", "--size", "32M", DUMP, SMALL))
    yield Case(
        "200 blobs of 50 MB, and 32 MB are asked for",
        partial(large_blobs, name="complete", count=200, size=50 * MB),
        (asked,),
    )
    pads = partial(large_blobs, name="small", count=60, behind=0x4000_0000)
    yield Case(
        "a small dump with 60 blobs and a GB of padding behind each",
        pads,
        (dumpkind(0, 1), dumpkind_json(0, 1), minify(3)),
    )
