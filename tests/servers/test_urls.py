"""Dumps behind URLs in a catalogue: known by the version that the server tells, and stored without secrets."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from support.command_line import run
from support.fleet_dumps import made_crash, template
from support.held_files import held_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "sig=a-secret-that-signs-the-url"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with held_files(tmp_path) as files:
        yield f"{files.url('a.dmp')}?{TOKEN}"


def test_a_dump_behind_a_url_is_read_once_and_again_when_its_version_changes(tmp_path: Path, address: str) -> None:
    (tmp_path / "a.dmp").write_bytes(template(0))
    catalog = tmp_path / "c.db"
    first = run("dumpkind", address, "--catalog", catalog, "--jobs", 1)
    assert first.status == 0, first
    assert "1 file: 1 new" in first.out
    assert "1 file: 1 known" in run("dumpkind", address, "--catalog", catalog, "--jobs", 1).out
    (tmp_path / "a.dmp").write_bytes(template(1))
    os.utime(tmp_path / "a.dmp", ns=(1, 1))
    last = run("dumpkind", address, "--catalog", catalog, "--jobs", 1)
    assert "1 file: 1 new" in last.out
    assert made_crash(1)[1] in last.out


def test_what_signs_a_url_is_neither_stored_nor_shown(tmp_path: Path, address: str) -> None:
    (tmp_path / "a.dmp").write_bytes(template(0))
    (tmp_path / "b.dmp").write_bytes(b"no dump")
    catalog = tmp_path / "c.db"
    for url in (address, address.replace("a.dmp", "b.dmp")):
        run("dumpkind", url, "--catalog", catalog, "--jobs", 1)
    shown = [
        run("dumpkind", "--catalog", catalog, *form).out for form in ((), ("--csv",), ("--json", "--signature", "1"))
    ]
    assert "a.dmp" in shown[1]
    assert not any("secret" in text for text in shown)
    assert b"secret" not in catalog.read_bytes()
