"""Object stores whose settings are wrong, or that do not answer: a line soon, whatever their libraries do by then."""

from __future__ import annotations

import importlib
import os
import threading
import time
from typing import TYPE_CHECKING, Callable

import pytest
from support.command_line import refusal_of, run, run_process
from support.ports import free_port
from support.remote_servers.buckets import AZURITE_ACCOUNT, AZURITE_KEY
from support.remote_servers.hostile import CLOSE, Request, head, hostile_server

from windbg_ext.sources.remote import asynchronous, azure, google
from windbg_ext.sources.remote import source as remote_source
from windbg_ext.sources.remote.source import Patience

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    At = Callable[[int], dict[str, str]]

pytestmark = pytest.mark.server
GARBAGE = "Geheimnis-88"
NO_NETWORK = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_DEFAULT_REGION": "us-east-1", "NO_GCE_CHECK": "true"}
SOON = 60.0
"""Seconds. The libraries' own tries take minutes."""


def azure_at(port: int, key: str = AZURITE_KEY) -> dict[str, str]:
    account = f"DefaultEndpointsProtocol=http;AccountName={AZURITE_ACCOUNT};AccountKey={key};"
    return {"AZURE_STORAGE_CONNECTION_STRING": f"{account}BlobEndpoint=http://127.0.0.1:{port}/{AZURITE_ACCOUNT};"}


def google_at(port: int) -> dict[str, str]:
    return {
        "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}",
        "FSSPEC_GS_TOKEN": "anon",
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
    }


@pytest.mark.parametrize("name", ["a.dmp", "folder/"])
@pytest.mark.parametrize(
    ("scheme", "environment", "told"),
    [
        ("az", {}, "server: no account is known, or it cannot be understood"),
        (
            "az",
            {"AZURE_STORAGE_CONNECTION_STRING": GARBAGE},
            "server: no account is known, or it cannot be understood",
        ),
        ("gs", {"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere.json"}, "server: no credentials are known"),
        ("gs", {"GOOGLE_APPLICATION_CREDENTIALS": "{file}"}, "server: no credentials are known"),
        ("s3", {"AWS_PROFILE": "nobody"}, "server: the profile that AWS_PROFILE names is not known"),
    ],
)
def test_settings_that_cannot_be_used_are_told_in_a_line(
    scheme: str, environment: dict[str, str], told: str, name: str, tmp_path: Path
) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text(f'{{"type": "service_account", "client_email": "a@b", "private_key": "{GARBAGE}"}}')
    given = {variable: value.format(file=settings) for variable, value in environment.items()}
    url = f"{scheme}://dumps/{name}"
    outcome = run_process("dumpkind", url, timeout=SOON, **NO_NETWORK, **given)
    assert outcome.status == 3
    assert outcome.err == f"windbg-ext: {url}: {told}; docs/remote.md tells where to put credentials\n"


@pytest.mark.parametrize("name", ["a.dmp", "folder/"])
@pytest.mark.parametrize("library", ["adlfs", "gcsfs"])
def test_the_library_of_one_store_may_be_missing_alone(library: str, name: str, tmp_path: Path) -> None:
    (tmp_path / f"{library}.py").write_text(f"raise ImportError('no {library}', name='{library}')\n")
    scheme = {"adlfs": "az", "gcsfs": "gs"}[library]
    outcome = run_process("dumpkind", f"{scheme}://dumps/{name}", PYTHONPATH=f"{tmp_path}{os.pathsep}.")
    assert outcome.err.endswith(
        f"what reads {scheme}:// is not installed ({library}); python -m pip install 'windbg-ext[remote]'\n"
    )


def test_google_that_cannot_be_connected_to_is_told_in_a_line_and_soon() -> None:
    began = time.monotonic()
    outcome = run_process("dumpkind", "gs://dumps/folder/", timeout=2 * SOON, **google_at(free_port()))
    assert outcome.status == 3
    assert outcome.err.startswith("windbg-ext: gs://dumps/folder/: connection: cannot connect")
    assert len(outcome.err.splitlines()) == 1
    assert time.monotonic() - began < SOON


def test_azure_that_cannot_be_connected_to_is_tried_as_often_as_other_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_source, "DEFAULT_PATIENCE", Patience(3, 0.01))
    for name, value in azure_at(free_port()).items():
        monkeypatch.setenv(name, value)
    began = time.monotonic()
    assert "connection: cannot connect; tried 3 times in " in refusal_of(run("dumpkind", "az://dumps/a.dmp"))
    assert time.monotonic() - began < SOON


def know(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the environment in this process, where fsspec has read its own already."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(importlib.import_module("fsspec.config").conf, "gs", {"token": "anon"})


@pytest.mark.parametrize("name", ["a.dmp", "folder/"])
@pytest.mark.parametrize(("scheme", "at"), [("az", azure_at), ("gs", google_at)])
def test_a_store_that_says_nothing_is_given_up(scheme: str, at: At, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()

    def silent(_: Request) -> Iterator[bytes]:
        done.wait(2 * SOON)
        yield CLOSE

    monkeypatch.setattr(remote_source, "DEFAULT_PATIENCE", Patience(2, 0.01))
    for module in (asynchronous, azure, google):
        monkeypatch.setattr(module, "STALL_SECONDS", 0.5)
    monkeypatch.setattr(asynchronous, "SLOWEST", 1 << 30)
    monkeypatch.setitem(azure.ONCE, "read_timeout", 0.5)
    with hostile_server(silent) as server:
        know(at(server.port), monkeypatch)
        began = time.monotonic()
        told = refusal_of(run("dumpkind", f"{scheme}://dumps/{name}"))
        assert "connection: no answer within" in told
        assert time.monotonic() - began < SOON
        done.set()


@pytest.mark.parametrize(("scheme", "at"), [("az", azure_at), ("gs", google_at)])
def test_a_store_that_is_broken_is_told_after_some_tries(scheme: str, at: At, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_source, "DEFAULT_PATIENCE", Patience(3, 0.01))
    with hostile_server(lambda request: [head("503 Service Unavailable", "Content-Length: 0")]) as server:
        know(at(server.port), monkeypatch)
        told = refusal_of(run("dumpkind", f"{scheme}://dumps/a.dmp"))
        assert "connection: the server answers 503; tried 3 times in " in told
        assert server.requests <= 9  # size and beginning, and of Google what kind of bucket it is
