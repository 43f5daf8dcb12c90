"""Names and texts out of dumps and of files: long ones, ones that are no text, ones that terminals and scripts obey."""

from __future__ import annotations

import os
import struct
from functools import partial
from typing import TYPE_CHECKING

from hostile_files.case import (
    DUMP,
    MB,
    REPORT,
    Case,
    Command,
    dumpkind,
    dumpkind_html,
    dumpkind_json,
    minify,
    salvage,
)
from hostile_files.kernel_structures import MODULE_FIELDS
from hostile_files.machines import KINDS, Kind, sample, write_large
from hostile_files.small_dumps import SAMPLES, drivers
from hostile_files.sparse import patch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from samples.builder.crashed_machine import CrashedMachine

TEXTS = {
    "lone surrogates": "\udc00\ud800\udfff.sys",
    "one half of a pair at its end": "faulty\ud83d",
    "escapes and line ends": "\x1b[2J\x1b]0;x\x07\r\n\x9b31m.sys",
    "right-to-left marks": "\u202e\u2066sys.exe\u2028\u2029\x00\ufeff",
    "markup": '</link><exec cmd="!py x">&amp;"\'<script>',
    "a formula": '=cmd|"/c calc"!A1',
    "4,096 combining marks": "a" + "\u0301" * 2000,
}
COMMENT_AT = {"small": 0xFB0, "complete": 0xFB0, "x86-small": 0x820, "x86-complete": 0x820}
TIMES_AT = {"complete": (0xFA8, 0x1030), "x86-complete": (0xFC0, 0xFB8)}
"""File offsets of SystemTime and SystemUpTime."""


def module_name(folder: Path, *, kind: Kind, name: str) -> None:
    """Give the module that crashed, and the kernel, another name in a large dump."""

    def spoil(crashed: CrashedMachine) -> None:
        data = name.encode("utf-16-le", "surrogatepass")
        crashed.write(kind.table, data)
        _, _, _, full_length, full, base_length, base = MODULE_FIELDS[kind.pointer_size]
        for module in ("faulty.sys", "hal.dll"):
            entry = crashed.loaded_modules[module]
            for length, buffer in ((full_length, full), (base_length, base)):
                crashed.write(entry + length, struct.pack("<H", len(data)))
                crashed.write(entry + buffer, kind.pointers(kind.table))

    write_large(folder / DUMP, kind, spoil)


def driver_name(folder: Path, *, name: str, text: str) -> None:
    """Give every driver of a small dump another name."""
    data = text.encode("utf-16-le", "surrogatepass")
    drivers(folder, name=name, count=7, names=data, units=len(data) // 2)


def many_files(folder: Path, *, count: int, text: str) -> None:
    """Write so many small dumps, links to one, and one whose suspect has a name of 64 KB."""
    plain = sample("small")
    (folder / "0.dmp").write_bytes(plain)
    for number in range(1, count):
        os.link(folder / "0.dmp", folder / f"{number}.dmp")
    list_at = struct.unpack_from("<I", plain, 0x2000 + 0x30)[0]
    count_of_drivers = struct.unpack_from("<I", plain, 0x2000 + 0x34)[0]
    data = text.encode("utf-16-le", "surrogatepass")
    at = len(plain) + 0x1000 & -0x1000
    names = {list_at + 0x90 * index: struct.pack("<I", at) for index in range(count_of_drivers)}
    odd = patch(plain, names).ljust(at, b"\0") + struct.pack("<I", len(data) // 2) + data
    (folder / "odd.dmp").write_bytes(odd)


def file_named(folder: Path, *, name: bytes, packed: bool = False) -> None:
    """Write a dump under an odd name, and one without a readable header beside it."""
    path = os.path.join(os.fsencode(folder), name)  # noqa: PTH118 - it is bytes
    for suffix, data in ((b".dmp", sample("kernel")), (b"-bad.dmp", b"PAGEDU64" + bytes(100))):
        with open(path + suffix, "wb") as file:  # noqa: PTH123
            file.write(data)


def comment(folder: Path, *, name: str, text: bytes) -> None:
    """Write a dump with a comment."""
    (folder / DUMP).write_bytes(patch(sample(name), {COMMENT_AT[name]: text.ljust(128, b"\0")[:128]}))


def times(folder: Path, *, name: str, value: int) -> None:
    """Write a dump with times of one value."""
    (folder / DUMP).write_bytes(patch(sample(name), {at: struct.pack("<Q", value) for at in TIMES_AT[name]}))


def listed(folder: Path, *, line: bytes, count: int, size: int = 0) -> None:
    """Write a list of the same line so many times, and a hole behind it."""
    with (folder / "list.txt").open("wb") as file:
        for _ in range(0, count, 1 << 16):
            file.write(line * min(count, 1 << 16))
        if size:
            file.truncate(size)


def cases() -> Iterator[Case]:
    """Yield the cases."""
    commands: tuple[Command, ...]
    csv = Command(("dumpkind", "--csv", DUMP), (0, 1), longest_line=1 * MB)
    for what, text in TEXTS.items():
        for kind in KINDS if "surrogates" in what else KINDS[:1]:
            commands = (dumpkind(0), dumpkind_json(0), dumpkind_html(0), csv, minify(0, 1), salvage(0, 1))
            yield Case(f"modules are called {what} ({kind.name})", partial(module_name, kind=kind, name=text), commands)
        for name in SAMPLES if "surrogates" in what else SAMPLES[:1]:
            commands = (dumpkind(0, 1), dumpkind_json(0, 1), dumpkind_html(0, 1), csv)
            yield Case(f"drivers are called {what} ({name})", partial(driver_name, name=name, text=text), commands)
    table = Command(("dumpkind", "."), (0, 1), largest_output=2 * MB, longest_line=1000, seconds=8)
    for what, text in (("64 KB of letters", "n" * 0x8000), ("32,768 lone surrogates", "\ud800" * 0x8000)):
        commands = (
            table,
            Command(("dumpkind", "-v", "."), (0, 1), largest_output=4 * MB, longest_line=2000, seconds=8),
            Command(("dumpkind", "--json", "."), (0, 1), largest_output=4 * MB, seconds=8),
            Command(("dumpkind", "--csv", "."), (0, 1), largest_output=4 * MB, longest_line=1 * MB, seconds=8),
            Command(("dumpkind", "--html", REPORT, "."), (0, 1), writes=(REPORT,), longest_line=1000, seconds=8),
            Command(("minify", "--json", ".", "out"), (0, 1), writes=("out",), seconds=8),
        )
        yield Case(
            f"one file of 301 has a module with a name of {what}", partial(many_files, count=300, text=text), commands
        )
    for what, odd in (
        ("bytes that are no UTF-8", b"\xff\xfe\x80"),
        ("escapes and a line end", b"\x1b[31m\n\r\x07"),
        ("a lone surrogate in UTF-8", b"\xed\xa0\x80"),
        ("a right-to-left mark", "\u202eexe".encode()),
        ("a formula", b"=1+1"),
        ("a dash", b"-v"),
        ("wildcards", b"[a-z]*?"),
        ("200 letters", b"n" * 200),
    ):
        shown = os.fsdecode(odd)
        one = f"./{shown}.dmp"
        small = f"./{shown}-small.dmp"
        commands = (
            Command(("dumpkind", one), (0,)),
            Command(("dumpkind", "--json", one), (0,)),
            Command(("dumpkind", "--json", "."), (1,)),
            Command(("dumpkind", "."), (1,)),
            Command(("dumpkind", f"./{shown}-bad.dmp"), (1, 3)),
            Command(("minify", "--json", one), (0, 1), writes=(small[2:],)),
            Command(("minify", "--json", "."), (1,), writes=(small[2:],)),
            Command(("minify", f"./{shown}-bad.dmp"), (3,)),
            Command(("pagefilefit", "--json", one), (0, 1)),
        )
        yield Case(f"a file's name has {what}", partial(file_named, name=odd), commands)
    for name in COMMENT_AT:
        commands = (dumpkind(0), dumpkind_json(0), csv) + (() if "small" in name else (minify(0), salvage(0)))
        text_of_comment = b"\x1b[31m\r\n\x9b2J=1+1\x85\xff\xfe" + b"</link>" * 20
        yield Case(
            f"a comment has escapes and no end ({name})", partial(comment, name=name, text=text_of_comment), commands
        )
    for name in TIMES_AT:
        for value in (1, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF, 2650467743999999999, 2650467744000000000):
            commands = (
                dumpkind(0),
                dumpkind_json(0),
                dumpkind_html(0),
                csv,
                minify(0),
                Command(("dumpkind", "."), (0,)),
            )
            yield Case(f"times are {value} ({name})", partial(times, name=name, value=value), commands)
    of_list = Command(("minify", "--json", "--jobs", "1", "--list", "list.txt", "out"), (1, 2, 3), writes=("out",))
    text_of_list = Command(("minify", "--jobs", "1", "--list", "list.txt", "out"), (1, 2, 3), writes=("out",))
    stdin = Command(
        ("minify", "--jobs", "1", "--list", "-", "out"), (2, 3), standard_input="/dev/zero", writes=("out",)
    )
    for what, line, count, size in (
        ("16 million lines of a letter", b"a\n", 1 << 24, 0),
        ("4 million blank lines", b" \n", 1 << 22, 0),
        ("one line of 60 MB", b"a" * 1024, 60 << 10, 0),
        ("10,000 lines of 4,095 letters", b"n" * 4095 + b"\n", 10_000, 0),
        ("a name that is no UTF-8", b"\xff\xed\xa0\x80.dmp\n", 1, 0),
        ("names with escapes", b"\x1b[31m\x07.dmp\n\xe2\x80\xae.dmp\n", 1, 0),
        ("64 MB of hole", b"a\n", 1, 64 * MB),
        ("1 TB of hole", b"a\n", 1, 1 << 40),
        ("lone surrogates of UTF-16", b"\xff\xfe\0\xdc\0\xd8a\0\n\0", 1, 0),
    ):
        slow = count > 1 << 20
        commands = (text_of_list, of_list) if not slow else (text_of_list,)
        yield Case(f"a list has {what}", partial(listed, line=line, count=count, size=size), commands, slow=slow)
    yield Case("a list on standard input never ends", partial(listed, line=b"", count=0), (stdin,))
