"""Blobs of Azure, through adlfs and Microsoft's library behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError
from windbg_ext.sources.remote.asynchronous import both
from windbg_ext.sources.remote.transport import (
    CONNECT_SECONDS,
    FIRST_BYTES,
    STALL_SECONDS,
    WHO,
    State,
    changed,
    keep_quiet,
)

if TYPE_CHECKING:
    from adlfs import AzureBlobFileSystem

    from windbg_ext.sources.remote.address import Address

ONCE = {
    "retry_total": 0,  # the source tries again, and says so
    "connection_timeout": CONNECT_SECONDS,
    "read_timeout": STALL_SECONDS,
}
"""What requests are made with. The library's own settings are three tries with pauses of 15 seconds and more."""


def azure_system() -> AzureBlobFileSystem:
    """Return adlfs as it is configured. Raise DumpError where it is not."""
    from adlfs import AzureBlobFileSystem

    keep_quiet("adlfs", "azure")
    try:
        return AzureBlobFileSystem(skip_instance_cache=True, use_listings_cache=False)
    except ValueError:  # whose text may have the key in it
        raise DumpError("server", "no account is known, or it cannot be understood", WHO) from None


class AzureBlob:
    """A blob of Azure: every answer carries its ETag."""

    def __init__(self, address: Address) -> None:
        self.system = azure_system()
        self.loop = self.system.loop
        self._blob = self.system.service_client.get_blob_client(container=address.host, blob=address.key)
        self._state: State | None = None

    async def begin(self) -> tuple[State, bytes]:
        """Return the state of the object and its first bytes, both asked for at once."""
        told, first = await both(self._blob.get_blob_properties(**ONCE), self._get(0, FIRST_BYTES))
        self._state = state = State(int(told.size), str(told.etag))
        return state, first[1] if first is not None and first[0] == state.version else b""

    async def read(self, offset: int, length: int) -> bytes:
        """Return a range of the object. Raise DumpError where it is no longer the same."""
        version, data = await self._get(offset, length)
        if self._state is not None and version != self._state.version:
            raise changed("it was written again")
        return data

    async def _get(self, offset: int, length: int) -> tuple[str, bytes]:
        answer = await self._blob.download_blob(offset=offset, length=length, **ONCE)
        return str(answer.properties.etag), bytes(await answer.readall())
