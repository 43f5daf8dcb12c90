"""SYSTEM registry hives: cells that are shared, lists without end, values that are costly to read."""

from __future__ import annotations

import gzip
import lzma
import struct
from functools import partial
from typing import TYPE_CHECKING, Callable

from hostile_files.case import MB, Case, Command, hive, hive_json
from hostile_files.hive_bytes import (
    REG_BINARY,
    REG_DWORD,
    REG_MULTI_SZ,
    REG_QWORD,
    REG_SZ,
    Hive,
    base_block,
    control,
)
from hostile_files.sparse import write_sparse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SYSTEM = "SYSTEM"
KEYS = ("CrashControl", "Memory Management", "Environment")
Make = Callable[[Hive], "dict[str, Sequence[int]]"]


def write(folder: Path, *, make: Make, size: int = 0) -> None:
    """Write a hive with the values that `make` adds, as a file of at least so many bytes."""
    cells = Hive()
    keys = make(cells)
    write_sparse(folder / SYSTEM, {0: cells.build(*control(cells, keys))}, size)


def text(value: str) -> bytes:
    """Return text as the registry has it; lone surrogates stay."""
    return value.encode("utf-16-le", "surrogatepass") + b"\0\0"


def shared_data(
    cells: Hive, *, kind: int, length: int, names: bool, keys: Sequence[str], data: bytes = b""
) -> dict[str, Sequence[int]]:
    """Let 2,000 values of each key have the data of one cell; names: each has another name, else they are one value."""
    at = cells.cell(data or bytes(min(length, MB)))
    one = cells.value(b"DumpFile", kind, b"", at=at, length=length)
    values = [cells.value(b"v%d" % index, kind, b"", at=at, length=length) if names else one for index in range(2000)]
    return dict.fromkeys(keys, values)


def one_value(cells: Hive, *, key: str, name: bytes, kind: int, data: bytes) -> dict[str, Sequence[int]]:
    """Give one key one value."""
    return {key: (cells.value(name, kind, data),)}


def long_value_names(cells: Hive) -> dict[str, Sequence[int]]:
    """Let 2,000 values have the same name of 64 KB."""
    one = cells.value(b"n" * 0xFFFF, REG_DWORD, b"\1\0\0\0")
    return dict.fromkeys(KEYS, [one] * 2000)


def many_segments(cells: Hive, *, count: int) -> dict[str, Sequence[int]]:
    """Let values be big data of 65,535 segments, all of which are the same one."""
    segment = cells.cell(b"A\0" * 0x1FEC)
    listed = cells.cell(struct.pack("<I", segment) * 0xFFFF)
    head = cells.cell(struct.pack("<2sHI", b"db", 0xFFFF, listed))
    one = cells.value(b"DumpFile", REG_SZ, b"", at=head, length=0x3FD8 * 0xFFFF)
    return {"CrashControl": [one] * count}


def many_subkeys(folder: Path, *, count: int, name: bytes) -> None:
    """Write a hive in which every key has so many subkeys with one name before the right one, all of one cell."""
    cells = Hive()
    other = cells.key(name)

    def crowded(*right: int) -> tuple[int, int]:
        whole, rest = divmod(count, 0xFFFF)
        lists = [cells.subkeys(*[other] * 0xFFFF)] * whole if whole else []
        lists.append(cells.subkeys(*[other] * rest, *right))
        return (cells.lists(*lists) if whole else lists[0]), count + len(right)

    empty = [cells.key(name) for name in (b"Memory Management", b"Environment")]
    manager = cells.key(b"Session Manager", (), *crowded(*empty))
    top = cells.key(b"Control", (), *crowded(cells.key(b"CrashControl"), manager))
    control_set = cells.key(b"ControlSet001", (), *crowded(top))
    select = cells.key(b"Select", (cells.value(b"Current", REG_DWORD, b"\1\0\0\0"),))
    (folder / SYSTEM).write_bytes(cells.build(*crowded(select, control_set)))


def nested_lists(folder: Path, *, depth: int, width: int, empty: bool) -> None:
    """Write a hive whose root has a list of lists of lists; empty: there is no key in the innermost one."""
    cells = Hive()
    innermost = cells.subkeys(*([] if empty else [cells.key(b"other")] * 0xFFFF))
    for _ in range(depth):
        innermost = cells.lists(*[innermost] * width)
    (folder / SYSTEM).write_bytes(cells.build(innermost, 2))


def list_of_itself(folder: Path) -> None:
    """Write a hive whose root has a list of lists that is in itself."""
    cells = Hive()
    at = cells.cell(struct.pack("<2sH", b"ri", 0xFFFF) + bytes(4 * 0xFFFF))
    data = bytearray(cells.build(at, 2))
    data[0x1000 + at + 8 : 0x1000 + at + 8 + 4 * 0xFFFF] = struct.pack("<I", at) * 0xFFFF
    (folder / SYSTEM).write_bytes(data)


def free_cells(folder: Path, *, size: int) -> None:
    """Write a hive whose only bin is a hole: free cells of no length, and so many bytes of them."""
    head = struct.pack("<4sII8xQI", b"hbin", 0, size, 0, 0)
    write_sparse(folder / SYSTEM, {0: base_block(size), 0x1000: head}, 0x1000 + size)


def paging_files(cells: Hive, *, lines: Sequence[str]) -> dict[str, Sequence[int]]:
    """Set PagingFiles."""
    data = b"".join(map(text, lines)) + b"\0\0"
    return {"Memory Management": (cells.value(b"PagingFiles", REG_MULTI_SZ, data),)}


def crash_control(cells: Hive, *, values: dict[str, tuple[int, bytes]]) -> dict[str, Sequence[int]]:
    """Set values of CrashControl, by their names."""
    return {"CrashControl": [cells.value(name.encode(), kind, data) for name, (kind, data) in values.items()]}


def packed(folder: Path, *, suffix: str, bins: int) -> None:
    """Write a packed hive that claims to have bins of so many bytes, with its keys behind the first 70 MB."""
    cells = Hive()
    cells.cell(b"A" * (70 * MB))
    values: dict[str, Sequence[int]] = {"CrashControl": (cells.value(b"CrashDumpEnabled", REG_DWORD, b"\3\0\0\0"),)}
    data = bytearray(cells.build(*control(cells, values)))
    struct.pack_into("<I", data, 0x28, bins)
    path = folder / f"SYSTEM.{suffix}"
    with gzip.open(path, "wb", 1) if suffix == "gz" else lzma.open(path, "wb", preset=0) as file:
        file.write(data)
        for _ in range(1024):
            file.write(b"A" * MB)


END_OF_THE_CALENDAR = 2650467743999999999
"""31 December 9999, as a FILETIME."""
ODD = "\x1b[31m\u202e\r\nC:\\\u2066x\u0007\x9b"


def cases() -> Iterator[Case]:
    """Yield the cases."""
    told = (hive(0, 3), hive_json(0, 3))
    for length, keys in ((MB, KEYS[:1]), (MB, KEYS), (16 * MB, KEYS[:1]), (0x7FFFFFFF, KEYS[:1])):
        for names in (False, True):
            make: Make = partial(shared_data, kind=REG_BINARY, length=length, names=names, keys=keys)
            same = "with names of their own" if names else "that are one value"
            yield Case(
                f"2,000 values {same} in {len(keys)} keys share a cell and claim {length:,} bytes",
                partial(write, make=make, size=24 * MB),
                told,
            )
    for content, what in (
        (bytes(MB), "empty strings"),
        (text("a") * (MB // 4), "strings of a letter"),
        (b"a\0" * (MB // 2), "one long string"),
    ):
        make = partial(shared_data, kind=REG_MULTI_SZ, length=MB, names=True, keys=KEYS[:1], data=content)
        yield Case(f"2,000 REG_MULTI_SZ values share 1 MB of {what}", partial(write, make=make), told)
        make = partial(one_value, key="CrashControl", name=b"x", kind=REG_MULTI_SZ, data=content * 8)
        yield Case(f"a REG_MULTI_SZ value that nobody needs has 8 MB of {what}", partial(write, make=make), told)
    make = partial(shared_data, kind=REG_SZ, length=MB, names=True, keys=KEYS, data=b"a\0" * (MB // 2))
    yield Case("2,000 REG_SZ values share 1 MB of text", partial(write, make=make), told)
    yield Case("2,000 values have the same name of 64 KB", partial(write, make=long_value_names), told)
    for count in (1, 2000):
        make = partial(many_segments, count=count)
        yield Case(
            f"{count:,} values are big data of 65,535 times the same segment",
            partial(write, make=make, size=100 * MB),
            told,
        )
    for count in (20_000, 60_000):
        for name in (b"other", b"n" * 0xFFFF):
            sentence = f"every key has {count:,} subkeys of one cell, with a name of {len(name):,} characters"
            yield Case(sentence, partial(many_subkeys, count=count, name=name), told)
    refused = (hive(3), hive_json(3))
    for depth, width, empty in ((1, 0xFFFF, True), (1, 0xFFFF, False), (2, 0xFFFF, True), (16, 0xFFFF, True)):
        inside = "none" if empty else "65,535 keys"
        sentence = f"a root's list of keys is {depth} lists of {width:,} lists deep, {inside} in each"
        yield Case(sentence, partial(nested_lists, depth=depth, width=width, empty=empty), refused)
    yield Case("a root's list of lists is in itself", list_of_itself, refused)
    for size in (64 * MB, 400 * MB):
        yield Case(
            f"a hive's only bin is {size:,} bytes of free cells without length, a hole",
            partial(free_cells, size=size),
            refused,
        )
    make = partial(crash_control, values={"CrashDumpEnabled": (REG_DWORD, b"\1\0\0\0")})
    yield Case("a hive has 500 MB of hole behind its cells", partial(write, make=make, size=500 * MB), told)
    for number in (14_500, 43_000, 500_000):
        for line in (
            "C:\\" + " " * number + "x",
            "C:\\" + " 1" * (number // 2) + "x",
            " " * number + "x",
            "C:\\a" * (number // 4),
        ):
            make = partial(paging_files, lines=[line])
            sentence = f"a line of PagingFiles has {len(line):,} characters: {line[:4]!a} ... {line[-4:]!a}"
            yield Case(sentence, partial(write, make=make), told)
    for count in (5_000, 30_000):
        for line, what in (
            ("C:\\pagefile%d.sys 1 1", "on C:"),
            ("D:\\pagefile%d.sys 1 1", "on D:"),
            ("nonsense %d", "that are none"),
        ):
            make = partial(paging_files, lines=[line % index for index in range(count)])
            yield Case(f"{count:,} paging files {what}", partial(write, make=make), told)
    for setting, kind, data in (
        ("DumpFile", REG_SZ, text("C:\\" + "d" * (4 * MB))),
        ("DedicatedDumpFile", REG_SZ, text("C:\\" + "d" * (4 * MB))),
        ("DumpFile", REG_SZ, text(ODD)),
        ("DedicatedDumpFile", REG_SZ, text(ODD)),
        ("DumpFile", REG_SZ, text("C:\\\udc00\ud800")),
        ("MinidumpDir", REG_SZ, text("C:\\\ud800")),
        ("DumpFileSize", REG_QWORD, b"\xff" * 8),
        ("LastCrashTime", REG_QWORD, b"\xff" * 8),
        ("LastCrashTime", REG_QWORD, struct.pack("<Q", END_OF_THE_CALENDAR)),
        ("MinidumpsCount", REG_QWORD, b"\xff" * 8),
        ("CrashDumpEnabled", REG_QWORD, b"\xff" * 8),
    ):
        values = {"CrashDumpEnabled": (REG_DWORD, b"\1\0\0\0"), "DedicatedDumpFile": (REG_SZ, text("D:\\d.sys"))}
        if setting == "MinidumpDir":
            values = {"CrashDumpEnabled": (REG_DWORD, b"\3\0\0\0")}
        make = partial(crash_control, values={**values, setting: (kind, data)})
        shown = f"{len(data):,} bytes" if len(data) > 100 else ascii(data)
        yield Case(f"{setting} is {shown}", partial(write, make=make), told)
    make = partial(paging_files, lines=[f"D:\\{ODD} 1 1", 'E:\\p" & calc & " 1 1'])
    yield Case("names of paging files have escapes, and quotes with a command", partial(write, make=make), told)
    many = [f"{letter}:\\{'p' * 32_000} 1 1" for letter in "ABDEFGHIJKLMNOPQ"]
    yield Case(
        "16 paging files have paths of 32,000 characters", partial(write, make=partial(paging_files, lines=many)), told
    )
    for length in (65_536, 500_000, 1_900_000):
        for content in (b"\0\0", b"a\0\0\0", b"a\0"):
            data = content * (length // len(content))
            make = partial(one_value, key="Memory Management", name=b"PagingFiles", kind=REG_MULTI_SZ, data=data)
            yield Case(f"PagingFiles is {length:,} bytes of {content!r}", partial(write, make=make), told)
    for content in (b"\0\0", b"a\0\0\0", b"a\0"):
        data = content * (65_536 // len(content))
        make = partial(shared_data, kind=REG_MULTI_SZ, length=65_536, names=True, keys=KEYS, data=data)
        yield Case(f"2,000 REG_MULTI_SZ values share 64 KB of {content!r}", partial(write, make=make), told)
    for suffix in ("gz", "xz"):
        for bins in (72 * MB, 0xFFFFE000):
            command = Command(("pagefilefit", "--ram", "16G", "--system-hive", f"{SYSTEM}.{suffix}"), (0, 3))
            yield Case(
                f"a hive in .{suffix} claims {bins:,} bytes of bins, and goes on for 1 GB",
                partial(packed, suffix=suffix, bins=bins),
                (command,),
                slow=True,
            )
    both = Command(("pagefilefit", "--system-hive", SYSTEM, "--require", "complete"), (1, 3))
    make = partial(paging_files, lines=["C:\\" + " " * 200_000 + "x"])
    yield Case("a line of PagingFiles has 200,000 blanks, and a kind is required", partial(write, make=make), (both,))
