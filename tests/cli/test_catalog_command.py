"""`dumpkind --catalog` as its user sees it: what it prints, its exit statuses, its one line of error."""

from __future__ import annotations

import csv
import io
import json
import sys
from typing import TYPE_CHECKING

import pytest
from support.command_line import run
from support.fleet_dumps import made_crash, write_fleet

if TYPE_CHECKING:
    from pathlib import Path

CRASHES = 3


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    write_fleet(tmp_path / "dumps", 9, crashes=CRASHES, machines=3)
    assert run("dumpkind", tmp_path / "dumps", "--catalog", tmp_path / "c.db", "--jobs", 1).status == 0
    return tmp_path / "c.db"


def test_a_run_tells_what_it_did_and_shows_the_catalogue(catalog: Path, tmp_path: Path) -> None:
    (tmp_path / "dumps" / "text.dmp").write_bytes(b"no dump")
    outcome = run("dumpkind", tmp_path / "dumps", "--catalog", catalog, "--jobs", 1)
    assert (outcome.status, outcome.err) == (1, "")
    assert "this run  10 files: 9 known, 1 no dumps" in outcome.out
    assert "text.dmp" in outcome.out
    for number in range(CRASHES):
        assert made_crash(number)[1] in outcome.out
    assert run("dumpkind", "--catalog", catalog).status == 0


def test_json_has_the_views_and_the_dumps_of_a_signature(catalog: Path) -> None:
    report = json.loads(run("dumpkind", "--catalog", catalog, "--json").out)
    assert (report["crashes"], report["machines"], report["run"]) == (9, 3, None)
    assert [len(report[f"by_{view}"]) for view in ("signature", "machine", "driver", "build", "week")] == [
        3,
        3,
        3,
        1,
        1,
    ]
    assert "dumps" not in report
    signature = made_crash(1)[1]
    chosen = json.loads(run("dumpkind", "--catalog", catalog, "--json", "--signature", signature).out)
    assert {dump["signature"] for dump in chosen["dumps"]} == {signature}
    assert len(chosen["dumps"]) == 3


def test_csv_has_a_row_for_each_dump_and_no_formula(catalog: Path, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run("dumpkind", "--catalog", catalog, "--csv").out)))
    assert [row["crashed_at"] for row in rows] == [f"2024-01-01T00:0{minute}:00Z" for minute in range(8, -1, -1)]
    assert all(row["path"].startswith(str(tmp_path)) for row in rows)
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())


def test_html_has_the_numbers_of_the_catalogue(catalog: Path, tmp_path: Path) -> None:
    page = tmp_path / "crashes.html"
    assert run("dumpkind", "--catalog", catalog, "--html", page).status == 0
    text = page.read_text(encoding="utf-8")
    assert "9 crashes on 3 known machines: 3 different bugs" in text
    assert all(made_crash(number)[1] in text for number in range(CRASHES))
    assert run("dumpkind", "--catalog", catalog, "--html", page).status == 3
    assert run("dumpkind", "--catalog", catalog, "--html", page, "--overwrite").status == 0


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "name a dump, a folder or a wildcard, or a --catalog to show"),
        (("x", "--since", "30d"), "--since: name a catalogue with --catalog"),
        (("x", "--merge", "y"), "--merge: name a catalogue with --catalog"),
        (("x", "--cluster", "tcp://h:1", "--jobs", "2"), "--cluster and --jobs: choose one"),
        (("--catalog", "c.db", "--shard", "1/2"), "--cluster and --shard: name the dumps"),
        (("--catalog", "c.db", "--privacy", "x"), "--privacy and --catalog: choose one"),
        (("x", "--catalog", "mysql://h/n"), "mysql:// is no database that is known"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_options_that_make_no_sense_together_are_refused_with_a_line(arguments: tuple[str, ...], why: str) -> None:
    outcome = run("dumpkind", *arguments)
    assert (outcome.status, outcome.out) == (2, "")
    assert why in outcome.err


def test_postgresql_without_the_extra_is_a_line_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    monkeypatch.delitem(sys.modules, "windbg_ext.commands.catalog.server", raising=False)
    outcome = run("dumpkind", "--catalog", "postgresql://host/name")
    assert (outcome.status, outcome.out) == (2, "")
    assert "python -m pip install 'windbg-ext[fleet]'" in outcome.err
    assert len(outcome.err.splitlines()) == 1


@pytest.mark.parametrize("part", ["0/2", "3/2", "1", "a/b", "1/2/3", "+1/2", "1/99999999"])
def test_what_is_no_part_is_refused(part: str, tmp_path: Path) -> None:
    outcome = run("dumpkind", tmp_path, "--shard", part)
    assert outcome.status == 2
    assert "is no part of a whole, such as 2/4" in outcome.err


def test_a_catalogue_that_is_not_there_is_not_made_by_looking_at_it(tmp_path: Path) -> None:
    outcome = run("dumpkind", "--catalog", tmp_path / "c.db")
    assert (outcome.status, outcome.out) == (3, "")
    assert outcome.err == f"windbg-ext: {tmp_path / 'c.db'}: catalogue: is not there; name the dumps to put into it\n"
    assert not (tmp_path / "c.db").exists()


def test_a_table_of_a_part_has_the_files_of_that_part(catalog: Path, tmp_path: Path) -> None:
    runs = [run("dumpkind", tmp_path / "dumps", "--shard", part, "--json").out for part in ("1/2", "2/2")]
    parts = [{dump["path"] for dump in json.loads(text)["dumps"]} for text in runs]
    assert not parts[0] & parts[1]
    assert len(parts[0] | parts[1]) == 9
    assert catalog.exists()


def test_a_part_without_any_file_is_an_empty_table(catalog: Path, tmp_path: Path) -> None:
    path = next((tmp_path / "dumps").rglob("*.dmp"))
    found = [len(json.loads(run("dumpkind", path, "--shard", part, "--json").out)["dumps"]) for part in ("1/2", "2/2")]
    assert sorted(found) == [0, 1]
    assert run("dumpkind", path, "--shard", f"{found.index(0) + 1}/2").status == 0
    assert catalog.exists()
