"""Objects and keys of S3, through s3fs: answers are counted as they come, and a listing has an end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from windbg_ext.errors import DumpError
from windbg_ext.sources.remote.asynchronous import run
from windbg_ext.sources.remote.credentials import settings_of
from windbg_ext.sources.remote.meter import Meter
from windbg_ext.sources.remote.metered_web import metered_session
from windbg_ext.sources.remote.places import Entry
from windbg_ext.sources.remote.transport import (
    CONNECT_SECONDS,
    FIRST_BYTES,
    MAX_CONNECTIONS,
    STALL_SECONDS,
    State,
    checked_range,
    code_of,
    difference,
)

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from s3fs import S3FileSystem

    from windbg_ext.sources.remote.address import Address

MAX_PAGE = 1 << 20
"""Bytes of a page of 1,000 keys, of which each takes 350 bytes and its name."""
MAX_KEYS = 22_000
"""Keys and subfolders of a folder and of those in it: more are not looked at in all."""
FEW_KEYS = 100
MAX_SPARSE = 100
"""Pages with fewer than FEW_KEYS keys that say that there is more: stores fill theirs, or nearly so."""


class S3Store:
    """s3fs with the limits of this package, and otherwise as it is configured."""

    def __init__(self) -> None:
        from s3fs import S3FileSystem

        self.meter = Meter()
        self._keys_left, self._sparse_left = MAX_KEYS, MAX_SPARSE
        own = settings_of("s3").get("config_kwargs")
        config = {
            "connect_timeout": CONNECT_SECONDS,
            "read_timeout": STALL_SECONDS,
            "max_pool_connections": MAX_CONNECTIONS,
            "retries": {"max_attempts": 0},
            "http_session_cls": metered_session(self.meter),
            **(own if isinstance(own, dict) else {}),
        }
        self.system: S3FileSystem = S3FileSystem(
            skip_instance_cache=True, use_listings_cache=False, config_kwargs=config
        )
        self.system.retries = 1  # the source tries again, and says so
        self.loop: asyncio.AbstractEventLoop = self.system.loop

    def entries(self, folder: Address) -> list[Entry]:
        """Return what is in a folder. Raise DumpError where there is too much."""
        return run(self.loop, self._entries(folder))

    def is_folder(self, address: Address) -> bool:
        """Tell whether there are keys that go on behind a slash."""
        told = run(self.loop, self._page(address.host, address.path.strip("/") + "/"))
        return bool(told.get("Contents") or told.get("CommonPrefixes"))

    async def _entries(self, folder: Address) -> list[Entry]:
        top = folder.path.lstrip("/")
        found: list[Entry] = []
        there = False
        more: dict[str, object] = {}
        while self._keys_left >= 0 and self._sparse_left:
            told = await self._page(folder.host, top, **more)
            keys = [(str(key["Key"]), False) for key in told.get("Contents", [])]
            keys += [(str(key["Prefix"]).rstrip("/") + "/", True) for key in told.get("CommonPrefixes", [])]
            self._keys_left -= len(keys)
            there = there or bool(keys)
            found += [
                Entry(folder.with_path(f"{folder.path}{key[len(top) :]}"), is_folder)
                for key, is_folder in keys
                if key.startswith(top) and key != top
            ]
            if not told.get("IsTruncated"):
                if top and not there:
                    raise FileNotFoundError
                return found
            self._sparse_left -= len(keys) < FEW_KEYS
            more = {"ContinuationToken": told.get("NextContinuationToken", "")}
        why = f"has more than {MAX_KEYS:,} keys, or is listed in {MAX_SPARSE} pages of a few keys and more"
        raise DumpError("folder", why, "name one of its subfolders")

    async def _page(self, bucket: str, prefix: str, **more: object) -> Mapping[str, Any]:
        """Return one page of a listing, as botocore has read it."""
        asked = {"Bucket": bucket, "Prefix": prefix, "Delimiter": "/", **self.system.req_kw, **more}
        told: Mapping[str, Any] = await self.meter.measured(MAX_PAGE, self.system._call_s3("list_objects_v2", **asked))
        return told


class S3Object:
    """An object in an S3 bucket: every answer carries its ETag and its length."""

    def __init__(self, address: Address) -> None:
        self._store = S3Store()
        self.loop = self._store.loop
        self._bucket, self._key = address.host, address.key
        self._state: State | None = None

    async def begin(self) -> tuple[State, bytes]:
        """Return the state of the object and its first bytes."""
        try:
            state, first = await self._get(0, FIRST_BYTES)
        except Exception as error:
            if code_of(error) not in ("InvalidRange", "416"):
                raise
            state, first = State(0, ""), b""  # there is no first byte of an empty object
        self._state = state
        return state, first

    async def read(self, offset: int, length: int) -> bytes:
        """Return a range of the object. Raise DumpError where it is no longer the same."""
        state, data = await self._get(offset, length)
        if state != self._state:
            raise difference(cast("State", self._state), state)
        return data

    async def _get(self, offset: int, length: int) -> tuple[State, bytes]:
        return await self._store.meter.measured(length, self._asked(offset, length))

    async def _asked(self, offset: int, length: int) -> tuple[State, bytes]:
        asked = f"bytes={offset}-{offset + length - 1}"
        answer = await self._store.system._call_s3("get_object", Bucket=self._bucket, Key=self._key, Range=asked)
        body = answer["Body"]
        try:
            size, expected = checked_range(answer.get("ContentRange") or "", offset, length)
            data = bytearray()
            while len(data) < expected and (piece := await body.read(expected - len(data))):
                data += piece
        finally:
            body.close()
        return State(size, str(answer.get("ETag", ""))), bytes(data)
