"""What a page has beside the blocks of a document: a verdict, pictures to scale, lists that fold or sort.

Only a writer that draws (`html`) shows these; the numbers are in the nodes, and how they look is not decided here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.render.document import Answer, Block, Column, Inline, MemoryMap


class Verdict(NamedTuple):
    """The answer, in a sentence, and what to do now. about: what it is the answer about, such as a file."""

    about: str
    answer: Answer
    steps: tuple[tuple[str, Inline], ...]


class Fold(NamedTuple):
    """Blocks behind a title that opens them. opened: from the beginning."""

    title: str
    blocks: tuple[PageBlock, ...]
    opened: bool = False


class Listing(NamedTuple):
    """A table with a caption. cut: rows that are left out already; coloured: modules are told apart by colours.

    most: bytes that its rows may take in a page; those after that are left out, too; name: what it is called where no
    caption is shown.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Inline, ...], ...]
    cut: int = 0
    coloured: bool = False
    most: int = 12_000
    name: str = ""


class Footnotes(NamedTuple):
    """Texts that the rest of a page refers to by number. numbered: without it, it is a list of remarks."""

    texts: tuple[Inline, ...]
    numbered: bool = True


class Part(NamedTuple):
    """A part of a whole, in bytes. about: where it lies, or how many pieces it has."""

    name: str
    bytes: int
    about: str = ""


class Parts(NamedTuple):
    """A picture of a whole and its parts, to scale, and a table of them. total: bytes of the whole.

    where: the header over what is said about each part.
    """

    title: str
    total: int
    parts: tuple[Part, ...]
    about: str = ""
    where: str = "Where"


class PhysicalMap(NamedTuple):
    """A picture of physical memory, and a table of its runs. in_runs: pages of each run that are in the dump.

    memory: as documents have it, in slices that are fine enough for a picture.
    """

    memory: MemoryMap
    in_runs: tuple[int, ...]


class AddressRange(NamedTuple):
    """A range of virtual addresses of which some bytes were saved, in blocks. user: of user mode."""

    start: int
    end: int
    bytes: int
    blocks: int
    user: bool


class AddressMap(NamedTuple):
    """A picture of the ranges of virtual memory that were saved; what lies between them is not drawn to scale."""

    title: str
    ranges: tuple[AddressRange, ...]


class Mark(NamedTuple):
    """A size that everything in a picture is held against. kind: a word that tells marks apart."""

    kind: str
    name: str
    bytes: int


class Fit(NamedTuple):
    """What a kind of dump takes, in bytes. chosen: the kind that is set."""

    kind: str
    needs: int | None
    floor: int | None
    measured: int | None
    answer: Answer
    chosen: bool


class FitBars(NamedTuple):
    """A picture of what each kind of dump takes against the room for it, to one scale."""

    title: str
    marks: tuple[Mark, ...]
    fits: tuple[Fit, ...]


class Bucket(NamedTuple):
    """So many crashes between two moments; label: which moments."""

    label: str
    crashes: int


class Timeline(NamedTuple):
    """A picture of crashes over time, in equal steps. step: such as a day; undated: crashes without a time."""

    title: str
    step: str
    buckets: tuple[Bucket, ...]
    undated: int = 0


class Ranking(NamedTuple):
    """A picture of the most frequent of something. others: how many are not shown, and how often they were counted."""

    title: str
    rows: tuple[tuple[str, int], ...]
    total: int
    others: tuple[int, int] = (0, 0)
    note: str = ""


class Entry(NamedTuple):
    """A row of a catalogue: its cells, and what opens behind it.

    values: numbers that cells are sorted by; None: by its text.
    """

    cells: tuple[Inline, ...]
    values: tuple[int | None, ...]
    details: tuple[tuple[str, Inline], ...]
    title: str


class Catalogue(NamedTuple):
    """A table to sort and filter, each of whose rows has details. noun: what they are.

    A column without a width takes its share of the room that the others leave.
    """

    caption: str
    columns: tuple[Column, ...]
    entries: tuple[Entry, ...]
    noun: str = "dumps"


if TYPE_CHECKING:
    Picture = Union[Parts, PhysicalMap, AddressMap, FitBars, Timeline, Ranking]
    PageBlock = Union[Block, Verdict, Fold, Listing, Footnotes, Catalogue, Picture]


class PageSection(NamedTuple):
    """Blocks that stand together under a title; an empty title is none."""

    title: str
    blocks: tuple[PageBlock, ...]


class Page(NamedTuple):
    """A report as a page. title: for the window; command: which one made it."""

    title: str
    command: str
    sections: tuple[PageSection, ...]
