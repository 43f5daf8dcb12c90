"""SYSTEM hives on other machines, with the logs that lie beside them there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.command_line import run
from support.hive_file import system_hive
from support.hive_logs import Change, dirty, new_log
from support.registry_hives import CRASH_CONTROL
from support.remote_servers.protocols import PROTOCOLS

if TYPE_CHECKING:
    from pathlib import Path

    from support.remote_servers.protocols import Servers

pytestmark = pytest.mark.server
ROUND = 40


def hive_with(kind: int) -> bytes:
    others = {f"Services\\driver{number:03}": {"Start": 3} for number in range(60)}
    return system_hive({CRASH_CONTROL: {"CrashDumpEnabled": kind}, **others})


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_logs_beside_a_hive_are_replayed_and_missing_ones_told(
    servers: Servers, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = servers.of(protocol)
    for name, value in served.environment.items():
        monkeypatch.setenv(name, value)
    before, between, after = map(hive_with, (1, 2, 3))
    hive = servers.files / f"SYSTEM-{protocol}"
    arguments = ("pagefilefit", "--system-hive", served.url(hive.name), "--ram", "1G", "--json")

    def notes(**logs: bytes) -> str:
        for path, content in {hive: dirty(before, ROUND), **{_log(hive, end): logs[end] for end in logs}}.items():
            path.write_bytes(content)
            served.changed(path)
        outcome = run(*arguments)
        assert outcome.status in (0, 1), outcome
        return " ".join(json.loads(outcome.out)["notes"])

    assert "SYSTEM.LOG1 and SYSTEM.LOG2: put those beside it" in notes()
    first, second = new_log(Change(ROUND, before, between)), new_log(Change(ROUND + 1, between, after))
    told = notes(LOG1=first, LOG2=second)
    assert f"the rest, 2 changes, was taken from {hive.name}.LOG1, {hive.name}.LOG2" in told
    assert json.loads(run(*arguments).out)["configured_kind"] == "small"


def _log(hive: Path, ending: str) -> Path:
    return hive.with_name(f"{hive.name}.{ending}")
