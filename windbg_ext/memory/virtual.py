"""What every virtual memory can do, wherever it comes from: page tables, a small dump's blocks, a debugger session."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class Piece(NamedTuple):
    """Bytes that were read at a virtual address."""

    address: int
    data: bytes


class VirtualMemory(Protocol):
    """Virtual memory that may have holes. Bits of an address that its pointers have not are ignored."""

    @property
    def pointer_size(self) -> int:
        """Bytes of a pointer in it: 4 or 8."""

    def read(self, address: int, length: int) -> bytes:
        """Read exactly `length` bytes; NotMappedError or NotInDumpError where the first missing byte is."""

    def present(self, address: int, length: int) -> Iterator[Piece]:
        """Give what can be read between address and address + length, in pieces, addresses rising."""


def read_pointer(memory: VirtualMemory, address: int) -> int:
    """Read a pointer."""
    return int.from_bytes(memory.read(address, memory.pointer_size), "little")


def read_u32(memory: VirtualMemory, address: int) -> int:
    """Read a u32."""
    return int.from_bytes(memory.read(address, 4), "little")


def read_text(memory: VirtualMemory, address: int, length: int) -> str:
    """Read `length` bytes of UTF-16 text; units that are no characters stay as they are (lone surrogates)."""
    return memory.read(address, length & ~1).decode("utf-16-le", "surrogatepass")
