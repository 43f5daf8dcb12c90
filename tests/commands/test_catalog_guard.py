"""What lies beside a catalogue, or has its name, does no harm to other files and holds nobody up."""

from __future__ import annotations

import os
import sqlite3
import struct
from typing import TYPE_CHECKING

import pytest
from support.command_line import ROOT, run, run_process

if TYPE_CHECKING:
    from pathlib import Path

PAGE = 0x1000
MAGIC = bytes.fromhex("d9d505f920a163d7")


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """A catalogue of one dump."""
    path = tmp_path / "fleet.db"
    assert run("dumpkind", ROOT / "samples" / "small.dmp", "--jobs", 1, "--catalog", path).status == 0
    return path


def hot_journal(catalog: Path, other: Path) -> bytes:
    """Return a journal that puts the first page back, and names a super-journal (SQLite, "Database File Format", 3)."""
    data, nonce = catalog.read_bytes(), 7
    header = MAGIC + struct.pack(">5I", 1, nonce, len(data) // PAGE, 512, PAGE)
    check = nonce + sum(data[at] for at in range(PAGE - 200, 0, -200))
    page = struct.pack(">I", 1) + data[:PAGE] + struct.pack(">I", check & 0xFFFFFFFF)
    name = os.fsencode(other)
    lock_page = (1 << 30) // PAGE + 1
    named = struct.pack(">I", lock_page) + name + struct.pack(">II", len(name), sum(name)) + MAGIC
    return header.ljust(512, b"\0") + page + named


def test_a_journal_that_names_another_file_gets_that_file_not_deleted(catalog: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_bytes(b"precious\n")
    journal = catalog.with_name("fleet.db-journal")
    journal.write_bytes(hot_journal(catalog, other))
    outcome = run("dumpkind", "--catalog", catalog)
    assert other.exists()
    assert (outcome.status, len(outcome.err.splitlines())) == (3, 1)
    assert "journal beside it: names another file" in outcome.err
    with sqlite3.connect(catalog) as connection:  # SQLite does delete it
        assert next(connection.execute("SELECT COUNT(*) FROM catalog_dumps")) == (1,)
    assert not other.exists()


def test_a_journal_that_a_killed_run_left_is_rolled_back(catalog: Path) -> None:
    journal = catalog.with_name("fleet.db-journal")
    journal.write_bytes(hot_journal(catalog, catalog)[: 512 + 4 + PAGE + 4])
    assert run("dumpkind", "--catalog", catalog).status == 0
    assert not journal.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("ending", ["", "-journal", "-wal", "-shm"])
def test_a_pipe_is_refused_at_once(catalog: Path, ending: str) -> None:
    place = catalog.with_name(f"fleet.db{ending}")
    place.unlink(missing_ok=True)
    os.mkfifo(place)
    outcome = run_process("dumpkind", "--catalog", catalog, timeout=60)
    assert (outcome.status, len(outcome.err.splitlines())) == (3, 1)


def test_a_link_that_leads_nowhere_makes_no_file_there(tmp_path: Path) -> None:
    link, there = tmp_path / "fleet.db", tmp_path / "elsewhere"
    link.symlink_to(there)
    outcome = run("dumpkind", ROOT / "samples" / "small.dmp", "--jobs", 1, "--catalog", link)
    assert (outcome.status, "is a link that leads nowhere" in outcome.err) == (3, True)
    assert not there.exists()


def test_a_name_that_sqlite_takes_for_memory_is_that_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("dumpkind", ROOT / "samples" / "small.dmp", "--jobs", 1, "--catalog", ":memory:").status == 0
    assert "dumps    1" in run("dumpkind", "--catalog", ":memory:").out


def test_another_programs_tables_beside_those_of_the_catalogue_do_not_matter(catalog: Path) -> None:
    with sqlite3.connect(catalog) as connection:
        connection.execute("CREATE VIEW weekly AS SELECT week, COUNT(*) FROM catalog_dumps GROUP BY week")
        connection.execute("CREATE TABLE notes (text TEXT)")
    assert run("dumpkind", "--catalog", catalog).status == 0


def test_a_secret_may_be_any_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINDBG_EXT_CATALOG_KEY", os.fsdecode(b"\xff"))
    outcome = run("dumpkind", ROOT / "samples" / "small.dmp", "--jobs", 1, "--catalog", tmp_path / "fleet.db")
    assert (outcome.status, outcome.err) == (0, "")


def test_a_name_that_is_no_utf8_in_the_message_of_an_error_is_told_in_one_line(catalog: Path) -> None:
    data = catalog.read_bytes()
    catalog.write_bytes(data.replace(b"ON catalog_files (modified)", b"ON catalog_files (m\xb3dified)"))
    outcome = run("dumpkind", "--catalog", catalog)
    assert (outcome.status, len(outcome.err.splitlines())) == (3, 1)
