"""A file of this machine that is read like one on another: a remote source without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.sources.remote.address import Address
from windbg_ext.sources.remote.source import Patience, RemoteSource
from windbg_ext.sources.remote.transport import FIRST_BYTES, State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from windbg_ext.sources.remote.transport import Answer
    from windbg_ext.sources.source import Range

IMPATIENT = Patience(tries=3, pause=0.001)
PLACE = Address("sftp", "host", None, None, "/dumps/MEMORY.DMP")


class Served:
    """A file as a transport has it. rounds: the ranges of each. answer: stands between the file and the source."""

    def __init__(self, data: bytes, answer: Callable[[int, Range, bytes], Answer] | None = None) -> None:
        self.data = data
        self.state = State(len(data), "1")
        self.first = data[:FIRST_BYTES]
        self.rounds: list[list[Range]] = []
        self.closed = False
        self._answer = answer

    def fetch(self, ranges: Sequence[Range]) -> list[Answer]:
        self.rounds.append(list(ranges))
        answers = [(asked, self.data[asked.offset : asked.offset + asked.length]) for asked in ranges]
        if self._answer is None:
            return [data for _, data in answers]
        return [self._answer(len(self.rounds), asked, data) for asked, data in answers]

    def confirm(self) -> int:
        return 0

    def close(self) -> None:
        self.closed = True


def far(data: bytes, answer: Callable[[int, Range, bytes], Answer] | None = None) -> tuple[RemoteSource, Served]:
    """Return a remote source over bytes, and what it reads from."""
    served = Served(data, answer)
    return RemoteSource(PLACE, lambda: served, IMPATIENT), served


def far_file(path: Path) -> RemoteSource:
    """Return a remote source over a file."""
    return far(path.read_bytes())[0]
