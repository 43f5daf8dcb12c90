"""Secondary data of a dump: the chain of tagged blobs behind its last page (or behind the small dump's parts).

Layout and source: `windbg_ext.structs.secondary`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.errors import ReadFailure
from windbg_ext.limits import MAX_BLOBS, LimitError
from windbg_ext.sources.far import as_far
from windbg_ext.sources.source import Range
from windbg_ext.structs.secondary import SECONDARY_SIGNATURE, DumpBlobFileHeader, DumpBlobHeader
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from uuid import UUID

    from windbg_ext.limits import Budget
    from windbg_ext.sources import Source
    from windbg_ext.sources.far import FarSource

MAX_SECONDARY = 256 << 20
"""Bytes that drivers may add, says Microsoft's page on the size of the paging file."""


FAR_BYTES = 1 << 18
"""Of a chain on another machine that are fetched at once: they come in little more time than one header."""


class SecondaryBlob(NamedTuple):
    """One blob: the bytes of the GUID that names its owner, the file offset of its data and their size in bytes.

    start: where the blob itself begins in the file, with its header.
    """

    guid: bytes
    offset: int
    size: int
    start: int

    @property
    def tag(self) -> UUID:
        """The GUID."""
        from uuid import UUID  # only here: on CPython 3.9 its import takes 10 ms

        return UUID(bytes_le=self.guid)


class SecondaryData(NamedTuple):
    """The chain. offset, size: the bytes of the file that it covers, headers and paddings included.

    problem: why the chain ended early, None when it ended as it should. Where the file cannot be read it is a
    ReadFailure, and size is 0 if that is the very beginning. missing: bytes of its last blob that the end of the file
    cuts off; what may have followed is not counted.
    """

    offset: int
    size: int
    blobs: tuple[SecondaryBlob, ...]
    problem: str | None = None
    missing: int = 0

    @property
    def extents(self) -> list[tuple[int, int]]:
        """Where the header of the chain and each blob begin and end in the file."""
        bounds = [self.offset, *(blob.start for blob in self.blobs), self.offset + self.size]
        return list(zip(bounds, bounds[1:]))


def read_secondary_data(source: Source, offset: int, budget: Budget) -> SecondaryData | None:
    """Walk the chain that starts at a file offset; None if there is none. What is behind its end does not count."""
    try:
        start = _read(source, offset, DumpBlobFileHeader.SIZE)
    except OSError as error:
        lost = ReadFailure(f"its beginning at 0x{offset:x} cannot be read ({error.strerror or error})")
        return SecondaryData(offset, 0, (), lost)
    if start is None or not start.startswith(SECONDARY_SIGNATURE):
        return None
    blobs: list[SecondaryBlob] = []
    header_size = DumpBlobFileHeader.parse(start).header_size
    at = offset + max(header_size, DumpBlobFileHeader.SIZE)
    if at > source.size:
        why = f"its HeaderSize 0x{header_size:x} leads beyond the end of the file at 0x{source.size:x}"
        return SecondaryData(offset, DumpBlobFileHeader.SIZE, (), why)
    problem: str | None = None
    end = at
    far = as_far(source)
    try:
        while (far is None or _at_hand(far, at)) and (data := _read(source, at, DumpBlobHeader.SIZE)) is not None:
            header = DumpBlobHeader.parse(data)
            if header.header_size != DumpBlobHeader.SIZE:
                break  # zeros, or what another tool appended
            first = at + DumpBlobHeader.SIZE + header.pre_pad
            end = first + header.data_size + header.post_pad
            if first + header.data_size > source.size:
                problem = f"blob {len(blobs)} at 0x{at:x} is cut by the end of the file at 0x{source.size:x}"
                break
            budget.draw(MAX_BLOBS, 1, "its chain")
            blobs.append(SecondaryBlob(header.tag, first, header.data_size, at))
            at = min(end, source.size)
        else:
            if _read(source, at, 4) == DumpBlobHeader.SIZE.to_bytes(4, "little"):
                problem = (
                    f"the header of blob {len(blobs)} at 0x{at:x} is cut by the end of the file at 0x{source.size:x}"
                )
                end = at + DumpBlobHeader.SIZE
    except LimitError as error:
        problem = f"{error.field} {error.why}"
    except OSError as error:
        problem = ReadFailure(
            f"the header of blob {len(blobs)} at 0x{at:x} cannot be read ({error.strerror or error}): the rest is lost"
        )
    missing = max(0, end - source.size)
    return SecondaryData(offset, min(at, source.size) - offset, tuple(blobs), problem, missing)


def _at_hand(far: FarSource, at: int) -> bool:
    """Have the header of a blob at hand, with those that follow soon."""
    if not far.holds(at, DumpBlobHeader.SIZE):
        far.read_many([Range(at, FAR_BYTES)])
    return True


def _read(source: Source, offset: int, length: int) -> bytes | None:
    """Read exactly `length` bytes, None where the file ends before that; OSError as the system reports it."""
    if offset + length > source.size:
        return None
    data = source.read(offset, length)
    return data if len(data) == length else None
