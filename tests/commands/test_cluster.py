"""What is told of a cluster's versions and of what its workers see, without a cluster."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from windbg_ext.commands.cluster import connected, differences, missing_of
from windbg_ext.errors import DumpError

if TYPE_CHECKING:
    from pathlib import Path


def versions(**packages: str | None) -> dict[str, object]:
    return {"host": {}, "packages": packages}


def test_versions_that_agree_are_not_told() -> None:
    ours = versions(python="3.13.0.final.0", windbg_ext="1.0", distributed="2026.8.0")
    assert differences(ours, {"tcp://a:1": ours, "tcp://b:1": ours}) == []


def test_each_version_that_differs_is_told_once() -> None:
    ours = versions(python="3.13.0.final.0", windbg_ext="1.0", distributed="2026.8.0", numpy="1")
    theirs = versions(python="3.9.18.final.0", windbg_ext="0.9", distributed="2026.8.0", numpy=None)
    assert differences(ours, {"tcp://a:1": theirs, "tcp://b:1": theirs, "tcp://c:1": ours}) == [
        "workers have windbg_ext 0.9, this program has 1.0",
        "workers have python 3.9.18.final.0, this program has 3.13.0.final.0",
    ]


@pytest.mark.parametrize("address", ["scheduler", "tls://scheduler", "tcp://scheduler:port", "http://scheduler:8787"])
def test_an_address_that_leads_nowhere_is_refused_before_anybody_is_asked(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(distributed, "Client", None)  # one that was made of it would take 20 seconds to end
    refused = pytest.raises(DumpError, match=r"no scheduler answers .*; name it as tcp://HOST:8786")
    with refused, connected(address, [], tell=print):
        pass


def test_a_worker_tells_the_first_path_that_it_does_not_see(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    there, nowhere = str(tmp_path / "there"), str(tmp_path / "nowhere")
    assert missing_of([there], [there]) == ""
    assert missing_of([there, nowhere], []) == nowhere
    assert missing_of([], [nowhere]) == nowhere


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_worker_tells_a_folder_that_it_may_not_write_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert missing_of([], [str(tmp_path)]) == str(tmp_path)
