"""Folders on other machines: what is in them, and files that are written there."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Protocol

from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from windbg_ext.errors import DumpError
    from windbg_ext.sources.remote.address import Address
    from windbg_ext.sources.remote.transport import TransientError

MAX_LISTINGS = 16 << 20
"""Bytes of what lists a folder and its subfolders: 20,000 names of some 250 characters, each told up to three times."""

BESIDE_LISTING = 4 << 10
"""Bytes that come with the listing of a folder, beside its names."""


class Entry(NamedTuple):
    """Something in a folder. The path of a folder ends with a slash."""

    address: Address
    is_folder: bool


class Place(Protocol):
    """The folders of one server. What its functions raise, `explain` tells."""

    def entries(self, folder: Address) -> Iterable[Entry]:
        """Return what is in a folder. An empty one may not exist."""

    def is_folder(self, address: Address) -> bool:
        """Tell whether there is a folder."""

    def exists(self, address: Address) -> bool:
        """Tell whether there is a file or a folder."""

    def make_folder(self, address: Address) -> None:
        """Make a folder, with those above it, where there are such."""

    def put(self, address: Address, data: bytes, *, overwrite: bool) -> None:
        """Write a file, whole or not at all. Raise FileExistsError where it exists and may not be replaced."""

    def explain(self, error: BaseException) -> TransientError | DumpError:
        """Return what an exception means."""

    def close(self) -> None:
        """Close all connections."""


def temporary_beside(address: Address) -> str:
    """Return the path of a temporary file in the same folder, which nobody can guess."""
    folder, _, name = address.path.rpartition("/")
    return f"{folder}/.{name[:100]}.{secrets.token_hex(8)}.tmp"
