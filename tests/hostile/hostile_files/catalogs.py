"""Catalogues that are programs: views and triggers without end, pages that lead to one another, values of any kind."""

from __future__ import annotations

import os
import shutil
import sqlite3
from functools import partial
from typing import TYPE_CHECKING

from support.command_line import ROOT

from hostile_files.case import MB, REPORT, Case, Command
from windbg_ext.commands.catalog import open_catalog, scan_dumps

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CATALOG = "fleet.db"
ODD = "=cmd\x1b[31m\u202e<script>"
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT"
PAGE = 0x1000
INTERIOR = 5
DUMPS = ("small.dmp", "kernel.dmp")


def catalog_of(folder: Path, name: str) -> None:
    """Write a catalogue of the dumps in a folder, and the dumps."""
    for dump in DUMPS:
        shutil.copy(ROOT / "samples" / dump, folder)
    with open_catalog(os.fspath(folder / name)) as catalog:
        scan_dumps([os.fspath(folder)], catalog)


def changed(folder: Path, *, sql: str) -> None:
    """Write a catalogue of two dumps, and change it."""
    catalog_of(folder, CATALOG)
    connection = sqlite3.connect(folder / CATALOG)
    connection.executescript(sql)
    connection.close()


def shared_pages(folder: Path) -> None:
    """Write a catalogue whose table of dumps is a tree of twelve pages, each of which has the next one 300 times."""
    catalog_of(folder, CATALOG)
    connection = sqlite3.connect(folder / CATALOG)
    (leaf,) = next(connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'catalog_dumps'"))
    connection.close()
    data = bytearray((folder / CATALOG).read_bytes())
    below = len(data) // PAGE + 1
    data += data[(leaf - 1) * PAGE : leaf * PAGE]
    for _ in range(11):
        data += _page_of(below)
        below += 1
    data[(leaf - 1) * PAGE : leaf * PAGE] = _page_of(below)
    data[28:32] = (len(data) // PAGE).to_bytes(4, "big")
    (folder / CATALOG).write_bytes(data)


def _page_of(child: int, cells: int = 300) -> bytes:
    """Return an interior page of a table (SQLite, "Database File Format", 1.6) that has one child so many times."""
    cell = child.to_bytes(4, "big") + b"\x01"
    at = PAGE - cells * len(cell)
    head = bytes([INTERIOR, 0, 0]) + cells.to_bytes(2, "big") + at.to_bytes(2, "big") + b"\0" + child.to_bytes(4, "big")
    pointers = b"".join((at + len(cell) * number).to_bytes(2, "big") for number in range(cells))
    return (head + pointers).ljust(at, b"\0") + cell * cells


def cases() -> Iterator[Case]:
    """Yield the cases."""
    words = ("dumpkind", "--catalog", CATALOG)
    refused = (Command(words, (3,), "catalogue"), Command((*words, "--json"), (3,), "catalogue"))
    told = (
        *(Command((*words, "--html", REPORT), (0, 3), writes=(REPORT,)), Command((*words, "--json"), (0, 3))),
        *(Command((*words, "--signature", "0x"), (0, 3)), Command((*words, "--csv"), (0, 3), longest_line=200_000)),
    )
    columns = f"{ENDLESS} x AS fingerprint, x AS crash, x AS signature, x AS driver, x AS week, x AS machine FROM c"
    for sql, what in (
        (f"DROP TABLE catalog_dumps; CREATE VIEW catalog_dumps AS {columns}", "its dumps are a view without end"),
        (
            f"DROP TABLE catalog_facts; CREATE VIEW catalog_facts AS {ENDLESS} x AS name, x AS value FROM c",
            "its facts are a view without end",
        ),
        ("UPDATE catalog_facts SET value = 'abc'", "its version is no number"),
        ("UPDATE catalog_facts SET value = hex(zeroblob(5000))", "its version has 10,000 digits"),
    ):
        yield Case(f"a catalogue is wrong ({what})", partial(changed, sql=sql), refused)
    yield Case("pages of a catalogue are in one another", shared_pages, refused)
    again = Command(("dumpkind", ".", "--jobs", "1", "--catalog", CATALOG), (3,), "catalogue", writes=(CATALOG,))
    forget = "UPDATE catalog_facts SET value = 'xyz' WHERE name = 'machine_key'; DELETE FROM catalog_files"
    yield Case("the key of a catalogue is none", partial(changed, sql=forget), (again,))
    trigger = (
        "DELETE FROM catalog_files; CREATE TRIGGER t BEFORE INSERT ON catalog_files "
        f"BEGIN SELECT count(*) FROM ({ENDLESS} x FROM c); END"
    )
    yield Case("a trigger of a catalogue has no end", partial(changed, sql=trigger), (again,))
    for value, what in (
        ("x'ff003c3e1b5b'", "bytes"),
        ("9e999", "infinite"),
        (f"'{ODD}'", "escapes and a formula"),
        ("CAST(x'ffed' AS TEXT)", "no UTF-8"),
        (f"CAST(zeroblob({40 * MB}) AS TEXT)", "40 MB"),
        ("'0001-01-01T00:00:00Z'", "the first day of all"),
        ("'2024-02-31T00:00:60Z'", "a day that is none"),
    ):
        sql = f"UPDATE catalog_dumps SET crashed_at = {value}, signature = {value}, driver = {value}, week = {value}"
        yield Case(f"texts of a catalogue are others ({what})", partial(changed, sql=sql), told)
