"""Texts that are too long to be shown, and ones that are no text: cut in tables, whole in JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from typing import TYPE_CHECKING

import pytest
from support.command_line import ROOT

from windbg_ext.commands.dumpkind import dumpkind
from windbg_ext.render.dml import write_dml
from windbg_ext.render.document import Column, Document, Facts, ModuleName, Notes, Section, ShellCommand, Steps, Table
from windbg_ext.render.dumpkind import dumpkind_document
from windbg_ext.render.dumpkind_json import dumpkind_json
from windbg_ext.render.dumpkind_table import dumpkind_csv, dumpkind_table_document
from windbg_ext.render.json_text import write_json
from windbg_ext.render.lines import plain
from windbg_ext.render.text import write_text

if TYPE_CHECKING:
    from windbg_ext.commands.dumpkind import DumpReport
    from windbg_ext.render.document import Block

LONG = "driver" + "x" * 200_000 + ".sys"


def report_named(name: str) -> DumpReport:
    report = dumpkind(ROOT / "samples" / "small.dmp")
    return report._replace(suspects=tuple(suspect._replace(name=name) for suspect in report.suspects), process=name)


def test_one_long_name_among_a_thousand_files_makes_no_wide_table() -> None:
    plain_report = dumpkind(ROOT / "samples" / "small.dmp")
    document = dumpkind_table_document([plain_report] * 1000 + [report_named(LONG)])
    text = write_text(document)
    assert max(map(len, text.split("\n"))) < 700
    assert "driverxxx" in text
    assert "xxx...xxx" in text
    assert "xxx.sys" in text
    assert sum(map(len, write_dml(document))) < 2_000_000


@pytest.mark.parametrize(
    "block",
    [
        Table((((LONG,), ("1",)),)),
        Table((((LONG,), ("1",)),), (Column("Name"), Column("N", right=True))),
        Table((((LONG,), ("1",)),), (Column("Name"), Column("N")), compact=True),
        Table(((("a",), (LONG,)),), (Column(width=9), Column()), flowing=True),
        Table((((LONG,), ("text",)),), (Column(width=9), Column()), flowing=True),
        Facts((("name", (ModuleName(LONG),)),)),
        Notes((("note", LONG),)),
        Steps(((LONG, ((LONG,),)),)),
    ],
)
def test_no_line_is_longer_than_people_read(block: Block) -> None:
    document = Document((Section(LONG, (block,)),))
    lines = write_text(document).split("\n")
    assert max(map(len, lines)) < 2100
    assert any("..." in line for line in lines[1:])
    assert "".join(write_dml(document)).count("x") < 10_000


def test_a_command_to_type_is_never_cut() -> None:
    command = "reg add " + "x" * 5000
    assert f"> {command}" in write_text(Document((Section("", (Steps((("do", ((ShellCommand(command),),)),)),)),)))


def test_a_text_that_fits_is_not_cut() -> None:
    for length in (259, 260):
        assert "n" * length in write_text(Document((Section("", (Table((((("n" * length),), ("1",)),)),)),)))
    assert "n" * 261 not in write_text(Document((Section("", (Table((((("n" * 261),), ("1",)),)),)),)))


def test_json_and_csv_have_long_names_whole() -> None:
    report = report_named(LONG)
    assert json.loads(dumpkind_json(report))["suspects"][0]["name"] == LONG
    csv.field_size_limit(1 << 20)
    (row,) = csv.DictReader(io.StringIO(dumpkind_csv([report])))
    assert row["Caused by driver"] == LONG


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\udc00\ud800.sys", "\\udc00\\ud800.sys"),
        ("caf\udce9.sys", "caf\\udce9.sys"),
        ("half\ud83d", "half\\ud83d"),
        ("whole\U0001f4a5\u00fc", "whole\U0001f4a5\u00fc"),
        ("C:\\udc00", "C:\\udc00"),
    ],
)
def test_json_holds_no_half_of_a_surrogate_pair(name: str, shown: str) -> None:
    """As Python's own parser lets it pass, strict ones are stood for by encoding what it found."""
    for text in (dumpkind_json(report_named(name)), write_json({name: [name, {"below": (name,)}]})):
        assert text.isascii()
        found = json.dumps(json.loads(text), ensure_ascii=False)
        found.encode("utf-8")
        assert json.dumps(shown, ensure_ascii=False)[1:-1] in found


def test_a_report_whose_name_is_no_text_is_shown_with_escapes() -> None:
    text = write_text(dumpkind_document(report_named("\udc00\x1b[2J\u202e.sys")))
    assert "\\udc00\\x1b[2J\\u202e.sys" in text
    assert all(line.isascii() and line.isprintable() for line in text.split("\n"))


def test_letters_stay_and_what_moves_the_text_is_escaped_as_python_escapes_it() -> None:
    for code in (*range(0x700), *range(0x2000, 0x2070), 0x4F60, 0xD800, 0xDFFF, 0xFEFF, 0x1F4A5, 0x10FFFF):
        character = chr(code)
        stays = character == " " or unicodedata.category(character)[0] in "LMNPS"
        escaped = character if stays else character.encode("unicode_escape").decode()
        assert plain(f"a{character}{character}\\b") == f"a{escaped}{escaped}\\b"
