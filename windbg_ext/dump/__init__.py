"""A dump file: its header, where its physical pages lie, the parts of a small dump, secondary data.

Knows no page tables and no kernel structures.
"""

from windbg_ext.dump.dump import Dump, open_dump
from windbg_ext.dump.small import (
    DataBlock,
    Driver,
    SmallDump,
    SmallDumpParts,
    load_small_dump,
    write_small_dump,
)

__all__ = [
    "DataBlock",
    "Driver",
    "Dump",
    "SmallDump",
    "SmallDumpParts",
    "load_small_dump",
    "open_dump",
    "write_small_dump",
]
