"""Names and passwords: from the environment and the files that hold them for other programs, never from arguments."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.sources.remote.address import Address


class Login(NamedTuple):
    """Who to be for a server. None: nothing is known, and whoever needs it asks the library that it uses."""

    user: str | None = None
    password: str | None = None


def login_for(address: Address) -> Login:
    """Return the login for a server: of netrc for its host, else of fsspec's configuration for its protocol.

    The user of the URL, if it has one, is who it is for. Raise DumpError for a netrc that cannot be read.
    """
    found = _of_netrc(address)
    if found is None:
        settings = settings_of(address.scheme)
        user, password = settings.get("username"), settings.get("password")
        found = Login(None if user is None else str(user), None if password is None else str(password))
    if address.user is None:
        return found
    return Login(address.user, found.password if found.user in (None, address.user) else None)


def settings_of(scheme: str) -> dict[str, object]:
    """Return what fsspec's configuration has for a protocol: FSSPEC_SMB_PASSWORD, ~/.config/fsspec/*.json."""
    from fsspec.config import conf

    return dict(conf.get(scheme, {}))


def _of_netrc(address: Address) -> Login | None:
    import netrc

    path = os.environ.get("NETRC") or os.path.join(os.path.expanduser("~"), "_netrc" if os.name == "nt" else ".netrc")
    if not os.path.isfile(path):
        return None
    try:
        known = netrc.netrc(path).hosts.get(address.host)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):  # whose text may have a password in it
        raise DumpError("netrc", f"{path} cannot be read", "mend it, or set NETRC to another file") from None
    return None if known is None else Login(known[0] or None, known[2] or None)
