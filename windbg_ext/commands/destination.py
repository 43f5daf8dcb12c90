"""Writing a file so that it is either whole or not there, and never over something that should stay."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import sys
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, BinaryIO

from windbg_ext.commands.larger_dump import check_replaceable
from windbg_ext.errors import DestinationError
from windbg_ext.sources.archive import DUMP_ENDINGS
from windbg_ext.sources.formats import ENDINGS as PACKED_ENDINGS
from windbg_ext.sources.local import system_path
from windbg_ext.sources.source import identity_of
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.sources import Source


SMALL, SCRUBBED = "-small", "-scrubbed"
"""What stands behind the name of the source in that of a small dump."""


def small_name(base_name: str, suffix: str = SMALL) -> str:
    """Return the name for the small dump of a source: MEMORY.DMP and MEMORY.DMP.gz become MEMORY-small.dmp."""
    name = PurePath(base_name)
    packed = name.suffix.lower() in PACKED_ENDINGS and name.stem.lower().endswith(DUMP_ENDINGS)
    return f"{PurePath(name.stem).stem if packed else name.stem}{suffix}.dmp"


def unused(path: Path) -> Path:
    """Return the path if no file has it yet, else one with a number behind the name: small.dmp, small2.dmp ..."""
    candidates = (path.with_name(f"{path.stem}{'' if n == 1 else n}{path.suffix}") for n in range(1, 10_000))
    return next(candidate for candidate in candidates if not os.path.lexists(system_path(candidate)))


def check_destination(destination: Path, source: Source | None, *, overwrite: bool, within: Path | None = None) -> None:
    """Refuse, before any work is done, what `replace_file` would refuse after it."""
    with _errors(destination):  # a folder that may not be looked into, a name that is too long
        if within is None:
            _followed(_of_system(destination))
        _check(_of_system(destination), destination, source, overwrite=overwrite, links=within is None)


def is_folder(path: Path) -> bool:
    """Tell whether a path is that of a folder. Raise DestinationError where it cannot be looked at."""
    with _errors(path):
        return _of_system(path).is_dir()


def _of_system(path: Path) -> Path:
    return Path(system_path(path))


def _check(destination: Path, named: Path, source: Source | None, *, overwrite: bool, links: bool) -> None:
    if not links and destination.is_symlink():
        raise DestinationError("destination", "is a link", "remove it, or convert this dump alone")
    if destination.is_dir():
        raise DestinationError("destination", "is a folder", "name the file to write")
    if destination.exists() and not destination.is_file():
        raise DestinationError("destination", "is a device or a pipe", "name a file")
    if source is not None and destination.exists() and identity_of(destination.stat()) == source.identity:
        raise DestinationError("destination", "is the source itself", "name another file")
    if destination.is_file():
        check_replaceable(destination, named)
    if os.path.lexists(destination) and not overwrite:
        raise _exists()
    if not destination.parent.is_dir():
        raise DestinationError("destination", f"there is no folder {destination.parent}", "make it first")


def make_folder(folder: Path, within: Path | None = None) -> None:
    """Make a folder for destinations, with those above it, if it is not there. within: as for `replace_file`."""
    with _errors(folder):
        try:
            if within is None:
                folder.mkdir(parents=True, exist_ok=True)
            else:
                with _open_folder(folder, within, make=True):
                    pass
        except FileExistsError:
            raise DestinationError("destination", "is no folder", "name the folder to write to") from None


@contextmanager
def replace_file(
    destination: Path, source: Source | None, *, overwrite: bool, within: Path | None = None
) -> Iterator[BinaryIO]:
    """Return a file to write; at the end of the block it becomes `destination`, after any exception it is gone.

    It is written under a temporary name in the same folder and may be read by whoever may read `source`, whose memory
    it holds; without a source, by its owner only. A temporary file that a run left behind because it was killed is
    cleared away by the next run to the same destination.

    within: a folder that the destination lies in, below which no link is followed. None: the destination may be a link
    of the user's own to an older file, which is then replaced.
    """
    permissions = None if source is None else source.permissions
    with _errors(destination):
        target = destination if within is not None else _followed(_of_system(destination))
        with _open_folder(target.parent, within) as folder:
            name = target.name
            _clear_leftovers(folder, name)
            temporary = f"{_prefix(name)}{secrets.token_hex(8)}.tmp"
            # twice, since Ctrl+C may come while the inner one begins
            try:
                try:
                    with os.fdopen(_create(folder, temporary), "w+b") as file:
                        yield file
                        file.flush()
                        os.fsync(file.fileno())
                        _set_permissions(file.fileno(), permissions)
                        if overwrite and (folder.path / name).is_file():  # Windows may have written a dump meanwhile
                            check_replaceable(folder.path / name, destination)
                        if os.name != "nt":  # while it is locked
                            _check_is_ours(folder, temporary, file.fileno())
                            _move(folder, temporary, name, overwrite=overwrite)
                    if os.name == "nt":  # where no file can be moved while it is open
                        _move(folder, temporary, name, overwrite=overwrite)
                finally:
                    _discard(folder, temporary)
            finally:
                _discard(folder, temporary)


@contextmanager
def _errors(named: Path) -> Iterator[None]:
    """Raise what goes wrong as a DestinationError with the path as the user named it."""
    try:
        yield
    except DestinationError as error:
        error.path = str(named)
        raise
    except OSError as error:
        raise _not_writable(named, error) from None


class _Folder(NamedTuple):
    """A folder, held open where the system can: what is done in it is done there, whatever becomes of its name."""

    path: Path
    descriptor: int | None

    def at(self, name: str) -> str:
        """Return the path of a file in it, for functions that get the descriptor, too."""
        return name if self.descriptor is not None else str(self.path / name)


_HOLDS_FOLDERS = {os.open, os.mkdir, os.unlink, os.stat, os.link, os.rename} <= os.supports_dir_fd
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0)
"""O_PATH: a folder that may be written to, but not listed, can be held as well."""


@contextmanager
def _open_folder(folder: Path, within: Path | None, *, make: bool = False) -> Iterator[_Folder]:
    """Hold a folder. within: a folder above it, below which no link is followed; make: make what is not there."""
    at = folder if within is None else within
    descriptor = os.open(_of_system(at), _FOLDER) if _HOLDS_FOLDERS else None
    try:
        for part in folder.relative_to(at).parts:
            descriptor, at = _enter(at, descriptor, part, make=make)
        yield _Folder(_of_system(at), descriptor)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _enter(at: Path, descriptor: int | None, part: str, *, make: bool) -> tuple[int | None, Path]:
    """Go on to a folder in a folder that is held. Raise DestinationError where it is a link."""
    below = _of_system(at / part)
    if make:
        with contextlib.suppress(FileExistsError):
            os.mkdir(below if descriptor is None else part, dir_fd=descriptor)
    if descriptor is None:
        if below.is_symlink() or not below.is_dir():
            raise _not_a_folder(below)
        return None, at / part
    try:
        entered = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise _not_a_folder(below) from None
        raise
    os.close(descriptor)
    return entered, at / part


def _not_a_folder(path: Path) -> DestinationError:
    return DestinationError("destination", f"{path} is a link or no folder", "remove it, or name another folder")


MAX_LINKS = 40
"""Links from one to the next, as Linux has it."""


def _followed(path: Path) -> Path:
    """Return what a destination leads to if it is a link of the user's own, or of the system's.

    Raise DestinationError for one that somebody else made: it may lead to any file of the user's.
    """
    for _ in range(MAX_LINKS):
        leads_to = _read_link(path)
        if leads_to is None:
            return path
        path = path.parent / leads_to
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _read_link(path: Path) -> str | None:
    """Return what a link leads to, None for anything else."""
    if not path.is_symlink():
        return None
    if not hasattr(os, "O_PATH") or not hasattr(os, "geteuid"):
        return str(path.readlink())
    # opened, so that what is looked at and what is read are one link
    link = os.open(path, os.O_PATH | os.O_NOFOLLOW)
    try:
        status = os.fstat(link)
        if not stat.S_ISLNK(status.st_mode):
            return None
        if status.st_uid not in (os.geteuid(), 0):
            why = "is a link that another user made"
            raise DestinationError("destination", why, "name the file that it leads to")
        return os.readlink("", dir_fd=link)
    finally:
        os.close(link)


_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # nor a pipe, which would wait
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
"""O_BINARY: without it, Windows translates line ends."""
READ_AND_WRITE = 0o666
"""The permissions that a small dump may have at most: nobody runs one, and it never runs as somebody else."""
OF_ITS_OWNER = stat.S_IRUSR | stat.S_IWUSR
_RANDOM_END = re.compile(r"[0-9a-f]{16}\.tmp")


def _prefix(name: str) -> str:
    return f".{name[:100]}."


def _create(folder: _Folder, temporary: str) -> int:
    """Create a temporary file that no other run takes for one whose run is dead. Return its descriptor."""
    while True:
        descriptor = os.open(folder.at(temporary), _CREATE, OF_ITS_OWNER, dir_fd=folder.descriptor)
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


def _check_is_ours(folder: _Folder, temporary: str, descriptor: int) -> None:
    """Raise DestinationError where somebody has put another file in the place of the one that was written."""
    there = os.stat(folder.at(temporary), dir_fd=folder.descriptor, follow_symlinks=False)
    if identity_of(there) != identity_of(os.fstat(descriptor)):
        why = "somebody replaced it while it was written"
        raise DestinationError("destination", why, "write to a folder that nobody else can change")


def clear_leftovers(destination: Path, within: Path | None) -> None:
    """Remove the temporary files for a destination whose runs are dead. within: as for `replace_file`."""
    with contextlib.suppress(OSError, DestinationError), _open_folder(destination.parent, within) as folder:
        _clear_leftovers(folder, destination.name)


def _clear_leftovers(folder: _Folder, name: str) -> None:
    prefix = _prefix(name)
    with contextlib.suppress(OSError), _listed(folder) as entries:
        for entry in entries:
            if (
                entry.name.startswith(prefix)
                and _RANDOM_END.fullmatch(entry.name, len(prefix))
                and entry.is_file(follow_symlinks=False)
            ):
                _clear_leftover(folder, entry.name)


@contextmanager
def _listed(folder: _Folder) -> Iterator[Iterator[os.DirEntry[str]]]:
    """Return the entries of a folder."""
    if folder.descriptor is None:
        with os.scandir(folder.path) as entries:
            yield entries
        return
    listing = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder.descriptor)  # what is held need not be readable
    try:
        with os.scandir(listing) as entries:
            yield entries
    finally:
        os.close(listing)


def _clear_leftover(folder: _Folder, temporary: str) -> None:
    """Remove a temporary file unless its run is alive: that has it open, which Windows respects, and locked."""
    with contextlib.suppress(OSError):
        if os.name == "nt":
            _unlink(folder, temporary)
            return
        descriptor = os.open(folder.at(temporary), os.O_RDWR | _NO_LINK, dir_fd=folder.descriptor)
        try:
            _lock(descriptor, wait=False)
            if os.fstat(descriptor).st_nlink:  # else another run removed it, and the name may be a living one's by now
                _unlink(folder, temporary)
        finally:
            os.close(descriptor)


def _lock(descriptor: int, *, wait: bool) -> None:
    """Lock an open file until it is closed or its process ends in any way. OSError: it is locked, or cannot be."""
    if sys.platform != "win32":
        from fcntl import LOCK_EX, LOCK_NB, flock  # Windows does not have it

        flock(descriptor, LOCK_EX if wait else LOCK_EX | LOCK_NB)


def _unlink(folder: _Folder, name: str) -> None:
    os.unlink(folder.at(name), dir_fd=folder.descriptor)


def _discard(folder: _Folder, temporary: str) -> None:
    with contextlib.suppress(OSError):
        _unlink(folder, temporary)


def _move(folder: _Folder, temporary: str, name: str, *, overwrite: bool) -> None:
    here, there, held = folder.at(temporary), folder.at(name), folder.descriptor
    if overwrite:
        os.replace(here, there, src_dir_fd=held, dst_dir_fd=held)
        return
    try:
        if os.name == "nt":
            Path(here).rename(there)  # which refuses to overwrite there
        else:  # unlike a rename, a link refuses to overwrite, whoever came in between
            os.link(here, there, src_dir_fd=held, dst_dir_fd=held, follow_symlinks=False)
    except FileExistsError:
        raise _exists() from None
    except OSError:  # a file system without hard links: of runs that come here at once, the last one stays
        if os.name == "nt":
            raise
        with contextlib.suppress(FileNotFoundError):
            os.stat(there, dir_fd=held, follow_symlinks=False)
            raise _exists() from None
        os.rename(here, there, src_dir_fd=held, dst_dir_fd=held)


def _exists() -> DestinationError:
    return DestinationError("destination", "exists", "give another name or --overwrite")


def _not_writable(destination: Path, error: OSError) -> DestinationError:
    return DestinationError(
        "destination",
        f"cannot be written ({error.strerror})",
        "nothing was left behind; write to another folder or disk",
        str(destination),
    )
