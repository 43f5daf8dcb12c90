"""A dump file: its header, where its physical pages lie, the parts of a small dump, secondary data.

Knows no page tables and no kernel structures. What is imported from here is loaded only then (PEP 562), and the values
that every dump is read into are named tuples: both are for the start-up time of `dumpkind`, which on CPython 3.9 was
half spent on the definition of frozen dataclasses.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from windbg_ext.dump.dump import Dump, Part, Problem
    from windbg_ext.dump.opener import open_dump
    from windbg_ext.dump.small import Driver, SmallDumpParts
    from windbg_ext.dump.small_file import DataBlock, SmallDump, load_small_dump, write_small_dump

__all__ = [
    "DataBlock",
    "Driver",
    "Dump",
    "Part",
    "Problem",
    "SmallDump",
    "SmallDumpParts",
    "load_small_dump",
    "open_dump",
    "write_small_dump",
]

_HOMES = {
    **dict.fromkeys(("Dump", "Part", "Problem"), "dump"),
    "open_dump": "opener",
    **dict.fromkeys(("Driver", "SmallDumpParts"), "small"),
    **dict.fromkeys(("DataBlock", "SmallDump", "load_small_dump", "write_small_dump"), "small_file"),
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
