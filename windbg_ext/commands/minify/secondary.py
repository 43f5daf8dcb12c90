"""Copy secondary data behind the parts of a small dump. A chain may have gigabytes: it is copied in pieces, and only
up to a bound where no size is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from windbg_ext.commands.minify.account import LeftOut
from windbg_ext.errors import DumpError
from windbg_ext.limits import MAX_SECONDARY_COPIED
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from windbg_ext.commands.minify.account import Account
    from windbg_ext.kernel import Target
    from windbg_ext.sources.progress import Progress

SECONDARY_DATA = "secondary data"
"""Its name in the report."""
MAX_TOLD = 16
"""Blobs that are listed one by one when they cannot be read."""


class SecondaryCopy(NamedTuple):
    """What `copy_secondary_data` did.

    size: bytes that were copied; lost: why each blob that could not be read is not there; too_long: the bytes of each
    blob that is left out because of the bound.
    """

    size: int = 0
    lost: tuple[str, ...] = ()
    too_long: tuple[int, ...] = ()

    def left_out(self) -> Iterator[LeftOut]:
        """Yield what was left out as the report says it."""
        for why in self.lost[:MAX_TOLD]:
            yield LeftOut(SECONDARY_DATA, why)
        if len(self.lost) > MAX_TOLD:
            yield LeftOut(SECONDARY_DATA, f"{len(self.lost) - MAX_TOLD:,} more blobs cannot be read")
        if self.too_long:
            one = len(self.too_long) == 1
            what = "a blob" if one else f"{len(self.too_long):,} blobs"
            does, it = ("does", "it") if one else ("do", "them")
            room = f"{MAX_SECONDARY_COPIED >> 20} MB, a larger --size takes {it}"
            yield LeftOut(SECONDARY_DATA, f"{what} of {sum(self.too_long):,} bytes {does} not fit into {room}")


def secondary_data_fits(target: Target, account: Account) -> bool:
    """Tell whether all secondary data goes in. Without a size that was asked for, `copy_secondary_data` decides."""
    return account.limit is None or account.has_room(target.secondary_size)


def copy_secondary_data(
    target: Target, out: BinaryIO, progress: Progress, *, bounded: bool, without: Container[int] = ()
) -> SecondaryCopy:
    """Copy the chain of secondary data of a target to where a seekable file stands, which is the file's end.

    bounded: at most MAX_SECONDARY_COPIED bytes; a blob that does not fit any more is left out, a shorter one behind it
    may fit. A blob that cannot be read to its end is cut off the file again, and the next one follows in its place.
    Without the chain's header there is nothing to copy. without: numbers of blobs that are left out, from 0 on.
    """
    copied, lost, too_long = 0, list[str](), list[int]()
    for index, blob in enumerate(target.secondary_data(), -1):  # the first one is the header
        if index in without:
            continue
        if bounded and copied + blob.size > MAX_SECONDARY_COPIED:
            if index < 0:
                return SecondaryCopy(too_long=(target.secondary_size,))
            too_long.append(blob.size)
            continue
        start, size = out.tell(), 0
        try:
            for piece in blob.pieces:
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
    return SecondaryCopy(copied, tuple(lost), tuple(too_long))
