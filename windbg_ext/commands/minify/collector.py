"""Collecting the parts of a small dump: memory in pieces that never overlap, within the room that is left."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import Counter, defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from windbg_ext.dump.small_file import DataBlock
from windbg_ext.errors import MemoryReadError, NotInDumpError, ReadFailure
from windbg_ext.memory.paging import PAGE_MASK, PAGE_SHIFT
from windbg_ext.memory.virtual import Piece
from windbg_ext.structs.triage import TriageDataBlock
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from windbg_ext.commands.minify.account import Account
    from windbg_ext.dump.small_file import SmallDump
    from windbg_ext.memory import VirtualMemory
    from windbg_ext.sources.progress import Progress


MAX_TOLD = 256
"""Pieces of a part that are told one by one when they are missing."""


class Wanted(NamedTuple):
    """A range of memory.

    name: what to call it when it is missing, empty for what is only nice to have; optional: a debugger can do without
    it, even if it cannot do without the part; holds_pointers: what its pointers lead to is wanted too; memory: where to
    read it, None for the memory that the crashing processor saw.
    """

    address: int
    length: int
    name: str = ""
    optional: bool = False
    holds_pointers: bool = False
    memory: VirtualMemory | None = None


class SavedPiece(NamedTuple):
    """A piece of memory in the data blocks: where it begins and ends, and the part that it was saved for."""

    start: int
    end: int
    part: str


class Collector:
    """A small dump while it is collected, part by part; what is said of a part is said of the last that was begun.

    Every data block passes `save`. lowest: memory below this address is not taken, whatever part asks for it; saved:
    the pieces that went into data blocks; ranges: those that were asked for.

    dump: the parts that have a place of their own, each put there by the function that collects it. account: what went
    in and the room that is left. progress: to call in parts that take long. pointers: by part, the pieces of it whose
    pointers are followed. windows: addresses at which windows were looked for. processors: how many a debugger can
    show; refused_ranges: how many ranges lie below `lowest`.
    """

    def __init__(
        self, dump: SmallDump, memory: VirtualMemory, account: Account, progress: Progress, lowest: int = 0
    ) -> None:
        self.dump = dump
        self.lowest = lowest
        self.refused_ranges = 0
        self.saved: list[SavedPiece] = []
        self.ranges: list[tuple[int, int]] = []
        self.account = account
        self.progress = progress
        self.pointers: dict[str, list[Piece]] = {}
        self.windows: list[int] = []
        self.processors = 1
        self._memory = memory
        self._saved = _Pieces()
        self._followed = _Pieces()
        self._absent: Counter[tuple[str, str]] = Counter()
        self._lost: Counter[str] = Counter()
        self._part, self._essential = "", False

    def begin(self, part: str, *, essential: bool) -> None:
        """Begin a part. essential: the small dump is not complete if the source does not hold it."""
        self._part, self._essential = part, essential

    @property
    def part(self) -> str:
        """The name of the part."""
        return self._part

    @property
    def size(self) -> int:
        """Bytes of the part that went in so far."""
        return self.account.size_of(self._part)

    def enter(self, size: int) -> None:
        """Note that `size` bytes of the part go in, which have a place of their own."""
        self.account.enter(self._part, size)

    def refuse(self) -> None:
        """Note that the part, or the rest of it, does not fit: from now on nothing does."""
        self.account.refuse(self._part)

    def lose(self, why: str) -> None:
        """Note that the source does not hold the part, or some of it."""
        self.account.lose(self._part, why, essential=self._essential)

    def take(self, size: int) -> bool:
        """Enter `size` bytes, or refuse the part if they do not fit; tell which."""
        if self.account.fits(size):
            self.enter(size)
            return True
        self.refuse()
        return False

    def save(self, ranges: Iterable[Wanted]) -> list[Piece]:
        """Save ranges of memory in data blocks, up to the first one that does not fit.

        Return what of them holds pointers and was not returned before, for windows overlap a lot.
        """
        pointers: list[Piece] = []
        for wanted in ranges:
            if self.account.full or not self._save(wanted, pointers):
                self.refuse()
                break
        return pointers

    def follow(self, pieces: list[Piece]) -> None:
        """Remember pieces of the part whose pointers are followed."""
        self.pointers.setdefault(self._part, []).extend(pieces)

    def pages(self) -> list[int]:
        """Return the addresses of the pages that hold any of what was saved, in ascending order."""
        return self._saved.pages()

    def finish(self) -> None:
        """Put the data blocks into the dump, and note what of them the source does not hold."""
        self.dump = replace(self.dump, data_blocks=self._saved.taken_blocks())
        for (part, pages), count in self._absent.items():
            self.account.lose(part, f"{count:,} of its addresses lie in pages that {pages}", essential=False)
        for part, count in self._lost.items():
            if count > MAX_TOLD:
                self.account.lose(part, f"{count - MAX_TOLD:,} more of its pieces are missing", essential=False)

    def _save(self, wanted: Wanted, pointers: list[Piece]) -> bool:
        """Save what is there of a range; False if it does not fit."""
        if wanted.address < self.lowest:
            self.refused_ranges += 1
            return True
        self.ranges.append((wanted.address, wanted.length))
        if wanted.memory is None and not wanted.holds_pointers and self._saved.holds(wanted.address, wanted.length):
            return True
        found, missing = 0, wanted.address
        for piece in (wanted.memory or self._memory).present(wanted.address, wanted.length):
            gaps = self._saved.missing(piece.address, len(piece.data))
            if gaps:
                if not self.account.fits(sum(end - start + TriageDataBlock.SIZE for start, end in gaps)):
                    return False
                for start, end in gaps:
                    self._saved.add(start, piece.data[start - piece.address : end - piece.address])
                    self.account.enter(self._part, end - start, TriageDataBlock.SIZE)
                    self.saved.append(SavedPiece(start, end, self._part))
            found += len(piece.data)
            if piece.address == missing:
                missing += len(piece.data)
            if wanted.holds_pointers:
                pointers.extend(self._not_followed(piece))
        if found < wanted.length:
            self._explain(wanted, found, missing)
        return True

    def _not_followed(self, piece: Piece) -> list[Piece]:
        """Return the aligned pointers of a piece that were not returned before."""
        size = self._memory.layouts.pointer_size
        start, end = piece.address + size - 1 & -size, piece.address + len(piece.data) & -size
        gaps = self._followed.missing(start, end - start)
        fresh = [Piece(at, piece.data[at - piece.address : upto - piece.address]) for at, upto in gaps]
        for part in fresh:
            self._followed.add(part.address, part.data)
        return fresh

    def _explain(self, wanted: Wanted, found: int, missing: int) -> None:
        """Say what is missing of a range, unless it only goes on into addresses that nothing maps.

        missing: its first address that cannot be read.
        """
        essential = self._essential and not wanted.optional
        try:
            (wanted.memory or self._memory).read(missing, 1)
        except MemoryReadError as error:
            if not wanted.name:
                if isinstance(error, NotInDumpError):
                    pages = "cannot be read" if isinstance(error.why, ReadFailure) else "are not in the source"
                    self._absent[self._part, pages] += 1
            elif isinstance(error, NotInDumpError) or (essential and not found):
                self._lost[self._part] += 1
                if self._lost[self._part] <= MAX_TOLD:
                    why = f"{wanted.length - found:,} of {wanted.length:,} bytes: {error}"
                    self.account.lose(wanted.name, why, essential=essential)


class _Pieces:
    """Pieces of memory, none of which overlap, by the page they lie in: adding one moves only those of its page."""

    def __init__(self) -> None:
        # by page number: (start, end, data) in ascending order
        self._pages: defaultdict[int, list[tuple[int, int, bytes]]] = defaultdict(list)

    def holds(self, address: int, length: int) -> bool:
        """Tell whether one piece covers an address range."""
        pieces = self._pages.get(address >> PAGE_SHIFT)
        if pieces is None:
            return False
        index = bisect_right(pieces, (address + 1,)) - 1
        return index >= 0 and address + length <= pieces[index][1]

    def missing(self, address: int, length: int) -> list[tuple[int, int]]:
        """Return the (start, end) gaps of an address range that no piece covers."""
        at, end = address, address + length
        gaps = []
        while at < end:
            upto = min(end, (at | PAGE_MASK) + 1)
            gaps += self._missing_of_page(at, upto)
            at = upto
        return gaps if len(gaps) < 2 else _merged(gaps)

    def _missing_of_page(self, at: int, end: int) -> list[tuple[int, int]]:
        pieces = self._pages.get(at >> PAGE_SHIFT)
        if pieces is None:
            return [(at, end)]
        gaps = []
        for index in range(max(bisect_right(pieces, (at + 1,)) - 1, 0), len(pieces)):
            start, upto, _ = pieces[index]
            if start >= end:
                break
            if start > at:
                gaps.append((at, start))
            at = max(at, upto)
        if at < end:
            gaps.append((at, end))
        return gaps

    def add(self, address: int, data: bytes) -> None:
        """Add a piece that lies in a gap."""
        end = address + len(data)
        while address < end:
            upto = min(end, (address | PAGE_MASK) + 1)
            insort(self._pages[address >> PAGE_SHIFT], (address, upto, data[: upto - address]))
            address, data = upto, data[upto - address :]

    def pages(self) -> list[int]:
        """Return the addresses of the pages that hold any of it, in ascending order."""
        return [page << PAGE_SHIFT for page in sorted(self._pages)]

    def taken_blocks(self) -> tuple[DataBlock, ...]:
        """Return all of it, pieces that touch merged into one block. They are here no longer: none is kept twice."""
        blocks: list[DataBlock] = []
        run: list[bytes] = []
        begun = at = -1
        for page in sorted(self._pages):
            for start, end, data in self._pages.pop(page):
                if start != at:
                    if run:
                        blocks.append(DataBlock(begun, b"".join(run)))
                    run, begun = [], start
                run.append(data)
                at = end
        if run:
            blocks.append(DataBlock(begun, b"".join(run)))
        return tuple(blocks)


def _merged(gaps: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return gaps in which those that touch, at the end of a page, are one."""
    merged = gaps[:1]
    for start, end in gaps[1:]:
        if start == merged[-1][1]:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged
