"""Separate file systems, mounted for one test. Without the rights or the tools, the test is skipped."""

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

LITTLE = 2 << 20
"""Size in bytes of a disk that is soon full."""
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


def tool(name: str) -> str:
    """Find an administrator's program. Skip the test without it."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"there is no {name}")
    return found


def make_image(image: Path, kind: str, size: int) -> None:
    """Make the image of an empty disk."""
    with image.open("wb") as file:
        file.truncate(size)
    name, *options = MAKERS[kind]
    subprocess.run([tool(name), *options, image], check=True, capture_output=True)


@contextmanager
def little_disk(kind: str, parent: Path) -> Iterator[Path]:
    """Mount a disk of 2 MB: a tmpfs, or an image with ext4 or vfat on it as a loop device."""
    if kind == "tmpfs":
        what = ("-t", "tmpfs", "-o", f"size={LITTLE}", "tmpfs")
    else:
        what = ("-t", kind, "-o", "loop", str(parent / "disk.img"))
        make_image(parent / "disk.img", kind, LITTLE)
    with mounted(parent / "disk", *what) as disk:
        yield disk


@contextmanager
def loop_disk(parent: Path, size: int, name: str, data: bytes) -> Iterator[Path]:
    """Mount a read-only disk on a loop device, with one file that the system has not read yet."""
    image = parent / "disk.img"
    make_image(image, "ext4", size)
    with mounted(parent / "filled", "-t", "ext4", "-o", "loop", image) as disk:
        (disk / name).write_bytes(data)
    with mounted(parent / "disk", "-t", "ext4", "-o", "loop,ro", image) as disk:
        yield disk


def shrink(disk: Path, name: str, offset: int) -> None:
    """Let the device behind a loop disk end where a byte of a file on it lies: the rest of the file cannot be read."""
    image = disk.with_name("disk.img")
    block_size = os.statvfs(disk).f_bsize
    blocks = [_block(image, (disk / name).stat().st_ino, number) for number in (0, offset // block_size)]
    assert blocks[1] - blocks[0] == offset // block_size  # the file lies in one piece
    os.truncate(image, blocks[1] * block_size)
    losetup = tool("losetup")
    device = subprocess.run([losetup, "-j", image, "-n", "-O", "NAME"], check=True, capture_output=True, text=True)
    subprocess.run([losetup, "-c", device.stdout.strip()], check=True)


def _block(image: Path, inode: int, number: int) -> int:
    told = subprocess.run(
        [tool("debugfs"), "-R", f"bmap <{inode}> {number}", image], check=True, capture_output=True, text=True
    )
    return int(told.stdout)
