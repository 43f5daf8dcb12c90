"""Folders as web servers list them: pages with a link to each file."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

from windbg_ext.errors import DumpError
from windbg_ext.sources.remote.asynchronous import explain_connection
from windbg_ext.sources.remote.http import WebServer
from windbg_ext.sources.remote.places import MAX_LISTINGS, Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from windbg_ext.sources.remote.address import Address
    from windbg_ext.sources.remote.transport import TransientError


MAX_LISTING = 4 << 20
"""Bytes of the page that lists a folder: 20,000 names with their links."""
MAX_LINKS = 60_000
"""Links on those pages: two for each of 20,000 names, and those to sort them."""
MAX_URL = 8 << 10
"""Characters of a URL: web servers take no longer ones."""
LINK = re.compile(r"""<a\s[^<>]*?(?<=[\s"'])href\s*=\s*(?:"([^"<>]*)"|'([^'<>]*)'|([^\s"'<>]+))""", re.IGNORECASE)
"""A link and its target; whatever the page holds, no character of it is looked at more than a few times."""


class WebPlace:
    """The folders of one web server."""

    def __init__(self) -> None:
        self._server: WebServer | None = None
        self._bytes_left, self._links_left = MAX_LISTINGS, MAX_LINKS

    def entries(self, folder: Address) -> Iterable[Entry]:
        """Return what the page of a folder links to, right in the folder."""
        if self._server is None:
            self._server = WebServer(folder)
        page = self._server.listing(folder, min(MAX_LISTING, self._bytes_left))
        self._bytes_left -= len(page)
        found: dict[str, Entry] = {}
        for link in self._links(page):
            target = urlsplit(urljoin(folder.url, link))
            name = target.path[len(folder.path) :] if target.path.startswith(folder.path) else ""
            own = f"{target.scheme}://{target.netloc}".lower() == folder.place.lower()
            if own and name and "/" not in name.rstrip("/") and unquote(name) not in (".", "..") and not target.query:
                found[target.path] = Entry(folder.with_path(target.path), name.endswith("/"))
        return found.values()

    def is_folder(self, address: Address) -> bool:
        """Tell whether the path ends with a slash: nothing else tells."""
        return address.path.endswith("/")

    def exists(self, address: Address) -> bool:
        """Raise DumpError: nothing is written here."""
        raise _takes_no_files()

    def make_folder(self, address: Address) -> None:
        """Raise DumpError: nothing is written here."""
        raise _takes_no_files()

    def put(self, address: Address, data: bytes, *, overwrite: bool) -> None:
        """Raise DumpError: nothing is written here."""
        raise _takes_no_files()

    def explain(self, error: BaseException) -> TransientError | DumpError:
        """Return what an exception means."""
        return explain_connection(error)

    def close(self) -> None:
        """Close the connections."""
        if self._server is not None:
            self._server.close()

    def _links(self, page: str) -> Iterator[str]:
        """Yield the targets of the links of a page. Raise DumpError where the pages have too many."""
        for found in LINK.finditer(page):
            self._links_left -= 1
            if self._links_left < 0:
                why = f"is listed with more than {MAX_LINKS:,} links"
                raise DumpError("folder", why, "name one of its subfolders, or a file")
            if len(found[0]) <= MAX_URL:
                yield unescape(found[1] or found[2] or found[3] or "")


def _takes_no_files() -> DumpError:
    return DumpError("destination", "is on a web server, which takes no files", "name a file, a share or a bucket")
