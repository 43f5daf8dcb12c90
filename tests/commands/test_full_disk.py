"""A disk that fills up while the small dump is written: nothing is left behind, and with room it works."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from support.command_line import ROOT, contents, refusal, refusal_of, run, run_changed
from support.disks import little_disk
from support.small_dump_file import SmallDumpFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SAMPLE = ROOT / "samples" / "kernel.dmp"
"""Its small dump takes about 150 KB."""
ROOM = 64 << 10
OLD = b"an older file"
CLUSTER = bytes(4096)


@pytest.fixture(params=["tmpfs", "ext4", "vfat"])
def full_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Yield a disk with an older file and a file that takes all the room except about 64 KB."""
    with little_disk(request.param, tmp_path) as disk:
        (disk / "small.dmp").write_bytes(OLD)
        with (disk / "ballast").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(CLUSTER)
                    os.fsync(file.fileno())
            except OSError:
                file.truncate(file.tell() - ROOM)
        os.sync()
        assert 0 < shutil.disk_usage(disk).free < 100_000
        yield disk


@pytest.mark.parametrize(("name", "options"), [("new.dmp", []), ("small.dmp", ["--overwrite"])])
def test_a_disk_that_gets_full_half_way_stays_as_it_was_and_with_room_it_works(
    full_disk: Path, name: str, options: list[str]
) -> None:
    used = shutil.disk_usage(full_disk).used
    line = refusal(full_disk, SAMPLE, full_disk / name, *options)
    assert f"{name}: destination: cannot be written (No space left on device); nothing was left behind" in line
    assert shutil.disk_usage(full_disk).used == used
    assert (full_disk / "small.dmp").read_bytes() == OLD

    (full_disk / "ballast").unlink()
    assert run("minify", SAMPLE, full_disk / name, *options).status == 0
    small = SmallDumpFile(full_disk / name)
    assert len(small.data) == small.u32(0xFA0) > ROOM  # RequiredDumpSpace
    assert small.bytes_at(small.triage(0x8), 4) == b"TRGD"
    assert set(contents(full_disk)) - {"lost+found"} == {"small.dmp", name}
    print(f"{line}; with room: {len(small.data):,} bytes")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on the size of a process's files")
@pytest.mark.parametrize("room", [0, 1, 0x2000, 0x2080, 100_000])
def test_a_file_that_may_not_grow_further_is_taken_away(tmp_path: Path, room: int) -> None:
    import resource  # POSIX only

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    outcome = run_changed(limit, "minify", SAMPLE, tmp_path / "small.dmp")
    assert "destination: cannot be written (File too large)" in refusal_of(outcome)
    assert contents(tmp_path) == {}
