"""Objects of S3, Azure Blob Storage and Google Cloud Storage, through s3fs, adlfs and gcsfs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from windbg_ext.errors import DumpError
from windbg_ext.sources.remote.asynchronous import AsyncFile, explain_connection, in_time, run
from windbg_ext.sources.remote.azure import AzureBlob, azure_system
from windbg_ext.sources.remote.google import GoogleObject, google_system
from windbg_ext.sources.remote.places import Entry
from windbg_ext.sources.remote.s3 import S3Object, S3Store
from windbg_ext.sources.remote.transport import (
    FIRST_BYTES,
    STALL_SECONDS,
    WHO,
    State,
    TransientError,
    changed,
    code_of,
    explained,
    missing_file,
)

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable

    from windbg_ext.sources.remote.address import Address

Result = TypeVar("Result")
MAX_LISTED = 1 << 20
"""Bytes of a listing, for the time that it may take."""


def open_object(address: Address) -> AsyncFile:
    """Open an object. Raise TransientError or DumpError."""
    try:
        bucket = object_of(address)
        state, first = run(bucket.loop, in_time(FIRST_BYTES, bucket.begin()))
    except ImportError:
        raise
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


def object_of(address: Address) -> Bucket:
    """Return the object of an address. Raise ImportError where the library for it is missing."""
    if address.scheme == "s3":
        return S3Object(address)
    if address.scheme == "az":
        return AzureBlob(address)
    return GoogleObject(address)


class BucketPlace:
    """The keys of a bucket, as folders by the slashes in them."""

    def __init__(self, address: Address) -> None:
        try:
            self._s3 = S3Store() if address.scheme == "s3" else None
            self._system = (
                self._s3.system if self._s3 else azure_system() if address.scheme == "az" else google_system()
            )
        except ImportError:
            raise
        except Exception as error:  # configuration that cannot be understood
            raise explained(error, explain) from None

    def entries(self, folder: Address) -> list[Entry]:
        """Return what is in a folder."""
        if self._s3 is not None:
            return self._s3.entries(folder)
        top = f"{folder.host}{folder.path}"
        found = []
        for told in self._waited(MAX_LISTED, self._system._ls(top.rstrip("/"), detail=True, refresh=True)):
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
        return bool(self._waited(MAX_LISTED, self._system._isdir(f"{address.host}{address.path}")))

    def exists(self, address: Address) -> bool:
        """Tell whether there is an object."""
        return bool(self._waited(0, self._system._exists(f"{address.host}{address.path}")))

    def make_folder(self, address: Address) -> None:
        """Do nothing: a folder is there when something is in it."""

    def put(self, address: Address, data: bytes, *, overwrite: bool) -> None:
        """Write an object in one upload, of which stores show nothing before it is whole."""
        if not overwrite and self.exists(address):
            raise FileExistsError
        self._waited(len(data), self._system._pipe_file(f"{address.host}{address.path}", data))

    def explain(self, error: BaseException) -> TransientError | DumpError:
        """Return what an exception means."""
        return explain(error)

    def close(self) -> None:
        """Nothing is open but what the library keeps."""

    def _waited(self, length: int, answer: Awaitable[Result]) -> Result:
        """Return an answer of the library. Raise TimeoutError where it takes longer than `length` bytes may."""
        return run(self._system.loop, in_time(length, answer))


def explain(error: BaseException) -> TransientError | DumpError:
    """Return what an exception of s3fs, adlfs or gcsfs, or of what they use, means."""
    code, kind = code_of(error), type(error).__name__
    if kind in ("NoCredentialsError", "PartialCredentialsError", "TokenRetrievalError", "DefaultCredentialsError"):
        return DumpError("server", "no credentials are known", WHO)
    if kind == "ProfileNotFound":
        return DumpError("server", "the profile that AWS_PROFILE names is not known", WHO)
    if kind in ("MalformedError", "AzureSigningError", "ConfigParseError"):
        return DumpError("server", "the credentials that are known cannot be understood", WHO)
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
    if kind in ("ServiceRequestTimeoutError", "ServiceResponseTimeoutError"):
        return TransientError(f"no answer within {STALL_SECONDS:.0f} s")
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
