"""How much one file may ask for: a table of limits with their reasons, and the budget that every reader draws on.

A number in a file costs nothing to write. So whatever is read, kept, walked or written because a file says so is drawn
from the budget that its opener made, before the work is done. The limits are what the formats and Windows itself allow,
or a multiple of the largest that was seen; honest dumps stay far below all of them.
"""

from __future__ import annotations

from typing import NamedTuple

from windbg_ext.errors import DumpError

MB = 1 << 20


class LimitError(DumpError):
    """A file asks for more than any honest one does. `field` is what asks for it."""


class Limit(NamedTuple):
    """The most of something that one file may ask for. unit: what is counted, as an error says it; why: the reason.

    per_byte: how much more each byte of packed data allows that was really read; advice: what the user can do then.
    """

    most: int
    unit: str
    why: str
    per_byte: int = 0
    advice: str = "the file is damaged, or was made to use up time and memory"

    def check(self, amount: int, field: str, packed: int = 0) -> None:
        """Raise LimitError where a field of the file asks for more than this. packed: bytes that were really read."""
        most = self.most + self.per_byte * packed
        if amount > most:
            why = f"asks for {amount:,} {self.unit}, at most {most:,} are read: {self.why}"
            raise LimitError(field, why, self.advice)


class Budget:
    """What is left of each limit for one file."""

    def __init__(self) -> None:
        self._drawn: dict[Limit, int] = {}
        self._packed = 0

    def earn(self, packed: int) -> None:
        """Note that so many more bytes of packed data were really read."""
        self._packed += packed

    def draw(self, limit: Limit, amount: int, field: str) -> None:
        """Note that a field of the file asks for so much. Raise LimitError where that exceeds the limit."""
        drawn = self._drawn.get(limit, 0) + amount
        limit.check(drawn, field, self._packed)
        self._drawn[limit] = drawn


# Packed files

UNPACK_IT = "unpack the file first"

# Dumps of a machine that hardly used its RAM shrink to a fiftieth; pages that are not all zeros shrink to a third.
MAX_UNPACKED = Limit(
    1 << 30,
    "bytes of content",
    "1 GB, and 64 for each packed byte",
    per_byte=64,
    advice=UNPACK_IT,
)
MAX_TEMPORARY = Limit(
    192 * MB,
    "bytes of a temporary file",
    "192 MB, and 64 for each packed byte",
    per_byte=64,
    advice=UNPACK_IT,
)
MAX_SHORT_STREAMS = Limit(
    100_000,
    "packed streams with next to nothing in them",
    "bgzip makes a stream for each 64 KB, others one for the whole file",
)
MAX_SHORT_BLOCKS = Limit(
    10_000,
    "short blocks",
    "all blocks of a CAB file but the last of each folder hold 32 KB",
)
MAX_LZX_STEPS = Limit(
    8_000_000,
    "steps of unpacking LZX",
    "packers spend 4 bits or more on a literal or match, and make a block of codes for each 32 KB",
    per_byte=2,
    advice=UNPACK_IT,
)
MAX_INDEX = Limit(
    512 << 10,
    "bytes of index",
    "xz writes some 8 bytes for each 24 MB of content",
)
MAX_XZ_STREAMS = Limit(1000, "xz streams whose indexes are added up", "xz itself writes one")
MAX_DIRECTORY = Limit(
    1 * MB,
    "bytes",
    "some thousand files are listed in that",
    advice="unpack it and name the dump that comes out",
)
