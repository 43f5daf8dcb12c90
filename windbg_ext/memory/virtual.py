"""What every virtual memory can do, wherever it comes from: page tables, a small dump's blocks, a debugger session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.structs.layouts import Layouts
    from windbg_ext.structs.structure import Structure

S = TypeVar("S", bound="Structure")


class Piece(NamedTuple):
    """Bytes that were read at a virtual address."""

    address: int
    data: bytes


class VirtualMemory(Protocol):
    """Virtual memory that may have holes. Bits of an address that its pointers have not are ignored."""

    @property
    def layouts(self) -> Layouts:
        """The structures of the Windows whose memory it is, and how long their pointers are."""

    def read(self, address: int, length: int) -> bytes:
        """Read exactly `length` bytes. Raise NotMappedError or NotInDumpError where the first missing byte is."""

    def present(self, address: int, length: int) -> Iterator[Piece]:
        """Yield what can be read between address and address + length, in pieces in ascending order."""


def read_structure(memory: VirtualMemory, address: int, structure: type[S]) -> S:
    """Read a structure. Raise the errors of `VirtualMemory.read`."""
    return structure.parse(memory.read(address, structure.SIZE))


def read_run(memory: VirtualMemory, address: int, length: int) -> bytes:
    """Read from an address on, up to `length` bytes or the first one that cannot be read."""
    pieces: list[bytes] = []
    at = address
    for piece in memory.present(address, length):
        if piece.address != at:
            break
        pieces.append(piece.data)
        at += len(piece.data)
    return b"".join(pieces)


def read_pointer(memory: VirtualMemory, address: int) -> int:
    """Read a pointer."""
    return int.from_bytes(memory.read(address, memory.layouts.pointer_size), "little")


def read_u32(memory: VirtualMemory, address: int) -> int:
    """Read a u32."""
    return int.from_bytes(memory.read(address, 4), "little")


def read_text(memory: VirtualMemory, address: int, length: int) -> str:
    """Read `length` bytes of UTF-16 text; units that are no characters stay as they are (lone surrogates)."""
    return memory.read(address, length & ~1).decode("utf-16-le", "surrogatepass")
