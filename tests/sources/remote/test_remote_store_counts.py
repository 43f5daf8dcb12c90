"""What dumps in Azure and Google Cloud Storage cost, behind a delay of 20 ms and a line of 10 MB/s, on stand-ins."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
from support.command_line import run, run_process
from support.dumps_at_hand import given_dumps, read_dump_header
from support.remote_servers import buckets
from support.remote_servers.hostile import Request, hostile_server, part_head, whole
from support.remote_servers.protocols import DELAY, RATE
from support.remote_servers.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.server, pytest.mark.skipif(not hasattr(os, "SEEK_DATA"), reason="finds the data of a file")]
SECTOR, MOST_AT_ONCE = 512, 4 << 20
"""Of page blobs."""
MOST_BYTES = (20 << 20) + (2 << 20)
"""Received, with the bitmap of 64 GiB of RAM."""
ROUNDS_OF_MINIFY, ROUNDS_OF_ONE_PROCESSOR, ROUNDS_OF_DUMPKIND = 150, 60, 12
NAMES = ("bitmap-64GiB.dmp", *(path.stem for path in given_dumps(1, 5, 6)[:2]))


@pytest.fixture(scope="module")
def dumps(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the dumps, each as long as a page blob may be: Azure keeps no other blob with holes."""
    folder = tmp_path_factory.mktemp("dumps")
    for name in NAMES:
        with (files / name).open("rb") as source, (folder / name).open("wb") as made:
            made.truncate(-(-os.fstat(source.fileno()).st_size // SECTOR) * SECTOR)
            for at, data in _stretches(source.fileno()):
                os.pwrite(made.fileno(), data, at)
    return folder


def _stretches(file: int) -> Iterator[tuple[int, bytes]]:
    """Yield what a file holds between its holes."""
    size, at = os.fstat(file).st_size, 0
    while at < size:
        try:
            at = os.lseek(file, at, os.SEEK_DATA)
        except OSError:  # nothing but a hole follows
            return
        end = os.lseek(file, at, os.SEEK_HOLE)
        while at < end:
            data = os.pread(file, min(MOST_AT_ONCE, end - at), at)
            yield at, data
            at += len(data)


@contextmanager
def azure(folder: Path, dumps: Path) -> Iterator[tuple[Proxy, dict[str, str]]]:
    with buckets.azurite(folder) as port, Proxy(port, delay=DELAY, rate=RATE) as proxy:
        asyncio.run(_upload(_connection(port), dumps))
        yield proxy, {"AZURE_STORAGE_CONNECTION_STRING": _connection(proxy.port)}


def _connection(port: int) -> str:
    account = f"DefaultEndpointsProtocol=http;AccountName={buckets.AZURITE_ACCOUNT};AccountKey={buckets.AZURITE_KEY};"
    return f"{account}BlobEndpoint=http://127.0.0.1:{port}/{buckets.AZURITE_ACCOUNT};"


async def _upload(connection: str, dumps: Path) -> None:
    from azure.storage.blob.aio import BlobServiceClient

    async with BlobServiceClient.from_connection_string(connection) as service:
        await service.create_container(buckets.BUCKET)
        for path in dumps.iterdir():
            blob = service.get_blob_client(buckets.BUCKET, path.name)
            await blob.create_page_blob(path.stat().st_size)
            with path.open("rb") as file:
                for at, data in _stretches(file.fileno()):
                    padded = data + bytes(-len(data) % SECTOR)
                    await blob.upload_page(padded, offset=at, length=len(padded))


@contextmanager
def google(folder: Path, dumps: Path) -> Iterator[tuple[Proxy, dict[str, str]]]:
    """Serve objects as Google's JSON interface does: its other stand-in keeps them in memory."""

    def answer(request: Request) -> list[bytes]:
        path, _, query = request.path.partition("?")
        file = dumps / unquote(path).rpartition("/")[2]
        size = file.stat().st_size
        if "alt=media" not in query:
            told = {"kind": "storage#object", "bucket": buckets.BUCKET, "name": file.name, "generation": "7"}
            return [whole(json.dumps({**told, "size": str(size)}).encode(), "application/json")]
        with file.open("rb") as source:
            data = os.pread(source.fileno(), request.last + 1 - request.first, request.first)
        return [part_head(request, size=size) + data]

    with hostile_server(answer) as server, Proxy(server.port, delay=DELAY, rate=RATE) as proxy:
        yield (
            proxy,
            {
                "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{proxy.port}",
                "FSSPEC_GS_TOKEN": "anon",
                "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
            },
        )


STORES = {"az": azure, "gs": google}


@pytest.fixture(scope="module", params=STORES)
def store(
    request: pytest.FixtureRequest, dumps: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Proxy, dict[str, str]]]:
    with STORES[request.param](tmp_path_factory.mktemp(request.param), dumps) as (proxy, environment):
        yield f"{request.param}://{buckets.BUCKET}", proxy, environment


@pytest.mark.parametrize("name", NAMES)
def test_minify_and_dumpkind_take_few_bytes_and_rounds(
    store: tuple[str, Proxy, dict[str, str]], name: str, dumps: Path, tmp_path: Path
) -> None:
    place, proxy, environment = store
    before = proxy.received
    far = run_process("minify", f"{place}/{name}", tmp_path / "far.dmp", "--json", timeout=120, **environment)
    received = proxy.received - before
    assert far.status == run("minify", dumps / name, tmp_path / "local.dmp", "--json").status, far
    assert (tmp_path / "far.dmp").read_bytes() == (tmp_path / "local.dmp").read_bytes()
    traffic = json.loads(far.out)["traffic"]
    header = read_dump_header(dumps / name)
    assert header is not None
    most = ROUNDS_OF_ONE_PROCESSOR if header.processors == 1 else ROUNDS_OF_MINIFY
    assert traffic["round_trips"] <= most
    assert traffic["bytes"] <= received <= MOST_BYTES
    (kind,) = json.loads(run_process("dumpkind", f"{place}/{name}", "--json", timeout=120, **environment).out)["dumps"]
    assert kind["traffic"]["round_trips"] <= ROUNDS_OF_DUMPKIND
