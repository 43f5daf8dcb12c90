"""`--html FILE`: beside the usual output, whole or not at all, and over nothing but an older report."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.command_line import ROOT, contents, refusal_of, run

if TYPE_CHECKING:
    from pathlib import Path

KERNEL = ROOT / "samples" / "kernel.dmp"
BEGIN = b"<!doctype html>\n<!-- a report of windbg-ext -->\n"


def test_the_report_is_written_beside_the_usual_output_and_told_of(tmp_path: Path) -> None:
    usual = run("dumpkind", KERNEL)
    outcome = run("dumpkind", KERNEL, "--html", tmp_path / "report.html")
    assert outcome.status == usual.status == 0
    assert outcome.out == f"{usual.out}\nHTML report  {tmp_path / 'report.html'}\n"
    assert (tmp_path / "report.html").read_bytes().startswith(BEGIN)


@pytest.mark.parametrize("how", ["--json", "--csv"])
def test_what_a_script_reads_is_the_same_with_a_report_and_without(how: str, tmp_path: Path) -> None:
    assert run("dumpkind", KERNEL, how).out == run("dumpkind", KERNEL, how, "--html", tmp_path / "r.html").out


def test_a_report_of_many_has_every_file(tmp_path: Path) -> None:
    outcome = run("dumpkind", KERNEL, ROOT / "samples" / "small.dmp", "--html", tmp_path / "r.htm")
    assert outcome.status == 0
    text = (tmp_path / "r.htm").read_text(encoding="utf-8")
    assert "kernel.dmp" in text
    assert "small.dmp" in text


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_a_report_may_be_read_by_its_owner_only(tmp_path: Path) -> None:
    run("dumpkind", KERNEL, "--html", tmp_path / "r.html")
    assert stat.S_IMODE((tmp_path / "r.html").stat().st_mode) == 0o600


def test_an_older_report_is_replaced_only_if_the_user_says_so(tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    path.write_bytes(BEGIN + b"old")
    assert "exists" in refusal_of(run("dumpkind", KERNEL, "--html", path))
    assert path.read_bytes() == BEGIN + b"old"
    assert run("dumpkind", KERNEL, "--html", path, "--overwrite").status == 0
    assert path.stat().st_size > 10_000


@pytest.mark.parametrize("content", [b"", b"PAGEDU64", b"<!doctype html>\n<p>of somebody else"])
def test_nothing_but_a_report_is_ever_replaced(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    path.write_bytes(content)
    line = refusal_of(run("dumpkind", KERNEL, "--html", path, "--overwrite"))
    assert ("is no report of windbg-ext" in line) or (content == b"PAGEDU64" and "is never replaced" in line)
    assert contents(tmp_path) == {"r.html": content}


def test_the_name_of_a_report_ends_so_that_no_dump_is_taken_for_one(tmp_path: Path) -> None:
    outcome = run("dumpkind", "--html", tmp_path / "precious.dmp", KERNEL)
    assert outcome.status == 2
    assert "does not end in .html" in outcome.err


@pytest.mark.parametrize("arguments", [["dumpkind", KERNEL], ["dumpkind", KERNEL, KERNEL]], ids=["one", "many"])
def test_where_the_report_cannot_be_written_that_is_said_before_any_work(
    arguments: list[object], tmp_path: Path
) -> None:
    line = refusal_of(run(*arguments, "--html", tmp_path / "none" / "r.html"))
    assert "there is no folder" in line
    assert contents(tmp_path) == {}


def test_every_command_writes_a_report(tmp_path: Path) -> None:
    complete = ROOT / "samples" / "complete.dmp"
    assert run("pagefilefit", "--ram", "16G", "--pagefile", "20G", "--html", tmp_path / "p.html").status == 0
    assert run("minify", complete, tmp_path / "small.dmp", "--html", tmp_path / "m.html").status == 0
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.dmp").write_bytes(complete.read_bytes())
    assert run("minify", tmp_path / "in", tmp_path / "out", "--html", tmp_path / "b.html").status == 0
    for name, holds in (("p", "20,480 MB"), ("m", "What you are about to share"), ("b", "1 small dump of 1 file")):
        assert holds in (tmp_path / f"{name}.html").read_text(encoding="utf-8")


def test_a_report_and_a_small_dump_are_never_one_file(tmp_path: Path) -> None:
    name = tmp_path / "x.html"
    outcome = run("minify", ROOT / "samples" / "complete.dmp", name, "--html", name)
    assert outcome.status == 2
    assert contents(tmp_path) == {}


@pytest.mark.skipif(os.name == "nt", reason="links take rights there")
def test_a_link_to_the_small_dump_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "r.html").symlink_to(tmp_path / "small.dmp")
    complete = ROOT / "samples" / "complete.dmp"
    outcome = run("minify", complete, tmp_path / "small.dmp", "-o", "--html", tmp_path / "r.html")
    assert outcome.status == 3
    assert "is no report of windbg-ext" in outcome.err
    assert (tmp_path / "small.dmp").read_bytes().startswith(b"PAGEDU64")


def test_of_a_file_that_cannot_be_read_there_is_no_report(tmp_path: Path) -> None:
    refusal_of(run("dumpkind", ROOT / "README.md", "--html", tmp_path / "r.html"))
    assert contents(tmp_path) == {}


def test_jinja_is_imported_only_for_a_report() -> None:
    code = f"import sys; from windbg_ext.cli import main; main(['dumpkind', {str(KERNEL)!r}])"
    code = f"{code}; assert 'jinja2' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True)


def test_json_tells_the_meaning_of_parameters_and_what_only_details_have() -> None:
    (told,) = json.loads(run("dumpkind", "-v", "--json", KERNEL).out)["dumps"]
    assert told["bug_check"]["meanings"][1] == "IRQL at that time"
    details = told["details"]
    assert [processor["crashed"] for processor in details["processors"]] == [True, False, False]
    assert details["processors"][0]["process"] == "sample.exe"
    assert details["unloaded_drivers"][0] == {
        "name": "dam.sys",
        "start": "0xfffff80512c00000",
        "end": "0xfffff80512c03000",
    }
    parts = details["file_parts"]
    assert [part["part"] for part in parts] == [
        "header",
        "bitmap or list of ranges",
        "pages of memory",
        "secondary data",
    ]
    assert sum(part["bytes"] for part in parts) == KERNEL.stat().st_size
