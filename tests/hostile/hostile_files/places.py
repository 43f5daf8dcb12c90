"""What a folder may hold instead of files: links, devices, pipes, folders without end."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from hostile_files.case import DUMP, SMALL, Case, Command, dumpkind, minify, pagefilefit
from hostile_files.machines import sample
from hostile_files.sparse import write_sparse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def strange_entries(folder: Path) -> None:
    """Fill a folder with links to devices and to themselves, a pipe, a socket, and folders that are called dumps."""
    (folder / "a.dmp").write_bytes(sample("kernel"))
    for name, target in (
        ("zero", "/dev/zero"),
        ("full", "/dev/full"),
        ("tty", "/dev/tty"),
        ("self", "self.dmp"),
        ("up", ".."),
    ):
        (folder / f"{name}.dmp").symlink_to(target)
    os.mkfifo(folder / "pipe.dmp")
    (folder / "folder.dmp").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        here = os.open(folder, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{here}/socket.dmp")  # a socket's path is short
        os.close(here)


def deep_folders(folder: Path, *, levels: int = 1500) -> None:
    """Make folders one in the other, the innermost with a dump."""
    data = sample("kernel")
    here = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    file = os.open("a.dmp", os.O_WRONLY | os.O_CREAT, dir_fd=here)
    os.write(file, data)
    os.close(file)
    os.close(here)


def dangling_destination(folder: Path) -> None:
    """Put a link to nowhere where the small dump of a batch would go; it leads outside the folder."""
    inside = folder / "dumps"
    inside.mkdir()
    (inside / DUMP).write_bytes(sample("kernel"))
    (inside / "MEMORY-small.dmp").symlink_to("../outside.dmp")


def folder_link_in_destination(folder: Path) -> None:
    """Let a subfolder of the destination be a link to a folder outside."""
    for name in ("dumps/sub", "out", "outside"):
        (folder / name).mkdir(parents=True)
    (folder / "dumps/sub" / DUMP).write_bytes(sample("kernel"))
    (folder / "out/sub").symlink_to("../outside")


def sparse_nothing(folder: Path) -> None:
    """Write holes of 1 PB, with the header of a dump and without, and what begins like other files."""
    for name, start in (
        (DUMP, sample("kernel")[:0x2000]),
        ("zeros.dmp", b""),
        ("elf.dmp", b"\x7fELF"),
        ("raw.dmp", b"\x53\xff\x00\xf0" * 100),
    ):
        write_sparse(folder / name, {0: start}, 1 << 43)


def cases() -> Iterator[Case]:
    """Yield the cases."""
    batch = ("minify", "--json", "--jobs", "1")
    yield Case(
        "a folder has devices, pipes, sockets and links to itself",
        strange_entries,
        (
            Command(("dumpkind", "."), (1,)),
            Command(("dumpkind", "--json", "."), (1,)),
            Command((*batch, ".", "out"), (1,), writes=("out",)),
            *(
                Command(("dumpkind", f"{name}.dmp"), (1, 3))
                for name in ("zero", "full", "tty", "self", "pipe", "socket")
            ),
            *(Command(("minify", f"{name}.dmp", SMALL), (3,)) for name in ("zero", "tty", "self", "pipe", "socket")),
            *(
                Command(("pagefilefit", "--ram", "1G", "--system-hive", f"{name}.dmp"), (3,))
                for name in ("zero", "self", "pipe", "socket")
            ),
        ),
    )
    yield Case(
        "1,500 folders lie one in the other",
        deep_folders,
        (
            Command(("dumpkind", "."), (0, 1)),
            Command(("dumpkind", "**/*.dmp"), (3,)),
            Command((*batch, ".", "out"), (0, 1, 3), writes=("out",)),
        ),
    )
    yield Case(
        "a link to nowhere has the name of a small dump, and leads out of the folder",
        dangling_destination,
        (
            Command(("minify", "--overwrite", "--jobs", "1", "dumps"), (1,)),
            Command(("minify", "--jobs", "1", "dumps"), (1,)),
            Command(("minify", "--overwrite", "--jobs", "2", "dumps"), (1,)),
        ),
    )
    yield Case(
        "a subfolder of a batch's destination is a link out of it",
        folder_link_in_destination,
        (Command(("minify", "--overwrite", "--jobs", "1", "dumps", "out"), (1, 3)),),
    )
    holes = (
        dumpkind(1),
        minify(3),
        pagefilefit(3),
        Command(("dumpkind", "."), (1,)),
        Command(("dumpkind", "--json", "."), (1,)),
    )
    yield Case("files are holes of 8 TB", sparse_nothing, holes)
