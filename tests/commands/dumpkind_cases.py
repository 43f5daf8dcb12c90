"""Dumps for the tests of dumpkind: samples, whole or with header fields that say something else."""

from __future__ import annotations

import struct
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import samples.builder
from samples.builder import SAMPLES, Sample
from windbg_ext.commands.dumpkind import dumpkind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from windbg_ext.commands.dumpkind import DumpReport
    from windbg_ext.structs.layout import Value

BY_NAME = {sample.name: sample for sample in SAMPLES}
KERNEL, COMPLETE, BITMAP, ACTIVE = (BY_NAME[name] for name in ("kernel", "complete", "complete-bitmap", "active"))
SMALL, RANGES = BY_NAME["small"], BY_NAME["ranges-complete"]
FILL = 0x45474150
"""The dword "PAGE", in fields that the writer never set."""


@lru_cache
def _built(name: str) -> bytes:
    return samples.builder.build(BY_NAME[name])


def build(sample: Sample, header: Mapping[str, Value] | None = None) -> bytes:
    """Make the dump of one of SAMPLES; the unchanged one only once."""
    return samples.builder.build(sample, header=header) if header else _built(sample.name)


def look(data: bytes, *, details: bool = False, name: str = "test.dmp") -> DumpReport:
    """Give the report of a file with these bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        return dumpkind(path, details=details)


def look_at(sample: Sample, **header: Value) -> DumpReport:
    """Give the report of a sample, some of whose header fields say something else."""
    return look(build(sample, header=header))


def dump32(dump_type: int, body: bytes = b"", runs: tuple[tuple[int, int], ...] = (), **fields: int) -> bytes:
    """A dump of 32-bit Windows, by the offsets of windows-rs' DUMP_HEADER32; what is not named is the fill."""
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
