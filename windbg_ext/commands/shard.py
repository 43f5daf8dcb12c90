"""A part of a list of files, chosen by their names alone, for batch systems that start the same command N times."""

from __future__ import annotations

import re
from hashlib import sha256

from windbg_ext.values import NamedTuple

MAX_PARTS = 1_000_000


class Shard(NamedTuple):
    """Part `number` of `parts`; the first is 1."""

    number: int
    parts: int

    def takes(self, name: str) -> bool:
        """Tell whether a file belongs to this part. It is the same on every machine that uses the same names."""
        plain = name.replace("\\", "/").encode("utf-8", "surrogateescape")
        return int.from_bytes(sha256(plain).digest()[:8], "big") % self.parts == self.number - 1


def read_shard(text: str) -> Shard:
    """Read `I/N`, as in 2/4; ValueError with what is wrong with it."""
    number, _, parts = text.partition("/")
    if not (re.fullmatch(r"\d{1,7}/\d{1,7}", text, re.ASCII) and 1 <= int(number) <= int(parts) <= MAX_PARTS):
        raise ValueError(f"{text!r} is no part of a whole, such as 2/4")
    return Shard(int(number), int(parts))
