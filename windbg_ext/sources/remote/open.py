"""Opening a URL as a source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError
from windbg_ext.sources.remote.address import HTTP, parse_address
from windbg_ext.sources.remote.source import RemoteSource

if TYPE_CHECKING:
    from typing import Callable

    from windbg_ext.sources.remote.address import Address
    from windbg_ext.sources.remote.transport import RemoteFile

INSTALL = "python -m pip install 'windbg-ext[remote]'"


def open_address(url: str) -> RemoteSource:
    """Open the file under a URL. Raise DumpError where it cannot be opened, or the libraries for it are missing."""
    address = parse_address(url)
    try:
        return RemoteSource(address, opener_of(address))
    except DumpError as error:
        error.path = error.path or address.shown
        raise
    except ImportError as error:
        raise missing(address, error) from None


def missing(address: Address, error: ImportError) -> DumpError:
    """Return the error for a library that is not installed."""
    why = f"what reads {address.scheme}:// is not installed ({error.name})"
    return DumpError("URL", why, INSTALL, address.shown)


def opener_of(address: Address) -> Callable[[], RemoteFile]:
    """Return the function that opens a file. It raises ImportError where its library is missing."""
    if address.scheme in HTTP:
        from windbg_ext.sources.remote.http import WebServer

        return lambda: WebServer(address).open()
    if address.scheme == "smb":
        from windbg_ext.sources.remote.held import HeldFile
        from windbg_ext.sources.remote.smb import SmbHandle

        return lambda: HeldFile(SmbHandle(address))
    if address.scheme == "sftp":
        from windbg_ext.sources.remote.held import HeldFile
        from windbg_ext.sources.remote.sftp import SftpHandle

        return lambda: HeldFile(SftpHandle(address))
    from windbg_ext.sources.remote.buckets import open_object

    return lambda: open_object(address)
