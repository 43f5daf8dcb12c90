"""Small dumps that make the search for what is personal, and scrubbing, ask for more than they are."""

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING

from hostile_files.case import DUMP, MB, Case, privacy, scrub
from hostile_files.machines import sample
from hostile_files.small_dumps import ENTRY, triage_at, with_fields
from hostile_files.sparse import patch, write_sparse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

KERNEL, USER = 0xFFFF_E000_7700_0000, 0x0000_0200_0000_0000
Block = tuple[int, int, int]
"""A data block: its address, where it begins in the bytes behind the table, and its size."""

SIZE_EPROCESS, SIZE_ETHREAD = 0x2A8, 0x2C0
THREAD_FIELDS = {
    0x29C: ("<H", 0x08),  # OffsetKThreadKernelStack
    0x29E: ("<H", 0x10),  # OffsetKThreadInitialStack
    0x2A0: ("<H", 0x18),  # OffsetKThreadApcProcess
    0x340: ("<I", 0x20),  # OffsetKThreadStackLimit
    0x344: ("<I", 0x10),  # OffsetKThreadStackBase
}
"""Offsets in the debugger data block (WDBGEXTS.H) that let a thread have 40 bytes."""


def blocks(
    folder: Path,
    *,
    data: bytes,
    table: Iterable[Block],
    size: int = 0,
    drivers: Iterable[tuple[int, str]] = (),
    debugger_data: Mapping[int, tuple[str, int]] | None = None,
    count: int = 0,
) -> None:
    """Write a small dump with these data blocks, which may lie in the same bytes of the file.

    size: least bytes of the file; drivers: (base, name); debugger_data: fields of that block; count: processors.
    """
    name = "small"
    start = sample(name)
    entries = [*table]
    at = len(start) + 0x1000 & -0x1000
    behind = at + 16 * len(entries)
    packed = b"".join(struct.pack("<QII", address, behind + offset, length) for address, offset, length in entries)
    fields = {"DataBlocksOffset": at, "DataBlocksCount": len(entries)}
    pieces = {at: packed, behind: data}
    listed = [*drivers]
    if listed:
        list_at = behind + len(data)
        names_at = list_at + len(listed) * ENTRY[name]
        fields.update({"DriverListOffset": list_at, "DriverCount": len(listed), "StringPoolOffset": 0})
        fields["StringPoolSize"] = 0
        pieces[list_at], pieces[names_at] = driver_list(listed, names_at)
    begin = with_fields(name, fields)
    block_at = struct.unpack_from("<I", begin, triage_at(name, "DebuggerDataOffset"))[0]
    changes = {block_at + offset: struct.pack(*value) for offset, value in (debugger_data or {}).items()}
    if count:
        changes[0x34] = struct.pack("<I", count)  # NumberProcessors
    least = max(size, behind + len(data), sum(length for *_, length in entries))
    write_sparse(folder / DUMP, {0: patch(begin, changes), **pieces}, least)


def driver_list(drivers: Iterable[tuple[int, str]], at: int) -> tuple[bytes, bytes]:
    """Return the entries of drivers and their names, which lie at a file offset; equal names are one."""
    entries, names = bytearray(), bytearray()
    places: dict[str, int] = {}
    for base, name in drivers:
        if name not in places:
            places[name] = at + len(names)
            names += struct.pack("<I", len(name)) + name.encode("utf-16-le") + b"\0\0"
        entry = bytearray(ENTRY["small"])
        struct.pack_into("<I", entry, 0, places[name])
        struct.pack_into("<Q", entry, 8 + 0x30, base)
        struct.pack_into("<I", entry, 8 + 0x40, 0x1000)
        entries += entry
    return bytes(entries), bytes(names)


def tiled(piece: bytes, megabytes: int, address: int = KERNEL) -> dict[str, object]:
    """Return a megabyte of a piece again and again, and so many data blocks that are all it."""
    data = (piece * (MB // len(piece) + 1))[:MB]
    return {"data": data, "table": [(address + 2 * MB * number, 0, MB) for number in range(megabytes)]}


def long_texts(folder: Path, *, piece: bytes, megabytes: int) -> None:
    """Write data blocks that are all the same megabyte of a piece."""
    blocks(folder, **tiled(piece, megabytes))  # type: ignore[arg-type]  # its own arguments


def numbers_of_machines(folder: Path) -> None:
    """Write a block of SMBIOS tables, each with a UUID of its own, and 40 MB to look for them in."""
    system = b"\x01\x1b\x01\x00" + bytes(4) + b"%b" + bytes(3) + b"a\0b\0\0"
    board = b"\x02\x08\x02\x00" + bytes(4) + b"a\0\0"
    end = b"\x7f\x04\x03\x00\0\0"
    tables = b"".join(
        system.replace(b"%b", struct.pack("<QQ", 0x1122334455667700 + index, index + 1)) + board + end
        for index in range(4800)
    )
    blocks(
        folder,
        data=tables,
        table=[(KERNEL, 0, len(tables)), (KERNEL + MB, len(tables) + 0x1000, 40 * MB)],
        size=48 * MB,
    )


def names_beyond_ascii(folder: Path) -> None:
    """Write a block with 64 names of users in other letters, and 40 MB to look for them in."""
    names = b"".join(b"C:\\Users\\" + ("ü" * 6 + f"{index:03}").encode("latin-1") + b"\\x\0\0" for index in range(64))
    blocks(
        folder, data=names, table=[(KERNEL, 0, len(names)), (KERNEL + MB, len(names) + 0x1000, 40 * MB)], size=48 * MB
    )


def names_inside_of_words(folder: Path, *, filler: bytes) -> None:
    """Write a block with the name of a user, and 40 MB in which it stands inside of other words again and again."""
    name = b"C:\\Users\\\xe9\xe9\xe9\\x\0\0"
    data = name.ljust(0x1000, b"\0") + (filler * (MB // len(filler) + 1))[:MB]
    table = [(KERNEL, 0, 0x1000), *((KERNEL + 2 * MB * number, 0x1000, MB) for number in range(1, 41))]
    blocks(folder, data=data, table=table)


def blocks_of_a_byte(folder: Path, *, count: int, address: int, piece: bytes, step: int = 1) -> None:
    """Write so many data blocks of one byte that follow one another in memory."""
    data = (piece * (count // len(piece) + 1))[:count]
    blocks(folder, data=data, table=[(address + step * index, index, 1) for index in range(count)])


def blocks_in_a_row(folder: Path, *, count: int, size: int) -> None:
    """Write so many data blocks that follow one another in memory and are the same bytes."""
    blocks(folder, data=bytes(size), table=[(KERNEL + size * index, 0, size) for index in range(count)])


def windows_at_one_place(folder: Path, *, count: int) -> None:
    """Write a page of paths, and so many blocks that are its first bytes."""
    page = b"".join(b"D:\\a%03d\0" % number for number in range(400)).ljust(0x1000, b"\0")
    table = [
        (KERNEL, 0, 0x1000),
        *((KERNEL + 0x1000 - 8 - index % 2, 0x1000 - 8 - index % 2, 8) for index in range(count)),
    ]
    blocks(folder, data=page, table=table)


def threads(folder: Path, *, count: int, processes: int, step: int, eprocess: int, names: bytes = b"") -> None:
    """Write so many threads, each a block of its own, whose processes overlap."""
    region = KERNEL + (1 << 32)
    at = KERNEL
    data, table = bytearray(), []
    for index in range(count):
        stack = at + 0x100 * index + 0x60
        one = struct.pack("<QQQQQ", 6, stack - 0x20, stack, region + step * (index % processes), stack - 0x40)
        table.append((at + 0x100 * index, len(data), len(one)))
        data += one
    size = step * processes + eprocess
    content = (names * (size // len(names) + 1))[:size] if names else b""
    table.append((region, len(data) + 0x1000 & -0x1000, size))
    data = data.ljust(len(data) + 0x1000 & -0x1000, b"\0") + content
    debugger = {**THREAD_FIELDS, SIZE_EPROCESS: ("<H", eprocess), SIZE_ETHREAD: ("<H", 8)}
    blocks(folder, data=bytes(data), table=table, size=len(data) + size + MB, debugger_data=debugger)


def drivers_of_users(folder: Path, *, name: str) -> None:
    """Write 10,000 drivers in user mode."""
    drivers = [(0x10000 + 0x1000 * index, name) for index in range(10_000)]
    blocks(folder, data=bytes(16), table=[(KERNEL, 0, 16)], drivers=drivers, size=20_000 * len(name) + MB)


UNITS = ("\\\\aaaa" + "aaaaЖ" * 100_000).encode("utf-16-le")
STRUCTURES = (
    bytes.fromhex("011b0100")
    + bytes(0x17)
    + b"a\0b\0\0"
    + (b"\x02\x08\x02\x00" + bytes(4) + b"abcd\0" * 800 + b"\0") * 300
)
SHARED = privacy(0, 1, 3), scrub(0, 1, 3)


def cases() -> Iterator[Case]:
    """Yield the cases."""
    for what, piece, megabytes in (
        ("texts of five characters, each with the signs of five rules", b"@-.:\\\x01", 40),
        ("a text in UTF-16 that goes on in other letters", UNITS, 8),
        ("strings of SMBIOS structures", STRUCTURES, 40),
        ("tails of SIDs", bytes.fromhex("00000000000515000000"), 45),
        ("paths of Windows itself", b"C:\\windows\\\0\0", 40),
        ("addresses of nobody", b"0.0.0.0 ", 40),
        ("numbers and a dot", b"1 1 1 1 1 1 1 1 1.", 40),
    ):
        write = partial(long_texts, piece=piece, megabytes=megabytes)
        yield Case(f"the same megabyte in many data blocks ({what})", write, SHARED, slow=True)
    yield Case("tables with the UUIDs of 4,800 machines", numbers_of_machines, SHARED, slow=True)
    yield Case("users with 64 names beyond ASCII", names_beyond_ascii, SHARED, slow=True)
    write = partial(names_inside_of_words, filler=b"ab\xe9\xe9\xe9")
    yield Case("the name of a user inside of other words, everywhere", write, SHARED, slow=True)
    for count in (1 << 17, 1 << 19):
        write = partial(blocks_of_a_byte, count=count, address=USER, piece=b"\1", step=2)
        yield Case(f"{count:,} data blocks of a byte (user-mode memory)", write, SHARED, slow=True)
        write = partial(blocks_of_a_byte, count=count, address=KERNEL, piece=b"D:\\abcdefghijklmnop\\q\0")
        yield Case(f"{count:,} data blocks of a byte (texts together)", write, SHARED, slow=True)
    for count, size in ((1 << 17, 360), (1 << 19, 180)):
        write = partial(blocks_in_a_row, count=count, size=size)
        yield Case(f"{count:,} data blocks of {size} bytes follow one another", write, SHARED, slow=True)
    write = partial(blocks_of_a_byte, count=1 << 17, address=KERNEL, piece=b"D:\\" + b"ab cd-ef" * 40 + b"\0")
    yield Case(f"{1 << 17:,} data blocks of a byte (long texts together)", write, SHARED, slow=True)
    for count in (500_000, 130_000):
        write = partial(windows_at_one_place, count=count)
        yield Case(f"{count:,} data blocks lie in one page of paths", write, SHARED[::-1], slow=True)
    write = partial(threads, count=19_000, processes=19_000, step=16, eprocess=0xFFF8)
    yield Case("19,000 threads are of other processes (of 64 KB)", write, SHARED[::-1])
    named = b"name.exe\0\0\0\0\0\0\0\0" * 4 + b"D:\\abc\0\0"
    write = partial(threads, count=19_000, processes=19_000, step=0x48, eprocess=0x400, names=named)
    yield Case("19,000 threads are of other processes (with names, between paths)", write, SHARED[::-1], slow=True)
    for what, name in (("paths", "D:\\x\\" + "a-b.c@d " * 12), ("letters", "n" * 100)):
        yield Case(
            f"10,000 drivers are of user mode (called {what})",
            partial(drivers_of_users, name=name),
            SHARED[::-1],
            slow=True,
        )
