"""Copying secondary data behind the parts of a small dump. It may have gigabytes, so it is copied in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from windbg_ext.commands.minify.account import LeftOut
from windbg_ext.errors import DumpError
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.commands.minify.account import Account
    from windbg_ext.commands.progress import Progress
    from windbg_ext.kernel import Target

SECONDARY_DATA = "secondary data"
"""Its name in the report."""
MAX_TOLD = 16
"""Blobs that are told one by one when they are lost."""


class SecondaryCopy(NamedTuple):
    """What `copy_secondary_data` did. size: bytes that were copied; lost: why each blob that is not there is not."""

    size: int = 0
    lost: tuple[str, ...] = ()

    def left_out(self) -> Iterator[LeftOut]:
        """Yield what was lost as the report tells it."""
        for why in self.lost[:MAX_TOLD]:
            yield LeftOut(SECONDARY_DATA, why)
        if len(self.lost) > MAX_TOLD:
            yield LeftOut(SECONDARY_DATA, f"{len(self.lost) - MAX_TOLD:,} more blobs cannot be read")


def secondary_data_fits(target: Target, account: Account) -> bool:
    """Tell whether all secondary data goes in; without a size that was asked for, it does whatever its length."""
    return account.limit is None or account.fits(target.secondary_size)


def copy_secondary_data(target: Target, out: BinaryIO, progress: Progress) -> SecondaryCopy:
    """Copy the chain of secondary data of a target to where a seekable file stands, which is the file's end.

    A blob that cannot be read to its end is cut off the file again, and the next one follows in its place. Without the
    chain's header there is nothing to copy.
    """
    copied, lost = 0, []
    for index, blob in enumerate(target.secondary_data(), -1):  # the first one is the header
        start, size = out.tell(), 0
        try:
            for piece in blob:
                out.write(piece)
                size += len(piece)
                progress("copying secondary data", copied + size, target.secondary_size)
        except DumpError as error:
            out.seek(start)
            out.truncate()
            if index < 0:
                return SecondaryCopy(lost=(error.why,))
            lost.append(f"blob {index} {error.why}")
        else:
            copied += size
    return SecondaryCopy(copied, tuple(lost))
