"""Look for everything that the rules name, in stretches of a dump."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING

from windbg_ext.commands.privacy.rules import RULES, Rule, rule
from windbg_ext.commands.privacy.smbios import find_tables, identifying_values
from windbg_ext.commands.privacy.texts import SEPARATOR, Texts, separated
from windbg_ext.commands.privacy.words import (
    MAX_LEARNED,
    NO_WORDS,
    OwnWords,
    Words,
    find_globs,
    is_worth_learning,
)
from windbg_ext.limits import MAX_LEARNED_SEARCH, MAX_SEARCHED, MAX_TEXT, Budget
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Callable

BATCH = 2 << 20
"""Bytes that are searched at once: what one search costs beside its bytes no longer counts, and memory stays small."""
OVERLAP = 1 << 14
"""Bytes that are searched twice where a piece is longer than a batch: as long as the longest text that a rule finds."""


EACH = 64
"""Characters that take as long to search as one look into a text takes, or one match, beside its length."""
FIELD = "memory"
"""What asks for the search, as errors name it."""


class Match(NamedTuple):
    """Something personal in a piece of data: where it begins and ends there, which rule found it and what it is."""

    start: int
    end: int
    rule: Rule
    value: str


class Learned:
    """Values that rules found and that are looked for everywhere: as text, and as bytes where they are numbers."""

    def __init__(self) -> None:
        self.words: dict[str, Rule] = {}
        self.binary: dict[bytes, Rule] = {}

    def add(self, value: str, by: Rule) -> None:
        """Remember a value, unless it is one that is found everywhere."""
        word = value.strip().lower()
        if len(self.words) < MAX_LEARNED and is_worth_learning(word):
            self.words.setdefault(word, by)


class Search:
    """The rules, ready to be used: `first` finds what they name and learns; `again` finds what was learned."""

    def __init__(self, own: OwnWords = NO_WORDS, budget: Budget | None = None) -> None:
        self.learned = Learned()
        self._budget = budget or Budget()
        self._own = own
        self._own_words = Words(own.words, inside=True)

    def first(self, data: bytes) -> Iterator[Match]:
        """Yield what the rules find in data, and learn from it."""
        texts = Texts(data)
        self._budget.draw(MAX_TEXT, len(texts.joined), "memory")
        for by in RULES:
            if by.pattern:
                yield from self._by_pattern(by, texts)
        sid, own, hardware = _SID_RULE, rule("own"), rule("hardware_number")
        for start, end in _binary_sids(data):
            yield Match(start, end, sid, data[start:end].hex())
        if self._own.words:
            for start, end in self._own_words.find(data.lower(), self._budget):
                yield Match(start, end, own, _shown(data[start:end]))
        for start, end in find_globs(self._own.globs, texts):
            yield Match(*texts.place(start, end), own, texts.joined[start:end])
        for start, table in find_tables(data, self._budget):
            yield Match(start, start + len(table), hardware, "SMBIOS table")
            self.learn_table(table)

    def learn(self, pieces: Iterable[bytes]) -> None:
        """Learn from data that is not shared, but tells what to look for in what is."""
        for _ in _in_batches(pieces, self.first):
            pass

    def learn_table(self, table: bytes) -> None:
        """Learn the numbers that SMBIOS tables have for a machine."""
        hardware = rule("hardware_number")
        for value in identifying_values(table):
            if isinstance(value, str):
                self.learned.add(value, hardware)
            elif len(self.learned.binary) < MAX_LEARNED:
                self.learned.binary[value] = hardware

    @property
    def learned_anything(self) -> bool:
        """Whether there is anything to look for again."""
        return bool(self.learned.words or self.learned.binary)

    def again(self, data: bytes) -> Iterator[Match]:
        """Yield where values that were learned stand in data, also where no rule finds them."""
        lowered = data.lower()
        for word, by in self.learned.words.items():
            words = Words([word], inside=False)
            self._budget.draw(MAX_LEARNED_SEARCH, words.cost * len(data), "names that were found")
            for start, end in words.find(lowered, self._budget):
                yield Match(start, end, by, _shown(data[start:end]))
        for value, by in self.learned.binary.items():
            self._budget.draw(MAX_LEARNED_SEARCH, len(data), "names that were found")
            at = data.find(value)
            while at >= 0:
                yield Match(at, at + len(value), by, value.hex())
                at = data.find(value, at + 1)

    def _by_pattern(self, by: Rule, texts: Texts) -> Iterator[Match]:
        where = texts.joined if by.cased else texts.folded
        for found in _found(by, where, texts, self._budget):
            self._budget.draw(MAX_SEARCHED, EACH, FIELD)
            pattern, ignored = found.re, _compiled(f"(?:{by.ignored})") if by.ignored else None
            start, end = found.span("value") if "value" in pattern.groupindex else found.span()
            value = where[start:end].strip()
            if not value or (ignored is not None and ignored.fullmatch(value.lower())):
                continue
            if by.learned:
                self.learned.add(value, by)
            shown = texts.joined[start:end].strip("\0 \t\r\n")
            start, end = found.span()
            start += texts.joined.startswith("\0", start)
            if by.whole_text:
                start, end = texts.bounds(texts.number(start))
            yield Match(*texts.place(start, end), by, shown)


_SID_RULE = next(found for found in RULES if found.key == "account" and not found.pattern)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.DOTALL)


def _found(by: Rule, where: str, texts: Texts, budget: Budget) -> Iterator[re.Match[str]]:
    """Yield what a pattern finds: in all texts, or in those that have one of its anchors.

    Compiling it takes longer than most searches, so that is left until there is something to search.
    """
    if not by.anchors:
        budget.draw(MAX_SEARCHED, len(where), FIELD)
        yield from _compiled(by.pattern).finditer(where)
        return
    numbers = set()
    for anchor in by.anchors:
        at = texts.folded.find(anchor)
        while at >= 0:
            number = texts.number(at)
            start, end = texts.bounds(number)
            budget.draw(MAX_SEARCHED, EACH + (0 if number in numbers else end - start), FIELD)
            numbers.add(number)
            at = texts.folded.find(anchor, end)
    for number in sorted(numbers):
        start, end = texts.bounds(number)
        yield from _compiled(by.pattern).finditer(where, start - 1, end + 1)


SID_OF_MACHINE = bytes.fromhex("00000000000515000000")
"""Of a SID: the authority NT, and 21, the first of its numbers; a revision and their count stand before (winnt.h)."""


def _binary_sids(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where a SID of a machine, a domain or an account in one begins and ends."""
    at = data.find(SID_OF_MACHINE)
    while at >= 0:
        start = at - 2
        if start >= 0 and data[start] == 1 and data[start + 1] in (4, 5):
            yield start, min(start + 8 + 4 * data[start + 1], len(data))
        at = data.find(SID_OF_MACHINE, at + 1)


def _shown(data: bytes) -> str:
    """Return a word that was found in data as text."""
    if len(data) > 1 and not any(data[1::2]):
        return data[::2].decode("latin-1")
    for encoding in ("utf-8", "utf-16-le"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def search(pieces: Callable[[], Iterable[bytes]], by: Search) -> Iterator[tuple[int, Match]]:
    """Yield the number of a piece and a match in it. pieces: returns all of them again each time that it is called."""
    yield from _in_batches(pieces(), by.first)
    if by.learned_anything:
        yield from _in_batches(pieces(), by.again)


def _in_batches(pieces: Iterable[bytes], find: Callable[[bytes], Iterator[Match]]) -> Iterator[tuple[int, Match]]:
    for batch in _batches(pieces):
        starts = [0, *accumulate(len(part.data) + len(SEPARATOR) for part in batch)]
        for match in find(separated([part.data for part in batch])):
            number = bisect_right(starts, match.start) - 1
            part, start, end = batch[number], match.start - starts[number], match.end - starts[number]
            end = min(end, len(part.data))
            if start < end:
                yield part.number, match._replace(start=part.start + start, end=part.start + end)


class _Part(NamedTuple):
    """A part of a piece, or all of it: the number of the piece, where the part begins in it, its bytes."""

    number: int
    start: int
    data: bytes


def _batches(pieces: Iterable[bytes]) -> Iterator[list[_Part]]:
    """Yield parts of pieces, as many together as make up a batch."""
    batch: list[_Part] = []
    size = 0
    for number, piece in enumerate(pieces):
        for start in range(0, len(piece), BATCH):
            part = _Part(number, start, piece[start : start + BATCH + OVERLAP])
            if batch and size + len(part.data) > BATCH + OVERLAP:
                yield batch
                batch, size = [], 0
            batch.append(part)
            size += len(part.data)
    if batch:
        yield batch
