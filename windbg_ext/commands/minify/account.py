"""What goes into a small dump and what does not, within the size that was asked for."""

from __future__ import annotations

from dataclasses import dataclass

SMALLEST_SIZE = 64 << 10
USUAL_LIMIT = 96 << 20
"""Bytes that go in, secondary data not counted, when no size is asked for. Real small dumps have up to 10 MB; a damaged
one whose page tables show the same page everywhere would go on for terabytes.
"""
SECONDARY_DATA = "secondary data"
"""The part that is copied as it is, behind all others."""
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
    """The parts that went in, in order, and the room that is left. Once a part does not fit, nothing behind it does.

    limit: bytes of the file that were asked for, None for USUAL_LIMIT; frame: those of the headers. complete: nothing
    essential was left out so far.
    """

    def __init__(self, limit: int | None, frame: int) -> None:
        self.limit = limit
        self.left_out: list[LeftOut] = []
        self.complete = True
        self.full = False
        self._used = PADDING
        self._parts: dict[str, Part] = {}
        self.enter("headers, context, exception", frame)

    @property
    def parts(self) -> tuple[Part, ...]:
        """What went in, most important first."""
        return tuple(self._parts.values())

    @property
    def room(self) -> int:
        """Bytes that are left."""
        return max(0, (USUAL_LIMIT if self.limit is None else self.limit) - self._used)

    def size_of(self, part: str) -> int:
        """Give the bytes that went in of a part so far."""
        return self._parts[part].bytes if part in self._parts else 0

    def fits(self, size: int) -> bool:
        """Tell whether `size` more bytes of the file fit; if not, nothing fits from now on."""
        if size > self.room:
            self.full = True
        return not self.full

    def enter(self, part: str, size: int, extra: int = 0) -> None:
        """Note that `size` bytes of a part go in; extra: bytes that the file needs beside them."""
        self._used += size + extra
        before = self._parts.get(part, Part(part, 0, 0))
        self._parts[part] = Part(part, before.bytes + size, before.blocks + 1)

    def lose(self, part: str, why: str, *, essential: bool = True) -> None:
        """Note that a part, or some of it, is left out; essential: the small dump is not complete without it."""
        self.left_out.append(LeftOut(part, why))
        self.complete = self.complete and not essential

    def lose_for_size(self, part: str) -> None:
        """Note that a part, or the rest of it, does not fit."""
        what = "the rest of it does not fit" if part in self._parts else "does not fit"
        into = f"{USUAL_LIMIT >> 20} MB, a larger --size takes it" if self.limit is None else f"--size {self.limit}"
        self.lose(part, f"{what} into {into}")
