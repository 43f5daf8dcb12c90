"""Files of this machine, and paths as the system takes them.

Positional reads instead of a mapping: a mapped file that shrinks, or whose disk or network share fails, kills the
process that touches it (SIGBUS; an in-page error on Windows, where that process is WinDbg itself). A read says so.
Without pathlib, whose import takes longer than dumpkind needs for a dump.
"""

from __future__ import annotations

import errno
import os
import stat
from _thread import allocate_lock  # what threading.Lock is, without the 3 ms that threading takes to import
from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError
from windbg_ext.sources.source import identity_of, read_at, read_each

if TYPE_CHECKING:
    from collections.abc import Sequence

    from windbg_ext.sources.source import Identity, Range

MAX_PLAIN_PATH = 200
"""Characters. Windows ends at 260, and a temporary file beside a destination has up to 22 more in its name."""
SEEK_DATA: int | None = getattr(os, "SEEK_DATA", None)
SEEK_HOLE: int | None = getattr(os, "SEEK_HOLE", None)
"""None on Windows, which has another way that is not used: nothing writes dumps with holes there."""
CHECK_PATH = "check its path and name"
DEVICE_PREFIXES = ("\\\\?\\", "\\\\.\\")
SCHEME = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-.")
"""Characters before the `://` of an address (RFC 3986, 3.1)."""


def system_path(path: str | os.PathLike[str], longest: int = MAX_PLAIN_PATH) -> str:
    r"""Return a path as the system takes it. Windows opens a long one only in full, with \\?\ before it.

    Others stay as they are: that prefix switches off `/`, `..` and device names.
    """
    plain = os.fspath(path)
    if os.name != "nt" or plain.startswith(DEVICE_PREFIXES):
        return plain
    full = os.path.abspath(plain)
    if len(full) <= longest or full.startswith(DEVICE_PREFIXES):
        return plain
    return f"\\\\?\\UNC{full[1:]}" if full.startswith("\\\\") else f"\\\\?\\{full}"


def is_address(name: str) -> bool:
    """Tell whether a name is an address, such as scheme://host/MEMORY.DMP, and no path of this machine."""
    scheme, separator, _ = name.partition("://")
    return bool(separator) and len(scheme) > 1 and not set(scheme) - SCHEME  # one letter is a drive


def shown(name: str) -> str:
    """Return a name for reports: a path as it is, a URL without what nobody else should know."""
    if not is_address(name):
        return name
    from windbg_ext.sources.remote.address import without_secrets  # only who names URLs waits for its import

    return without_secrets(name)


def tidy(path: str) -> str:
    """Return a path without doubled separators and without `.`; `..` stays, since a link may stand before it."""
    return path if os.pardir in path or is_address(path) else os.path.normpath(path)


def full_path(name: str, folder: str | None = None) -> str:
    """Return a path in full, below a folder or the current one, and an address as it is. A link keeps its name."""
    return name if is_address(name) else os.path.abspath(name if folder is None else os.path.join(folder, name))


def current_folder() -> str:
    """Return the current folder."""
    return os.getcwd()


def is_there(path: str) -> bool:
    """Tell whether this machine sees a file or a folder under a path."""
    return os.path.lexists(system_path(path))


def is_writable(path: str) -> bool:
    """Tell whether this process may write to a file or into a folder."""
    return os.access(system_path(path), os.W_OK)


def is_file(path: str) -> bool:
    """Tell whether there is a file of this machine under a path."""
    return os.path.isfile(system_path(path))


class LocalFile:
    """A file of this machine, opened read-only. bytes_read: how many were read so far.

    Raise DumpError where it cannot be opened.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.name = tidy(os.fspath(path))
        self.base_name = os.path.basename(self.name)
        self.bytes_read = 0
        self._lock = allocate_lock()
        named = system_path(self.name)
        try:
            if stat.S_ISFIFO(os.stat(named).st_mode):  # opening it would wait for a writer
                raise DumpError("file", "is a pipe", "store what comes out of it in a file first", self.name)
            self._file = open(named, "rb", buffering=0)  # noqa: SIM115 - it stays open
            self.size = self.reach = self._file.seek(0, os.SEEK_END)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            raise _not_opened(named, self.name, error) from None

    @property
    def identity(self) -> Identity:
        """Equal for two names of the same file."""
        return identity_of(os.fstat(self._file.fileno()))

    @property
    def permissions(self) -> int:
        """The permission bits of the file."""
        return stat.S_IMODE(os.fstat(self._file.fileno()).st_mode)

    def beside(self, base_name: str) -> str:
        """Return the path of a file in the same folder."""
        return os.path.join(os.path.dirname(self.name), base_name)

    def read(self, offset: int, length: int) -> bytes:
        """Read up to `length` bytes from `offset`; fewer where the file ends. Raise OSError as the system does."""
        with self._lock:
            data = read_at(self._file, offset, length, self.size)
            self.bytes_read += len(data)
        return data

    def read_many(self, ranges: Sequence[Range]) -> list[bytes]:
        """Read several ranges, one after the other."""
        return read_each(self, ranges)

    def next_data(self, offset: int) -> tuple[int, int]:
        """Return where the first bytes outside holes begin, at or behind an offset, and where the next hole does.

        Where the system does not tell, everything up to the end counts as bytes.
        """
        if SEEK_DATA is None or SEEK_HOLE is None:
            return offset, self.size
        try:
            with self._lock:
                start = os.lseek(self._file.fileno(), offset, SEEK_DATA)
                return start, min(self.size, os.lseek(self._file.fileno(), start, SEEK_HOLE))
        except OSError as error:
            return (self.size if error.errno == errno.ENXIO else offset), self.size

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _not_opened(path: str, name: str, error: OSError | ValueError) -> DumpError:
    if isinstance(error, ValueError):
        return DumpError("file", f"cannot be opened ({error})", CHECK_PATH, name)
    if os.path.isdir(path):
        return DumpError("file", "is a folder", "name the dump in it", name)
    if isinstance(error, FileNotFoundError) and os.path.islink(path):
        return DumpError("file", f"is a link to {os.readlink(path)}, which is not there", "name the dump itself", name)
    return DumpError("file", f"cannot be opened ({error.strerror})", advice_on(error), name)


def advice_on(error: OSError) -> str:
    """Return what to do about a file that cannot be opened; nothing where the error is not about its name or rights."""
    if isinstance(error, PermissionError):
        return "run as administrator, or get the right to read it"
    return CHECK_PATH if isinstance(error, (FileNotFoundError, NotADirectoryError)) else ""
