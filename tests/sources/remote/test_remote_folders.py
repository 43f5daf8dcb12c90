"""Folders, wildcards and lists of URLs, and results that are written to URLs, on real servers."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
from support.command_line import refusal_of, run
from support.remote_servers.protocols import PROTOCOLS

from windbg_ext.sources.find import find_dumps
from windbg_ext.sources.remote.address import parse_address
from windbg_ext.sources.remote.find import at_place
from windbg_ext.sources.remote.open import open_address

if TYPE_CHECKING:
    from pathlib import Path

    from support.remote_servers.protocols import Served, Servers

pytestmark = pytest.mark.server
WRITABLE = ("smb", "sftp", "s3")
each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)
each_writable = pytest.mark.parametrize("protocol", WRITABLE)


@pytest.fixture
def served(servers: Servers, protocol: str, monkeypatch: pytest.MonkeyPatch) -> Served:
    served = servers.of(protocol)
    for name, value in served.environment.items():
        monkeypatch.setenv(name, value)
    return served


def names(served: Served, pattern: str) -> list[str]:
    """Return what is found, as paths below the folder that is served."""
    found = list(find_dumps([served.url(pattern)]))
    assert all(file.startswith(served.place) for file in found)
    paths = [file[len(served.place) + 1 :] for file in found]
    return [unquote(path) for path in paths] if served.place.startswith("https") else paths


def content(url: str) -> bytes:
    with closing(open_address(url)) as source:
        return source.read(0, source.size)


def entries(served: Served) -> list[str]:
    folder = parse_address(served.place + "/")
    return at_place(folder, lambda place: [entry.address.path for entry in place.entries(folder)])


@each_protocol
@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("sub/", ["sub/one.dmp", "sub/two [1].DMP", "sub/deeper/100%.dmp", "sub/deeper/three.dmp"]),
        ("sub/*.dmp", ["sub/one.dmp"]),
        ("sub/**/*.dmp", ["sub/one.dmp", "sub/deeper/100%.dmp", "sub/deeper/three.dmp"]),
        ("sub/*/th*.dmp", ["sub/deeper/three.dmp"]),
        ("s*b/deeper/*", ["sub/deeper/100%.dmp", "sub/deeper/three.dmp"]),
    ],
)
def test_a_folder_or_wildcard_finds_these_files(served: Served, pattern: str, expected: list[str]) -> None:
    assert names(served, pattern) == expected


@each_writable
def test_a_folder_is_one_without_a_slash_too_and_other_wildcards_are_known(served: Served) -> None:
    assert len(names(served, "sub")) == 4
    assert names(served, "sub/[no]?e.dmp") == ["sub/one.dmp"]


@each_writable
def test_a_file_whose_name_has_brackets_is_that_file_and_no_wildcard(served: Served, tmp_path: Path) -> None:
    url = served.url("sub/two [1].DMP")
    assert names(served, "sub/two [1].DMP") == ["sub/two [1].DMP"]
    assert run("minify", url, tmp_path / "scrubbed.dmp", "--scrub").status == 0
    assert (tmp_path / "scrubbed.dmp").is_file()
    assert "no file fits this wildcard" in run("dumpkind", served.url("sub/two [2].DMP")).err


@each_protocol
def test_a_folder_without_dumps_and_a_wildcard_that_nothing_fits_are_told(served: Served) -> None:
    assert "no file fits this wildcard" in run("dumpkind", served.url("sub/x*.dmp")).err
    assert run("dumpkind", served.url("nothing/")).status == 3


@each_protocol
def test_the_dumps_of_a_folder_are_shown_in_a_table(served: Served) -> None:
    report = json.loads(run("dumpkind", served.url("sub/"), "--json").out)
    assert [dump["kind"] for dump in report["dumps"]] == ["small"] * 4
    assert {dump["path"] for dump in report["dumps"]} == set(find_dumps([served.url("sub/")]))


@each_protocol
def test_a_list_of_urls_becomes_small_dumps_below_a_folder(served: Served, tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join((served.url("complete.dmp"), served.url("small.dmp"), served.url("not-there.dmp"))))
    outcome = run("minify", "--list", listed, tmp_path / "out", "--jobs", "1", "--json")
    report = json.loads(outcome.out)
    assert [file["outcome"] for file in report["files"]] == ["written", "skipped", "failed"]
    (made,) = (tmp_path / "out").rglob("*.dmp")
    assert made.name == "complete-small.dmp"
    assert report["files"][2]["problem"].startswith("file: is not there")


@each_protocol
def test_worker_processes_read_urls_too(served: Served, tmp_path: Path) -> None:
    outcome = run("minify", served.url("two/"), tmp_path, "--jobs", "2", "--json")
    files = json.loads(outcome.out)["files"]
    assert [(file["outcome"], file["problem"]) for file in files] == [("written", None)] * 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["complete-small.dmp", "kernel-la57-small.dmp"]


@each_writable
def test_a_small_dump_is_written_to_a_url_whole_and_replaced_only_if_asked(
    servers: Servers, served: Served, tmp_path: Path
) -> None:
    source, there = servers.files / "complete.dmp", served.url(f"written-{served.place[:3]}.dmp")
    run("minify", source, tmp_path / "local.dmp")
    report = json.loads(run("minify", source, there, "--json").out)
    assert report["destination"] == there
    assert content(there) == (tmp_path / "local.dmp").read_bytes()
    assert "destination: exists; give another name" in refusal_of(run("minify", source, there))
    assert run("minify", source, there, "--overwrite").status == 0
    assert not [name for name in entries(served) if name.endswith(".tmp")]
    unique = json.loads(run("minify", source, there, "--unique", "--json").out)
    assert unique["destination"] == served.url(f"written-{served.place[:3]}2.dmp")


@each_writable
def test_without_a_destination_a_small_dump_is_written_beside_its_url(servers: Servers, served: Served) -> None:
    source = servers.files / f"beside-{served.place.partition(':')[0]}.dmp"  # servers share the folder
    shutil.copy(servers.files / "kernel-la57.dmp", source)
    served.changed(source)
    report = json.loads(run("minify", served.url(source.name), "--json").out)
    assert report["destination"] == served.url(f"{source.stem}-small.dmp")
    (dump,) = json.loads(run("dumpkind", report["destination"], "--json").out)["dumps"]
    assert dump["kind"] == "small"


@each_writable
def test_neither_the_source_nor_a_large_dump_is_ever_replaced(servers: Servers, served: Served) -> None:
    there = served.url("complete.dmp")
    assert "is the source itself" in refusal_of(run("minify", there, there, "--overwrite"))
    line = refusal_of(run("minify", servers.files / "complete-bitmap.dmp", there, "--overwrite"))
    assert "exists and is a complete memory dump, which is never replaced" in line
    assert "is a folder" in refusal_of(run("minify", there, served.url("sub")))


@each_writable
def test_many_small_dumps_are_written_to_a_folder_under_a_url_and_done_ones_skipped(
    servers: Servers, served: Served
) -> None:
    sources, folder = servers.files / "two", served.url(f"many/{served.place[:3]}")
    first = json.loads(run("minify", sources, folder, "--jobs", "1", "--json").out)
    assert [file["outcome"] for file in first["files"]] == ["written"] * 2
    again = json.loads(run("minify", sources, folder, "--jobs", "1", "--json").out)
    assert {file["outcome"] for file in again["files"]} == {"skipped"}


@each_writable
def test_an_html_report_is_written_to_a_url_and_replaces_only_an_older_one(servers: Servers, served: Served) -> None:
    source, there = servers.files / "complete.dmp", served.url(f"report-{served.place.partition(':')[0]}.html")
    outcome = run("dumpkind", source, "--html", there)
    assert (outcome.status, outcome.err) == (0, "")
    assert f"HTML report  {there}" in outcome.out
    assert content(there).startswith(b"<!doctype html>")
    assert "destination: exists; give another name" in refusal_of(run("dumpkind", source, "--html", there))
    assert run("dumpkind", source, "--html", there, "--overwrite").status == 0
    other = servers.files / f"page-{served.place.partition(':')[0]}.html"
    other.write_text("somebody else's")
    served.changed(other)
    told = refusal_of(run("dumpkind", source, "--html", served.url(other.name), "--overwrite"))
    assert "is no report of windbg-ext" in told


def test_a_password_in_the_url_of_a_report_is_refused_and_not_shown(tmp_path: Path) -> None:
    for command in (["dumpkind"], ["minify", tmp_path / "a.dmp"]):
        told = refusal_of(run(*command, tmp_path / "b.dmp", "--html", "smb://reader:Geheimnis-17@host/share/r.html"))
        assert "smb://reader:***@host/share/r.html" in told


def test_a_web_server_takes_no_files(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    served = servers.of("https")
    for name, value in served.environment.items():
        monkeypatch.setenv(name, value)
    line = refusal_of(run("minify", servers.files / "complete.dmp", served.url("x.dmp")))
    assert "destination: is on a web server, which takes no files" in line
    assert "lies in no folder that takes files" in run("minify", served.url("complete.dmp")).err


def test_a_share_that_cannot_be_written_is_told_and_keeps_nothing(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = servers.of("smb")
    monkeypatch.setenv("NETRC", "/nowhere")
    before = sorted(servers.files.iterdir())
    there = served.url("x.dmp").replace("/private/", "/readonly/")
    assert "destination: cannot be written (file: may not be read)" in refusal_of(
        run("minify", servers.files / "complete.dmp", there)
    )
    assert sorted(servers.files.iterdir()) == before
