"""Dumps for the tests of dumpkind: samples, whole or with changed header fields."""

from __future__ import annotations

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
    from windbg_ext.structs.structure import Value

BY_NAME = {sample.name: sample for sample in SAMPLES}
KERNEL, COMPLETE, BITMAP, ACTIVE = (BY_NAME[name] for name in ("kernel", "complete", "complete-bitmap", "active"))
SMALL, RANGES = BY_NAME["small"], BY_NAME["ranges-complete"]
FILL = 0x45474150
"""The dword `PAGE`, in fields that were never set."""


@lru_cache
def _built(name: str) -> bytes:
    return samples.builder.build(BY_NAME[name])


def build(sample: Sample, header: Mapping[str, Value] | None = None) -> bytes:
    """Make the dump of one of SAMPLES. The unchanged dump is made only once."""
    return samples.builder.build(sample, header=header) if header else _built(sample.name)


def look(data: bytes, *, details: bool = False, name: str = "test.dmp") -> DumpReport:
    """Return the report of a file with these bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        return dumpkind(path, details=details)


def look_at(sample: Sample, **header: Value) -> DumpReport:
    """Return the report of a sample with changed header fields."""
    return look(build(sample, header=header))
