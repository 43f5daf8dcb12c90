"""Small dumps: fields that claim lengths and counts, parts that lie over one another, names."""

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING

from hostile_files.archive_bytes import PACKERS
from hostile_files.case import (
    DUMP,
    MB,
    Case,
    Command,
    dumpkind,
    dumpkind_json,
    dumpkind_text,
    minify,
    pagefilefit,
    privacy,
    scrub,
)
from hostile_files.machines import sample
from hostile_files.sparse import patch, write_sparse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

GB = 1 << 30
SAMPLES = ("small", "x86-small", "arm64-small")
"""x64, x86 and ARM64."""
TRIAGE_AT = {"small": 0x2000, "x86-small": 0x1000, "arm64-small": 0x2000}
FIELDS = (
    *("ServicePackBuild", "SizeOfDump", "ValidOffset", "ContextOffset", "ExceptionOffset", "MmOffset"),
    *("UnloadedDriversOffset", "PrcbOffset", "ProcessOffset", "ThreadOffset", "CallStackOffset", "SizeOfCallStack"),
    *("DriverListOffset", "DriverCount", "StringPoolOffset", "StringPoolSize", "BrokenDriverOffset", "TriageOptions"),
)
"""Each a u32, the same in 32-bit and 64-bit small dumps (formats.md, section 9)."""
LAST_64 = {"DataPageOffset": 0x68, "DataPageSize": 0x6C, "DebuggerDataOffset": 0x70, "DebuggerDataSize": 0x74}
LAST_64 = {**LAST_64, "DataBlocksOffset": 0x78, "DataBlocksCount": 0x7C}
LAST_32 = {"DataPageOffset": 0x50, "DataPageSize": 0x54, "DebuggerDataOffset": 0x58, "DebuggerDataSize": 0x5C}
LAST_32 = {**LAST_32, "DataBlocksOffset": 0x60, "DataBlocksCount": 0x64}
ENTRY = {"small": 0x90, "arm64-small": 0x90, "x86-small": 0x4C}
"""Bytes of a DUMP_DRIVER_ENTRY."""


def triage_at(name: str, field: str) -> int:
    """Return the file offset of a field of TRIAGE_DUMP64 or TRIAGE_DUMP32."""
    if field in FIELDS:
        return TRIAGE_AT[name] + 4 * FIELDS.index(field)
    return TRIAGE_AT[name] + (LAST_32 if name == "x86-small" else LAST_64)[field]


def with_fields(name: str, fields: Mapping[str, int]) -> bytes:
    """Return a small dump with other values in its TRIAGE_DUMP64 or 32."""
    return patch(sample(name), {triage_at(name, field): struct.pack("<I", value) for field, value in fields.items()})


def write_fields(folder: Path, *, name: str, fields: Mapping[str, int], size: int = 0) -> None:
    """Write it, as a file of at least so many bytes."""
    write_sparse(folder / DUMP, {0: with_fields(name, fields)}, size)


def long_process_part(name: str, size: int, *, near_end: bool = False) -> tuple[bytes, int]:
    """Return a small dump whose process part goes on up to the end of the file, and the bytes of that file.

    Without a debugger data block nothing tells how long an EPROCESS is. near_end: instead, up to the driver list.
    """
    start = sample(name)
    at = len(start) + 0x1000 & -0x1000
    fields = {"ProcessOffset": at, "DebuggerDataSize": 0}
    if near_end:
        fields["DataPageOffset"] = at + size
    return with_fields(name, fields), at + size


def write_long_process_part(folder: Path, *, name: str, size: int) -> None:
    """Write it as a sparse file."""
    data, end = long_process_part(name, size)
    write_sparse(folder / DUMP, {0: data}, end)


def pack_long_process_part(folder: Path, *, name: str, size: int, packer: str) -> None:
    """Write it inside a packed file."""
    data, end = long_process_part(name, size)
    (folder / DUMP).write_bytes(PACKERS[packer](data.ljust(end, b"\0")))


def block_table(folder: Path, *, name: str, count: int, packer: str = "") -> None:
    """Write a small dump whose table of data blocks is so many entries of zeros, behind everything else."""
    start = sample(name)
    at = len(start) + 0x1000 & -0x1000
    data = with_fields(name, {"DataBlocksOffset": at, "DataBlocksCount": count})
    if packer:
        (folder / DUMP).write_bytes(PACKERS[packer](data.ljust(at + 16 * count, b"\0")))
    else:
        write_sparse(folder / DUMP, {0: data}, at + 16 * count + MB)


def nested_blocks(folder: Path, *, name: str, count: int) -> None:
    """Write a small dump of data blocks that all end at the same address and lie in the same bytes of the file."""
    start = sample(name)
    at = len(start) + 0x1000 & -0x1000
    entries = (struct.pack("<QII", 0xFFFFB000_00000000 + index, 0x3000, count - index) for index in range(count))
    data = with_fields(name, {"DataBlocksOffset": at, "DataBlocksCount": count})
    write_sparse(folder / DUMP, {0: data, at: b"".join(entries)}, at + count * count)


def overlapping_blocks(folder: Path, *, name: str, count: int) -> None:
    """Write a small dump of data blocks of 8,176 bytes, each 16 bytes behind the one before, all of the same bytes."""
    start = sample(name)
    at = len(start) + 0x1000 & -0x1000
    entries = (struct.pack("<QII", 0xFFFFB000_00000000 + 16 * index, 0x3000, 0x1FF0) for index in range(count))
    data = with_fields(name, {"DataBlocksOffset": at, "DataBlocksCount": count})
    write_sparse(folder / DUMP, {0: data, at: b"".join(entries)}, 4 * GB)


def drivers(
    folder: Path, *, name: str, count: int, names: bytes, units: int, apart: int = 0, size: int = 0, pool: bool = False
) -> None:
    """Write a small dump with so many drivers.

    names: text of their names, units: UTF-16 units that each claims; apart: bytes from one name to the next, 0: all
    have the same; size: least bytes of the file; pool: the string pool holds the names.
    """
    start = sample(name)
    list_at = len(start) + 0x1000 & -0x1000
    names_at = list_at + count * ENTRY[name] + 0x1000 & -0x1000
    entries = bytearray(count * ENTRY[name])
    for index in range(count):
        struct.pack_into("<I", entries, index * ENTRY[name], names_at + apart * index)
    fields = {"DriverListOffset": list_at, "DriverCount": count}
    fields["StringPoolOffset"], fields["StringPoolSize"] = (names_at, len(names) + 4) if pool else (0, 0)
    pieces = {0: with_fields(name, fields), list_at: bytes(entries)}
    for index in range(count if apart else 1):
        pieces[names_at + apart * index] = struct.pack("<I", units) + names
    write_sparse(folder / DUMP, pieces, max(size, names_at + apart * count + 2 * units + 4))


def cases() -> Iterator[Case]:
    """Yield the cases."""
    shared = privacy(0, 1, 3), scrub(0, 1, 3)
    told = (dumpkind(0, 1), dumpkind_json(0, 1), minify(3), pagefilefit(0, 3), *shared)
    for name in SAMPLES:
        fields = {"DataBlocksCount": 0x7FFFFFFF}
        write = partial(write_fields, name=name, fields=fields, size=40 * GB)
        refused = (dumpkind(1, field=""), dumpkind_json(1), minify(3), pagefilefit(0, 3))
        yield Case(f"DataBlocksCount asks for 34 GB, and the file has them as a hole ({name})", write, refused)
        for field in ("DriverCount", "StringPoolSize", "SizeOfCallStack", "DebuggerDataSize", "DataPageSize"):
            write = partial(write_fields, name=name, fields={field: 0x7FFFFFFF}, size=8 * GB)
            yield Case(f"{field} is 2 GB, and the file has them as a hole ({name})", write, told)
        for field in ("MmOffset", "PrcbOffset", "ProcessOffset", "ThreadOffset", "UnloadedDriversOffset", "SizeOfDump"):
            write = partial(write_fields, name=name, fields={field: 0xFFFFFFF0})
            yield Case(f"{field} leads beyond the end of the file ({name})", write, told)
        for megabytes in (64, 3000):
            write = partial(write_long_process_part, name=name, size=megabytes * MB)
            yield Case(f"the process part takes {megabytes} MB, as a hole ({name})", write, told)
        for count in (1_000_000, 4_000_000, 100_000_000):
            sentence = f"a table of {count:,} data blocks is a hole ({name})"
            yield Case(sentence, partial(block_table, name=name, count=count), told)
        write = partial(nested_blocks, name=name, count=20_000)
        yield Case(f"20,000 data blocks lie one in the other ({name})", write, told)
        for field, size in (("PrcbOffset", "DebuggerDataSize"), ("ThreadOffset", "DebuggerDataSize")):
            fields = {field: 0x10_0000, size: 0}
            write = partial(write_fields, name=name, fields=fields, size=12 * GB)
            yield Case(f"{field} is followed by a hole of 12 GB ({name})", write, told)
        for field in ("CallStack", "DataPage", "DebuggerData"):
            size = "SizeOfCallStack" if field == "CallStack" else f"{field}Size"
            fields = {f"{field}Offset": 0x10_0000, size: 0xFFFFFFF0}
            write = partial(write_fields, name=name, fields=fields, size=12 * GB)
            yield Case(f"{field} takes 4 GB, as a hole ({name})", write, (*told, dumpkind_text(0, 1)))
        for count in (1 << 19 | 1, 1 << 19):
            write = partial(overlapping_blocks, name=name, count=count)
            yield Case(f"{count:,} data blocks overlap ({name})", write, (*told, dumpkind_text(0, 1)))
        for units in (104, 105):
            write = partial(
                drivers, name=name, count=10_000, names="\x1b".encode("utf-16-le") * units, units=units, apart=0x100
            )
            yield Case(f"10,000 drivers have names of {units} escapes ({name})", write, (*told, dumpkind_text(0, 1)))
        write = partial(drivers, name=name, count=10_000, names=b"", units=0x8000, size=8 * GB)
        yield Case(f"10,000 drivers share a name of 64 KB, a hole ({name})", write, told)
        write = partial(drivers, name=name, count=10_000, names=b"", units=0x8000, apart=0x10000, size=8 * GB)
        yield Case(
            f"10,000 drivers have names of 64 KB, of one block of the disk each ({name})", write, told, slow=True
        )
        write = partial(
            drivers, name=name, count=10_000, names="\x1b".encode("utf-16-le") * 0x8000, units=0x8000, size=GB
        )
        yield Case(f"10,000 drivers share a name of 32,768 escapes ({name})", write, told)
        write = partial(drivers, name=name, count=1, names=b"", units=0xFFFFFFFF, size=16 * GB)
        yield Case(f"a driver's name has 2^32 characters ({name})", write, told)
    for packer in PACKERS:
        write = partial(pack_long_process_part, name="small", size=60 * MB, packer=packer)
        yield Case(f"the process part takes 60 MB inside a {packer} file", write, told, slow=packer == "CAB")
        write = partial(block_table, name="small", count=3_900_000, packer=packer)
        yield Case(f"a table of 3.9 million data blocks inside a {packer} file", write, told, slow=packer == "CAB")
    both = Command(("dumpkind", "--csv", DUMP), (0, 1))
    write = partial(drivers, name="small", count=10_000, names=b"", units=0x8000, size=8 * GB)
    yield Case("10,000 drivers share a name of 64 KB, as CSV", write, (both,))
    for what, piece in PERSONAL.items():
        for megabytes in (1, 12, 90):
            write = partial(one_block, piece=piece, size=megabytes * MB)
            yield Case(f"{megabytes} MB of a data block are {what}", write, shared, slow=megabytes > 1)


PERSONAL = {
    "folders of users": b"C:\\Users\\ab\\c\0",
    "names of users, all different": b"",
    "SMBIOS structures": bytes.fromhex("011b0100") + bytes(0x17) + b"a\0b\0\0",
    "SMBIOS structures that never end": bytes.fromhex("011b0100"),
    "addresses in UTF-16": "10.1.2.3 a@bc.de ".encode("utf-16-le"),
    "heads of SIDs": bytes.fromhex("0105000000000005") + bytes.fromhex("15000000"),
    "text without an end": b"eyJ-AKIA..\\\\",
}


def one_block(folder: Path, *, piece: bytes, size: int) -> None:
    """Write a small dump with one data block of so many bytes, behind what it had."""
    names = b"".join(b"USERNAME=user%07d\0" % number for number in range(size // 21 + 1)) if not piece else b""
    data, name = names or piece * (size // len(piece) + 1), "small"
    start = sample(name)
    table = len(start) + 0x10 & -0x10
    fields = {"DataBlocksOffset": table, "DataBlocksCount": 1}
    entry = struct.pack("<QII", 0xFFFFE000_77000000, table + 16, size)
    write_sparse(folder / DUMP, {0: with_fields(name, fields), table: entry + data[:size]})
