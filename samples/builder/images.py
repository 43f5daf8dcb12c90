"""The first page of a loaded image: DOS header, NT headers, section headers. Source: PE/COFF specification."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from samples.builder.architectures import X64
from samples.builder.physical import PAGE_SIZE

if TYPE_CHECKING:
    from samples.builder.architectures import Architecture
    from samples.builder.machine import Module

NT_HEADERS = 0xE8
EXECUTABLE, LARGE_ADDRESS_AWARE, MACHINE_32BIT = 0x2, 0x20, 0x100
SUBSYSTEM_NATIVE = 1
CODE, DATA = 0x68000020, 0xC8000040
DIRECTORIES = 16
ENTRY_POINT = 0x1000
"""Offset of the code of every image."""


def image_header(module: Module, architecture: Architecture = X64) -> bytes:
    """Build the header page of an image, PE32 or PE32+."""
    code_size = PAGE_SIZE
    data_size = module.size - 2 * PAGE_SIZE
    wide = architecture.pointer_size == 8
    dos = struct.pack("<2s58xI", b"MZ", NT_HEADERS).ljust(NT_HEADERS, b"\0")
    bases = struct.pack("<Q", module.base) if wide else struct.pack("<II", ENTRY_POINT + code_size, module.base)
    optional_header = (
        struct.pack(
            "<HBBIIIII",
            *(0x20B if wide else 0x10B, 14, 20, code_size, data_size, 0, ENTRY_POINT, ENTRY_POINT),
        )
        + bases
        + struct.pack(
            f"<IIHHHHHHIIIIHH4{architecture.pointer}II",
            *(PAGE_SIZE, 0x200, 10, 0, 10, 0, 10, 0, 0, module.size, 0x400, module.check_sum, SUBSYSTEM_NATIVE, 0),
            *(0x40000, 0x1000, 0x100000, 0x1000, 0, DIRECTORIES),
        )
        + bytes(DIRECTORIES * 8)
    )
    file_header = struct.pack(
        "<4sHHIIIHH",
        *(b"PE\0\0", architecture.machine_type, 2, module.time_date_stamp, 0, 0, len(optional_header)),
        EXECUTABLE | (LARGE_ADDRESS_AWARE if wide else MACHINE_32BIT),
    )
    sections = _section(b".text", ENTRY_POINT, code_size, CODE)
    sections += _section(b".data", ENTRY_POINT + code_size, data_size, DATA)
    return (dos + file_header + optional_header + sections).ljust(PAGE_SIZE, b"\0")


def _section(name: bytes, address: int, size: int, characteristics: int) -> bytes:
    return struct.pack("<8sIIIIIIHHI", name, size, address, size, address, 0, 0, 0, 0, characteristics)
