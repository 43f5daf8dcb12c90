"""Other people's small dumps (folder WINDBG_EXT_DUMPS) are read and written again with the same parts."""

from __future__ import annotations

import io
import lzma
import os
import struct
from pathlib import Path

import pytest
from support.dump_bytes import file_of, read_header

from windbg_ext.dump.secondary import read_secondary_data
from windbg_ext.dump.small import load_small_dump, read_small_dump, write_small_dump


def given_small_dumps() -> list[Path]:
    folder = os.environ.get("WINDBG_EXT_DUMPS")
    paths = sorted(Path(folder).rglob("*.dmp*")) if folder else []
    return [path for path in paths if path.suffix in (".dmp", ".xz") and is_small(path)]


def is_small(path: Path) -> bool:
    with lzma.open(path) if path.suffix == ".xz" else path.open("rb") as file:
        header = file.read(0x2000)
    return header.startswith(b"PAGEDU64") and struct.unpack_from("<I", header, 0xF98) == (4,)


SMALL_DUMPS = given_small_dumps()
if not SMALL_DUMPS:
    pytest.skip("WINDBG_EXT_DUMPS names no folder with small dumps", allow_module_level=True)


def unpacked(path: Path) -> bytes:
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()


def written_again(data: bytes) -> bytes:
    out = io.BytesIO()
    with file_of(data) as file:
        header = read_header(file)
        parts = read_small_dump(file, header)
        chain = read_secondary_data(file, parts.size_of_dump)
        secondary = [] if chain is None else [file.read(chain.offset, chain.size)]
        write_small_dump(load_small_dump(file, header, parts), secondary, out)
    return out.getvalue()


def part_bytes(data: bytes) -> dict[str, object]:
    """Every part, read with struct alone. Offsets: mindumpdef.h, Ghidra TriageDump.java, WDBGEXTS.H."""

    def u32(offset: int) -> int:
        return int(struct.unpack_from("<I", data, offset)[0])

    def piece(field: int, size: int) -> bytes:
        offset = u32(0x2000 + field)
        return data[offset : offset + size] if offset else b""

    block = piece(0x70, u32(0x2074))
    if len(block) < 0x2C2:
        pytest.skip("no debugger data block tells how long the parts are")
    process, prcb = struct.unpack_from("<H6xH", block, 0x2A8)
    (thread,) = struct.unpack_from("<H", block, 0x2C0)
    unloaded = u32(0x2018)
    drivers = []
    for index in range(u32(0x2034)):
        entry = data[u32(0x2030) + 0x90 * index :][:0x90]
        name = struct.unpack_from("<I", entry)[0]
        drivers.append((data[name : name + 4 + 2 * u32(name)], entry[8:]))
    table = data[u32(0x2078) :][: 16 * u32(0x207C)]
    return {
        "header": data[:0xF98] + data[0xFA8:0x1038] + data[0x103C:0x2000],
        "service pack, options, stack, architecture": (data[0x2000:0x2004], data[0x2044:0x2068]),
        "mm": piece(0x14, 0x50),
        "unloaded drivers": data[unloaded : unloaded + 8 + 0x38 * u32(unloaded)] if unloaded else b"",
        "prcb": piece(0x1C, prcb),
        "process": piece(0x20, process),
        "thread": piece(0x24, thread),
        "call stack": piece(0x28, u32(0x202C)),
        "drivers": drivers,
        "data page": piece(0x68, u32(0x206C)),
        "debugger data": block,
        "data blocks": [(address, data[at : at + size]) for address, at, size in struct.iter_unpack("<QII", table)],
        "secondary data": data[u32(0x2004) :].rstrip(b"\0"),
    }


@pytest.mark.parametrize("path", SMALL_DUMPS, ids=lambda path: path.name)
def test_a_small_dump_written_again_has_the_same_parts(path: Path) -> None:
    data = unpacked(path)
    expected, found = part_bytes(data), part_bytes(written_again(data))
    for name, part in expected.items():
        assert found[name] == part, name
    assert expected["drivers"]


@pytest.mark.parametrize("path", SMALL_DUMPS, ids=lambda path: path.name)
def test_a_small_dump_written_twice_is_the_same_to_the_byte(path: Path) -> None:
    once = written_again(unpacked(path))
    assert written_again(once) == once
