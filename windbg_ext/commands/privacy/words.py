"""Words that are looked for as they are: a user's own, and those that a rule found once: they may stand elsewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from windbg_ext.commands.privacy.texts import folded
from windbg_ext.errors import DumpError, UsageError
from windbg_ext.limits import MAX_RULE, MAX_RULES, MAX_RULES_FILE, MAX_WORD_PLACES
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from windbg_ext.commands.privacy.texts import Texts
    from windbg_ext.limits import Budget

WILDCARDS = frozenset("*?")
MIN_LEARNED = 3
"""Characters of a word that is looked for because a rule found it: shorter ones are everywhere."""
MIN_INSIDE = 6
"""Characters of such a word from which on it is found inside of other words, too."""
MAX_LEARNED = 64
"""Words that are looked for because a rule found them; one machine has a few users and names."""
COST_OF_PATTERN = 5
"""A search for a word with letters beyond ASCII takes so many times as long as one for bytes."""
COMMON = frozenset(
    (
        *("admin", "administrator", "user", "users", "guest", "test", "public", "default", "system", "windows"),
        *("microsoft", "service", "local", "network", "root", "owner", "home", "work", "office", "desktop", "laptop"),
        *("computer", "server", "client", "domain", "workgroup", "intel", "nvidia", "amd", "realtek", "qualcomm"),
        *("google", "the", "and", "for", "new", "temp", "data", "program", "programs", "files", "driver", "drivers"),
        *("kernel", "device", "software", "hardware"),
    )
)
"""Names that say nothing, and would be found everywhere."""


class OwnWords(NamedTuple):
    """What a user wants to be found. words: anywhere in a text; globs: a whole word of a text, both in any case."""

    words: tuple[str, ...] = ()
    globs: tuple[str, ...] = ()


NO_WORDS = OwnWords()


def read_rules(path: str | os.PathLike[str]) -> OwnWords:
    """Read a file of own rules: a word, or a glob with * and ?, on each line; # begins a comment.

    Raise DumpError where it cannot be read, UsageError where a line is no rule.
    """
    from pathlib import Path

    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_RULES_FILE + 1)
    except OSError as error:
        raise DumpError("--rules", f"cannot be read ({error.strerror})", "name a text file", str(path)) from None
    if len(data) > MAX_RULES_FILE:
        raise UsageError(f"--rules: {path} is longer than {MAX_RULES_FILE >> 10} KB")
    utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))  # as PowerShell writes it
    try:
        text = data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"--rules: {path} is no text in UTF-8 or UTF-16 ({error.reason})") from None
    return own_words(text.splitlines(), str(path))


def own_words(lines: Iterable[str], named: str = "rules") -> OwnWords:
    """Return the rules of some lines. Raise UsageError where a line is no rule."""
    words, globs = dict[str, None](), dict[str, None]()
    for number, line in enumerate(lines, 1):
        rule = folded(line.strip())
        if not rule or rule.startswith("#"):
            continue
        if len(rule) > MAX_RULE:
            raise UsageError(
                f"--rules: line {number} of {named} has {len(rule)} characters, at most {MAX_RULE} are read"
            )
        literal = max(re.split(r"[*?]+", rule), key=len)
        if len(literal) < 2:
            why = "a rule needs two characters that are no wildcards, or it would fit everything"
            raise UsageError(f"--rules: line {number} of {named}: {line.strip()!r}: {why}")
        (globs if WILDCARDS & set(rule) else words)[rule] = None
        if len(words) + len(globs) > MAX_RULES:
            raise UsageError(f"--rules: {named} has more than {MAX_RULES:,} rules")
    return OwnWords(tuple(words), tuple(globs))


def is_worth_learning(word: str) -> bool:
    """Tell whether a value that a rule found is looked for everywhere else."""
    return word not in COMMON and (len(word) >= MIN_INSIDE or (len(word) >= MIN_LEARNED and not word.isdigit()))


class Words:
    """Words to look for in data, as 8-bit text, as UTF-8 and as UTF-16LE, in any case and at any alignment."""

    def __init__(self, words: Iterable[str], *, inside: bool) -> None:
        """inside: every word is found inside of others, too; else only long ones are."""
        self._forms = [
            (form, width, len(word) >= MIN_INSIDE or inside) for word in words for form, width in _forms(word)
        ]

    @property
    def cost(self) -> int:
        """How long a byte is searched, in units of what a search for bytes takes."""
        return sum(1 if isinstance(form, bytes) else COST_OF_PATTERN for form, _, _ in self._forms)

    def find(self, lowered: bytes, budget: Budget) -> Iterator[tuple[int, int]]:
        """Yield where words begin and end in data whose ASCII letters are in lower case."""
        for form, width, inside in self._forms:
            if isinstance(form, bytes):
                at = lowered.find(form)
                while at >= 0:
                    budget.draw(MAX_WORD_PLACES, 1, "names that were found")
                    if inside or _is_whole(lowered, at, at + len(form), width):
                        yield at, at + len(form)
                    at = lowered.find(form, at + 1)
            else:
                for found in form.finditer(lowered):
                    budget.draw(MAX_WORD_PLACES, 1, "names that were found")
                    if inside or _is_whole(lowered, found.start(), found.end(), width):
                        yield found.span()


def _forms(word: str) -> Iterator[tuple[bytes | re.Pattern[bytes], int]]:
    """Yield a word as it may stand in memory. Only letters beyond ASCII need a pattern: data has both cases of them."""
    if word.isascii():
        yield word.lower().encode(), 1
        yield word.lower().encode("utf-16-le"), 2
        return
    for encoding, width in (("utf-8", 1), ("cp1252", 1), ("utf-16-le", 2)):
        letters = []
        for letter in word:
            cases = dict.fromkeys((letter.lower(), letter.upper()))
            try:
                encoded = [case.encode(encoding, "surrogatepass") for case in cases]
            except UnicodeEncodeError:
                break
            letters.append(b"(?:" + b"|".join(re.escape(case.lower()) for case in encoded) + b")")
        else:
            yield re.compile(b"".join(letters)), width


_LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789")


def _is_whole(data: bytes, start: int, end: int, width: int) -> bool:
    """Tell whether no letters surround a word. One alone may be a length before the text, or rubbish behind it."""

    def is_letter(at: int) -> bool:
        return 0 <= at < len(data) and data[at] in _LETTERS and (width == 1 or data[at + 1 : at + 2] == b"\0")

    before = is_letter(start - width) and is_letter(start - 2 * width)
    behind = is_letter(end) and is_letter(end + width)
    return not before and not behind


def find_globs(globs: Iterable[str], texts: Texts) -> Iterator[tuple[int, int]]:
    """Yield where words that fit a glob begin and end in `texts.joined`. A word ends at blanks, quotes and the like."""
    text = texts.folded
    for glob in globs:
        literal = max(re.split(r"[*?]+", glob), key=len)
        stops = _NOT_OF_A_WORD - set(glob)
        behind = 0
        at = text.find(literal)
        while at >= 0:
            start, end = _word(text, at, at + len(literal), stops)
            if _fits(glob, text[max(start, behind) : end]):
                yield max(start, behind), end
            behind = end  # one look at each word, however often the literal is in it
            at = text.find(literal, behind)


_NOT_OF_A_WORD = frozenset(" \t\r\n\0\"'<>|,;()[]{}=")
MAX_WORD = 300


def _word(text: str, start: int, end: int, stops: frozenset[str]) -> tuple[int, int]:
    """Return the bounds of the word around a piece of text. stops: characters that are of no word."""
    lowest, highest = start - MAX_WORD, end + MAX_WORD
    while start > max(lowest, 0) and text[start - 1] not in stops:
        start -= 1
    while end < min(highest, len(text)) and text[end] not in stops:
        end += 1
    return start, end


def _fits(glob: str, word: str) -> bool:
    """Tell whether a whole word fits a glob: in steps of at most the product of both lengths, which are bounded."""
    at = index = 0
    star, retry = -1, 0
    while index < len(word):
        if at < len(glob) and glob[at] == "*":
            star, retry = at, index
            at += 1
        elif at < len(glob) and glob[at] in ("?", word[index]):
            at, index = at + 1, index + 1
        elif star >= 0:
            retry += 1
            at, index = star + 1, retry
        else:
            return False
    return not glob[at:].strip("*")
