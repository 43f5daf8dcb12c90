"""How a small dump is scrubbed, and what was left out of it, as values."""

from __future__ import annotations

from windbg_ext.commands.privacy.words import NO_WORDS, OwnWords
from windbg_ext.values import NamedTuple


class Scrubbing(NamedTuple):
    """How a small dump is scrubbed. strict: process names and all secondary data are left out, too; words: what is
    looked for besides the rules.
    """

    strict: bool = False
    words: OwnWords = NO_WORDS


class LeftOutByRule(NamedTuple):
    """What was left out because of one sort of rules: how many times it was found, and how many bytes went with it."""

    key: str
    name: str
    why: str
    times: int
    bytes: int


class ScrubReport(NamedTuple):
    """What was left out, by sort, in the order of the rules, and what stays."""

    strict: bool
    rows: tuple[LeftOutByRule, ...]
    stays: tuple[str, ...]
