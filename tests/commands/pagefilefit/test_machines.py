"""Many machines as one table: hives, collected reports, folders of both; and files that are neither."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.command_line import ROOT, run
from support.hive_file import hive, system_hive
from support.hive_logs import dirty
from support.html_pages import HtmlPage
from support.registry_hives import CRASH_CONTROL, MEMORY_MANAGEMENT

from windbg_ext.commands.pagefilefit import HandFigures, pagefilefit
from windbg_ext.render.pagefilefit import pagefilefit_json

if TYPE_CHECKING:
    from pathlib import Path

    from support.registry_hives import Value

GB = 1 << 30
NAME = "Control\\ComputerName\\ComputerName"


def machine(name: str, kind: int, *files: str, **crash: Value) -> bytes:
    """Return the hive of a machine. files: lines of PagingFiles."""
    return system_hive(
        {
            NAME: {"ComputerName": name},
            CRASH_CONTROL: {"CrashDumpEnabled": kind, "AutoReboot": 1, **crash},
            MEMORY_MANAGEMENT: {"PagingFiles": list(files)},
        }
    )


LIKELY = machine("LIKELY", 7, "?:\\pagefile.sys")
FITS = machine("FITS", 3, "C:\\pagefile.sys 2048 2048")
LOST = machine("LOST", 1, "C:\\pagefile.sys 16384 16384")
NONE = machine("NONE", 0, "?:\\pagefile.sys")
ELSEWHERE = machine("ELSEWHERE", 7, "D:\\pagefile.sys 65536 65536")
GROWS = machine("GROWS", 1, "?:\\pagefile.sys")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with hives of machines that fit, and of machines that do not."""
    for number, data in enumerate((LIKELY, FITS, LOST, NONE, ELSEWHERE, GROWS)):
        below = tmp_path / "hives" / f"{number}"
        below.mkdir(parents=True)
        (below / "SYSTEM").write_bytes(data)
    return tmp_path / "hives"


def report_of(folder: Path, name: str = "REPORT", **changes: object) -> Path:
    """Write the report of a machine, as collected, with some values changed."""
    document = json.loads(pagefilefit_json(pagefilefit(by_hand=HandFigures(ram=16 * GB, system_managed=True))))
    path = folder / f"{name}.json"
    path.write_text(json.dumps({**document, "computer": name, **changes}))
    return path


def table(*paths: object, options: tuple[str, ...] = ("--ram", "16G")) -> dict[str, Any]:
    """Return the report on hives and reports as JSON."""
    words = [word for path in paths for word in ("--system-hive", path)]
    outcome = run("pagefilefit", *words, *options, "--json")
    assert outcome.err == "", outcome
    document: dict[str, Any] = json.loads(outcome.out)
    return document


def test_a_folder_is_one_table_worst_first(folder: Path) -> None:
    document = table(folder)
    rows = [(row["machine"], row["verdict"], row["lost"]) for row in document["machines"]]
    assert rows == [
        ("ELSEWHERE", "does not fit", True),
        ("LOST", "does not fit", True),
        ("NONE", "no dump is set", True),
        ("GROWS", "only if it grows", True),
        ("LIKELY", "fits most of the time", False),
        ("FITS", "fits", False),
    ]
    assert document["lost"] == 4


def test_the_text_says_first_how_many_would_lose_their_dump(folder: Path) -> None:
    outcome = run("pagefilefit", "--system-hive", folder, "--ram", "16G")
    first, _, header, _, worst, *_ = outcome.out.splitlines()
    assert first == "6 machines: 4 would lose their dump."
    assert header.split("  ")[0] == "Machine"
    assert worst.startswith("ELSEWHERE  does not fit")
    assert "A file takes the dump while Windows is down" in worst


@pytest.mark.parametrize(("names", "status"), [(("0", "1"), 0), (("0", "1", "2"), 1), (("0", "3"), 1), (("1", "5"), 1)])
def test_the_exit_status_is_1_if_any_machine_would_lose_its_dump(
    folder: Path, names: tuple[str, ...], status: int
) -> None:
    words = [word for name in names for word in ("--system-hive", folder / name / "SYSTEM")]
    assert run("pagefilefit", *words, "--ram", "16G").status == status


def test_with_require_every_machine_must_have_room_for_that_kind(folder: Path) -> None:
    words = ("pagefilefit", "--system-hive", folder / "0", "--system-hive", folder / "1", "--ram", "16G", "--require")
    assert run(*words, "small").status == 0
    assert run(*words, "automatic").status == 1


def test_a_wildcard_and_several_hives_make_the_same_table(folder: Path) -> None:
    each = [folder / str(number) / "SYSTEM" for number in range(6)]
    assert table(*each)["machines"] == table(folder / "*" / "SYSTEM")["machines"] == table(folder)["machines"]


def test_one_hive_has_a_report_of_its_own(folder: Path) -> None:
    document = json.loads(run("pagefilefit", "--system-hive", folder / "0" / "SYSTEM", "--ram", "16G", "--json").out)
    assert document["computer"] == "LIKELY"


def test_csv_has_a_row_for_each_machine_and_no_formulas(tmp_path: Path, folder: Path) -> None:
    (folder / "evil").write_bytes(machine("=cmd|' /C calc'!A0", 7, "?:\\pagefile.sys"))
    out = run("pagefilefit", "--system-hive", folder, "--ram", "16G", "--csv").out
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) == 7
    by_name = {row["Machine"]: row for row in rows}
    assert "'=cmd|' /C calc'!A0" in by_name
    lost = by_name["LOST"]
    assert (lost["Loses its dump"], lost["Kind set"], lost["Room now"]) == ("yes", "complete", str(16 * GB))
    assert (lost["Needs"], lost["RAM"]) == (str(16 * GB + (257 << 20)), str(16 * GB))


def test_reports_of_machines_are_rows_beside_hives(tmp_path: Path, folder: Path) -> None:
    report_of(folder, "COLLECTED")
    report_of(folder, "BAD", verdict="does not fit", likely=False)
    document = table(folder)
    by_name = {row["machine"]: row for row in document["machines"]}
    collected = by_name["COLLECTED"]
    assert (collected["verdict"], collected["lost"], collected["ram_bytes"]) == (
        "fits most of the time",
        False,
        16 * GB,
    )
    assert (collected["room_bytes"], collected["needs_bytes"]) == (2 * GB, 16 * GB + (128 << 20))
    assert by_name["BAD"]["lost"] is True


def test_a_single_report_is_a_table_of_one(tmp_path: Path) -> None:
    (row,) = table(report_of(tmp_path), options=())["machines"]
    assert row["machine"] == "REPORT"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_a_report_as_powershell_writes_it_is_read(tmp_path: Path, encoding: str) -> None:
    path = report_of(tmp_path)
    bom = "\ufeff" if encoding == "utf-16-be" else ""
    path.write_bytes((bom + path.read_text()).encode(encoding))
    (row,) = table(path)["machines"]
    assert (row["machine"], row["problem"]) == ("REPORT", None)


def test_a_no_of_the_check_list_that_decides_loses_the_dump(tmp_path: Path) -> None:
    hive_bytes = system_hive(
        {
            NAME: {"ComputerName": "LOCKED"},
            CRASH_CONTROL: {"CrashDumpEnabled": 7, "DumpFilters": []},
            MEMORY_MANAGEMENT: {"PagingFiles": ["?:\\pagefile.sys"]},
            "Control\\BitLockerStatus": {"BootStatus": 1},
        }
    )
    (tmp_path / "SYSTEM").write_bytes(hive_bytes)
    (row,) = table(tmp_path)["machines"]
    assert (row["verdict"], row["lost"]) == ("fits most of the time", True)
    assert row["no"] == ["BitLocker lets the dump through"]


def test_one_bad_hive_costs_itself(folder: Path) -> None:
    (folder / "9").write_bytes(LIKELY[:5000])
    document = table(folder)
    (bad,) = (row for row in document["machines"] if row["problem"])
    assert bad["path"] == str(folder / "9")
    assert (len(document["machines"]), document["unreadable"]) == (7, 1)
    outcome = run("pagefilefit", "--system-hive", folder, "--ram", "16G")
    assert outcome.status == 1
    assert "6 machines" not in outcome.out
    assert "cannot be read" in outcome.out


def test_other_files_of_a_folder_are_passed_over_and_counted(folder: Path) -> None:
    (folder / "notes.txt").write_text("notes")
    (folder / "SOFTWARE").write_bytes(hive({"Microsoft\\Windows": {"Version": 10}}))
    (folder / "0" / "SYSTEM.LOG1").write_bytes(b"")
    document = table(folder)
    assert (len(document["machines"]), document["skipped"]) == (6, 2)


def test_another_file_that_is_named_itself_is_a_problem(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("notes")
    document = table(folder / "0" / "SYSTEM", other)
    assert [row["problem"] for row in document["machines"]] == ["regf: the file is no registry hive", None]


def test_logs_beside_a_hive_of_a_folder_are_replayed_and_a_lack_of_them_is_told(tmp_path: Path) -> None:
    (tmp_path / "SYSTEM").write_bytes(dirty(LIKELY, 7))
    (row,) = table(tmp_path)["machines"]
    assert row["outdated"] is True


def test_without_ram_what_can_be_told_is_told(folder: Path) -> None:
    by_name = {row["machine"]: row["verdict"] for row in table(folder, options=())["machines"]}
    assert (by_name["LIKELY"], by_name["FITS"]) == ("fits most of the time", "fits")
    assert by_name["LOST"] == "cannot be told"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"verdict": "perfect"}, "verdict: is none of fits, "),
        ({"verdict": None}, "verdict: is missing"),
        ({"verdict": 7}, "verdict: is no text"),
        ({"computer": "x" * 3000}, "computer: is no text, or too long"),
        ({"ram_bytes": -1}, "ram_bytes: is no number of bytes"),
        ({"ram_bytes": True}, "ram_bytes: is no number of bytes"),
        ({"ram_bytes": 1 << 80}, "ram_bytes: is no number of bytes"),
        ({"kinds": {}}, "kinds: is no list of objects"),
        ({"kinds": [1]}, "kinds: is no list of objects"),
        ({"checks": [{}] * 33}, "checks: is no list of objects, or too long"),
        ({"checks": [{"answer": "no"}]}, "checks.answer: is neither true, false nor null"),
        ({"boot_pagefile": []}, "boot_pagefile: is no object"),
        ({"boot_pagefile": {"bytes": "all"}}, "boot_pagefile.bytes: is no number of bytes"),
    ],
)
def test_a_report_whose_values_make_no_sense_costs_itself(
    tmp_path: Path, changes: dict[str, object], problem: str
) -> None:
    good = report_of(tmp_path, "GOOD")
    bad = report_of(tmp_path, "BAD", **changes)
    rows = {row["path"]: row["problem"] for row in table(good, bad)["machines"]}
    assert rows[str(good)] is None
    assert rows[str(bad)].startswith(problem)


@pytest.mark.parametrize(
    "data",
    [b"{", b"{}", b"{" + b'"a":[' * 60_000, b'{"a":' + b"9" * 200_000 + b"}", b"\xff\xfe{", b'{"verdict": "\xff"}'],
)
def test_a_file_that_only_begins_like_a_report_costs_itself(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(data)
    assert table(report_of(tmp_path), path)["unreadable"] == 1


def test_a_report_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "long.json"
    path.write_bytes(b"{")
    os.truncate(path, 1 << 40)
    (row,) = (row for row in table(report_of(tmp_path), path)["machines"] if row["problem"])
    assert "asks for 1,099,511,627,776 bytes" in row["problem"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--this-machine",), "--this-machine and several machines"),
        (("--csv", "--json"), "choose one"),
        (("MEMORY.DMP",), "a dump and several machines"),
    ],
)
def test_what_belongs_to_one_machine_is_wrong_use(folder: Path, words: tuple[str, ...], said: str) -> None:
    outcome = run("pagefilefit", *words, "--system-hive", folder)
    assert outcome.status == 2
    assert said in outcome.err


def test_html_has_every_machine_with_its_answer(folder: Path, tmp_path: Path) -> None:
    told = table(folder)["machines"]
    run("pagefilefit", "--system-hive", folder, "--ram", "16G", "--html", tmp_path / "r.html")
    page = HtmlPage.of((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert not page.unclosed
    expected = [row["machine"] for row in told] + [row["problem"] or row["verdict"] for row in told]
    expected += [question for row in told for question in row["no"]]
    assert [value for value in expected if value not in page.text] == []
    assert len(page.all("article")) == len(told)


def test_csv_of_one_machine_is_wrong_use() -> None:
    assert "only of several machines" in run("pagefilefit", "--ram", "16G", "--csv").err


def test_a_folder_without_a_machine_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("notes")
    outcome = run("pagefilefit", "--system-hive", tmp_path)
    assert outcome.status == 3
    assert "holds no SYSTEM hive and no report of a machine" in outcome.err


MANY = """
import re, sys, time
from windbg_ext.commands.pagefilefit import HandFigures, pagefilefit_machines
begin = time.process_time()
report = pagefilefit_machines([sys.argv[1]], HandFigures(ram=1 << 34))
seconds = time.process_time() - begin
(most,) = re.findall("VmHWM:[^0-9]*([0-9]+)", open("/proc/self/status").read())
print(len(report.rows), report.unreadable, seconds, most)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the most memory that a process took: Linux only")
def test_a_thousand_hives_of_12_mb_take_a_third_of_a_second_each_and_100_mb_together(tmp_path: Path) -> None:
    services: dict[str, dict[str, Value]] = {f"Services\\driver{number:03}": {"Start": 3} for number in range(700)}
    keys: dict[str, dict[str, Value]] = {f"Control\\key{number:03}": {} for number in range(100)}
    settings: dict[str, dict[str, Value]] = {
        CRASH_CONTROL: {"CrashDumpEnabled": 7},
        MEMORY_MANAGEMENT: {"PagingFiles": ["?:\\pagefile.sys"]},
    }
    first = tmp_path / "0000"
    first.write_bytes(system_hive({**keys, **settings, **services}, size=12 << 20))
    for number in range(1, 999):
        os.link(first, tmp_path / f"{number:04}")
    (tmp_path / "0999").write_bytes(first.read_bytes()[:5_000])
    command = [sys.executable, "-c", MANY, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    machines, unreadable, seconds, most_kb = done.stdout.split()
    assert (machines, unreadable) == ("1000", "1")
    assert float(seconds) / 1000 < 0.3
    assert int(most_kb) < 100 << 10
    print(f"{float(seconds):.1f} s of processor time, {int(most_kb):,} KB")
