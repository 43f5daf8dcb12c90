"""Documents as the debugger's markup: they look as in text, and links hold only commands of this package."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windbg_ext.render.dml import MAX_PIECE, verbatim_dml, write_dml
from windbg_ext.render.document import (
    Address,
    Answer,
    Bar,
    Bars,
    Block,
    Code,
    Column,
    Command,
    Document,
    DumpFile,
    DumpText,
    Facts,
    FileCommand,
    Inline,
    Links,
    MemoryMap,
    ModuleName,
    Notes,
    Section,
    ShellCommand,
    Span,
    Steps,
    Table,
)
from windbg_ext.render.text import write_text

PLAIN_PATH = r"[\w.\\][\w .:()+~\\-]*"
ON_FILE = rf'\.opendump {PLAIN_PATH};g|!dumpkind -v {PLAIN_PATH}|!dumpkind -v "{PLAIN_PATH}"'
OWN_COMMAND = re.compile(r"db 0x[0-9a-f]{9,16}|u 0x[0-9a-f]{1,16}|lmvm [A-Za-z0-9_]+|" + ON_FILE)
TAG = re.compile(r"<[^>]*>")
MARKUP_LIKE = st.text(alphabet="<>&\"'/=; \n\x1b\\.abcdefx0123456789linkcmdqsyexdl", max_size=60)
TEXTS = st.one_of(st.text(max_size=60), MARKUP_LIKE)
MAX_OUTPUT = 16 << 10

STACK = '<link cmd="db 0xfffff80512991010">0xfffff80512991010</link>'
FAULTY = '<link cmd="lmvm faulty">faulty.sys</link>'


def written(*blocks: Block, title: str = "") -> str:
    return "".join(write_dml(Document((Section(title, blocks),))))


def markup(*spans: Span) -> str:
    return written(Facts((("x", spans),))).removeprefix("x  ").removesuffix("\n")


def screen(markup: str) -> str:
    """Return what the debugger shows for markup."""
    return html.unescape(TAG.sub("", markup))


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (Address(0xFFFFF80512991010), STACK),
        (Address(0x7FF700040780), '<link cmd="db 0x7ff700040780">0x7ff700040780</link>'),
        (Address(0x88191010, 16), '<link cmd="db 0x0000000088191010">0x0000000088191010</link>'),
        (Address(0x100000000), '<link cmd="db 0x100000000">0x100000000</link>'),
        (Address(0x88191010), '<link cmd="db 0x88191010">0x88191010</link>'),
        (Address(0xFFFF), "0xffff"),
        (Address(0x2), "0x2"),
        (Address(1 << 64), "0x10000000000000000"),
        (Address(-0x123456789), "0x-123456789"),
        (Code(0xFFFFF80512991010), '<link cmd="u 0xfffff80512991010">0xfffff80512991010</link>'),
        (Code(0x88191010, "a<b.sys", 0x10), '<link cmd="u 0x88191010">a&lt;b.sys+0x10</link>'),
        (Code(1 << 64, "a.sys", 0x10), "a.sys+0x10"),
        (Code(-1, "a.sys", 0x10), "a.sys+0x10"),
        (ModuleName("faulty.sys"), FAULTY),
        (ModuleName("FLTMGR.SYS"), '<link cmd="lmvm FLTMGR">FLTMGR.SYS</link>'),
        (ModuleName("hal.dll"), '<link cmd="lmvm hal">hal.dll</link>'),
        (ModuleName("ntoskrnl.exe"), '<link cmd="lmvm nt">ntoskrnl.exe</link>'),
        (ModuleName("nt"), "nt"),
        (ModuleName(r"C:\x\faulty.sys"), r"C:\x\faulty.sys"),
        (ModuleName("a-b.sys"), "a-b.sys"),
        (ModuleName("a.sys; q"), "a.sys; q"),
        (ModuleName("a.sys\n"), "a.sys\\n"),
        (ModuleName("\N{LATIN SMALL LETTER U WITH DIAERESIS}.sys"), "\N{LATIN SMALL LETTER U WITH DIAERESIS}.sys"),
        (DumpFile(r"C:\d\a b.dmp", "a b.dmp"), r'<link cmd=".opendump C:\d\a b.dmp;g">a b.dmp</link>'),
        (
            FileCommand("!dumpkind -v", r"C:\d\x.dmp"),
            r'<link cmd="!dumpkind -v C:\d\x.dmp">!dumpkind -v C:\d\x.dmp</link>',
        ),
        (
            FileCommand("!dumpkind -v", r"C:\a b.dmp"),
            r'<link cmd="!dumpkind -v &quot;C:\a b.dmp&quot;">!dumpkind -v &quot;C:\a b.dmp&quot;</link>',
        ),
        (DumpText("C:\\d\\x.dmp <q>"), "C:\\d\\x.dmp &lt;q&gt;"),
        (ModuleName("q.sys<&"), "q.sys&lt;&amp;"),
        (ModuleName("a" * 252 + ".sys"), "a" * 252 + ".sys"),
        (Command("!analyze -v"), '<link cmd="!analyze -v">!analyze -v</link>'),
        (Command("!x -c a&b<c>"), '<link cmd="!x -c a&amp;b&lt;c&gt;">!x -c a&amp;b&lt;c&gt;</link>'),
        (ShellCommand("reg add <x>"), "&gt; reg add &lt;x&gt;"),
        (Answer("a < b", good=True), '<col fg="emphfg">a &lt; b</col>'),
        (Answer("no", good=False), '<col fg="errfg">no</col>'),
        (Answer("cannot be told", good=None), '<col fg="warnfg">cannot be told</col>'),
        ("at 0xfffff80512991010 in faulty.sys", "at 0xfffff80512991010 in faulty.sys"),
        ('<link cmd="q">x</link>', "&lt;link cmd=&quot;q&quot;&gt;x&lt;/link&gt;"),
    ],
)
def test_addresses_modules_and_commands_are_links_and_nothing_else(span: Span, expected: str) -> None:
    assert markup(span) == expected


@pytest.mark.parametrize("command", ['!x "y"', "!x\ny", "!x\x00", "!x \N{LATIN SMALL LETTER U WITH DIAERESIS}"])
def test_a_command_that_no_link_can_hold_is_shown_without_one(command: str) -> None:
    assert "<" not in markup(Command(command))


@pytest.mark.parametrize(
    "path",
    [
        *('C:\\a"b.dmp', "C:\\a;q", "/c q", "-x.dmp", "C:\\${x}.dmp", "C:\\ !minify .dmp", "C:\\a\n.dmp", "C:\\`a"),
        *("s3://b/x.dmp", ""),
    ],
)
def test_a_path_that_might_be_more_than_a_path_in_a_command_is_shown_without_a_link(path: str) -> None:
    assert "<" not in markup(DumpFile(path, "x.dmp"))
    assert "<" not in markup(FileCommand("!dumpkind -v", path))


LINKED: Inline = (Address(0xFFFFF80512991010), " ", ModuleName("faulty.sys"))


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (Facts((("at", LINKED), ("then", ("<x>",)))), f"at    {STACK} {FAULTY}\nthen  &lt;x&gt;\n"),
        (Table(((("<1>",), LINKED), (LINKED, ("2",)))), f"&lt;1&gt;                            {STACK} {FAULTY}\n"),
        (
            Table(((LINKED, ("8",)), (("nt",), ("10",))), (Column("Where"), Column("Bytes", right=True))),
            "Where                            Bytes\n-----------------------------  -------\n"
            f"{STACK} {FAULTY}        8\nnt                                  10\n",
        ),
        (
            Table(((LINKED, ("8",)), (("nt",), ("10",))), (Column("Where"), Column("Bytes")), compact=True),
            "Where                          Bytes\n-----------------------------  -----\n"
            f"{STACK} {FAULTY}  8\nnt                             10\n",
        ),
        (
            Table(((("nt",), ("&", *LINKED)),), (Column(width=4, right=True), Column()), flowing=True),
            f"  nt  &amp;{STACK} {FAULTY}\n",
        ),
        (
            Bars(40, 40, 40, (Bar("small", None, 0, Answer("<fits>", good=True)),)),
            f"room  |{'=' * 40}|  = now  &gt; at most; the whole bar is 40 bytes\n"
            f"small |{' ' * 40}|  &lt;fits&gt;\n"
            "       # measured on this machine  - needs, by Microsoft's safe figure\n",
        ),
        (
            MemoryMap(1, ((1, 1), (0, 1)), ((0x123456789, 2),), 1, 1),
            "Physical memory: 1 pages in the file, 1 pages of RAM left out; a character is 4.0 KB\n"
            "  [#.]  # all, + some, . left out, blank no RAM\n  page frame 0x123456789  2 of RAM\n",
        ),
        (Notes((("note", "a & b at 0xfffff80512991010"),)), "note: a &amp; b at 0xfffff80512991010\n"),
        (
            Steps((("Set <x>.", (LINKED, (ShellCommand("y"),))),)),
            f"- Set &lt;x&gt;.\n    {STACK} {FAULTY}\n    &gt; y\n",
        ),
        (
            Links("Next", ("!analyze -v", "!minify")),
            'Next: <link cmd="!analyze -v">!analyze -v</link>  <link cmd="!minify">!minify</link>\n',
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, tuple) else "",
)
def test_every_block_keeps_its_links_in_their_places(block: Block, expected: str) -> None:
    assert written(block).startswith(expected)


def test_a_title_is_escaped_and_what_is_under_it_indented() -> None:
    assert written(Facts((("at", (Address(0x123456789),)),)), title="<q>") == (
        '&lt;q&gt;\n  at  <link cmd="db 0x123456789">0x123456789</link>\n'
    )


def every_block(text: str, number: int) -> Document:
    spans: Inline = (
        text,
        *(DumpFile(text, text), FileCommand("!dumpkind -v", text), DumpText(text)),
        ModuleName(text),
        Code(number, text, 1),
        Answer(text, good=None),
        Address(number, 16),
        ShellCommand(text),
    )
    table = ((spans, (text,)), ((text,), spans))
    columns = (Column("a"), Column("b", right=True))
    return Document(
        (
            Section(
                text,
                (
                    Facts(((text, spans),)),
                    Table(table),
                    Table(table, columns),
                    Table(table, columns, compact=True),
                    Table(table, columns, flowing=True),
                    Notes(((text, text),)),
                    Steps(((text, (spans,)),)),
                    Bars(1, 1, 1, (Bar(text, 1, 1, Answer(text, good=True)),)),
                ),
            ),
        )
    )


@given(TEXTS, st.integers(0, 2**64 - 1))
def test_any_document_looks_as_in_text(text: str, number: int) -> None:
    document = every_block(text, number)
    assert screen("".join(write_dml(document))) == write_text(document) + "\n"


@given(st.one_of(MARKUP_LIKE, st.from_regex(r"\w*\.(sys|dll|exe).?")), st.integers(0, 2**64 - 1))
def test_no_text_becomes_a_tag_but_links_with_commands_of_our_own(text: str, number: int) -> None:
    for tag in TAG.findall("".join(write_dml(every_block(text, number)))):
        command = re.fullmatch(r'<link cmd="([^"]*)">|</link>|<col fg="[a-z]+">|</col>', tag)
        assert command is not None
        assert command[1] is None or OWN_COMMAND.fullmatch(html.unescape(command[1]))


@pytest.mark.parametrize(
    "spans",
    [
        ('"<&>' * 5000,),
        (ModuleName('"' * 20_000),),
        (ModuleName("a" * 20_000 + ".sys"),),
        (ModuleName("a.sys"),) * 5000,
        (Address(0x123456789),) * 5000,
        (Command("!x" * 5000),),
    ],
    ids=["text", "name", "long module", "modules", "addresses", "command"],
)
def test_a_document_comes_in_pieces_that_the_engine_shows_whole(spans: Inline) -> None:
    document = Document((Section("a"), Section("", (Facts((("b", spans), ("c", ("d",)))),))))
    pieces = list(write_dml(document))
    assert max(map(len, pieces)) < MAX_OUTPUT
    assert max(len(screen(piece)) for piece in pieces) <= MAX_PIECE
    assert screen("".join(pieces)) == write_text(document) + "\n"


@given(TEXTS)
def test_text_that_is_no_document_is_shown_as_it_is_and_has_no_links(text: str) -> None:
    (piece,) = verbatim_dml(text)
    assert "<" not in piece
    assert html.unescape(piece) == html.unescape(text.replace("&", "&amp;")) + "\n"
