"""Where the small dump may go: never over the source, over another file only on request, whole or not at all."""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.command_line import ROOT, contents, refusal, refusal_of, run, run_changed
from support.disks import mounted
from support.small_dump_file import SmallDumpFile

from windbg_ext import DestinationError, minify

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLES = ROOT / "samples"
SAMPLE = SAMPLES / "kernel.dmp"
OLD = b"an older file"
NOBODY = 65534

on_posix = pytest.mark.skipif(os.name == "nt", reason="needs fork, users and file modes as POSIX has them")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a dump in a folder of its own."""
    return Path(shutil.copy(SAMPLE, tmp_path / "MEMORY.DMP"))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Yield a folder that other users may look into, with a dump that they may read."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copy(SAMPLE, folder / "MEMORY.DMP")
        (folder / "MEMORY.DMP").chmod(0o644)
        yield folder


def become_nobody() -> None:
    """Drop the rights of root, for whom no folder is read-only."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def check_small_dump(path: Path) -> None:
    small = SmallDumpFile(path)
    assert small.u32(0xF98) == 4
    assert small.bytes_at(small.triage(0x8), 4) == b"TRGD"


# --- a file that exists ---


def test_a_destination_that_exists_is_refused_and_stays_as_it_is(source: Path) -> None:
    destination = source.with_name("small.dmp")
    destination.write_bytes(OLD)
    line = refusal(source.parent, source, destination)
    assert "destination: exists; give another name or --overwrite" in line


def test_overwrite_replaces_the_destination(source: Path) -> None:
    destination = source.with_name("small.dmp")
    destination.write_bytes(OLD)
    assert run("minify", source, destination, "--overwrite").status == 0
    check_small_dump(destination)
    assert set(contents(source.parent)) == {"MEMORY.DMP", "small.dmp"}


def test_overwrite_needs_no_file_to_be_there(source: Path) -> None:
    assert run("minify", source, source.with_name("small.dmp"), "--overwrite").status == 0
    check_small_dump(source.with_name("small.dmp"))


@on_posix
def test_overwrite_through_a_link_replaces_the_file_and_keeps_the_link(source: Path) -> None:
    old, link = source.with_name("old.dmp"), source.with_name("link.dmp")
    old.write_bytes(OLD)
    link.symlink_to(old)
    assert run("minify", source, link, "--overwrite").status == 0
    assert link.is_symlink()
    check_small_dump(old)


@on_posix
def test_a_link_that_leads_nowhere_counts_as_a_file_that_exists(source: Path) -> None:
    link = source.with_name("link.dmp")
    link.symlink_to(source.with_name("nothing.dmp"))
    assert "exists" in refusal(source.parent, source, link)
    assert link.is_symlink()


def test_a_file_that_appears_while_the_dump_is_made_stays(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    destination = source.with_name("small.dmp")
    fsync = os.fsync

    def appear(descriptor: int) -> None:
        fsync(descriptor)
        destination.write_bytes(OLD)

    monkeypatch.setattr(os, "fsync", appear)
    line = refusal_of(run("minify", source, destination))
    assert "destination: exists" in line
    assert contents(source.parent) == {"MEMORY.DMP": source.read_bytes(), "small.dmp": OLD}


def test_without_a_destination_the_name_is_a_new_one_beside_the_source(source: Path) -> None:
    for name in ("MEMORY-small.dmp", "MEMORY-small2.dmp", "MEMORY-small3.dmp"):
        assert run("minify", source).status == 0
        check_small_dump(source.with_name(name))
    assert len(contents(source.parent)) == 4


# --- the source itself ---


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_the_source_is_no_destination_under_any_spelling_of_its_path(
    source: Path, overwrite: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (source.parent / "folder").mkdir()
    monkeypatch.chdir(source.parent)
    spellings = (
        source,
        "MEMORY.DMP",
        os.path.join(".", "MEMORY.DMP"),  # noqa: PTH118  # pathlib would drop the dot
        os.path.join(source.parent, "folder", "..", "MEMORY.DMP"),  # noqa: PTH118  # and a path that leads back
    )
    for first in spellings:
        for second in spellings:
            assert "is the source itself" in refusal(source.parent, first, second, *overwrite)


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_the_source_is_no_destination_through_a_hard_link(source: Path, overwrite: list[str]) -> None:
    os.link(source, source.with_name("hard.dmp"))
    assert "is the source itself" in refusal(source.parent, source, source.with_name("hard.dmp"), *overwrite)


@on_posix
@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_the_source_is_no_destination_through_symbolic_links(source: Path, overwrite: list[str]) -> None:
    link, second = source.with_name("link.dmp"), source.with_name("second.dmp")
    link.symlink_to("MEMORY.DMP")
    second.symlink_to(link)
    for first, other in ((source, second), (link, source), (second, link)):
        assert "is the source itself" in refusal(source.parent, first, other, *overwrite)


# --- folders ---


def test_a_folder_that_is_missing_is_refused_and_not_made(source: Path) -> None:
    line = refusal(source.parent, source, source.parent / "missing" / "small.dmp")
    assert "there is no folder" in line
    assert "missing; make it first" in line


def test_a_folder_gets_a_file_with_the_name_of_the_source(source: Path) -> None:
    folder = source.parent / "folder"
    folder.mkdir()
    assert run("minify", source, folder).status == 0
    check_small_dump(folder / "MEMORY-small.dmp")
    assert "destination: exists" in refusal_of(run("minify", source, folder))
    assert run("minify", source, folder, "--overwrite").status == 0
    assert run("minify", source, folder, "--unique").status == 0
    assert {path.name for path in folder.iterdir()} == {"MEMORY-small.dmp", "MEMORY-small2.dmp"}


def test_a_folder_is_no_destination_for_the_library(source: Path) -> None:
    with pytest.raises(DestinationError, match="is a folder"):
        minify(source, source.parent)


# --- dumps that no small dump replaces ---


LARGE_ONES = {"complete.dmp": "complete", "active.dmp": "active", "kernel.dmp": "kernel"}


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"], ["--unique"]])
@pytest.mark.parametrize("name", LARGE_ONES)
def test_a_large_dump_is_never_replaced_and_is_named_with_what_converts_it(
    source: Path, name: str, overwrite: list[str]
) -> None:
    precious = source.with_name("precious.dmp")
    precious.write_bytes((SAMPLES / name).read_bytes())
    outcome = run("minify", source, precious, *overwrite)
    assert precious.read_bytes() == (SAMPLES / name).read_bytes()
    if overwrite == ["--unique"]:
        assert outcome.status == 0
        return
    article = "an" if name == "active.dmp" else "a"
    assert outcome.status == 3
    assert outcome.err == (
        f"windbg-ext: {precious}: destination: is {article} {LARGE_ONES[name]} memory dump, which is never replaced; "
        f'name another file; to convert it: windbg-ext minify "{precious}" DESTINATION\n'
    )


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"MDMP" + bytes(100), "a user-mode minidump of one process"),
        (b"hibr" + bytes(100), "a hibernation file"),
        (b"Raw_Dmp!" + bytes(100), "a raw off-line dump"),
        (gzip.compress((SAMPLES / "kernel.dmp").read_bytes()), "a kernel memory dump"),
        ((SAMPLES / "kernel.dmp").read_bytes()[:3000], "a "),
    ],
    ids=["user-mode", "hibernation", "off-line", "packed", "cut"],
)
def test_what_holds_other_memory_is_never_replaced_either(source: Path, data: bytes, what: str) -> None:
    other = source.with_name("other.dmp")
    other.write_bytes(data)
    line = refusal_of(run("minify", source, other, "--overwrite"))
    assert f"destination: is {what}" in line
    assert "which is never replaced; name another file" in line
    assert other.read_bytes() == data


@pytest.mark.parametrize("data", [b"", b"some text", bytes(0x3000), (SAMPLES / "small.dmp").read_bytes()])
def test_what_is_no_dump_or_a_small_one_is_replaced_if_asked_for(source: Path, data: bytes) -> None:
    there = source.with_name("there.dmp")
    there.write_bytes(data)
    assert "exists; give another name or --overwrite" in refusal_of(run("minify", source, there))
    assert run("minify", source, there, "--overwrite").status == 0
    check_small_dump(there)


def test_a_large_dump_that_appears_while_the_small_one_is_made_stays(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination = source.with_name("small.dmp")
    fsync = os.fsync

    def appear(descriptor: int) -> None:
        fsync(descriptor)
        destination.write_bytes((SAMPLES / "kernel.dmp").read_bytes())

    monkeypatch.setattr(os, "fsync", appear)
    assert "is a kernel memory dump, which is never replaced" in refusal_of(
        run("minify", source, destination, "--overwrite")
    )
    assert destination.read_bytes() == (SAMPLES / "kernel.dmp").read_bytes()


@on_posix
@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_a_pipe_is_no_destination_and_is_not_replaced(source: Path, overwrite: list[str]) -> None:
    pipe = source.with_name("pipe.dmp")
    os.mkfifo(pipe)
    assert "destination: is a device or a pipe" in refusal(source.parent, source, pipe, *overwrite)
    assert pipe.is_fifo()


def test_a_file_is_no_folder_for_a_destination(source: Path) -> None:
    assert "there is no folder" in refusal(source.parent, source, source / "small.dmp")


def test_a_name_that_is_too_long_is_refused(source: Path) -> None:
    assert "cannot be written" in refusal(source.parent, source, source.with_name("x" * 300))


@on_posix
@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_a_folder_without_the_right_to_write_is_refused(open_folder: Path, overwrite: list[str]) -> None:
    locked = open_folder / "locked"
    locked.mkdir()
    locked.chmod(0o555)
    outcome = run_changed(become_nobody, "minify", open_folder / "MEMORY.DMP", locked / "small.dmp", *overwrite)
    assert "destination: cannot be written (Permission denied)" in refusal_of(outcome)
    assert contents(locked) == {}


@on_posix
def test_a_file_in_a_folder_without_the_right_to_write_stays(open_folder: Path) -> None:
    locked = open_folder / "locked"
    locked.mkdir()
    (locked / "small.dmp").write_bytes(OLD)
    (locked / "small.dmp").chmod(0o666)
    locked.chmod(0o555)
    outcome = run_changed(become_nobody, "minify", open_folder / "MEMORY.DMP", locked / "small.dmp", "--overwrite")
    assert "Permission denied" in refusal_of(outcome)
    assert contents(locked) == {"small.dmp": OLD}


@on_posix
def test_a_folder_without_the_right_to_look_inside_is_refused(open_folder: Path) -> None:
    locked = open_folder / "locked"
    locked.mkdir()
    locked.chmod(0)
    outcome = run_changed(become_nobody, "minify", open_folder / "MEMORY.DMP", locked / "small.dmp")
    assert "destination: cannot be written (Permission denied)" in refusal_of(outcome)
    locked.chmod(0o700)
    assert contents(locked) == {}


@on_posix
def test_a_source_without_the_right_to_read_is_refused(open_folder: Path) -> None:
    (open_folder / "MEMORY.DMP").chmod(0)
    outcome = run_changed(become_nobody, "minify", open_folder / "MEMORY.DMP", open_folder / "small.dmp")
    assert "file: cannot be opened (Permission denied)" in refusal_of(outcome)


@on_posix
def test_a_source_in_a_folder_without_the_right_to_look_inside_is_refused(open_folder: Path) -> None:
    locked = open_folder / "locked"
    locked.mkdir()
    shutil.copy(SAMPLE, locked / "MEMORY.DMP")
    locked.chmod(0)
    outcome = run_changed(become_nobody, "minify", locked / "MEMORY.DMP", open_folder / "small.dmp")
    assert "file: cannot be opened (Permission denied)" in refusal_of(outcome)
    locked.chmod(0o700)


def test_a_name_of_a_source_that_is_too_long_is_refused(source: Path) -> None:
    line = refusal(source.parent, source.with_name("x" * 300), source.with_name("small.dmp"))
    assert "file: cannot be opened" in line


@pytest.fixture
def read_only_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a file system that is mounted read-only."""
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "ro", "tmpfs") as disk:
        yield disk


def test_a_read_only_disk_is_refused(source: Path, read_only_disk: Path) -> None:
    line = refusal(read_only_disk, source, read_only_disk / "small.dmp")
    assert "destination: cannot be written (Read-only file system)" in line


# --- leftovers of killed runs ---


RANDOM = "0123456789abcdef"


def test_what_a_dead_run_to_the_same_destination_left_is_cleared_away_and_nothing_else(source: Path) -> None:
    others = [
        f".small.dmp.{RANDOM}.tmp.bak",
        f".small.dmp.{RANDOM}0.tmp",
        f".small2.dmp.{RANDOM}.tmp",
        ".small.dmp.notes.tmp",
        f"small.dmp.{RANDOM}.tmp",
    ]
    for name in (f".small.dmp.{RANDOM}.tmp", *others):
        source.with_name(name).write_bytes(OLD)
    assert run("minify", source, source.with_name("small.dmp")).status == 0
    assert set(contents(source.parent)) == {"MEMORY.DMP", "small.dmp", *others}


@on_posix
def test_a_link_or_a_folder_with_the_name_of_a_left_file_stays(source: Path) -> None:
    link, folder = source.with_name(f".small.dmp.{RANDOM}.tmp"), source.with_name(f".small.dmp.{RANDOM[::-1]}.tmp")
    link.symlink_to(source)
    folder.mkdir()
    assert run("minify", source, source.with_name("small.dmp")).status == 0
    assert link.is_symlink()
    assert folder.is_dir()


@on_posix
@pytest.mark.parametrize("step", ["open", "flock"])
def test_a_file_that_another_run_clears_away_before_it_is_locked_is_made_again(
    source: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    import fcntl  # POSIX only

    module, name = (os, "open") if step == "open" else (fcntl, "flock")
    call = getattr(module, name)
    cleared: list[Path] = []

    def clear_away(*arguments: object, **named: object) -> object:
        done = call(*arguments, **named)
        for path in source.parent.glob(".small.dmp.*.tmp"):
            if not cleared:
                path.unlink()
                cleared.append(path)
        return done

    monkeypatch.setattr(module, name, clear_away)
    assert run("minify", source, source.with_name("small.dmp")).status == 0
    assert len(cleared) == 1
    assert set(contents(source.parent)) == {"MEMORY.DMP", "small.dmp"}


@on_posix
def test_a_file_that_was_made_again_under_the_name_of_one_that_was_cleared_away_stays(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a run waits to lock what a dead one left, a third one removes it, and a living one takes the name."""
    import fcntl  # POSIX only

    path = source.with_name(f".small.dmp.{RANDOM}.tmp")
    path.write_bytes(OLD)
    lock = fcntl.flock
    with path.open("rb") as held:  # as the runs have it: else the number of the file could be given to the new one
        living: list[int] = []

        def make_again(descriptor: int, how: int) -> None:
            if not living:
                path.unlink()
                path.write_bytes(b"of a living run")
                living.append(os.open(path, os.O_RDWR))
                lock(living[0], fcntl.LOCK_EX)
            lock(descriptor, how)

        monkeypatch.setattr(fcntl, "flock", make_again)
        assert run("minify", source, source.with_name("small.dmp")).status == 0
        assert held.read() == OLD
    os.close(living[0])
    assert path.read_bytes() == b"of a living run"


@on_posix
def test_where_files_cannot_be_locked_nothing_is_cleared_away(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl  # POSIX only

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    left = source.with_name(f".small.dmp.{RANDOM}.tmp")
    left.write_bytes(OLD)
    assert run("minify", source, source.with_name("small.dmp")).status == 0
    check_small_dump(source.with_name("small.dmp"))
    assert left.read_bytes() == OLD


# --- a disk without hard links ---


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_on_a_disk_without_hard_links_an_existing_file_is_as_safe(
    source: Path, monkeypatch: pytest.MonkeyPatch, overwrite: list[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    destination = source.with_name("small.dmp")
    assert run("minify", source, destination, *overwrite).status == 0
    check_small_dump(destination)
    destination.write_bytes(OLD)
    if not overwrite:
        assert "destination: exists" in refusal(source.parent, source, destination)
    assert set(contents(source.parent)) == {"MEMORY.DMP", "small.dmp"}


# --- the finished file ---


@on_posix
@pytest.mark.parametrize(("mode", "expected"), [(0o600, 0o600), (0o640, 0o640), (0o444, 0o644), (0o400, 0o600)])
def test_whoever_may_read_the_source_may_read_the_small_dump_and_nobody_else(
    source: Path, mode: int, expected: int
) -> None:
    source.chmod(mode)
    before = os.umask(0o022)
    try:
        assert run("minify", source, source.with_name("small.dmp")).status == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(source.with_name("small.dmp").stat().st_mode) == expected


def test_the_source_is_left_as_it_was(source: Path) -> None:
    before = source.stat()
    assert run("minify", source).status == 0
    after = source.stat()
    assert source.read_bytes() == SAMPLE.read_bytes()
    assert (before.st_mtime_ns, before.st_mode) == (after.st_mtime_ns, after.st_mode)


def test_the_same_source_gives_the_same_file_every_time(source: Path) -> None:
    for name in ("first.dmp", "second.dmp"):
        assert run("minify", source, source.with_name(name)).status == 0
    assert source.with_name("first.dmp").read_bytes() == source.with_name("second.dmp").read_bytes()
