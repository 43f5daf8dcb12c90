"""Folders as web servers list them: pages with a link to each file."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

from windbg_ext.errors import DumpError
from windbg_ext.sources.remote.asynchronous import explain_connection, run
from windbg_ext.sources.remote.http import WebServer
from windbg_ext.sources.remote.places import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from windbg_ext.sources.remote.address import Address
    from windbg_ext.sources.remote.transport import TransientError


class WebPlace:
    """The folders of web servers."""

    def entries(self, folder: Address) -> Iterable[Entry]:
        """Return what the page of a folder links to, right in the folder."""
        server = WebServer(folder)
        try:
            links = _Links()
            links.feed(run(server.loop, server.listing()))
        finally:
            server.close()
        found: dict[str, Entry] = {}
        for link in links.found:
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
        """Nothing is open."""


def _takes_no_files() -> DumpError:
    return DumpError("destination", "is on a web server, which takes no files", "name a file, a share or a bucket")


class _Links(HTMLParser):
    """The targets of the links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the target of a link."""
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]
