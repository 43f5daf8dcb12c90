"""What went into a small dump, what was left out and why, and the room that is left."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

MAX_BYTES_WITHOUT_SIZE = 96 << 20
"""Bytes that go in, secondary data not counted, when no size is asked for. Real small dumps have up to 10 MB; a damaged
one whose page tables show the same page everywhere would go on for terabytes.
"""
MAX_COLLECTED = 112 << 20
"""Bytes that go in, secondary data not counted, whatever size is asked for. All of it is in memory at once, and of
honest dumps it is at most half as much.
"""
PADDING = 0x80
"""Room for the end mark and for the few bytes between parts."""


@dataclass(frozen=True)
class Part:
    """Something that went in: bytes, and in how many pieces (1 for what is no data block)."""

    part: str
    bytes: int
    blocks: int


@dataclass(frozen=True)
class LeftOut:
    """Something that did not go in, and why."""

    part: str
    why: str


class Account:
    """The parts that went in, in order, and the room that is left.

    `fits` only looks. Who asks then enters what fits and refuses what does not; after the first refusal nothing fits,
    so that no part takes the room of a more important one.

    limit: bytes of the file that were asked for, None for MAX_BYTES_WITHOUT_SIZE. full: something was refused.
    complete: nothing essential was left out so far.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.left_out: list[LeftOut] = []
        self.complete = True
        self.full = False
        self._left = (MAX_BYTES_WITHOUT_SIZE if limit is None else limit) - PADDING
        self._collected_left = MAX_COLLECTED
        self._bytes: Counter[str] = Counter()
        self._blocks: Counter[str] = Counter()

    @property
    def parts(self) -> tuple[Part, ...]:
        """What went in, most important first."""
        return tuple(Part(part, self._bytes[part], blocks) for part, blocks in self._blocks.items() if blocks)

    @property
    def room(self) -> int:
        """Bytes that are left, 0 once something was refused."""
        return 0 if self.full else max(0, min(self._left, self._collected_left))

    def size_of(self, part: str) -> int:
        """Return the bytes of a part that went in so far."""
        return self._bytes[part]

    def fits(self, size: int) -> bool:
        """Tell whether `size` more bytes of the file fit. Once something was refused nothing does, not even 0 bytes."""
        return not self.full and size <= self.room

    def has_room(self, size: int) -> bool:
        """Tell whether `size` bytes of the file fit that are not collected, but copied."""
        return not self.full and size <= self._left

    def enter(self, part: str, size: int, extra: int = 0) -> None:
        """Note that `size` bytes of a part go in; extra: bytes that the file needs beside them."""
        self._left -= size + extra
        self._collected_left -= size + extra
        self._bytes[part] += size
        self._blocks[part] += 1

    def give_back(self, part: str, size: int, *, whole: bool) -> None:
        """Note that `size` bytes of a part do not go in after all. whole: they are all of a piece."""
        self._bytes[part] -= size
        self._blocks[part] -= whole

    def refuse(self, part: str) -> None:
        """Note that a part, or the rest of it, does not fit: from now on nothing does."""
        self.full = True
        what = "the rest of it does not fit" if part in self._blocks else "does not fit"
        into = (
            f"{MAX_BYTES_WITHOUT_SIZE >> 20} MB, a larger --size takes it"
            if self.limit is None
            else f"--size {self.limit}"
            if self._left <= self._collected_left
            else f"{MAX_COLLECTED >> 20} MB, the most that is collected"
        )
        self.lose(part, f"{what} into {into}")

    def lose(self, part: str, why: str, *, essential: bool = True) -> None:
        """Note that a part, or some of it, is left out; essential: the small dump is not complete without it."""
        self.left_out.append(LeftOut(part, why))
        self.complete = self.complete and not essential
