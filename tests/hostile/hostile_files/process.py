"""Running a command in a process of its own, with limits, and what it took."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from support.slowness import slowness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostile_files.case import Command

LAUNCHER = Path(__file__).with_name("launcher.py")
AS_DML = Path(__file__).with_name("as_dml.py")
ROOT = Path(__file__).parents[3]
GB = 1 << 30
MOST_PROCESSOR_SECONDS = 20
"""A process is killed after them, so that the whole suite ends on code that keeps no promise."""
MOST_SECONDS = 120
MOST_ADDRESSES = 3 * GB
MOST_FILE = 6 * GB


class Outcome(NamedTuple):
    """What became of a process.

    status: None where a signal ended it; killed: by one of the limits; peak, written: bytes; left: new or changed files
    in the folder that it ran in; left_temporary: names that it left in the folder for temporary files.
    """

    status: int | None
    killed: bool
    processor_seconds: float
    peak: int
    written: int
    out: bytes
    err: bytes
    left: tuple[str, ...]
    left_temporary: tuple[str, ...]


def run(command: Command, folder: Path) -> Outcome:
    """Run `windbg-ext` in a folder; what it may write is removed again."""
    before = _state(folder)
    with tempfile.TemporaryDirectory(prefix="windbg-ext-hostile-") as scratch:
        temporary = Path(scratch, "temporary")
        temporary.mkdir()
        out, err, answer = Path(scratch, "out"), Path(scratch, "err"), Path(scratch, "answer")
        with ExitStack() as files:
            told = files.enter_context(answer.open("wb"))
            source = files.enter_context(Path(command.standard_input).open("rb"))
            shown = files.enter_context(Path(command.standard_output or out).open("wb"))
            complaints = files.enter_context(Path(command.standard_error or err).open("wb"))
            limits = {
                "processor": round(MOST_PROCESSOR_SECONDS * slowness()),
                "clock": round(MOST_SECONDS * slowness()),
                "addresses": MOST_ADDRESSES,
                "file": MOST_FILE,
                "answer": told.fileno(),
            }
            subprocess.run(
                [
                    *(sys.executable, "-I", "-S", str(LAUNCHER), json.dumps(limits)),
                    *(sys.executable, *([str(AS_DML)] if command.dml else ["-m", "windbg_ext"]), *command.arguments),
                ],
                cwd=folder,
                env={**_environment(temporary), **dict(command.environment)},
                stdin=source,
                stdout=shown,
                stderr=complaints,
                pass_fds=[told.fileno()],
                check=True,
            )
        measured = json.loads(answer.read_bytes())
        left = tuple(sorted(name for name, state in _state(folder).items() if before.get(name) != state))
        for name in {Path(name).parts[0] for name in left} & set(command.writes):
            remove(folder / name)
        return Outcome(
            status=measured["status"],
            killed=bool(measured["signal"]),
            processor_seconds=measured["processor_seconds"],
            peak=measured["peak"],
            written=measured["written"],
            out=b"" if command.standard_output else out.read_bytes(),
            err=b"" if command.standard_error else err.read_bytes(),
            left=left,
            left_temporary=tuple(sorted(path.name for path in temporary.iterdir())),
        )


def _environment(temporary: Path) -> dict[str, str]:
    paths = os.pathsep.join(path for path in (os.environ.get("PYTHONPATH", ""), str(ROOT)) if path)
    return {
        **{name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL")},
        "HOME": str(temporary),
        "TMPDIR": str(temporary),
        "PYTHONPATH": paths,
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _below(folder: str) -> Iterator[tuple[str, bool]]:
    """Yield everything below a folder, a folder before what is in it: the path, and whether it is a folder itself.

    Not by os.walk or rglob, which some versions of CPython write with calls to themselves: folders may be too deep.
    """
    waiting = [folder]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                is_folder = entry.is_dir(follow_symlinks=False)
                yield entry.path, is_folder
                if is_folder:
                    waiting.append(entry.path)


def _state(folder: Path) -> dict[str, tuple[int, ...]]:
    """Return what tells a change of anything below a folder."""
    found = {}
    for path, is_folder in _below(str(folder)):
        status = os.lstat(path)
        times = () if is_folder else (status.st_mtime_ns,)
        size = 0 if is_folder else status.st_size
        found[os.path.relpath(path, folder)] = (status.st_ino, status.st_mode, size, status.st_uid, *times)
    return found


def bytes_on_disk(folder: Path) -> int:
    """Return what the files of a folder really take, holes not counted."""
    states = (os.lstat(path) for path, _ in _below(str(folder)))
    return sum({state.st_ino: state.st_blocks * 512 for state in states}.values())


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it, also where it is too deep for others to remove."""
    if path.is_symlink() or not path.is_dir():
        path.unlink()
        return
    for below, is_folder in reversed(list(_below(str(path)))):
        (os.rmdir if is_folder else os.unlink)(below)
    path.rmdir()
