"""Fixtures: servers over the same files, for whoever imports them."""

from __future__ import annotations

import importlib
import shutil
from typing import TYPE_CHECKING

import pytest

from support.dumps_at_hand import SAMPLES, given_dumps, unpacked
from support.remote_servers.protocols import Servers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SAMPLES_SERVED = ("complete.dmp", "complete-bitmap.dmp", "kernel-la57.dmp", "small.dmp")


FOLDER = ("sub/one.dmp", "sub/two [1].DMP", "sub/notes.txt", "sub/deeper/three.dmp", "sub/deeper/100%.dmp")


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with samples, the dumps that were given, and one of a machine with 64 GiB of RAM."""
    folder = tmp_path_factory.mktemp("served")
    for name in SAMPLES_SERVED:
        shutil.copy(SAMPLES / name, folder)
    for packed in given_dumps(1, 5, 6):
        unpacked(packed, folder)
    (folder / "two").mkdir()
    for name in ("complete.dmp", "kernel-la57.dmp"):
        shutil.copy(SAMPLES / name, folder / "two")
    for name in FOLDER:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SAMPLES / "small.dmp", folder / name)
    _write_large(folder / "bitmap-64GiB.dmp")
    folder.parent.chmod(0o755)  # servers may run as somebody else
    return folder


def _write_large(path: Path) -> None:
    from samples.builder.sparse import write_sparse

    benchmark = importlib.import_module("benchmarks.sparse_dumps")  # a program of its own
    write_sparse(path, benchmark.SIZES["64GiB"], benchmark.FORMATS["bitmap-rows"])


@pytest.fixture(scope="session")
def servers(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Return the servers of all protocols, with a delay."""
    running = Servers(tmp_path_factory.mktemp("servers"), files)
    yield running
    running.close()
