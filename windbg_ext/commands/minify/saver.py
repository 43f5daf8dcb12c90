"""Collecting memory for data blocks: each range is read once, what is there already is not saved twice."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from windbg_ext.commands.minify import selection
from windbg_ext.commands.minify.saved import SavedMemory
from windbg_ext.errors import MemoryReadError, NotInDumpError, ReadFailure
from windbg_ext.memory.virtual import Piece
from windbg_ext.structs.triage import TRIAGE_DATA_BLOCK

if TYPE_CHECKING:
    from collections.abc import Iterable

    from windbg_ext.commands.minify.account import Account
    from windbg_ext.commands.minify.selection import Wanted
    from windbg_ext.commands.progress import Progress
    from windbg_ext.dump.small import DataBlock
    from windbg_ext.memory import VirtualMemory
    from windbg_ext.structs.architectures import Architecture

WINDOWS_LIMIT = 8 << 20
"""Bytes of windows that are saved when no size is asked for: the file should still go into a mail."""
WINDOWS_OVERLAP = 4
"""Windows overlap, and many pointers lead nowhere: so many times the limit is looked at before it is enough."""
WINDOW_LEVELS = 3


class Saver:
    """Memory of a target on its way into the data blocks of a small dump."""

    def __init__(self, account: Account, memory: VirtualMemory, progress: Progress) -> None:
        self._saved = SavedMemory()
        self._followed = SavedMemory()
        self._account = account
        self._memory = memory
        self._progress = progress
        self._absent: Counter[tuple[str, str]] = Counter()

    def blocks(self) -> tuple[DataBlock, ...]:
        """Give the data blocks: all that was saved, merged where it touches."""
        return self._saved.blocks()

    def pages(self) -> list[int]:
        """Give the addresses of the pages that hold any of what was saved, rising."""
        return self._saved.pages()

    def save(self, part: str, ranges: Iterable[Wanted]) -> list[Piece]:
        """Save ranges of memory as one part; gives what of them holds pointers to follow."""
        followed: list[Piece] = []
        for wanted in ranges:
            found = 0
            for piece in (wanted.memory or self._memory).present(wanted.address, wanted.length):
                found += len(piece.data)
                self._add(part, piece)
                if wanted.holds_pointers:
                    followed.extend(self._not_followed(piece))
            if self._account.full:
                self._account.lose_for_size(part)
                break
            if found < wanted.length:
                self._explain(part, wanted, found)
        return followed

    def tell_absences(self) -> None:
        """Note how many of the ranges without a name lie in pages that the source does not hold or give."""
        for (part, pages), count in self._absent.items():
            self._account.lose(part, f"{count:,} of its addresses lie in pages that {pages}", essential=False)

    def save_windows(self, part: str, roots: list[Piece], architecture: Architecture) -> list[int]:
        """Save a window at every pointer in these pieces, then in those windows, three levels deep.

        Gives the addresses at which windows were, in their order.
        """
        seen: set[int] = set()
        addresses: list[int] = []
        pieces = roots
        limit = WINDOWS_LIMIT if self._account.limit is None else max(WINDOWS_LIMIT, self._account.room)
        looked_at = 0
        if self._account.full:
            self._account.lose_for_size(part)
        for level in range(WINDOW_LEVELS):
            found: list[Piece] = []
            for index, piece in enumerate(pieces):
                self._progress(f"{part}, level {level + 1} of {WINDOW_LEVELS}", index, len(pieces))
                for window in selection.windows(self._memory, piece, seen, architecture):
                    if self._account.full:
                        return addresses
                    if self._account.size_of(part) >= limit or looked_at >= WINDOWS_OVERLAP * limit:
                        why = (
                            f"stopped after {looked_at >> 20} MB of windows, there are more; a larger --size saves more"
                        )
                        self._account.lose(part, why, essential=False)
                        return addresses
                    addresses.append(window.address)
                    looked_at += window.length
                    found.extend(self.save(part, [window]))
            pieces = found
        return addresses

    def _add(self, part: str, piece: Piece) -> None:
        """Add what is new of a piece, if it fits."""
        gaps = self._saved.missing(piece.address, len(piece.data))
        if not self._account.fits(sum(end - start + TRIAGE_DATA_BLOCK.size for start, end in gaps)):
            return
        for start, end in gaps:
            self._saved.add(Piece(start, piece.data[start - piece.address : end - piece.address]))
            self._account.enter(part, end - start, TRIAGE_DATA_BLOCK.size)

    def _not_followed(self, piece: Piece) -> list[Piece]:
        """Give the pointers of a piece that are not on their way to be followed yet: windows overlap a lot."""
        size = self._memory.pointer_size
        start, end = piece.address + size - 1 & -size, piece.address + len(piece.data) & -size
        gaps = self._followed.missing(start, end - start)
        fresh = [Piece(at, piece.data[at - piece.address : upto - piece.address]) for at, upto in gaps]
        for part in fresh:
            self._followed.add(part)
        return fresh

    def _explain(self, part: str, wanted: Wanted, found: int) -> None:
        """Say what is missing of a range, unless it only goes on into addresses that nothing maps."""
        try:
            (wanted.memory or self._memory).read(wanted.address, wanted.length)
        except MemoryReadError as error:
            if not wanted.name:
                if isinstance(error, NotInDumpError):
                    pages = "cannot be read" if isinstance(error.why, ReadFailure) else "are not in the source"
                    self._absent[part, pages] += 1
            elif isinstance(error, NotInDumpError) or (wanted.essential and not found):
                why = f"{wanted.length - found:,} of {wanted.length:,} bytes: {error}"
                self._account.lose(wanted.name, why, essential=wanted.essential)
