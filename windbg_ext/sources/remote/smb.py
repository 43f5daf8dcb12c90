"""Files on shares, through smbprotocol, the library behind fsspec's `smb`.

Not through fsspec's own class: that keeps sessions for the whole process and takes the first one to a server for all
shares, whoever it was made for. Here each file has connections of its own.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError
from windbg_ext.sources.remote.credentials import Login, login_for
from windbg_ext.sources.remote.meter import Meter, flood
from windbg_ext.sources.remote.places import BESIDE_LISTING, MAX_LISTINGS, Entry, temporary_beside
from windbg_ext.sources.remote.transport import (
    CONNECT_SECONDS,
    MAX_CONNECTIONS,
    STALL_SECONDS,
    State,
    TransientError,
    keep_quiet,
    missing_file,
    within,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from smbprotocol.connection import Connection
    from smbprotocol.open import Open

    from windbg_ext.sources.remote.address import Address
    from windbg_ext.sources.source import Range

PORT = 445
CREDIT = 1 << 16
"""Bytes of an answer that one credit of the protocol allows, and that any server sends at once (MS-SMB2, 3.3.5.4)."""
MAX_PIECE = 1 << 20
"""Bytes of one request, and no more than the server takes."""
GUEST = Login("guest", "")
"""Who opens shares for everybody, if no login is known. It never stands in for a login that the server refuses."""


class Share:
    """A session for one login on one server, which nothing else uses."""

    def __init__(self, address: Address, meter: Meter) -> None:
        keep_quiet("smbprotocol", "smbclient", "spnego")
        found = login_for(address)
        self._meter = meter
        self.login = found if found.user is not None else GUEST
        self.address = address
        self.connections: dict[str, Connection] = {}

    @property
    def options(self) -> dict[str, object]:
        """What every function of smbclient is called with."""
        return {
            "username": self.login.user,
            "password": self.login.password,
            "port": self.address.port or PORT,
            "connection_timeout": CONNECT_SECONDS,
            "connection_cache": self.connections,
            "auth_protocol": "negotiate" if self.login.password is None else "ntlm",
        }

    def connect(self) -> None:
        """Log in and connect to the share. Raise what the library raises.

        What a guest sends has no signature, so that it cannot be verified what was agreed upon with the server.
        """
        import smbclient
        from smbprotocol.tree import TreeConnect

        from windbg_ext.sources.remote.metered_share import MeteredConnection

        known = self.login is not GUEST
        self._meter.allow(0)
        host, port = self.address.host, self.address.port or PORT
        made = MeteredConnection(self._meter, host, port, require_signing=known)
        self.connections[f"{host.lower()}:{port}"] = made
        made.connect(timeout=CONNECT_SECONDS)
        session = smbclient.register_session(self.address.host, require_signing=known, **self.options)
        TreeConnect(session, self.path(f"/{self.name}")).connect(require_secure_negotiate=known)

    @property
    def name(self) -> str:
        """The first part of the path. Raise DumpError where there is none."""
        name = self.address.path.strip("/").partition("/")[0]
        if not name:
            raise DumpError("URL", "names no share", "write it as smb://host/share/path")
        return name

    def path(self, path: str) -> str:
        """Return the UNC path of a file."""
        return "\\\\" + self.address.host + path.rstrip("/").replace("/", "\\")

    def close(self, *, broken: bool = False) -> None:
        """End the session. broken: only close the connection; no answer would come any more."""
        connections, self.connections = self.connections, {}
        for connection in connections.values():
            with suppress(Exception):  # it may have ended already
                within(CONNECT_SECONDS, partial(connection.disconnect, not broken, timeout=1))


class SmbHandle:
    """A file of a share, open for reading while nobody else may write it, where the server keeps to that."""

    def __init__(self, address: Address) -> None:
        self._address, self._meter = address, Meter()
        self._share: Share | None = None
        self._open: Open | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a session, with the file open in it."""
        return self._open is not None

    def state(self) -> State:
        """Ask for size and time of change."""
        self._meter.allow(0)
        return _state_of(self._opened())

    def renew(self) -> int:
        """Close the file for it to be opened again: Samba tells of an open one the time of change as it was then."""
        if self._open is not None:
            self._open.close()
            self._open = None
        return 3

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        """Send all requests, then take the answers."""
        self._meter.allow(sum(asked.length for asked in ranges))
        return self._read(self._opened(), ranges)

    def explain(self, error: BaseException) -> TransientError | DumpError:
        """Return what an exception means."""
        return flood() if self._meter.flooded else explain(error)

    def close(self, *, broken: bool) -> None:
        """Close the file and end its session."""
        if self._share is not None:
            self._share.close(broken=broken)
        self._share = self._open = None

    def _opened(self) -> Open:
        import smbclient

        if self._open is None:
            if self._share is None:
                self._share = Share(self._address, self._meter)
                self._share.connect()
            file = smbclient.open_file(
                self._share.path(self._address.path),
                mode="rb",
                buffering=0,
                share_access="r",
                **self._share.options,
            )
            self._open = file.fd
            self._keep = file
        return self._open

    def _read(self, opened: Open, ranges: Sequence[Range]) -> list[bytes]:
        """Read ranges, with as many requests under way as the server has given credits for."""
        connection = opened.connection
        if connection.max_read_size < CREDIT:
            why = f"sends no more than {connection.max_read_size:,} bytes at once"
            raise DumpError("server", why, "copy the file to this machine")
        most = min(MAX_PIECE, connection.max_read_size)
        pieces = [
            (index, at, min(most, asked.offset + asked.length - at))
            for index, asked in enumerate(ranges)
            for at in range(asked.offset, asked.offset + asked.length, most)
        ]
        answers = [bytearray() for _ in ranges]
        cut = [False] * len(ranges)
        waiting: list[tuple[int, int, object]] = []
        for index, at, length in pieces:
            cost = -(-length // CREDIT)
            while waiting and (len(waiting) >= MAX_CONNECTIONS or _credits(connection) <= cost):
                self._take(opened, waiting.pop(0), answers, cut)
            request, _ = opened.read(at, length, send=False)
            tree = opened.tree_connect
            sent = connection.send(request, tree.session.session_id, tree.tree_connect_id, credit_request=cost + 16)
            waiting.append((index, length, sent))
        for answer in waiting:
            self._take(opened, answer, answers, cut)
        return [bytes(answer) for answer in answers]

    def _take(self, opened: Open, waited: tuple[int, int, object], answers: list[bytearray], cut: list[bool]) -> None:
        from smbprotocol.exceptions import EndOfFile
        from smbprotocol.open import SMB2ReadResponse

        index, length, request = waited
        try:
            response = opened.connection.receive(request, timeout=STALL_SECONDS)
        except EndOfFile:
            cut[index] = True
            return
        answer = SMB2ReadResponse()
        answer.unpack(response["data"].get_value())
        data = answer["buffer"].get_value()
        if not cut[index]:
            answers[index] += data
        cut[index] = cut[index] or len(data) < length


def _credits(connection: Connection) -> int:
    window = connection.sequence_window
    return int(window["high"] - window["low"])


class SmbPlace:
    """The folders of a share."""

    def __init__(self, address: Address) -> None:
        self._meter = Meter()
        self._meter.allow(MAX_LISTINGS)
        self._share = Share(address, self._meter)
        self._connected = False

    def entries(self, folder: Address) -> Iterator[Entry]:
        """Yield what is in a folder."""
        import smbclient

        self._meter.allow(0, beside=BESIDE_LISTING)
        for entry in smbclient.scandir(self._path(folder), **self._share.options):
            if entry.name not in (".", ".."):
                path = f"{folder.path}{entry.name}{'/' if entry.is_dir() else ''}"
                yield Entry(folder.with_path(path), entry.is_dir())

    def is_folder(self, address: Address) -> bool:
        """Tell whether there is a folder."""
        import smbclient.path

        return bool(smbclient.path.isdir(self._path(address), **self._share.options))

    def exists(self, address: Address) -> bool:
        """Tell whether there is a file or a folder."""
        import smbclient.path

        return bool(smbclient.path.exists(self._path(address), **self._share.options))

    def make_folder(self, address: Address) -> None:
        """Make a folder, with those above it."""
        import smbclient

        smbclient.makedirs(self._path(address), exist_ok=True, **self._share.options)

    def put(self, address: Address, data: bytes, *, overwrite: bool) -> None:
        """Write a file under a temporary name beside it, then give it its own."""
        import smbclient

        options = self._share.options
        path, temporary = self._path(address), self._path(address.with_path(temporary_beside(address)))
        try:
            with smbclient.open_file(temporary, mode="xb", share_access=None, **options) as file:
                file.write(data)
            (smbclient.replace if overwrite else smbclient.rename)(temporary, path, **options)
        except BaseException:
            with suppress(Exception):
                smbclient.remove(temporary, **options)
            raise

    def explain(self, error: BaseException) -> TransientError | DumpError:
        """Return what an exception means."""
        return flood() if self._meter.flooded else explain(error)

    def close(self) -> None:
        """End the session."""
        self._share.close()

    def _path(self, address: Address) -> str:
        if not self._connected:
            self._share.connect()
            self._connected = True
        return self._share.path(address.path)


NETWORK_OPEN_INFORMATION, ITS_SIZE = 0x22, 56
"""FileNetworkOpenInformation (MS-FSCC 2.4.34): LastWriteTime at 16, EndOfFile at 40."""


def _state_of(opened: Open) -> State:
    """Ask for size and time of change."""
    from smbprotocol.file_info import InfoType
    from smbprotocol.open import SMB2QueryInfoRequest, SMB2QueryInfoResponse

    query = SMB2QueryInfoRequest()
    query["info_type"] = InfoType.SMB2_0_INFO_FILE
    query["file_info_class"] = NETWORK_OPEN_INFORMATION
    query["output_buffer_length"] = ITS_SIZE
    query["file_id"] = opened.file_id
    tree = opened.tree_connect
    sent = opened.connection.send(query, tree.session.session_id, tree.tree_connect_id)
    response = opened.connection.receive(sent, timeout=STALL_SECONDS)
    answer = SMB2QueryInfoResponse()
    answer.unpack(response["data"].get_value())
    told = bytes(answer["buffer"].get_value())
    return State(int.from_bytes(told[40:48], "little"), told[16:24].hex())


def explain(error: BaseException) -> TransientError | DumpError:
    """Return what an exception of smbprotocol, or of the system, means."""
    import errno

    from smbprotocol.exceptions import (
        SMBAuthenticationError,
        SMBConnectionClosed,
        SMBException,
        SMBOSError,
        SMBResponseException,
    )
    from smbprotocol.header import NtStatus

    who = "docs/remote.md tells where to put user and password"
    status = getattr(error, "status", None) or getattr(error, "ntstatus", None)
    if isinstance(error, SMBConnectionClosed):
        return TransientError("the connection was closed")
    if isinstance(error, SMBAuthenticationError) or status in (
        NtStatus.STATUS_LOGON_FAILURE,
        NtStatus.STATUS_PASSWORD_EXPIRED,
    ):
        return DumpError("server", "refuses user and password", who)
    if status in (NtStatus.STATUS_ACCESS_DENIED, 0xC00000CA):
        return DumpError("file", "may not be read", f"check who you are for the server: {who}")
    if isinstance(error, SMBOSError):
        if error.errno == errno.ENOENT:
            return missing_file()
        if error.errno == errno.EACCES:
            return DumpError("file", "may not be read", f"check who you are for the server: {who}")
        if error.errno == errno.EEXIST:
            return DumpError("file", "exists", "give another name")
        if error.errno == errno.EISDIR:
            return DumpError("file", "is a folder", "name the dump in it")
    if status == NtStatus.STATUS_BAD_NETWORK_NAME:
        return DumpError("share", "is not there", "check the URL")
    if status == NtStatus.STATUS_SHARING_VIOLATION:
        return DumpError("file", "is open for writing", "something writes it: wait until that is done")
    if isinstance(error, SMBResponseException):
        return DumpError("server", f"answers 0x{status or 0:08X}", "check the URL")
    if isinstance(error, SMBException):
        if "guest" in str(error):
            return DumpError("server", "does not know this user, and takes everybody for a guest", who)
        return TransientError("no answer came in time" if "timeout" in str(error) else "the connection failed")
    if isinstance(error, (OSError, ValueError)):
        if isinstance(error, ValueError) and "Failed to connect" in str(error):
            return TransientError("cannot connect")
        return TransientError(f"the connection failed ({getattr(error, 'strerror', None) or type(error).__name__})")
    return DumpError("server", f"answers what cannot be understood ({type(error).__name__})", "check the URL")
