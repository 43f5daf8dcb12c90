"""Objects of S3, Azure Blob Storage and Google Cloud Storage, through s3fs, adlfs and gcsfs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Callable, Protocol, TypeVar

from windbg_ext.errors import DumpError
from windbg_ext.sources.remote.asynchronous import AsyncFile, explain_connection, in_time, run
from windbg_ext.sources.remote.places import Entry
from windbg_ext.sources.remote.s3 import S3Object, S3Store
from windbg_ext.sources.remote.transport import (
    COPY_IT,
    FIRST_BYTES,
    State,
    TransientError,
    changed,
    code_of,
    explained,
    missing_file,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from adlfs import AzureBlobFileSystem
    from gcsfs import GCSFileSystem

    from windbg_ext.sources.remote.address import Address

Told = TypeVar("Told")
First = TypeVar("First")
WHO = "docs/remote.md tells where to put credentials"


def open_object(address: Address) -> AsyncFile:
    """Open an object. Raise TransientError or DumpError."""
    try:
        bucket = OBJECTS[address.scheme](address)
        state, first = run(bucket.loop, in_time(FIRST_BYTES, bucket.begin()))
    except Exception as error:
        raise explained(error, explain) from None

    return AsyncFile(bucket.loop, bucket.read, explain, state, first, lambda: None)


class Bucket(Protocol):
    """One object of an object store."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of its file system."""

    async def begin(self) -> tuple[State, bytes]:
        """Return the state of the object and its first bytes."""

    async def read(self, offset: int, length: int) -> bytes:
        """Return a range of the object. Raise DumpError where it is no longer the same."""


class AzureBlob:
    """A blob of Azure: every answer carries its ETag."""

    def __init__(self, address: Address) -> None:
        self.system = azure_system()
        self.loop = self.system.loop
        self._blob = self.system.service_client.get_blob_client(container=address.host, blob=address.key)
        self._state: State | None = None

    async def begin(self) -> tuple[State, bytes]:
        """Return the state of the object and its first bytes, both asked for at once."""
        told, first = await _both(self._blob.get_blob_properties(), self._get(0, FIRST_BYTES))
        self._state = state = State(int(told.size), str(told.etag))
        return state, first[1] if first is not None and first[0] == state.version else b""

    async def read(self, offset: int, length: int) -> bytes:
        """Return a range of the object. Raise DumpError where it is no longer the same."""
        version, data = await self._get(offset, length)
        if self._state is not None and version != self._state.version:
            raise changed("it was written again")
        return data

    async def _get(self, offset: int, length: int) -> tuple[str, bytes]:
        answer = await self._blob.download_blob(offset=offset, length=length)
        return str(answer.properties.etag), bytes(await answer.readall())


class GoogleObject:
    """An object of Google Cloud Storage. Reads ask for the generation that was there first."""

    def __init__(self, address: Address) -> None:
        self.system = google_system()
        self.loop = self.system.loop
        self._path = f"{address.host}{address.path}"
        self._generation: str | None = None

    async def begin(self) -> tuple[State, bytes]:
        """Return the state of the object and its first bytes, both asked for at once."""
        told, first = await _both(self.system._info(self._path), self._get(0, FIRST_BYTES))
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


async def _both(told: Awaitable[Told], first: Awaitable[First]) -> tuple[Told, First | None]:
    """Ask for two things at once. Raise what the first raises; where the second raises anything, it is None."""
    answers = await asyncio.gather(told, first, return_exceptions=True)
    if isinstance(answers[0], BaseException):
        raise answers[0]
    return answers[0], None if isinstance(answers[1], BaseException) else answers[1]


OBJECTS: dict[str, Callable[[Address], Bucket]] = {"s3": S3Object, "az": AzureBlob, "gs": GoogleObject}


def azure_system() -> AzureBlobFileSystem:
    """Return adlfs as it is configured."""
    from adlfs import AzureBlobFileSystem

    return AzureBlobFileSystem(skip_instance_cache=True, use_listings_cache=False)


def google_system() -> GCSFileSystem:
    """Return gcsfs as it is configured."""
    from gcsfs import GCSFileSystem

    system = GCSFileSystem(skip_instance_cache=True, use_listings_cache=False)
    system.retries = 1
    return system


class BucketPlace:
    """The keys of a bucket, as folders by the slashes in them."""

    def __init__(self, address: Address) -> None:
        self._s3 = S3Store() if address.scheme == "s3" else None
        self._system = self._s3.system if self._s3 else azure_system() if address.scheme == "az" else google_system()

    def entries(self, folder: Address) -> list[Entry]:
        """Return what is in a folder."""
        if self._s3 is not None:
            return self._s3.entries(folder)
        top = f"{folder.host}{folder.path}"
        found = []
        for told in self._system.ls(top.rstrip("/"), detail=True, refresh=True):
            name = str(told["name"]).rstrip("/")
            is_folder = told.get("type") == "directory"
            if name.startswith(top) and name != top.rstrip("/"):
                path = f"{folder.path}{name[len(top) :]}{'/' if is_folder else ''}"
                found.append(Entry(folder.with_path(path), is_folder))
        return found

    def is_folder(self, address: Address) -> bool:
        """Tell whether there are keys that go on behind a slash."""
        if self._s3 is not None:
            return self._s3.is_folder(address)
        return bool(self._system.isdir(f"{address.host}{address.path}"))

    def exists(self, address: Address) -> bool:
        """Tell whether there is an object."""
        return bool(self._system.exists(f"{address.host}{address.path}"))

    def make_folder(self, address: Address) -> None:
        """Do nothing: a folder is there when something is in it."""

    def put(self, address: Address, data: bytes, *, overwrite: bool) -> None:
        """Write an object in one upload, of which stores show nothing before it is whole."""
        if not overwrite and self.exists(address):
            raise FileExistsError
        self._system.pipe_file(f"{address.host}{address.path}", data)

    def explain(self, error: BaseException) -> TransientError | DumpError:
        """Return what an exception means."""
        return explain(error)

    def close(self) -> None:
        """Nothing is open but what the library keeps."""


def explain(error: BaseException) -> TransientError | DumpError:
    """Return what an exception of s3fs, adlfs or gcsfs, or of what they use, means."""
    code, kind = code_of(error), type(error).__name__
    if kind in ("NoCredentialsError", "PartialCredentialsError", "TokenRetrievalError", "DefaultCredentialsError"):
        return DumpError("server", "no credentials are known", WHO)
    if code in ("AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "401"):
        return DumpError("file", f"may not be read ({code})", WHO)
    if code in ("NoSuchBucket", "NoSuchKey", "404") or isinstance(error, FileNotFoundError):
        return missing_file()
    if code in ("PreconditionFailed", "412"):
        return changed("it was written again")
    if code in ("InternalError", "SlowDown", "ServiceUnavailable", "RequestTimeout", "500", "502", "503", "504", "429"):
        return TransientError(f"the server answers {code}")
    if kind in ("ClientAuthenticationError", "HttpError", "PermissionError") and not isinstance(error, ConnectionError):
        return DumpError("file", "may not be read", WHO)
    if kind in ("EndpointConnectionError", "ServiceRequestError", "ConnectTimeoutError"):
        return TransientError("cannot connect")
    if kind in (
        "ConnectionClosedError",
        "ReadTimeoutError",
        "ResponseStreamingError",
        "ServiceResponseError",
        "IncompleteReadError",
        "HTTPClientError",
        "ResponseParserError",
    ):
        return TransientError("the connection failed")
    return explain_connection(error)
