"""Files of SSH servers, through paramiko, the library behind fsspec's `sftp`.

Not through fsspec's own class, which trusts whichever host key a server shows. Here it must be a known one, and hosts
may have settings in ~/.ssh/config.
"""

from __future__ import annotations

import os
import stat
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError
from windbg_ext.sources.remote.credentials import login_for
from windbg_ext.sources.remote.meter import Meter, connected, flood
from windbg_ext.sources.remote.places import BESIDE_LISTING, MAX_LISTINGS, Entry, temporary_beside
from windbg_ext.sources.remote.transport import (
    CONNECT_SECONDS,
    STALL_SECONDS,
    State,
    TransientError,
    keep_quiet,
    missing_file,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Callable

    from paramiko import SFTPClient, SFTPFile, SSHClient

    from windbg_ext.sources.remote.address import Address
    from windbg_ext.sources.source import Range

PORT = 22
BESIDE, BESIDE_EACH = 64 << 10, 128
"""Bytes that come with answers, and with each of them: keys, names of the protocol's messages, signatures."""


def connect(address: Address, meter: Meter) -> SSHClient:
    """Log in. Raise what the library raises."""
    import paramiko

    keep_quiet("paramiko")
    own = os.path.expanduser("~/.ssh/config")
    config = paramiko.SSHConfig.from_path(own).lookup(address.host) if os.path.isfile(own) else {}
    login = login_for(address)
    client = paramiko.SSHClient()
    client.load_system_host_keys()
    for known in str(config.get("userknownhostsfile", "")).split():
        if os.path.isfile(os.path.expanduser(known)):
            client.load_system_host_keys(os.path.expanduser(known))
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    host, port = str(config.get("hostname", address.host)), address.port or int(str(config.get("port", PORT)))
    meter.allow(0, beside=BESIDE)
    connection = connected(host, port, CONNECT_SECONDS, meter)
    try:
        client.connect(
            host,
            port=port,
            sock=connection,
            username=login.user or config.get("user"),
            password=login.password,
            key_filename=config.get("identityfile"),
            timeout=CONNECT_SECONDS,
            banner_timeout=CONNECT_SECONDS,
            auth_timeout=CONNECT_SECONDS,
        )
    except BaseException:
        client.close()
        connection.close()
        raise
    return client


def files_of(client: SSHClient) -> SFTPClient:
    """Return a channel for files."""
    files = client.open_sftp()
    channel = files.get_channel()
    if channel is not None:
        channel.settimeout(STALL_SECONDS)
    return files


class SftpHandle:
    """An open file of an SSH server."""

    def __init__(self, address: Address) -> None:
        self._address, self._meter = address, Meter()
        self._client: SSHClient | None = None
        self._file: SFTPFile | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return self._file is not None

    def state(self) -> State:
        """Ask for size and time of change. Raise DumpError for a folder."""
        self._meter.allow(0, beside=BESIDE)
        attributes = self._opened().stat()
        if stat.S_ISDIR(attributes.st_mode or 0):
            raise DumpError("file", "is a folder", "name the dump in it")
        if attributes.st_size is None:
            raise DumpError("server", "does not tell how long the file is", "copy the file to this machine")
        return State(attributes.st_size, str(attributes.st_mtime))

    def renew(self) -> int:
        """Do nothing: servers tell the state of now."""
        return 1

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        """Send all requests, then take the answers. Raise TransientError where the file ends before one is whole.

        The library would wait for more; whoever opens the file anew sees whether it is shorter now.
        """
        self._meter.allow(sum(asked.length for asked in ranges), beside=BESIDE + BESIDE_EACH * len(ranges))
        answers: list[bytes] = []
        for asked, answer in zip(ranges, self._opened().readv([tuple(asked) for asked in ranges])):
            if len(answer) < asked.length:
                raise TransientError("the answer was cut short")
            answers.append(answer)
        return answers

    def explain(self, error: BaseException) -> TransientError | DumpError:
        """Return what an exception means."""
        return flood() if self._meter.flooded else explain(error)

    def close(self, *, broken: bool) -> None:  # there is no farewell to wait for
        """Close the file and its connection."""
        if self._client is not None:
            self._client.close()
        if self._file is not None:
            with suppress(Exception):  # nothing can be sent any more: this leaves nothing to do for its finalizer
                self._file.close()
        self._client = self._file = None

    def _opened(self) -> SFTPFile:
        if self._file is None:
            self._client = connect(self._address, self._meter)
            self._file = files_of(self._client).open(self._address.path, "rb", bufsize=0)
            _send_quietly(self._file)
        return self._file


def _send_quietly(file: SFTPFile) -> None:
    """Have the library's thread that sends requests end without a traceback where the connection has ended."""
    send: Callable[..., None] | None = getattr(type(file), "_prefetch_thread", None)
    if send is None:  # a version that has none
        return
    # A file that held itself would be left to the garbage collector, which may take its buffer first: a traceback.
    weak = weakref.ref(file)

    def quietly(*arguments: object) -> None:
        with suppress(Exception):  # whoever waits for the answers finds out, too
            send(weak(), *arguments)

    file._prefetch_thread = quietly


class SftpPlace:
    """The folders of an SSH server."""

    def __init__(self, address: Address) -> None:
        self._address, self._meter = address, Meter()
        self._client: SSHClient | None = None
        self._files: SFTPClient | None = None
        self._meter.allow(MAX_LISTINGS)

    def entries(self, folder: Address) -> Iterator[Entry]:
        """Yield what is in a folder. Links to folders are not followed."""
        self._meter.allow(0, beside=BESIDE_LISTING)
        for attributes in self._opened().listdir_iter(folder.path or "/", read_aheads=1):
            is_folder = stat.S_ISDIR(attributes.st_mode or 0)
            path = f"{folder.path}{attributes.filename}{'/' if is_folder else ''}"
            yield Entry(folder.with_path(path), is_folder)

    def is_folder(self, address: Address) -> bool:
        """Tell whether there is a folder."""
        try:
            return stat.S_ISDIR(self._opened().stat(address.path or "/").st_mode or 0)
        except FileNotFoundError:
            return False

    def exists(self, address: Address) -> bool:
        """Tell whether there is a file or a folder."""
        try:
            self._opened().lstat(address.path)
        except FileNotFoundError:
            return False
        return True

    def make_folder(self, address: Address) -> None:
        """Make a folder, with those above it."""
        at = ""
        for part in address.path.strip("/").split("/"):
            at = f"{at}/{part}"
            if not self.is_folder(address.with_path(at)):
                self._opened().mkdir(at)

    def put(self, address: Address, data: bytes, *, overwrite: bool) -> None:
        """Write a file under a temporary name beside it, then give it its own."""
        files, temporary = self._opened(), temporary_beside(address)
        try:
            with files.open(temporary, "wx") as file:
                files.chmod(temporary, 0o600)
                file.set_pipelined(True)
                file.write(data)
            if overwrite:
                files.posix_rename(temporary, address.path)
            elif self.exists(address):  # some servers replace it
                raise FileExistsError
            else:
                files.rename(temporary, address.path)
        except BaseException:
            with suppress(Exception):
                files.remove(temporary)
            raise

    def explain(self, error: BaseException) -> TransientError | DumpError:
        """Return what an exception means."""
        return flood() if self._meter.flooded else explain(error)

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()

    def _opened(self) -> SFTPClient:
        if self._files is None:
            self._client = connect(self._address, self._meter)
            self._files = files_of(self._client)
        return self._files


def explain(error: BaseException) -> TransientError | DumpError:
    """Return what an exception of paramiko, or of the system, means."""
    import socket

    import paramiko

    if isinstance(error, paramiko.BadHostKeyException):
        why = "shows another host key than the one that is known: it may be somebody else's machine"
        return DumpError("server", why, "find out why, then correct ~/.ssh/known_hosts")
    if isinstance(error, paramiko.AuthenticationException):
        return DumpError("server", "refuses user, key or password", "docs/remote.md tells where to put them")
    if isinstance(error, paramiko.PasswordRequiredException):
        return DumpError("server", "the private key has a password", "add it to an agent with ssh-add")
    if isinstance(error, paramiko.SSHException):
        if "not found in known_hosts" in str(error):
            why = "its host key is not among those that are known (~/.ssh/known_hosts)"
            return DumpError("server", why, "connect to it once with ssh, which asks for it")
        if "No authentication methods" in str(error):
            return DumpError("server", "asks for a key or password", "docs/remote.md tells where to put them")
        return TransientError("the connection failed")
    if isinstance(error, FileNotFoundError):
        return missing_file()
    if isinstance(error, PermissionError):
        return DumpError("file", "may not be read", "check who you are for the server")
    if isinstance(error, socket.gaierror):
        return DumpError("server", "its name is not known", "check the URL")
    if isinstance(error, (socket.timeout, TimeoutError)):
        return TransientError("no answer came in time")
    if isinstance(error, (EOFError, OSError)):
        return TransientError(f"the connection failed ({getattr(error, 'strerror', None) or type(error).__name__})")
    return DumpError("server", f"answers what cannot be understood ({type(error).__name__})", "check the URL")
