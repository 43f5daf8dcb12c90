"""Objects of S3, Azure Blob Storage and Google Cloud Storage, through s3fs, adlfs and gcsfs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Callable, Protocol, TypeVar, cast

from windbg_ext.errors import DumpError
from windbg_ext.sources.remote.asynchronous import AsyncFile, explain_connection, run
from windbg_ext.sources.remote.credentials import settings_of
from windbg_ext.sources.remote.places import Entry
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
    from collections.abc import Awaitable

    from adlfs import AzureBlobFileSystem
    from gcsfs import GCSFileSystem
    from s3fs import S3FileSystem

    from windbg_ext.sources.remote.address import Address

Told = TypeVar("Told")
First = TypeVar("First")
WHO = "docs/remote.md tells where to put credentials"


def open_object(address: Address) -> AsyncFile:
    """Open an object. Raise TransientError or DumpError."""
    try:
        bucket = OBJECTS[address.scheme](address)
        state, first = run(bucket.loop, bucket.begin())
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


class S3Object:
    """An object in an S3 bucket: every answer carries its ETag and its length."""

    def __init__(self, address: Address) -> None:
        self.system = s3_system()
        self.loop = self.system.loop
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
        asked = f"bytes={offset}-{offset + length - 1}"
        answer = await self.system._call_s3("get_object", Bucket=self._bucket, Key=self._key, Range=asked)
        body = answer["Body"]
        try:
            size, expected = checked_range(answer.get("ContentRange") or "", offset, length)
            data = bytearray()
            while len(data) < expected and (piece := await body.read(expected - len(data))):
                data += piece
        finally:
            body.close()
        return State(size, str(answer.get("ETag", ""))), bytes(data)


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


def s3_system() -> S3FileSystem:
    """Return s3fs with the limits of this package, and otherwise as it is configured."""
    from s3fs import S3FileSystem

    own = settings_of("s3").get("config_kwargs")
    config = {
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": STALL_SECONDS,
        "max_pool_connections": MAX_CONNECTIONS,
        "retries": {"max_attempts": 0},
        **(own if isinstance(own, dict) else {}),
    }
    system = S3FileSystem(skip_instance_cache=True, use_listings_cache=False, config_kwargs=config)
    system.retries = 1  # the source tries again, and says so
    return system


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
        self._system = {"s3": s3_system, "az": azure_system, "gs": google_system}[address.scheme]()

    def entries(self, folder: Address) -> list[Entry]:
        """Return what is in a folder."""
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


def code_of(error: BaseException) -> str:
    """Return the code of an error that an object store answered, empty if it is none."""
    response = getattr(error, "response", None) or getattr(error.__cause__, "response", None)
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Code", ""))
    return str(getattr(error, "status_code", None) or getattr(error, "code", None) or "")


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
