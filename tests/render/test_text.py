"""Documents as text, block by block. The expected lines are written by hand."""

from __future__ import annotations

import pytest

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
    Facts,
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
from windbg_ext.render.lines import in_pieces, plain, shown, text_of, verbatim
from windbg_ext.render.text import write_text


def written(*blocks: Block, title: str = "") -> list[str]:
    return write_text(Document((Section(title, blocks),))).split("\n")


def cells(*texts: str) -> tuple[Inline, ...]:
    return tuple((text,) for text in texts)


@pytest.mark.parametrize(
    ("span", "text"),
    [
        ("as it is", "as it is"),
        (Address(0xFFFFF80512991010), "0xfffff80512991010"),
        (Address(0x88191010, 16), "0x0000000088191010"),
        (Address(0), "0x0"),
        (Code(0xFFFFF80512991010, "faulty.sys", 0x1010), "faulty.sys+0x1010"),
        (Code(0x88191010), "0x88191010"),
        (Code(0x88191010, "a\x1b.sys", 0), "a\\x1b.sys+0x0"),
        (ModuleName("faulty.sys"), "faulty.sys"),
        (Command("!analyze -v"), "!analyze -v"),
        (ShellCommand("reg add x"), "> reg add x"),
        (Answer("does not fit", good=False), "does not fit"),
    ],
)
def test_every_span_is_shown(span: Span, text: str) -> None:
    assert text_of((span,)) == text


HOSTILE = "\x1b[2J\r\n\u202eevil"
HARMLESS = "\\x1b[2J\\r\\n\\u202eevil"


@pytest.mark.parametrize(
    "block",
    [
        Facts(((HOSTILE, (HOSTILE, ModuleName(HOSTILE))),)),
        Table((((HOSTILE,), (ModuleName(HOSTILE),)),)),
        Table((((HOSTILE,), (ModuleName(HOSTILE),)),), (Column(HOSTILE), Column("b"))),
        Table((((HOSTILE,), (ModuleName(HOSTILE),)),), (Column(HOSTILE), Column("b")), compact=True),
        Table((((HOSTILE,), (ModuleName(HOSTILE),)),), (Column(), Column()), flowing=True),
        Notes(((HOSTILE, HOSTILE),)),
        Steps(((HOSTILE, ((ShellCommand(HOSTILE), Command(HOSTILE)),)),)),
        Bars(1, 1, 1, (Bar(HOSTILE, 1, 1, Answer(HOSTILE, good=None)),)),
        Links(HOSTILE, (HOSTILE,)),
    ],
    ids=lambda block: type(block).__name__,
)
def test_control_characters_of_a_dump_do_not_reach_the_screen(block: Block) -> None:
    text = write_text(Document((Section(HOSTILE, (block,)),)))
    assert {character for character in text if not " " <= character <= "~"} <= {"\n"}
    assert text.count(HARMLESS) > 1


def test_text_stays_and_control_characters_and_marks_of_the_direction_are_escaped() -> None:
    assert plain("C:\\x & <y>~") == "C:\\x & <y>~"
    assert plain("gr\xfc\xdfe \u0416 \u4f60\u597d") == "gr\xfc\xdfe \u0416 \u4f60\u597d"
    assert (
        plain("\t\x7f\x9b\xa0\u061c\u200e\u202e\u2066\ufeff") == "\\t\\x7f\\x9b\\xa0\\u061c\\u200e\\u202e\\u2066\\ufeff"
    )


def test_sections_are_apart_and_what_is_under_a_title_is_indented() -> None:
    facts = Facts((("whole", ("yes",)),))
    document = Document((Section("a.dmp: small", (Notes((("note", "x"),)), facts)), Section("", (facts,))))
    assert write_text(document) == "a.dmp: small\n  note: x\n  whole  yes\n\nwhole  yes"


def test_a_title_may_stand_alone() -> None:
    assert write_text(Document((Section("a"), Section("b")))) == "a\n\nb"


def test_values_of_facts_begin_in_line() -> None:
    facts = Facts((("bug check", ("0xD1",)), ("parameters", (Address(0x10), " ", Address(2))), ("comment", ("",))))
    assert written(facts) == [
        "bug check   0xD1",
        "parameters  0x10 0x2",
        "comment",
    ]


def test_a_table_without_columns_is_a_plain_list() -> None:
    rows = (((ModuleName("faulty.sys"),), (Address(0x10),), ("stack",)), cells("nt", "0x9", "parameter 4, stack"))
    assert written(Table(rows), title="Suspects:") == [
        "Suspects:",
        "  faulty.sys  0x10  stack",
        "  nt          0x9   parameter 4, stack",
    ]


def test_a_table_with_columns_has_headers_and_figures_that_end_in_line() -> None:
    columns = (Column("What"), Column("Bytes", right=True), Column("Why"))
    assert written(Table((cells("headers", "8,320", ""), cells("KPRCB", "1e3", "because")), columns)) == [
        "What       Bytes  Why",
        "-------  -------  -------",
        "headers    8,320",
        "KPRCB        1e3  because",
    ]


def test_a_compact_table_is_no_wider_than_its_cells() -> None:
    columns = (Column("Dump file"), Column("Kind"), Column("Problem"))
    table = Table((cells("a.dmp", "complete", ""), cells("b.dmp", "none", "cut")), columns, compact=True)
    assert written(table) == [
        "Dump file  Kind      Problem",
        "---------  --------  -------",
        "a.dmp      complete",
        "b.dmp      none      cut",
    ]


def test_a_text_that_flows_goes_on_below_itself() -> None:
    columns = (Column(width=5), Column(right=True, width=6), Column())
    words = " ".join(["a-hyphenated-word"] * 7)
    rows = (cells("small", "2 MB", words), cells("kernel", "16,777 MB", "longer than its column"), cells("x", "", ""))
    assert written(Table(rows, columns, flowing=True), title="From") == [
        "From",
        "  small    2 MB  a-hyphenated-word a-hyphenated-word a-hyphenated-word a-hyphenated-word a-hyphenated-word",
        "                 a-hyphenated-word a-hyphenated-word",
        "  kernel  16,777 MB  longer than its column",
    ]


def test_a_bar_rounds_room_down_and_needs_up() -> None:
    kinds = (
        Bar("small", None, 1, Answer("fits", good=True)),
        Bar("kernel", 601, 1000, Answer("cannot be told", good=None)),
        Bar("complete", None, None, Answer("cannot be told", good=None)),
    )
    assert written(Bars(1000, 599, 774, kinds)) == [
        "room     |" + "=" * 23 + ">" * 7 + " " * 10 + "|  = now  > at most; the whole bar is 1,000 bytes",
        "small    |-" + " " * 39 + "|  fits",
        "kernel   |" + "#" * 25 + "-" * 15 + "|  cannot be told",
        "complete |" + " " * 40 + "|  cannot be told",
        "          # measured on this machine  - needs, by Microsoft's safe figure",
    ]


def test_a_bar_ends_at_the_scale_and_a_little_room_is_seen() -> None:
    room = written(Bars(1 << 40, 1, 2 << 40, ()))[0]
    assert room == "room |=" + ">" * 39 + "|  = now  > at most; the whole bar is 1,048,576 MB"


def test_the_strip_shows_where_ram_is_and_what_of_it_is_left_out() -> None:
    slices = ((256, 256), (1, 256), (0, 256), (0, 0), (200, 200), (256, 0), (255, 0))
    assert written(MemoryMap(256, slices, ((0, 768), (0x400, 200)), 968, 511)) == [
        "Physical memory: 968 pages in the file, 511 pages of RAM left out; a character is 1.0 MB",
        "  [#+. ##+]  # all, + some, . left out, blank no RAM",
        "  page frame 0x0    768 of RAM",
        "  page frame 0x400  200 of RAM",
    ]


def test_the_strip_tells_what_is_cut_off_from_what_was_left_out() -> None:
    slices = ((256, 256), (1, 256), (0, 256))
    told = written(MemoryMap(256, slices, ((0, 768),), 257, 1511, 1500))[0]
    assert (
        told == "Physical memory: 257 pages in the file, 11 pages of RAM left out, 1,500 cut off; a character is 1.0 MB"
    )


def test_what_is_missing_is_not_told_where_no_ram_is_known() -> None:
    assert written(MemoryMap(1, ((1, 0),), (), 1, None)) == [
        "Physical memory: 1 pages in the file; a character is 4.0 KB",
        "  [#]  # all, + some, . left out, blank no RAM",
    ]


def test_notes_have_their_label_before_them_and_are_not_wrapped() -> None:
    assert written(Notes((("problem", "long " * 40), ("", "no label"))), title="t") == [
        "t",
        "  problem: " + "long " * 40,
        "  no label",
    ]


def test_steps_are_a_list_whose_marks_stand_under_the_title() -> None:
    steps = Steps((("Do " + "it " * 40, (("x = 1",), (ShellCommand("reg add"),))), ("Then rest.", ())))
    assert written(steps, title="What to do") == [
        "What to do",
        "- Do " + ("it " * 35).rstrip(),
        "  it it it it it",
        "    x = 1",
        "    > reg add",
        "- Then rest.",
    ]


def test_links_stand_in_one_line() -> None:
    assert written(Links("Next", ("!analyze -v", "!minify"))) == ["Next: !analyze -v  !minify"]


def test_a_text_is_shown_in_pieces_that_end_with_a_line_where_they_can() -> None:
    pieces = [shown(piece) for piece in in_pieces(verbatim("aaaa\nbbb\n\ncccccccccccc\nd"), 10)]
    assert pieces == ["aaaa\nbbb\n\n", "cccccccccc", "cc\nd\n"]
