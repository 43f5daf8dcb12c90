"""How much one file may ask for: a table of limits with their reasons, and the budget that every reader draws on.

A number in a file costs nothing to write. So whatever is read, kept, walked or written because a file says so is drawn
from the budget that its opener made, before the work is done. The limits are what the formats and Windows itself allow,
or a multiple of the largest that was seen; honest dumps stay far below all of them.
"""

from __future__ import annotations

from typing import NamedTuple

from windbg_ext.errors import DumpError

MB = 1 << 20


class Limit(NamedTuple):
    """The most of something that one file may ask for. unit: what is counted, as an error says it; why: the reason."""

    most: int
    unit: str
    why: str


class LimitError(DumpError):
    """A file asks for more than any honest one does. `field` is what asks for it."""


class Budget:
    """What is left of each limit for one file."""

    def __init__(self) -> None:
        self._drawn: dict[Limit, int] = {}

    def draw(self, limit: Limit, amount: int, field: str) -> None:
        """Note that a field of the file asks for so much. Raise LimitError where that exceeds the limit."""
        drawn = self._drawn.get(limit, 0) + amount
        if drawn > limit.most:
            why = f"asks for {drawn:,} {limit.unit}, at most {limit.most:,} are read: {limit.why}"
            raise LimitError(field, why, "the file is damaged, or made to be a burden")
        self._drawn[limit] = drawn


# --- registry hives: of a SYSTEM hive of Windows 10, 31 KB in 6,500 fields are read, and 47 values ---

HIVE_BYTES = Limit(1 * MB, "bytes of keys and values", "the keys that are read have some 30 KB")
HIVE_READS = Limit(300_000, "fields", "the keys that are read, and those beside them, have some 6,500")
HIVE_VALUES = Limit(2_000, "values", "the keys that are read have some 50")
MAX_VALUE = 64 << 10
"""Bytes of one value: a path of 32,767 characters. Microsoft advises to keep more than 2,048 in a file (Registry
Element Size Limits). What regipy takes for a string of a REG_MULTI_SZ grows with the square of its length."""
MAX_PAGING_FILES = 16
"""Windows uses no more."""
MAX_WINDOWS_PATH = 32_767
"""Characters of a path: the length of a UNICODE_STRING is a 16-bit number of bytes."""
