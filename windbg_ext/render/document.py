"""What a report says, before it has a shape: sections of facts, tables, bars, a memory map, notes and links.

The nodes hold text as it is, numbers and meaning. A writer (`text`, `dml`) decides how they look, and escapes them.

`dumpkind` of one file waits for every class that is made here, so they are named tuples, and their annotations are no
strings: typing would compile each of them.
"""

from typing import Optional, Union

from windbg_ext.values import NamedTuple


class Address(NamedTuple):
    """A virtual address, shown in hexadecimal with at least so many digits."""

    value: int
    digits: int = 1


class Code(NamedTuple):
    """An address of code, shown as `module+0x123`, or in hexadecimal with at least so many digits without a module."""

    address: int
    module: Optional[str] = None
    offset: int = 0
    digits: int = 1


class ModuleName(NamedTuple):
    """The name that a dump has for a module, or for the program that a process runs."""

    name: str


class DumpText(NamedTuple):
    """A text of a dump's own, such as a comment: what it says is no word of this program."""

    text: str


class Message(NamedTuple):
    """A message of this program's own in a table of other texts: it names switches and commands as they are typed."""

    text: str


class Command(NamedTuple):
    """A command for the debugger. It must be one of this program's own: no text of a dump may be part of it."""

    text: str


class DumpFile(NamedTuple):
    """A dump that a debugger can open. shown: what stands for it, such as the last part of its path."""

    path: str
    shown: str


class FileCommand(NamedTuple):
    """A command for the debugger on a file. What stands around the path must be this program's own."""

    command: str
    path: str
    then: str = ""


class ShellCommand(NamedTuple):
    """A command line to type on the machine that the report is about."""

    text: str


class WrittenFile(NamedTuple):
    """The path of a file that this program has just written, to be opened by the system's program for it."""

    path: str


class WebPage(NamedTuple):
    """A page of public documentation. The address is one of this program's own: no text of a dump may be part of it."""

    title: str
    address: str


class Reference(NamedTuple):
    """The number of a footnote."""

    number: int


class Answer(NamedTuple):
    """A verdict. good: whether it is what the user hopes for, None if that cannot be told."""

    text: str
    good: Optional[bool]


Span = Union[
    str,
    Address,
    Code,
    ModuleName,
    DumpText,
    Message,
    Command,
    DumpFile,
    FileCommand,
    ShellCommand,
    WrittenFile,
    WebPage,
    Reference,
    Answer,
]
Inline = tuple[Span, ...]
"""A text, in which some parts have a meaning of their own."""


class Headline(NamedTuple):
    """The answer to what was asked, in a sentence."""

    answer: Answer


class Facts(NamedTuple):
    """Rows of a label and a value."""

    rows: tuple[tuple[str, Inline], ...]


class Column(NamedTuple):
    """A column of a table. right: its cells end in line; width: characters for each cell, None: as the widest takes.

    rank: 0 is always shown; where there is no room for all, those with the highest numbers are left out.
    """

    header: str = ""
    right: bool = False
    width: Optional[int] = None
    rank: int = 0


class Table(NamedTuple):
    """Rows of cells. columns: none for rows that need no headers and begin in line.

    compact: there are many columns, so each is as narrow as it can be, and where a line has no room for them, some are
    left out and the last one goes on in the next line; flowing: the last cell of a row is a text of any length, which
    stands below the others where these leave no room for it.
    """

    rows: tuple[tuple[Inline, ...], ...]
    columns: tuple[Column, ...] = ()
    compact: bool = False
    flowing: bool = False


class Bar(NamedTuple):
    """What a kind of dump takes, in bytes (None: not known).

    measured: on this machine; needed: by Microsoft's safe figure; answer: whether it fits; floor: the least that it
    takes.
    """

    kind: str
    measured: Optional[int]
    needed: Optional[int]
    answer: Answer
    floor: Optional[int] = None


class Bars(NamedTuple):
    """The room for a dump, and what each kind of dump takes of it, in bytes (None: not known), to one scale.

    scale: what the whole length of a bar stands for; now, at_most: the room.
    """

    scale: int
    now: Optional[int]
    at_most: Optional[int]
    kinds: tuple[Bar, ...]


class MemoryMap(NamedTuple):
    """Physical memory in equal slices, and how much of it the dump holds, all in pages.

    slices: (pages in the dump, pages of RAM) of each; runs: (first page frame, pages) of RAM; missing: what the dump
    leaves out of RAM, None if that cannot be told; cut: what of that was in the file before it was cut short.
    """

    pages_per_slice: int
    slices: tuple[tuple[int, int], ...]
    runs: tuple[tuple[int, int], ...]
    present: int
    missing: Optional[int]
    cut: int = 0


class Notes(NamedTuple):
    """Sentences, each with a label before it; an empty label is none."""

    rows: tuple[tuple[str, Union[str, Answer]], ...]


class Steps(NamedTuple):
    """What to do or to know, one after the other: texts of any length, each with the lines that belong to it."""

    steps: tuple[tuple[str, tuple[Inline, ...]], ...]


class Links(NamedTuple):
    """Commands for the debugger to go on with."""

    label: str
    commands: tuple[Union[str, FileCommand], ...]


Block = Union[Headline, Facts, Table, Bars, MemoryMap, Notes, Steps, Links]


class Section(NamedTuple):
    """Blocks that stand together. title: what they are under, empty where they need none."""

    title: str
    blocks: tuple[Block, ...] = ()


class Document(NamedTuple):
    """A report. elsewhere: of no file that a debugger has open, which would look at its own memory instead."""

    sections: tuple[Section, ...]
    elsewhere: bool = False


def of_files(document: Document, paths: list[str], open_dump: Optional[str]) -> Document:
    """Return a document about files, which are elsewhere unless the debugger has just that one open."""
    return document._replace(elsewhere=any(path != open_dump for path in paths))
