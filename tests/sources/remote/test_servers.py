"""Every protocol with a real server behind a delay of 20 ms and a line of 10 MB/s: the same answers as from a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.command_line import run
from support.dumps_at_hand import given_dumps, read_dump_header
from support.remote_servers.protocols import PROTOCOLS, Served, Servers

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.server

BITMAP_OF_64_GIB = 2 << 20
MOST_BYTES = 20 << 20
"""Received, apart from the bitmap, with all that a protocol adds."""
ROUNDS_OF_MINIFY, ROUNDS_OF_ONE_PROCESSOR, ROUNDS_OF_DUMPKIND = 150, 60, 12
NAMES = ("bitmap-64GiB.dmp", *(path.stem for path in given_dumps(1, 5, 6)))
each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)


def served_by(servers: Servers, protocol: str, monkeypatch: pytest.MonkeyPatch) -> Served:
    served = servers.of(protocol)
    for name, value in served.environment.items():
        monkeypatch.setenv(name, value)
    return served


@each_protocol
@pytest.mark.parametrize("name", NAMES)
def test_minify_gives_the_same_bytes_with_few_bytes_and_rounds(
    servers: Servers, protocol: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = served_by(servers, protocol, monkeypatch)
    before = served.proxy.received
    local = run("minify", servers.files / name, tmp_path / "local.dmp", "--json")
    far = run("minify", served.url(name), tmp_path / "far.dmp", "--json")
    assert far.status == local.status, far
    assert (tmp_path / "far.dmp").read_bytes() == (tmp_path / "local.dmp").read_bytes()
    report = json.loads(far.out)
    header = read_dump_header(servers.files / name)
    assert header is not None
    most = ROUNDS_OF_ONE_PROCESSOR if header.processors == 1 else ROUNDS_OF_MINIFY
    assert report["traffic"]["round_trips"] <= most
    received = served.proxy.received - before
    assert report["traffic"]["bytes"] <= received <= MOST_BYTES + BITMAP_OF_64_GIB
    assert {**json.loads(local.out), "source": report["source"], "destination": report["destination"]} == {
        **report,
        "traffic": None,
    }


@each_protocol
@pytest.mark.parametrize("name", NAMES)
def test_dumpkind_says_the_same_in_few_rounds(
    servers: Servers, protocol: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = served_by(servers, protocol, monkeypatch)
    (local,) = json.loads(run("dumpkind", servers.files / name, "--json").out)["dumps"]
    (far,) = json.loads(run("dumpkind", served.url(name), "--json").out)["dumps"]
    assert far["traffic"]["round_trips"] <= ROUNDS_OF_DUMPKIND
    assert {**far, "path": None, "traffic": None} == {**local, "path": None}


@each_protocol
def test_pagefilefit_says_the_same(servers: Servers, protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    served = served_by(servers, protocol, monkeypatch)
    local = json.loads(run("pagefilefit", servers.files / "complete.dmp", "--pagefile", "16G", "--json").out)
    far = json.loads(run("pagefilefit", served.url("complete.dmp"), "--pagefile", "16G", "--json").out)
    assert {**far, "dump": None, "traffic": None} == {**local, "dump": None}
    assert far["traffic"]["round_trips"] < 20
