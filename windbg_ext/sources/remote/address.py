"""URLs of files: their parts, how they are shown, and what is no such URL.

What a URL tells and nobody else should know is never shown: a password is refused, and of a query (the signature of a
pre-signed URL) only that there is one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from windbg_ext.errors import DumpError
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

HTTP = ("https", "http")
BUCKETS = ("s3", "az", "gs")
SCHEMES = (*HTTP, "smb", "sftp", *BUCKETS)
WILDCARDS = "*?["
HIDDEN = "***"


class Address(NamedTuple):
    """A URL. path: what follows the host or bucket, with the slash that it begins with; of HTTP, as it is encoded.

    host: the bucket or container of object stores; query: of HTTP, without its question mark.
    """

    scheme: str
    host: str
    port: int | None
    user: str | None
    path: str
    query: str = ""

    @property
    def place(self) -> str:
        """The beginning of the URL, up to its path."""
        user = "" if self.user is None else f"{self.user}@"
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        return f"{self.scheme}://{user}{host}{port}"

    @property
    def url(self) -> str:
        """The whole URL, for the server."""
        return f"{self.place}{self.path}{self.query and '?'}{self.query}"

    @property
    def shown(self) -> str:
        """The URL for reports, errors and JSON."""
        return f"{self.place}{self.path}{self.query and '?' + HIDDEN}"

    @property
    def base_name(self) -> str:
        """The last part of the path, as a file on a disk would be called."""
        last = self.path.rstrip("/").rpartition("/")[2]
        return unquote(last).replace("/", "_") if self.scheme in HTTP else last

    @property
    def kept(self) -> tuple[str, ...]:
        """The parts of the path as names of folders and a file that cannot lead anywhere else."""
        parts = map(unquote, self.path.split("/")) if self.scheme in HTTP else iter(self.path.split("/"))
        safe = (re.sub(r'[\x00-\x1f<>:"/\\|?*]', "_", part) for part in parts)
        return tuple(part for part in safe if part.strip(". "))

    @property
    def key(self) -> str:
        """The name of an object in its bucket."""
        return self.path[1:]

    @property
    def is_pattern(self) -> bool:
        """Whether it has wildcards. In URLs of web servers only the asterisk is one."""
        return any(mark in self.path for mark in ("*" if self.scheme in HTTP else WILDCARDS))

    def with_path(self, path: str) -> Address:
        """Return the URL of another file of the same place."""
        return self._replace(path=path, query="")

    def beside(self, base_name: str) -> str | None:
        """Return the URL of a file in the same folder; None on a web server, which takes no files."""
        return None if self.scheme in HTTP else self.neighbour(base_name)

    def neighbour(self, base_name: str) -> str | None:
        """Return the URL of a file in the same folder, to read it; None if there is a query, which is for one file."""
        if self.query:
            return None
        name = quote(base_name) if self.scheme in HTTP else base_name
        return self.with_path(f"{self.path.rpartition('/')[0]}/{name}").url


def parse_address(text: str) -> Address:
    """Parse a URL. Raise DumpError, which shows no secret, for one with a password, another scheme, or no host."""
    scheme, _, rest = text.partition("://")
    scheme = scheme.lower()
    shown = without_secrets(text)
    if scheme not in SCHEMES:
        raise DumpError("URL", f"{scheme}:// is not read", f"name one that begins with {_listed(SCHEMES)}", shown)
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        raise DumpError("URL", "holds control characters", "write it without them", shown)
    try:
        parts = urlsplit(f"//{rest}" if scheme in HTTP else f"//{quote(rest, safe='/@:[];!$&()+,=~')}")
        host, port, user, password = parts.hostname or "", parts.port, parts.username, parts.password
    except ValueError:
        raise DumpError("URL", "its host or port is wrong", "write it as scheme://host:port/path", shown) from None
    if password is not None:
        why = "holds a password, which other users of this machine can see"
        raise DumpError("URL", why, "keep it in a file: docs/remote.md tells in which", shown)
    place, slash, path = rest.partition("/")
    if scheme in BUCKETS:
        host, port, user = place, None, None
        if "@" in place:
            raise DumpError("URL", "names a user, which buckets do not have", "leave out what stands before @", shown)
    if not host:
        raise DumpError("URL", "names no host", "write it as scheme://host/path", shown)
    path = slash + path
    query = ""
    if scheme in HTTP:
        path, _, query = path.partition("#")[0].partition("?")
        path = quote(path or "/", safe="/%:@!$&'()*+,;=~[]")
    if any(part == ".." for part in unquote(path).split("/")):
        raise DumpError("URL", "leads upwards with ..", "write it without that", shown)
    return Address(scheme, host, port, None if user is None else unquote(user), path, query)


def without_secrets(text: str) -> str:
    """Return a text with the password and the query of a URL in it hidden, whatever else is wrong with it."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        return text
    place, slash, path = rest.partition("/")
    user, at, host = place.rpartition("@")
    if ":" in user:
        user = f"{user.partition(':')[0]}:{HIDDEN}"
    if scheme.lower() in HTTP:
        path, mark, query = path.partition("?")
        path += mark + (query and HIDDEN)
    return f"{scheme}{separator}{user}{at}{host}{slash}{path}"


def _listed(names: Iterable[str]) -> str:
    *first, last = (f"{name}://" for name in names)
    return f"{', '.join(first)} or {last}"
