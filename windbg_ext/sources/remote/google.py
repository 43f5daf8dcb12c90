"""Objects of Google Cloud Storage, through gcsfs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError
from windbg_ext.sources.remote.asynchronous import both
from windbg_ext.sources.remote.credentials import settings_of
from windbg_ext.sources.remote.transport import (
    CONNECT_SECONDS,
    COPY_IT,
    FIRST_BYTES,
    STALL_SECONDS,
    State,
    changed,
    keep_quiet,
)

if TYPE_CHECKING:
    from gcsfs import GCSFileSystem

    from windbg_ext.sources.remote.address import Address


def google_system() -> GCSFileSystem:
    """Return gcsfs as it is configured, but for its time limits and its tries.

    Credentials that the user names are used: without a word of that, it would be nobody where they cannot be read.
    """
    import warnings

    import aiohttp

    with warnings.catch_warnings():  # about the age of CPython 3.9, with each import
        warnings.simplefilter("ignore")
        from gcsfs import GCSFileSystem
    keep_quiet("gcsfs", "google")
    named = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS") and "token" not in settings_of("gs")
    system = GCSFileSystem(
        skip_instance_cache=True,
        use_listings_cache=False,
        requests_timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=STALL_SECONDS),
        **({"token": "google_default"} if named else {}),
    )
    once = getattr(type(system)._request, "__wrapped__", None)  # it tries six times, with pauses up to 32 seconds
    if once is not None:
        system._request = once.__get__(system)
    return system


class GoogleObject:
    """An object of Google Cloud Storage. Reads ask for the generation that was there first."""

    def __init__(self, address: Address) -> None:
        self.system = google_system()
        self.loop = self.system.loop
        self._path = f"{address.host}{address.path}"
        self._generation: str | None = None

    async def begin(self) -> tuple[State, bytes]:
        """Return the state of the object and its first bytes, both asked for at once."""
        told, first = await both(self.system._info(self._path), self._get(0, FIRST_BYTES))
        if told.get("type") == "directory":
            raise DumpError("file", "is a folder", "name the dump in it")
        self._generation = str(told["generation"])
        return State(int(told["size"]), self._generation), first or b""

    async def read(self, offset: int, length: int) -> bytes:
        """Return a range of the object. Raise DumpError where it is no longer the same."""
        try:
            return await self._get(offset, length)
        except FileNotFoundError:
            raise changed("it was written again or removed") from None

    async def _get(self, offset: int, length: int) -> bytes:
        url = self.system.url(self._path)
        if self._generation is not None:
            url += f"&generation={self._generation}"
        asked = f"bytes={offset}-{offset + length - 1}"
        headers, data = await self.system._call("GET", url, headers={"Range": asked})
        if len(data) > length or "Content-Range" not in headers:
            raise DumpError("server", "sends whole files only, and cannot be asked for a part of one", COPY_IT)
        generation = headers.get("x-goog-generation", self._generation)
        if self._generation is not None and generation != self._generation:
            raise changed("it was written again")
        return bytes(data)
