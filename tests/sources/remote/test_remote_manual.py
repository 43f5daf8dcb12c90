"""The examples of the page on URLs, each on a server of its protocol; az and gs on stand-ins for Azure and Google."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.command_line import ROOT, run, run_process
from support.remote_servers import buckets
from support.remote_servers.protocols import PROTOCOLS

if TYPE_CHECKING:
    from pathlib import Path

    from support.remote_servers.protocols import Servers

pytestmark = pytest.mark.server
PAGE = (ROOT / "docs" / "remote.md").read_text()
UPLOAD_AZURE = """
import os, sys, adlfs
system = adlfs.AzureBlobFileSystem(connection_string=os.environ["AZURE_STORAGE_CONNECTION_STRING"])
system.mkdir("dumps")
system.put_file(sys.argv[1], "dumps/complete.dmp")
"""
UPLOAD_GOOGLE = """
import sys, gcsfs
gcsfs.GCSFileSystem(token="anon").put_file(sys.argv[1], "dumps/complete.dmp")
"""


def example(protocol: str) -> list[str]:
    """Return the arguments of the example for a protocol."""
    (found,) = re.findall(rf"^    windbg-ext (\w+ {protocol}://\S*/complete\.dmp.*)$", PAGE, re.MULTILINE)
    return shlex.split(found)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_example_of_a_protocol_does_what_the_page_says(
    servers: Servers, protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = servers.of(protocol)
    for name, value in served.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    arguments = [served.url("complete.dmp") if "://" in argument else argument for argument in example(protocol)]
    assert run(*arguments).status in (0, 1)
    assert "small.dmp" not in arguments or (tmp_path / "small.dmp").stat().st_size


def test_the_example_for_azure_works_on_its_stand_in(tmp_path: Path) -> None:
    with buckets.azurite(tmp_path) as port:
        account = f"DefaultEndpointsProtocol=http;AccountName={buckets.AZURITE_ACCOUNT};"
        account += f"AccountKey={buckets.AZURITE_KEY};"
        account += f"BlobEndpoint=http://127.0.0.1:{port}/{buckets.AZURITE_ACCOUNT};"
        environment = {"AZURE_STORAGE_CONNECTION_STRING": account}
        check_object_store("az", UPLOAD_AZURE, environment)


def test_the_example_for_google_works_on_a_stand_in(tmp_path: Path) -> None:
    with buckets.google(tmp_path) as port:
        environment = {
            "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}",
            "FSSPEC_GS_TOKEN": "anon",
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",  # which asks another service than the stand-in
        }
        check_object_store("gs", UPLOAD_GOOGLE, environment)


def check_object_store(scheme: str, upload: str, environment: dict[str, str]) -> None:
    """Run the example in a process, whose libraries read the environment when they are imported."""
    sample = ROOT / "samples" / "complete.dmp"
    subprocess.run(
        [sys.executable, "-c", upload, str(sample)],
        env={"PATH": "", **environment},
        check=True,
        timeout=60,
        capture_output=True,
    )
    command, *_ = example(scheme)
    url = f"{scheme}://dumps/complete.dmp"
    outcome = run_process(command, url, "--json", timeout=60, **environment)
    (far,) = json.loads(outcome.out)["dumps"]
    (local,) = json.loads(run(command, sample, "--json").out)["dumps"]
    assert {**far, "path": None, "traffic": None} == {**local, "path": None}
    assert far["traffic"]["round_trips"] <= 12
    written = f"{scheme}://dumps/small.dmp"
    assert run_process("minify", url, written, timeout=60, **environment).status == 0
    assert "exists" in run_process("minify", url, written, timeout=60, **environment).err
    (made,) = json.loads(run_process(command, written, "--json", timeout=60, **environment).out)["dumps"]
    assert made["kind"] == "small"
