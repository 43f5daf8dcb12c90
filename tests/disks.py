"""File systems of their own, mounted for one test; skipped where that is not allowed or not possible."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DISK_SIZE = 2 << 20
MAKERS = {"ext4": ("mkfs.ext4", "-q", "-m", "0"), "vfat": ("mkfs.vfat",)}


@contextmanager
def mounted(folder: Path, *what: object) -> Iterator[Path]:
    """Mount a file system on a new folder. what: the arguments of mount before that."""
    if shutil.which("mount") is None or os.name == "nt" or os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    folder.mkdir()
    done = subprocess.run(["mount", *map(str, what), folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"mount: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@contextmanager
def little_disk(kind: str, parent: Path) -> Iterator[Path]:
    """Mount a disk of 2 MB: a tmpfs, or an image with ext4 or vfat on it as a loop device."""
    if kind == "tmpfs":
        with mounted(parent / "disk", "-t", "tmpfs", "-o", f"size={DISK_SIZE}", "tmpfs") as disk:
            yield disk
        return
    image = parent / "disk.img"
    with image.open("wb") as file:
        file.truncate(DISK_SIZE)
    name, *options = MAKERS[kind]
    maker = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if maker is None:
        pytest.skip(f"there is no {name}")
    subprocess.run([maker, *options, image], check=True, capture_output=True)
    with mounted(parent / "disk", "-t", kind, "-o", "loop", image) as disk:
        yield disk
