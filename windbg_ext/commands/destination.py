"""Writing a file so that it is either whole or not there, and never over something that should stay."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
import sys
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, BinaryIO

from windbg_ext.errors import DestinationError, UsageError
from windbg_ext.sources.archive import DUMP_ENDINGS
from windbg_ext.sources.formats import ENDINGS as PACKED_ENDINGS
from windbg_ext.sources.local import system_path
from windbg_ext.sources.source import identity_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.sources import Source


def small_name(base_name: str) -> str:
    """Return the name for the small dump of a source: MEMORY.DMP and MEMORY.DMP.gz become MEMORY-small.dmp."""
    name = PurePath(base_name)
    packed = name.suffix.lower() in PACKED_ENDINGS and name.stem.lower().endswith(DUMP_ENDINGS)
    return f"{PurePath(name.stem).stem if packed else name.stem}-small.dmp"


def beside(source: Source) -> Path:
    """Return a name for a small dump beside its source that no file has yet.

    Raise UsageError for a source that lies in no folder.
    """
    path = source.beside(small_name(source.base_name))
    if path is None:
        raise UsageError(f"{source.name} lies in no folder: name the file to write")
    return unused(Path(path))


def unused(path: Path) -> Path:
    """Return the path if no file has it yet, else one with a number behind the name: small.dmp, small2.dmp ..."""
    candidates = (path.with_name(f"{path.stem}{'' if n == 1 else n}{path.suffix}") for n in range(1, 10_000))
    return next(candidate for candidate in candidates if not os.path.lexists(system_path(candidate)))


def check_destination(destination: Path, source: Source | None, *, overwrite: bool) -> None:
    """Refuse, before any work is done, what `replace_file` would refuse after it."""
    try:
        _check(_of_system(destination), source, overwrite=overwrite)
    except DestinationError as error:
        error.path = str(destination)
        raise
    except OSError as error:  # a folder that may not be looked into, a name that is too long
        raise _not_writable(destination, error) from None


def _of_system(path: Path) -> Path:
    return Path(system_path(path))


def _check(destination: Path, source: Source | None, *, overwrite: bool) -> None:
    if destination.is_dir():
        raise DestinationError("destination", "is a folder", "name the file to write", str(destination))
    if destination.exists() and not destination.is_file():
        raise DestinationError("destination", "is a device or a pipe", "name a file", str(destination))
    if source is not None and destination.exists() and identity_of(destination.stat()) == source.identity:
        raise DestinationError("destination", "is the source itself", "name another file", str(destination))
    if os.path.lexists(destination) and not overwrite:
        raise _exists(destination)
    if not destination.parent.is_dir():
        raise DestinationError(
            "destination", f"there is no folder {destination.parent}", "make it first", str(destination)
        )


def make_folder(folder: Path) -> None:
    """Make a folder for destinations, with those above it, if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise DestinationError("destination", "is no folder", "name the folder to write to", str(folder)) from None
    except OSError as error:
        raise _not_writable(folder, error) from None


@contextmanager
def replace_file(destination: Path, source: Source | None, *, overwrite: bool) -> Iterator[BinaryIO]:
    """Return a file to write; at the end of the block it becomes `destination`, after any exception it is gone.

    It is written under a temporary name in the same folder and may be read by whoever may read `source`, whose memory
    it holds; without a source, by its owner only. A temporary file that a run left behind because it was killed is
    cleared away by the next run to the same destination.
    """
    named, destination = destination, _of_system(destination)
    permissions = None if source is None else source.permissions
    if destination.is_symlink():  # to an older file: replace the file, keep the link
        destination = Path(os.path.realpath(destination))
    clear_leftovers(destination)
    temporary = destination.with_name(f"{_prefix(destination)}{secrets.token_hex(8)}.tmp")
    try:
        # twice, since Ctrl+C may come while the inner one begins
        try:
            with os.fdopen(_create(temporary), "w+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
                _set_permissions(file.fileno(), permissions)
                if os.name != "nt":  # while it is locked
                    _check_is_ours(temporary, file.fileno())
                    _move(temporary, destination, overwrite=overwrite)
            if os.name == "nt":  # where no file can be moved while it is open
                _move(temporary, destination, overwrite=overwrite)
        except DestinationError as error:
            error.path = str(named)
            raise
        except OSError as error:
            raise _not_writable(named, error) from None
        finally:
            _discard(temporary)
    finally:
        _discard(temporary)


_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # nor a pipe, which would wait
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
"""O_BINARY: without it, Windows translates line ends."""
READ_AND_WRITE = 0o666
"""The permissions that a small dump may have at most: nobody runs one, and it never runs as somebody else."""
OF_ITS_OWNER = stat.S_IRUSR | stat.S_IWUSR
_RANDOM_END = re.compile(r"[0-9a-f]{16}\.tmp")


def _prefix(destination: Path) -> str:
    return f".{destination.name[:100]}."


def _create(temporary: Path) -> int:
    """Create a temporary file that no other run takes for one whose run is dead; gives its descriptor."""
    while True:
        descriptor = os.open(temporary, _CREATE, OF_ITS_OWNER)
        with contextlib.suppress(OSError):  # a file system without locks, where nobody else gets one either
            _lock(descriptor, wait=True)
        if os.name == "nt" or os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # another run cleared it away before it was locked


def _set_permissions(descriptor: int, permissions: int | None) -> None:
    """Let those read an open file who may read its source, as far as the umask lets them.

    By its descriptor: whoever owns the folder can put another file in the place of its name.
    """
    if permissions is None or os.name == "nt":
        return
    umask = os.umask(0o077)  # there is no other way to read it; what another thread creates meanwhile is its owner's
    os.umask(umask)
    os.fchmod(descriptor, permissions & READ_AND_WRITE & ~umask | OF_ITS_OWNER)


def _check_is_ours(temporary: Path, descriptor: int) -> None:
    """Raise DestinationError where somebody has put another file in the place of the one that was written."""
    if identity_of(temporary.lstat()) != identity_of(os.fstat(descriptor)):
        why = "somebody replaced it while it was written"
        raise DestinationError("destination", why, "write to a folder that nobody else can change")


def clear_leftovers(destination: Path) -> None:
    """Remove the temporary files for a destination, which is no link, whose runs are dead."""
    prefix = _prefix(destination)
    with contextlib.suppress(OSError), os.scandir(destination.parent) as entries:
        for entry in entries:
            if (
                entry.name.startswith(prefix)
                and _RANDOM_END.fullmatch(entry.name, len(prefix))
                and entry.is_file(follow_symlinks=False)
            ):
                _clear_leftover(Path(entry.path))


def _clear_leftover(temporary: Path) -> None:
    """Remove a temporary file unless its run is alive: that has it open, which Windows respects, and locked."""
    with contextlib.suppress(OSError):
        if os.name == "nt":
            temporary.unlink()
            return
        descriptor = os.open(temporary, os.O_RDWR | _NO_LINK)
        try:
            _lock(descriptor, wait=False)
            temporary.unlink()
        finally:
            os.close(descriptor)


def _lock(descriptor: int, *, wait: bool) -> None:
    """Lock an open file until it is closed or its process ends in any way. OSError: it is locked, or cannot be."""
    if sys.platform != "win32":
        from fcntl import LOCK_EX, LOCK_NB, flock  # Windows does not have it

        flock(descriptor, LOCK_EX if wait else LOCK_EX | LOCK_NB)


def _discard(temporary: Path) -> None:
    with contextlib.suppress(OSError):
        temporary.unlink()


def _move(temporary: Path, destination: Path, *, overwrite: bool) -> None:
    if overwrite or os.name == "nt":
        try:
            (os.replace if overwrite else os.rename)(temporary, destination)  # on Windows a rename refuses to overwrite
        except FileExistsError:
            raise _exists(destination) from None
        return
    try:
        os.link(
            temporary, destination, follow_symlinks=False
        )  # unlike a rename, a link refuses to overwrite, whoever came in between
    except FileExistsError:
        raise _exists(destination) from None
    except OSError:  # a file system without hard links: of runs that come here at once, the last one stays
        if os.path.lexists(destination):
            raise _exists(destination) from None
        temporary.rename(destination)


def _exists(destination: Path) -> DestinationError:
    return DestinationError(
        "destination", "exists", "give another name or --overwrite (/o in WinDbg)", str(destination)
    )


def _not_writable(destination: Path, error: OSError) -> DestinationError:
    return DestinationError(
        "destination",
        f"cannot be written ({error.strerror})",
        "nothing was left behind; write to another folder or disk",
        str(destination),
    )
