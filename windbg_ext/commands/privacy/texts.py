"""Texts in memory: runs of characters in 8 bits or in UTF-16LE, at any alignment, put together as one string to search.

Most of a dump is no text. A table maps every byte to its class, and the runs are found in the classes, which takes a
few nanoseconds for each byte; everything else is only done for what is text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING

from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EDGE = "\0"
"""What stands before and behind each text in `Texts.joined`."""

_PRINTABLE, _ZERO, _LATIN, _OTHER = b"p", b"z", b"h", b"x"
_CLASSES = b"".join(
    _ZERO
    if byte == 0
    else _PRINTABLE
    if 0x20 <= byte < 0x7F or byte in b"\t\r\n"
    else _LATIN
    if byte >= 0xA0
    else _OTHER
    for byte in range(256)
)
_RUN_OF_BYTES = re.compile(b"pppppp*")
"""Five characters: in code, shorter ones are everywhere. `_RUN_OF_UNITS` takes four, which code hardly ever has."""
_RUN_OF_UNITS = re.compile(b"pzpzpzpz(?:[ph]z)*")
_MORE_BYTES = re.compile(b"[ph]*")
_MORE_UNITS = re.compile(rb"(?:[\x20-\x7e\xa0-\xff]\x00|[\x00-\xff][\x01-\xff])*", re.DOTALL)
MAX_FOREIGN = 512
"""Bytes of letters beyond Latin-1 that a text goes on with, such as a name in Cyrillic; a path component has 255."""
_GOES_ON = re.compile(r"[\\/=@]")
"""Only texts with one of these go on in other letters: what is behind it may be a name."""


class Text(NamedTuple):
    """A text: where it begins and ends in the data that it is from, and bytes for each character, 1 or 2."""

    start: int
    end: int
    width: int


class Texts:
    """All texts of some data.

    joined: the texts, each between two EDGEs; folded: the same in lower case; texts: in the order of `joined`.
    """

    def __init__(self, data: bytes) -> None:
        classes = data.translate(_CLASSES)
        self.texts = [*_texts_in_bytes(data, classes), *_texts_in_units(data, classes)]
        pieces, self._starts, at = [EDGE], [], 1
        for text in self.texts:
            self._starts.append(at)
            piece = _decoded(data[text.start : text.end], text.width)
            pieces += (piece, EDGE)
            at += len(piece) + 1
        self.joined = "".join(pieces)
        self.folded = folded(self.joined)

    def number(self, index: int) -> int:
        """Return the number of the text that an index of `joined` lies in."""
        return max(bisect_right(self._starts, index) - 1, 0)

    def bounds(self, number: int) -> tuple[int, int]:
        """Return where a text begins and ends in `joined`."""
        text = self.texts[number]
        start = self._starts[number]
        return start, start + (text.end - text.start) // text.width

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Return where a piece of one text, by indexes of `joined`, begins and ends in the data."""
        number = self.number(start)
        text, first = self.texts[number], self._starts[number]
        return text.start + (start - first) * text.width, min(text.start + (end - first) * text.width, text.end)


def folded(text: str) -> str:
    """Return a text in lower case, character for character: of all, only this one becomes two."""
    return text.replace("\u0130", "i").lower()


def _decoded(data: bytes, width: int) -> str:
    if width == 1:
        return data.decode("latin-1")
    if not any(data[1::2]):
        return data[::2].decode("latin-1")
    # unit for unit, so that an index stays one: a pair of surrogates would be one character
    return data.decode("utf-16-le", "surrogatepass") if not _SURROGATE.search(data) else _by_units(data)


_SURROGATE = re.compile(rb"[\xd8-\xdf]")


def _by_units(data: bytes) -> str:
    return "".join(map(chr, (int.from_bytes(data[at : at + 2], "little") for at in range(0, len(data), 2))))


def _texts_in_bytes(data: bytes, classes: bytes) -> Iterator[Text]:
    end = 0
    for run in _RUN_OF_BYTES.finditer(classes):
        if run.start() < end:  # the text before it went on into it
            continue
        end = run.end()
        if classes[end : end + 1] == _LATIN and _GOES_ON.search(data[run.start() : end].decode("latin-1")):
            more = _MORE_BYTES.match(classes, end, end + MAX_FOREIGN)
            end = more.end() if more else end
        yield Text(run.start(), end, 1)


def _texts_in_units(data: bytes, classes: bytes) -> Iterator[Text]:
    runs = [run.span() for run in _RUN_OF_UNITS.finditer(classes)]
    index = 0
    while index < len(runs):
        start, end = runs[index]
        while classes[start - 2 : start] in (b"hz", b"pz") and start >= 2:  # "Jür" of a name is too short for a run
            start -= 2
        index += 1
        marked, looked_to = False, start
        while marked := marked or _GOES_ON.search(data[looked_to:end:2].decode("latin-1")) is not None:
            looked_to = end  # each part once: a text may go on a hundred thousand times
            upto = runs[index][0] if index < len(runs) else len(data)
            more = _MORE_UNITS.match(data, end, min(upto, end + MAX_FOREIGN))
            if more is None or more.end() == end:
                break
            end = more.end()
            if index == len(runs) or end != upto:
                break
            end = runs[index][1]  # the next run is the rest of this text
            index += 1
        yield Text(start, end, 2)


def separated(pieces: Sequence[bytes]) -> bytes:
    """Return pieces as data in which no text of one goes on in the next, in either encoding at any alignment."""
    return SEPARATOR.join(pieces)


SEPARATOR = bytes(4)
