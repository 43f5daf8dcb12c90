"""Packed files on other machines: what holds for local ones holds for them."""

from __future__ import annotations

import gzip
import re
import struct
from typing import TYPE_CHECKING

import pytest
from support.command_line import refusal_of, run

if TYPE_CHECKING:
    from pathlib import Path

    from support.remote_servers.protocols import Servers

pytestmark = pytest.mark.server
MIB = 1 << 20
CLAIMED_PAGES = 1 << 36


def claiming(dump: bytes) -> bytes:
    """Return a dump whose header claims one run of 256 TiB: runs lie at 0x88 of a DUMP_HEADER64."""
    claimed = bytearray(dump)
    struct.pack_into("<I", claimed, 0x88, 1)
    struct.pack_into("<2Q", claimed, 0x98, 1, CLAIMED_PAGES)
    return bytes(claimed)


def without_room(line: str) -> str:
    """Return a line without what is free on the disk, which changes all the time."""
    return re.sub(r"[\d,]+ bytes free", "", line)


def test_bombs_are_refused_as_local_ones_are_and_not_received(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """10 GB of zeros, which gzip packs into 45 MB: without a dump before them, and behind one that claims them."""
    served = servers.of("https")
    for name, value in served.environment.items():
        monkeypatch.setenv(name, value)
    zeros = gzip.compress(bytes(64 * MIB), 1) * 160
    dump = claiming((servers.files / "complete.dmp").read_bytes())
    for name, content, told in (
        ("bomb-alone.dmp.gz", zeros, "holds no kernel dump"),
        ("bomb-behind.dmp.gz", gzip.compress(dump) + zeros, f"unpacking takes {(CLAIMED_PAGES << 12) + 0x2000:,}"),
    ):
        path = servers.files / name
        path.write_bytes(content)
        before = served.proxy.received
        line = refusal_of(run("minify", served.url(name), tmp_path / "small.dmp"))
        received = served.proxy.received - before
        local = refusal_of(run("minify", path, tmp_path / "small.dmp"))
        path.unlink()
        assert told in line
        assert without_room(line.partition(f"{served.url(name)}: ")[2]) == without_room(local.partition(f"{path}: ")[2])
        assert received < 4 * MIB
        assert not list(tmp_path.iterdir())
