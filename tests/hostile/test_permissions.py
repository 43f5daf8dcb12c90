"""Nobody else's file is touched, and nobody may read or run more than before: modes, links, and races for real.

The races run as two users: the superuser converts dumps, and a child process that has given up its rights, and that
owns the folder, puts links in the place of every file that it sees there.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest
from hostile_files.archive_bytes import zstd_of_zeros
from hostile_files.archives import claiming
from hostile_files.case import MB
from hostile_files.machines import sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[2]
TRIES = 200
SECONDS = 600
ATTACKER = 4321
"""A user that nobody is."""
SPECIAL = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX
SECRET = b"nobody but the superuser reads this"

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
two_users = pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.geteuid() != 0, reason="two users: only the superuser can be both"
)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user may enter, which pytest's are not."""
    folder = Path(tempfile.mkdtemp(prefix="windbg-ext-permissions-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def run(
    *lines: Sequence[str | Path], cwd: Path, umask: int = 0o022, times: int = 1, temporary: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run command lines so many times, one behind the other in one process; {n} in them is the number of the try."""
    script = (
        "import os, sys; from windbg_ext.cli import main\n"
        f"os.umask({umask})\n"
        f"for n in range({times}):\n"
        f"    for line in {[list(map(str, line)) for line in lines]!r}:\n"
        "        status = main([word.replace('{n}', str(n)) for word in line])\n"
        "sys.exit(status)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(ROOT))))}
    if temporary is not None:
        environment["TMPDIR"] = str(temporary)
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


MODES = (0o4777, 0o2777, 0o6755, 0o1666, 0o777, 0o666, 0o644, 0o640, 0o600, 0o400)


@posix
@pytest.mark.parametrize("umask", [0o077, 0o022, 0o000], ids=oct)
def test_a_small_dump_gets_no_more_rights_than_its_source_and_the_umask_allow(tmp_path: Path, umask: int) -> None:
    for mode in MODES:
        source = tmp_path / f"{mode:o}.DMP"
        source.write_bytes(sample("kernel"))
        source.chmod(mode)
    lines = [("minify", f"{mode:o}.DMP", f"{mode:o}-small.dmp") for mode in MODES]
    done = run(*lines, cwd=tmp_path, umask=umask)
    assert done.returncode == 0, done.stderr
    given = {mode: oct(mode_of(tmp_path / f"{mode:o}-small.dmp")) for mode in MODES}
    assert given == {mode: oct((mode | stat.S_IRUSR | stat.S_IWUSR) & 0o666 & ~umask) for mode in MODES}


@posix
@pytest.mark.parametrize("umask", [0o077, 0o022], ids=oct)
def test_small_dumps_of_a_batch_get_no_more_rights_either(tmp_path: Path, umask: int) -> None:
    source = tmp_path / "MEMORY.DMP"
    source.write_bytes(sample("kernel"))
    source.chmod(0o6777)
    assert run(("minify", ".", "out"), cwd=tmp_path, umask=umask).returncode == 0
    assert oct(mode_of(tmp_path / "out" / "MEMORY-small.dmp")) == oct(0o666 & ~umask)


@posix
def test_an_older_small_dump_with_special_bits_gives_none_to_the_new_one(tmp_path: Path) -> None:
    (tmp_path / "MEMORY.DMP").write_bytes(sample("kernel"))
    old = tmp_path / "small.dmp"
    old.write_bytes(b"old")
    old.chmod(0o6777)
    assert run(("minify", "--overwrite", "MEMORY.DMP", "small.dmp"), cwd=tmp_path).returncode == 0
    assert not mode_of(old) & (SPECIAL | 0o111)


@posix
@pytest.mark.parametrize("jobs", ["1", pytest.param("2", marks=pytest.mark.slow)])
@pytest.mark.parametrize("target", ["../outside.dmp", "../victim", "missing/small.dmp"])
def test_a_batch_that_overwrites_writes_through_no_link(tmp_path: Path, target: str, jobs: str) -> None:
    folder = tmp_path / "dumps"
    folder.mkdir()
    (tmp_path / "victim").write_bytes(SECRET)
    (folder / "M.DMP").write_bytes(sample("kernel"))
    (folder / "M-small.dmp").symlink_to(target)
    run(("minify", "--overwrite", "--jobs", jobs, "dumps"), cwd=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dumps", "victim"]
    assert (tmp_path / "victim").read_bytes() == SECRET
    assert sorted(path.name for path in folder.iterdir()) == ["M-small.dmp", "M.DMP"]


@posix
def test_a_batch_that_overwrites_replaces_no_small_dump_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "dumps/sub").mkdir(parents=True)
    (tmp_path / "dumps/sub/M.DMP").write_bytes(sample("kernel"))
    assert run(("minify", "dumps/sub/M.DMP", "elsewhere.dmp"), cwd=tmp_path).returncode == 0
    before = (tmp_path / "elsewhere.dmp").stat()
    (tmp_path / "dumps/sub/M-small.dmp").symlink_to("../../elsewhere.dmp")
    for sources in ("dumps", "dumps/*/*.DMP"):
        done = run(("minify", "--overwrite", "--jobs", "1", sources), cwd=tmp_path)
        assert (done.returncode, "is a link" in done.stdout) == (1, True)
    after = (tmp_path / "elsewhere.dmp").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@posix
@pytest.mark.parametrize("link", ["out/sub", "out/sub/below"])
@pytest.mark.parametrize("target", ["outside", "missing", "victim"])
def test_a_batch_makes_no_folder_through_a_link(tmp_path: Path, link: str, target: str) -> None:
    for name in ("dumps/sub/below", "outside"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "victim").write_bytes(SECRET)
    (tmp_path / "dumps/sub/below/M.DMP").write_bytes(sample("kernel"))
    (tmp_path / link).parent.mkdir(parents=True)
    (tmp_path / link).symlink_to(tmp_path / target)
    done = run(("minify", "--jobs", "1", "dumps", "out"), cwd=tmp_path)
    assert (done.returncode, "is a link or no folder" in done.stdout) == (1, True)
    assert not list((tmp_path / "outside").iterdir())
    assert not (tmp_path / "missing").exists()


@two_users
def test_a_link_that_another_user_made_is_no_destination(place: Path) -> None:
    source, victim = _source(place), place / "victim"
    victim.write_bytes(SECRET)
    link = place / "small.dmp"
    link.symlink_to("victim")
    os.chown(link, ATTACKER, ATTACKER, follow_symlinks=False)
    done = run(("minify", "--overwrite", source, link), cwd=place)
    assert done.returncode == 3
    assert "destination: is a link that another user made" in done.stderr
    assert victim.read_bytes() == SECRET


@posix
def test_a_batch_follows_no_link_to_a_folder_in_its_destination(tmp_path: Path) -> None:
    for name in ("dumps/sub", "out", "outside"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "dumps/sub/M.DMP").write_bytes(sample("kernel"))
    (tmp_path / "out/sub").symlink_to(tmp_path / "outside")
    run(("minify", "--jobs", "1", "dumps", "out"), cwd=tmp_path)
    assert not list((tmp_path / "outside").iterdir())


@contextmanager
def attacking(attack: Callable[[int, str], None], folder: Path, victim: Path) -> Iterator[None]:
    """Let another user, who gets the folder, do something to it again and again while the block runs."""
    os.chown(folder, ATTACKER, ATTACKER)
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(ATTACKER)
            os.setuid(ATTACKER)
            here = os.open(folder, os.O_RDONLY)
            while True:
                attack(here, str(victim))
        finally:
            os._exit(1)
    try:
        yield
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "the attacker gave up"
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _try(action: Callable[..., object], *arguments: object, **named: object) -> None:
    with suppress(OSError):
        action(*arguments, **named)


def replace_temporary_files(folder: int, victim: str) -> None:
    """Put a link to the victim in the place of every temporary file."""
    for name in os.listdir(folder):
        if name.endswith(".tmp"):
            _try(os.unlink, name, dir_fd=folder)
            _try(os.symlink, victim, name, dir_fd=folder)


def replace_everything(folder: int, victim: str) -> None:
    """Put a link to the victim in the place of everything."""
    for name in os.listdir(folder):
        _try(os.unlink, name, dir_fd=folder)
        _try(os.symlink, victim, name, dir_fd=folder)


def leave_leftovers(folder: int, victim: str) -> None:
    """Leave what looks like the temporary file of a killed run, and make it a link to the victim the next moment."""
    name = ".small.dmp.0123456789abcdef.tmp"
    with suppress(OSError):
        os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600, dir_fd=folder))
    _try(os.unlink, name, dir_fd=folder)
    _try(os.symlink, victim, name, dir_fd=folder)
    _try(os.unlink, name, dir_fd=folder)
    _try(os.mkfifo, name, dir_fd=folder)
    _try(os.unlink, name, dir_fd=folder)


def link_destinations_out(folder: int, victim: str) -> None:
    """Put links that lead out of the folder where the small dumps of a batch would go, for a moment at a time."""
    outside = Path(victim).with_name("private")
    for number in range(20):
        name = f"M{number}-small.dmp"
        _try(os.unlink, name, dir_fd=folder)
        _try(os.symlink, f"{outside}/{number}.dmp", name, dir_fd=folder)


def replace_subfolder(folder: int, victim: str) -> None:
    """Let a subfolder be a link to the private folder, a folder, and so on."""
    _try(os.rename, "sub", "kept", src_dir_fd=folder, dst_dir_fd=folder)
    _try(os.symlink, str(Path(victim).with_name("private")), "sub", dir_fd=folder)
    _try(os.unlink, "sub", dir_fd=folder)
    _try(os.rename, "kept", "sub", src_dir_fd=folder, dst_dir_fd=folder)


def link_destination_out(folder: int, victim: str) -> None:
    """Put a link to the victim in the place of the destination, and take it away again."""
    _try(os.symlink, victim, "small.dmp", dir_fd=folder)
    _try(os.unlink, "small.dmp", dir_fd=folder)


@contextmanager
def unchanged(place: Path) -> Iterator[Path]:
    """Yield a file of the superuser and a private folder beside it; both must be what they were behind the block."""
    path, private = place / "victim", place / "private"
    path.write_bytes(SECRET)
    path.chmod(0o600)
    private.mkdir(mode=0o700)
    before = path.stat()
    yield path
    after = path.stat()
    assert oct(mode_of(path)) == oct(0o600)
    assert (after.st_uid, after.st_gid, after.st_nlink) == (before.st_uid, before.st_gid, 1)
    assert path.read_bytes() == SECRET
    assert not list(private.iterdir())
    assert oct(mode_of(private)) == oct(0o700)


def _source(place: Path) -> Path:
    source = place / "MEMORY.DMP"
    source.write_bytes(sample("kernel"))
    source.chmod(0o4777)
    return source


@two_users
@pytest.mark.parametrize(
    "attack",
    [
        replace_everything,
        *(
            pytest.param(attack, marks=pytest.mark.slow)
            for attack in (replace_temporary_files, leave_leftovers, link_destination_out)
        ),
    ],
)
def test_whoever_owns_the_destinations_folder_gets_no_other_file_changed(
    place: Path, attack: Callable[[int, str], None]
) -> None:
    source, folder = _source(place), place / "folder"
    folder.mkdir()
    with unchanged(place) as victim, attacking(attack, folder, victim):
        run(("minify", "--overwrite", source, folder / "small.dmp"), cwd=place, times=TRIES)


@two_users
@pytest.mark.slow
@pytest.mark.parametrize("attack", [replace_temporary_files, link_destinations_out])
def test_whoever_owns_a_folder_of_dumps_gets_no_other_file_changed_by_a_batch(
    place: Path, attack: Callable[[int, str], None]
) -> None:
    folder = place / "folder"
    folder.mkdir()
    source = _source(place)
    for number in range(20):
        shutil.copy2(source, folder / f"M{number}.DMP")
    with unchanged(place) as victim, attacking(attack, folder, victim):
        run(("minify", "--overwrite", "--jobs", "2", folder), cwd=place, times=TRIES // 20)


@two_users
@pytest.mark.slow
@pytest.mark.parametrize("destination", [(), ("out",)], ids=["beside the dumps", "in a folder"])
def test_whoever_owns_a_folder_gets_a_batch_to_write_through_no_subfolder(
    place: Path, destination: tuple[str, ...]
) -> None:
    folder = place / (destination[0] if destination else "dumps")
    sources = place / "dumps" / "sub"
    sources.mkdir(parents=True)
    source = _source(place)
    for number in range(20):
        shutil.copy2(source, sources / f"M{number}.DMP")
    (folder / "sub").mkdir(parents=True, exist_ok=True)
    os.chown(folder / "sub", ATTACKER, ATTACKER)
    with unchanged(place) as victim, attacking(replace_subfolder, folder, victim):
        run(("minify", "--overwrite", "--jobs", "1", "dumps", *destination), cwd=place, times=TRIES // 20)


@two_users
@pytest.mark.slow
def test_whoever_owns_the_folder_for_temporary_files_gets_no_other_file_changed(place: Path) -> None:
    folder = place / "temporary"
    folder.mkdir()
    packed = place / "MEMORY.DMP.zst"
    packed.write_bytes(zstd_of_zeros(claiming(1)[:0x2000].ljust(0x20000, b"\0"), 65 * MB))
    with unchanged(place) as victim, attacking(replace_everything, folder, victim):
        run(("minify", packed, place / "small-{n}.dmp"), cwd=place, times=TRIES, temporary=folder)
