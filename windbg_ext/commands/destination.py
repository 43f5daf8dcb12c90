"""Writing a file so that it is either whole or not there, and never over something that should stay."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from windbg_ext.errors import DestinationError

if TYPE_CHECKING:
    from collections.abc import Iterator


def beside(source: Path) -> Path:
    """Give a name for a small dump beside its source that no file has yet: MEMORY.DMP becomes MEMORY-small.dmp."""
    return unused(source.with_name(f"{source.stem}-small.dmp"))


def unused(path: Path) -> Path:
    """Give the path if no file has it yet, else one with a number behind the name: small.dmp, small2.dmp ..."""
    candidates = (path.with_name(f"{path.stem}{'' if n == 1 else n}{path.suffix}") for n in range(1, 10_000))
    return next(candidate for candidate in candidates if not os.path.lexists(candidate))


def check_destination(destination: Path, source: Path | None, *, overwrite: bool) -> None:
    """Refuse, before any work is done, what `replace_file` would refuse after it."""
    try:
        _check(destination, source, overwrite=overwrite)
    except OSError as error:  # a folder that may not be looked into, a name that is too long
        raise _not_writable(destination, error) from None


def _check(destination: Path, source: Path | None, *, overwrite: bool) -> None:
    if destination.is_dir():
        raise DestinationError("destination", "is a folder", "name the file to write", str(destination))
    if destination.exists() and not destination.is_file():
        raise DestinationError("destination", "is a device or a pipe", "name a file", str(destination))
    if source is not None and destination.exists() and destination.samefile(source):
        raise DestinationError("destination", "is the source itself", "name another file", str(destination))
    if os.path.lexists(destination) and not overwrite:
        raise _exists(destination)
    if not destination.parent.is_dir():
        raise DestinationError(
            "destination", f"there is no folder {destination.parent}", "make it first", str(destination)
        )


@contextmanager
def replace_file(destination: Path, source: Path | None, *, overwrite: bool) -> Iterator[BinaryIO]:
    """Give a file to write; at the end of the block it becomes `destination`, after any exception it is gone.

    It is written under a temporary name in the same folder and may be read by whoever may read `source`, whose memory
    it holds; without a source, by its owner only.
    """
    destination = Path(os.path.realpath(destination))  # a link to an older file: replace the file, keep the link
    temporary = destination.with_name(f".{destination.name[:100]}.{secrets.token_hex(8)}.tmp")
    try:
        # twice, since Ctrl+C may come while the inner one begins
        try:
            with os.fdopen(os.open(temporary, _CREATE, stat.S_IRUSR | stat.S_IWUSR), "w+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if source is not None:
                temporary.chmod(stat.S_IMODE(source.stat().st_mode) | stat.S_IRUSR | stat.S_IWUSR)
            _move(temporary, destination, overwrite=overwrite)
        except OSError as error:
            raise _not_writable(destination, error) from None
        finally:
            _discard(temporary)
    finally:
        _discard(temporary)


_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)  # Windows translates line ends without it


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
        os.link(temporary, destination)  # unlike a rename, a link refuses to overwrite, whoever came in between
    except FileExistsError:
        raise _exists(destination) from None
    except OSError:  # a file system without hard links
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
