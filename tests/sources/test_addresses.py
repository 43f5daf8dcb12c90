"""A source that is named by an address, as a bucket or a web server would be: no command takes the name for a path.

The scheme is made up, and so is what opens it.
"""

from __future__ import annotations

import builtins
import io
import json
import os
from pathlib import Path
from typing import Callable

import pytest
from support.command_line import ROOT, run

from windbg_ext import Outcome, UsageError, minify_many, pagefilefit
from windbg_ext.sources.find import find_dumps, is_single
from windbg_ext.sources.local import is_address
from windbg_ext.sources.stream import Stream

COMPLETE = (ROOT / "samples" / "complete.dmp").read_bytes()
ADDRESSES = ("made-up://host/a.dmp", "madeup://host//a.dmp", "madeup://host/[1]/a.dmp?version=2*")
ADDRESS = ADDRESSES[-1]


class Served(io.BytesIO):
    """name: the address."""

    def __init__(self, name: str | os.PathLike[str]) -> None:
        super().__init__(COMPLETE)
        self.name = name


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr("windbg_ext.sources.open._open_address", lambda what: Stream(Served(what)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["s3://bucket/a.dmp", "https://host/a.dmp?x=1", "svn+ssh://host/a.dmp"])
def test_a_name_with_a_scheme_is_an_address(name: str) -> None:
    assert is_address(name)


@pytest.mark.parametrize(
    "name", ["C://dumps/a.dmp", "a.dmp", "//server/share/a.dmp", "dumps/s3://a.dmp", "://a.dmp", ""]
)
def test_a_path_is_no_address(name: str) -> None:
    assert not is_address(name)


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_one_file_whatever_characters_it_has(address: str) -> None:
    assert is_single([address])
    assert list(find_dumps([address, address])) == [address]


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("address", ADDRESSES)
def test_every_command_reads_an_address_and_shows_it_as_it_was_typed(address: str) -> None:
    (dump,) = json.loads(run("dumpkind", address, "--json").out)["dumps"]
    assert (dump["path"], dump["kind"]) == (address, "complete")
    assert json.loads(run("minify", address, "small.dmp", "--overwrite", "--json").out)["source"] == address
    assert json.loads(run("pagefilefit", address, "--pagefile", "16G", "--json").out)["dump"] == address


@pytest.mark.parametrize(
    "arguments",
    [
        ("dumpkind", ADDRESSES[0]),
        ("dumpkind", "-v", *ADDRESSES[:2]),
        ("minify", ADDRESSES[0], "small.dmp"),
        ("minify", "--overwrite", ADDRESSES[0], "small.dmp"),
        ("minify", "--jobs", "1", "--list", "list.txt", "to"),
        ("pagefilefit", ADDRESSES[0], "--pagefile", "16G"),
    ],
    ids=" ".join,
)
def test_no_command_looks_for_a_file_of_the_address_s_name(
    monkeypatch: pytest.MonkeyPatch, server: Path, arguments: tuple[str, ...]
) -> None:
    """Only sources may: what stands above them would look for nothing, or find another file."""
    (server / "list.txt").write_text("\n".join(ADDRESSES))
    looked_at: list[str] = []

    def watched(function: Callable[..., object]) -> Callable[..., object]:
        def watch(path: object, *arguments: object, **options: object) -> object:
            looked_at.append(os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else "")
            return function(path, *arguments, **options)

        return watch

    for name in ("stat", "lstat", "open", "scandir", "listdir", "readlink", "access"):
        monkeypatch.setattr(os, name, watched(getattr(os, name)))
    monkeypatch.setattr(builtins, "open", watched(open))
    monkeypatch.setattr(io, "open", watched(io.open))  # pathlib's
    assert run(*arguments).status in (0, 1)
    assert not [path for path in looked_at if "a.dmp" in path and "small" not in path]


@pytest.mark.parametrize("address", ADDRESSES)
def test_many_addresses_are_converted_into_folders_below_the_destination(server: Path, address: str) -> None:
    (file,) = minify_many([address, address], "to").files
    assert (file.source, file.outcome) == (address, Outcome.WRITTEN)
    assert file.destination is not None
    assert Path(file.destination).resolve().is_relative_to(server / "to")
    assert "://" not in str(file.destination)


def test_no_folder_is_made_up_for_the_small_dump_of_an_address(server: Path) -> None:
    with pytest.raises(UsageError, match="lies in no folder"):
        minify_many([ADDRESS])
    assert "lies in no folder" in run("minify", ADDRESS).err
    assert list(server.iterdir()) == []


def test_pagefilefit_takes_an_open_stream() -> None:
    assert pagefilefit(io.BytesIO(COMPLETE)).dump == "stream"
