"""A dump of 32-bit Windows put together by hand. Offsets: windows-rs DUMP_HEADER32."""

from __future__ import annotations

import struct


def dump32(dump_type: int, body: bytes = b"", runs: tuple[tuple[int, int], ...] = (), **fields: int) -> bytes:
    """A dump of this type, the body behind its header; what is not named is the fill."""
    offsets = {"BugCheckCode": 0x28, "NumberProcessors": 0x24, "MinorVersion": 0xC, "Attributes": 0x8A0}
    data = bytearray(b"PAGE" * 0x400)
    data[4:8] = b"DUMP"
    struct.pack_into("<I", data, 0x20, 0x14C)
    struct.pack_into("<I", data, 0xF88, dump_type)
    struct.pack_into("<I", data, 0xF94, 1)  # ProductType: a workstation
    struct.pack_into("<4I", data, 0x2C, 1, 2, 3, 0xFFFFFFFF)
    struct.pack_into("<QQ", data, 0xFB8, 10_000_000 * 90061, 133_500_000_000_000_000)
    if runs:
        struct.pack_into("<II", data, 0x64, len(runs), sum(count for _, count in runs))
        for index, run in enumerate(runs):
            struct.pack_into("<II", data, 0x6C + 8 * index, *run)
    for name, value in fields.items():
        struct.pack_into("<I", data, offsets[name], value)
    return bytes(data) + body
