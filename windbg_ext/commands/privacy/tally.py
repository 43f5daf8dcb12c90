"""How much was left out of a small dump, and by which rule."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from windbg_ext.commands.privacy.kept import Span, merged, overlap, without
from windbg_ext.commands.privacy.rules import RULES, Rule, rule
from windbg_ext.commands.privacy.scrubbing import LeftOutByRule

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEYS = tuple(dict.fromkeys(by.key for by in RULES))
"""Of rules, in the order in which they count."""


class Tally:
    """What was left out so far, by the key of its rule; memory that goes is counted at the end.

    kept: memory of which only words go, in ascending order.
    """

    def __init__(self, kept: Sequence[Span]) -> None:
        self._kept = kept
        self._words: dict[str, list[Span]] = {}
        self._windows: dict[str, list[Span]] = {}
        self._times: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()

    def add(self, by: Rule, size: int, times: int = 1) -> None:
        """Note that bytes are left out that are not cut out of memory."""
        self._times[by.key] += times
        self._bytes[by.key] += size

    def cut(self, by: Rule, words: Span, window: Span | None = None) -> None:
        """Note that words of memory go, and of the window that they are in all that is not kept."""
        self._words.setdefault(by.key, []).append(words)
        if window is not None:
            self._windows.setdefault(by.key, []).append(window)

    def removed(self, present: Sequence[Span]) -> list[Span]:
        """Return all memory that goes. Count what was there of it, each byte for the first rule that it goes by."""
        gone: list[Span] = []
        for key in _KEYS:
            windows = merged(self._windows.get(key, ()))
            beside = (part for window in windows for part in without(window, self._kept))
            cuts = merged([*self._words.get(key, ()), *beside])
            new = [part for span in cuts for part in without(span, gone)]
            self._bytes[key] += sum(end - start for span in new for start, end in overlap(span, present))
            gone = merged([*gone, *new]) if new else gone
        return gone

    def rows(self) -> tuple[LeftOutByRule, ...]:
        """Return what was left out, by rule."""
        return tuple(
            LeftOutByRule(key, rule(key).name, rule(key).why, self._times[key], self._bytes[key])
            for key in _KEYS
            if self._times[key]
        )
