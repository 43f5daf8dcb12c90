"""The first page of a loaded image: DOS header, NT headers, section headers. Source: PE/COFF specification."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from samples.builder.physical import PAGE_SIZE

if TYPE_CHECKING:
    from samples.builder.machine import Module

NT_HEADERS = 0xE8
EXECUTABLE, LARGE_ADDRESS_AWARE = 0x2, 0x20
SUBSYSTEM_NATIVE = 1
CODE, DATA = 0x68000020, 0xC8000040
ENTRY_POINT = 0x1000
"""Offset of the code of every image."""


def image_header(module: Module) -> bytes:
    """Build the header page of a 64-bit image."""
    code_size = PAGE_SIZE
    data_size = module.size - 2 * PAGE_SIZE
    dos = struct.pack("<2s58xI", b"MZ", NT_HEADERS).ljust(NT_HEADERS, b"\0")
    file_header = struct.pack(
        "<4sHHIIIHH", b"PE\0\0", 0x8664, 2, module.time_date_stamp, 0, 0, 0xF0, EXECUTABLE | LARGE_ADDRESS_AWARE
    )
    optional_header = struct.pack(
        "<HBBIIIIIQIIHHHHHHIIIIHHQQQQII",
        *(0x20B, 14, 20, code_size, data_size, 0, ENTRY_POINT, ENTRY_POINT, module.base, PAGE_SIZE, 0x200),
        *(10, 0, 10, 0, 10, 0, 0, module.size, 0x400, module.check_sum, SUBSYSTEM_NATIVE, 0),
        *(0x40000, 0x1000, 0x100000, 0x1000, 0, 16),
    )
    directories = bytes(16 * 8)
    sections = _section(b".text", ENTRY_POINT, code_size, CODE)
    sections += _section(b".data", ENTRY_POINT + code_size, data_size, DATA)
    return (dos + file_header + optional_header + directories + sections).ljust(PAGE_SIZE, b"\0")


def _section(name: bytes, address: int, size: int, characteristics: int) -> bytes:
    return struct.pack("<8sIIIIIIHHI", name, size, address, size, address, 0, 0, 0, 0, characteristics)
