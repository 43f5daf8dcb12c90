"""Object stores: s3rver (S3), Azurite (Azure), a stand-in for Google Cloud Storage."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from support.ports import free_port
from support.remote_servers.process import missing, program, started

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET = "dumps"
S3RVER_KEY, S3RVER_SECRET = "READER", "Geheimnis-S3"
S3RVER_KEYS = """
require({account}).DUMMY_ACCOUNT.createKeyPair("{key}", "{secret}");
"""
"""Run by Node.js first: the key that s3rver itself knows is its own secret, and could not be told from it."""
AZURITE_ACCOUNT = "devstoreaccount1"
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Of every Azurite: its documentation tells them."""


@contextmanager
def s3rver(folder: Path, files: Path) -> Iterator[int]:
    """Serve the files of a folder as the objects of BUCKET, without copying them. Yield the port."""
    executable = program("s3rver", "npm install s3rver")
    port = free_port()
    (folder / "data" / BUCKET).mkdir(parents=True)
    for file in files.rglob("*"):
        if file.is_file():
            add_object(folder, file, str(file.relative_to(files)))
    account = json.dumps(str(Path(executable).resolve().parents[1] / "lib" / "models" / "account.js"))
    keys = folder / "keys.js"
    keys.write_text(S3RVER_KEYS.format(account=account, key=S3RVER_KEY, secret=S3RVER_SECRET))
    command = [executable, "-d", str(folder / "data"), "-a", "127.0.0.1", "-p", str(port), "--silent"]
    with started(command, port, folder / "output.log", {"NODE_OPTIONS": f'--require "{keys}"'}):
        yield port


def add_object(folder: Path, file: Path, key: str) -> None:
    """Put a file into the bucket of an s3rver, as it keeps its own."""
    place = (folder / "data" / BUCKET / key).parent
    place.mkdir(parents=True, exist_ok=True)
    link = place / f"{file.name}._S3rver_object"
    if not link.exists():
        link.symlink_to(file)
    stamp = hashlib.md5(f"{file.name} {file.stat().st_mtime_ns}".encode()).hexdigest()  # no need to read gigabytes
    (place / f"{file.name}._S3rver_object.md5").write_text(stamp)
    (place / f"{file.name}._S3rver_metadata.json").write_text('{"content-type": "application/octet-stream"}')


@contextmanager
def azurite(folder: Path) -> Iterator[int]:
    """Run Microsoft's stand-in for Azure Blob Storage, empty. Yield its port."""
    executable = program("azurite-blob", "npm install azurite")
    port = free_port()
    command = [executable, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder / "azure")]
    with started([*command, "--silent", "--skipApiVersionCheck"], port, folder / "azurite.log"):
        yield port


@contextmanager
def google(folder: Path) -> Iterator[int]:
    """Run a stand-in for Google Cloud Storage, empty. Yield its port."""
    if importlib.util.find_spec("gcp_storage_emulator") is None:
        missing("a stand-in for Google Cloud Storage is not installed (PyPI: gcp-storage-emulator)")
    port = free_port()
    command = [sys.executable, "-m", "gcp_storage_emulator", "start", "--host", "127.0.0.1", "--port", str(port)]
    with started([*command, "--in-memory", "--default-bucket", BUCKET], port, folder / "google.log"):
        yield port
