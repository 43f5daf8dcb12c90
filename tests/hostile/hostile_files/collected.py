"""Folders of machines' reports and hives: reports that are long, deep or wrong, and many files that are neither."""

from __future__ import annotations

import json
import os
from functools import partial
from typing import TYPE_CHECKING

from support.hive_file import system_hive
from support.registry_hives import CRASH_CONTROL

from hostile_files.case import Case, Command
from hostile_files.sparse import write_sparse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FOLDER = "collected"
ODD = "\x1b[31m\u202e\r\n=cmd|' /C calc'!A0"
REPORT: dict[str, object] = {"verdict": "fits", "computer": "PC", "kinds": [], "checks": []}


def write(folder: Path, *, files: Mapping[str, bytes], size: int = 0) -> None:
    """Write files beside the hive of a machine; size: the least bytes of each."""
    below = folder / FOLDER
    below.mkdir()
    (below / "SYSTEM").write_bytes(system_hive({CRASH_CONTROL: {"CrashDumpEnabled": 7}}))
    for name, data in files.items():
        write_sparse(below / name, {0: data}, size)


def many_files(folder: Path, *, count: int, data: bytes) -> None:
    """Write so many files that have the same bytes."""
    write(folder, files={"0": data})
    for number in range(1, count):
        os.link(folder / FOLDER / "0", folder / FOLDER / f"{number}")


def report(**changes: object) -> bytes:
    """Return a report with other values."""
    return json.dumps({**REPORT, **changes}).encode()


def cases() -> Iterator[Case]:
    """Yield the cases."""
    words = ("pagefilefit", "--system-hive", FOLDER)
    told = tuple(Command((*words, *option), (0, 1)) for option in ((), ("--csv",), ("--json",)))
    for data, what in (
        (b'{"a":' + b"9" * 250_000 + b"}", "a number of 250,000 digits"),
        (b'{"a":' * 50_000, "50,000 objects in one another"),
        (b'{"a":' + b"[" * 250_000, "250,000 lists in one another"),
        (b'{"a":1,' * 30_000, "no end"),
        (report(computer=ODD, headline=ODD), "escapes and formulas for names"),
        (report(computer="\ud800"), "half a character for a name"),
        (report(checks=[{"question": "x" * 100, "answer": False}] * 32), "32 long questions"),
        (report(checks=[{"question": "x" * 2000, "answer": False}] * 64), "64 questions of 2,000 characters"),
    ):
        slow = what != "escapes and formulas for names"
        yield Case(f"a report has {what}", partial(write, files={"PC.json": data}), told, slow=slow)
    yield Case("a report has 1 TB of holes", partial(write, files={"PC.json": b"{"}, size=1 << 40), told)
    for data, what in ((b"regf", "begin like hives"), (b"{", "begin like reports"), (b"x", "are neither")):
        yield Case(f"2,000 files {what}", partial(many_files, count=2_000, data=data), told, slow=True)
