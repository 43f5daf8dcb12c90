"""Files on web servers. Before the body of an answer is read, it is checked to be what was asked for."""

from __future__ import annotations

import re
from base64 import b64encode
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urljoin, urlsplit

from windbg_ext.errors import DumpError
from windbg_ext.sources.remote.asynchronous import AsyncFile, explain_connection, in_time, run
from windbg_ext.sources.remote.credentials import login_for
from windbg_ext.sources.remote.transport import (
    CONNECT_SECONDS,
    COPY_IT,
    FIRST_BYTES,
    MAX_CONNECTIONS,
    STALL_SECONDS,
    State,
    TransientError,
    changed,
    checked_range,
    difference,
    explained,
    missing_file,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import aiohttp

    from windbg_ext.sources.remote.address import Address

MAX_REDIRECTS = 5
EMPTY = re.compile(r"bytes \*/0")
TRY_LATER = (408, 429, 500, 502, 503, 504)
RANGES = "sends whole files only, and cannot be asked for a part of one"


class WebServer:
    """A client for one host. Nothing is sent to another."""

    def __init__(self, address: Address) -> None:
        from fsspec.implementations.http import HTTPFileSystem

        from windbg_ext.sources.remote.meter import Meter

        self._address = address
        self._login = login_for(address) if address.scheme == "https" else None  # no password goes over a plain line
        self._system = HTTPFileSystem(skip_instance_cache=True, get_client=self._new_client)
        self.loop = self._system.loop
        self._url = address.url
        self._meter = Meter()

    async def _new_client(self, loop: object = None, **options: object) -> aiohttp.ClientSession:
        import aiohttp

        from windbg_ext.sources.remote.metered_web import MeteredConnector

        context = None
        if self._address.scheme == "https":
            import ssl  # aiohttp makes a context when it is imported, before SSL_CERT_FILE may be set

            context = ssl.create_default_context()
        headers = {"Accept-Encoding": "identity", "User-Agent": "windbg-ext"}
        if self._login is not None and self._login.user and self._login.password:
            login = f"{self._login.user}:{self._login.password}".encode()
            headers["Authorization"] = f"Basic {b64encode(login).decode()}"
        return aiohttp.ClientSession(
            connector=MeteredConnector(self._meter, limit=MAX_CONNECTIONS, context=context),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=STALL_SECONDS),
            headers=headers,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    def open(self) -> AsyncFile:
        """Open the file. Raise TransientError or DumpError."""
        try:
            state, first = run(self.loop, in_time(FIRST_BYTES, self._open()))
        except Exception as error:
            self.close()
            raise explained(error, explain_connection) from None

        async def read(offset: int, length: int) -> bytes:
            data, now = await self._meter.measured(length, self._get(offset, length))
            if now != state:
                raise difference(state, now)
            return data

        return AsyncFile(self.loop, read, explain_connection, state, first, self.close)

    async def _open(self) -> tuple[State, bytes]:
        data, state = await self._meter.measured(FIRST_BYTES, self._get(0, FIRST_BYTES))
        return state, data

    async def _get(self, offset: int, length: int) -> tuple[bytes, State]:
        """Return a range of the file, and the state of the file that it is of."""
        client = await self._system.set_session()
        for _ in range(MAX_REDIRECTS):
            headers = {"Range": f"bytes={offset}-{offset + length - 1}"}
            async with client.get(self._encoded(), headers=headers, allow_redirects=False) as answer:
                if answer.status in (301, 302, 303, 307, 308):
                    self._url = self._redirected(answer.headers.get("Location", ""))
                    continue
                if answer.status == 416 and offset == 0 and EMPTY.fullmatch(answer.headers.get("Content-Range", "")):
                    return b"", State(0, _version(answer.headers))
                self._check_status(answer)
                size, expected = checked_range(answer.headers.get("Content-Range", ""), offset, length)
                return await _body(answer, expected), State(size, _version(answer.headers))
        raise DumpError("server", f"redirects more than {MAX_REDIRECTS} times", "check the URL")

    def _encoded(self) -> object:
        return self._system.encode_url(self._url)

    def _redirected(self, location: str) -> str:
        """Return where a redirect leads. Raise DumpError where that is another server, or no web server at all."""
        target = urljoin(self._url, location)
        here, there = urlsplit(self._url), urlsplit(target)
        if there.scheme not in ("http", "https"):
            raise DumpError("server", f"redirects to {there.scheme or 'nothing'}:, which is refused", "check the URL")
        same_port = _port(here) == _port(there) or (here.scheme, there.scheme) == ("http", "https")
        if there.hostname != here.hostname or not same_port or (here.scheme, there.scheme) == ("https", "http"):
            where = f"{there.scheme}://{there.hostname or ''}"
            raise DumpError("server", f"redirects to {where}, which is refused", "name the file there, if you trust it")
        return target

    def _check_status(self, answer: aiohttp.ClientResponse) -> None:
        """Raise an error for an answer that is not a range of the file, before anything of it is read."""
        status, headers = answer.status, answer.headers
        if status == 206:
            if headers.get("Content-Encoding", "identity").lower() != "identity":
                raise DumpError("server", "packs files while it sends them, so that no place in them is known", COPY_IT)
            return
        answer.close()  # and do not read what may be gigabytes
        if status == 200:
            raise DumpError("server", RANGES, COPY_IT)
        if status in TRY_LATER:
            raise TransientError(f"the server answers {status}", _seconds(headers.get("Retry-After", "")))
        if status == 401:
            advice = "put user and password for this host into ~/.netrc"
            if self._login is None:
                advice += ", and use https://, since they are not sent over a plain connection"
            elif self._login.password:
                raise DumpError("server", "refuses user and password (401)", "correct those for this host in ~/.netrc")
            raise DumpError("server", "asks for user and password (401)", advice)
        if status == 403:
            raise DumpError("file", "may not be read (403)", "check the URL, and who you are for the server")
        if status in (404, 410):
            raise missing_file(f" ({status})")
        if status == 416:
            raise changed("it is shorter now")
        raise DumpError("server", f"answers {status}", "check the URL")

    def listing(self, folder: Address, most: int) -> str:
        """Return the page of at most so many bytes which lists a folder of this server."""
        self._url = folder.url
        return run(self.loop, in_time(most, self._meter.measured(most, self._listing(most))))

    async def _listing(self, most: int) -> str:
        client = await self._system.set_session()
        for _ in range(MAX_REDIRECTS):
            async with client.get(self._encoded(), allow_redirects=False) as answer:
                if answer.status in (301, 302, 303, 307, 308):
                    self._url = self._redirected(answer.headers.get("Location", ""))
                    continue
                if answer.status != 200:
                    self._check_status(answer)
                if not answer.headers.get("Content-Type", "").startswith("text/html"):
                    answer.close()
                    raise DumpError("folder", "is not listed by the server", "name the file itself")
                return (await _body(answer, most, at_most=True)).decode("utf-8", "replace")
        raise DumpError("server", f"redirects more than {MAX_REDIRECTS} times", "check the URL")

    def close(self) -> None:
        """Close the connections."""
        session = self._system._session
        if session is not None and not session.closed:
            run(self.loop, session.close())


def _version(headers: Mapping[str, str]) -> str:
    return headers.get("ETag") or headers.get("Last-Modified") or ""


async def _body(answer: aiohttp.ClientResponse, expected: int, *, at_most: bool = False) -> bytes:
    """Return the body of an answer, or as much of it as came. Raise DumpError where it is longer than expected."""
    import aiohttp

    pieces = bytearray()
    try:
        async for piece in answer.content.iter_any():
            pieces += piece
            if len(pieces) > expected:
                answer.close()
                if at_most:
                    why = f"is listed in more than {expected:,} bytes"
                    raise DumpError("folder", why, "name one of its subfolders, or a file")
                raise DumpError("server", "sends more bytes than it announced", COPY_IT)
    except (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError, ConnectionError):
        if at_most or not pieces:
            raise
    return bytes(pieces)


def _seconds(retry_after: str) -> float:
    """Return the seconds of a Retry-After header, which has them or a date (RFC 9110, 10.2.3)."""
    if retry_after.isdigit() and len(retry_after) < 8:
        return float(retry_after)
    try:
        from datetime import datetime, timezone

        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(timezone.utc)).total_seconds())
    except (TypeError, ValueError):
        return 0.0


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)
