"""What a terminal shows while a dump on another machine is read."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

import pytest
from support.command_line import run
from support.terminal import run_on_terminal

if TYPE_CHECKING:
    from pathlib import Path

    from support.remote_servers.protocols import Servers

pytestmark = [pytest.mark.server, pytest.mark.skipif(os.name == "nt", reason="needs a pseudo terminal")]


def test_the_bar_shows_received_bytes_and_round_trips_up_to_what_the_report_says(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = servers.of("https")
    for name, value in served.environment.items():
        monkeypatch.setenv(name, value)
    url = served.url("complete.dmp")
    traffic = json.loads(run("minify", url, tmp_path / "first.dmp", "--json").out)["traffic"]
    status, _, shown = run_on_terminal("minify", url, tmp_path / "second.dmp")
    assert status == 0
    bars = re.findall(r"\(([\d.]+) MB in (\d+) round trips\) +\|", shown)
    rounds = [int(count) for _, count in bars]
    assert len(set(rounds)) > 3
    assert rounds == sorted(rounds)
    assert traffic["round_trips"] / 2 < rounds[-1] <= traffic["round_trips"]
    assert 0 < float(bars[-1][0]) <= round(traffic["bytes"] / 1e6, 1)
