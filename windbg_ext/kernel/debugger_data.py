"""Finding and reading the debugger data block (KDDEBUGGER_DATA64).

Layout and source: `windbg_ext.structs.debugger_data`.
"""

from __future__ import annotations

import struct
from collections import Counter
from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError, MemoryReadError
from windbg_ext.memory.virtual import read_pointer
from windbg_ext.structs.debugger_data import KDDEBUGGER_DATA64, LARGEST_SIZE, OWNER_TAG, SMALLEST_SIZE
from windbg_ext.structs.kernel import KLDR_DATA_TABLE_ENTRY64

if TYPE_CHECKING:
    from windbg_ext.memory.virtual import VirtualMemory
    from windbg_ext.structs.layout import Record

TAG_OFFSET = KDDEBUGGER_DATA64.offset("OwnerTag")
FIELD = "KdDebuggerDataBlock"
LARGEST_KERNEL = 64 << 20
"""Bytes of the kernel's image that are searched: the one of Windows 11 takes 20 MB."""


class DebuggerData:
    """The decoded block: where it was, all of its bytes, and the fields that public headers describe."""

    def __init__(self, address: int, data: bytes, record: Record) -> None:
        self.address, self.data, self.record = address, data, record

    def __eq__(self, other: object) -> bool:
        """Equal when address and bytes are."""
        return isinstance(other, DebuggerData) and (self.address, self.data) == (other.address, other.data)

    __hash__ = None  # type: ignore[assignment]  # as that of its record

    def __getitem__(self, field: str) -> int:
        """Give a field, 0 if the block of this Windows version ends before it."""
        return self.record.number(field)


def read_debugger_data(memory: VirtualMemory, address: int | None, module_list_head: int | None) -> DebuggerData:
    """Read the block at the address that the header gives, or find it inside the kernel's image.

    DumpError if it cannot be read, is garbage, or is still encoded as in the memory of a running machine.
    """
    if address is None:
        address = _find_in_kernel(memory, module_list_head)
    try:
        head = memory.read(address, TAG_OFFSET + 8)
    except MemoryReadError as error:
        raise DumpError(FIELD, str(error), "without it no kernel structure can be found") from None
    size = int.from_bytes(head[TAG_OFFSET + 4 :], "little")
    if head[TAG_OFFSET : TAG_OFFSET + 4] != OWNER_TAG:
        if _is_encoded(memory, address):
            raise DumpError(
                FIELD,
                f"the block at 0x{address:x} is still encoded, as in the memory of a running machine",
                "this is a snapshot, not a crash dump: make the dump with a tool that decodes the block",
            )
        tag = ascii(head[TAG_OFFSET : TAG_OFFSET + 4].decode("latin-1"))
        raise DumpError(FIELD, f"0x{address:x} holds no debugger data block (its tag is {tag}, not 'KDBG')", DAMAGED)
    if not SMALLEST_SIZE <= size <= LARGEST_SIZE:
        raise DumpError(
            f"{FIELD}.Size", f"0x{size:x} is not between 0x{SMALLEST_SIZE:x} and 0x{LARGEST_SIZE:x}", DAMAGED
        )
    data = b""
    for piece in memory.present(address, size):  # an engine that knows less of it saves less
        if piece.address != address + len(data):
            break
        data += piece.data
    return DebuggerData(address, data, KDDEBUGGER_DATA64.parse(data.ljust(KDDEBUGGER_DATA64.size, b"\0")))


DAMAGED = "the dump is damaged or not one that Windows wrote"


def _is_encoded(memory: VirtualMemory, address: int) -> bool:
    """Tell whether decoding leads to the tag of the block, whatever the keys are.

    Every quadword is encoded by itself with the same keys: exclusive or, bytes reversed, exclusive or, rotated,
    exclusive or (Volatility and Rekall describe it). So the exclusive or of two encoded quadwords is that of the plain
    ones, reversed and rotated. Every block has fields that are zero: their encoded value is the most common one.
    """
    try:
        block = memory.read(address, SMALLEST_SIZE & ~7)
    except MemoryReadError:
        return False
    quadwords = [value for (value,) in struct.iter_unpack("<Q", block)]
    zero = Counter(quadwords).most_common(1)[0][0]
    mixed = quadwords[TAG_OFFSET // 8] ^ zero
    turned = (mixed << turn | mixed >> 64 - turn for turn in range(64))
    return any((value & (1 << 64) - 1).to_bytes(8, "big")[:4] == OWNER_TAG for value in turned)


def _find_in_kernel(memory: VirtualMemory, module_list_head: int | None) -> int:
    """Search the image of the kernel, the first of the loaded modules, for the tag of the block."""
    unknown = "the header gives no address for it"
    if module_list_head is None:
        raise DumpError(FIELD, f"{unknown}, nor a module list to find the kernel by", DAMAGED)
    try:
        entry = KLDR_DATA_TABLE_ENTRY64.parse(
            memory.read(read_pointer(memory, module_list_head), KLDR_DATA_TABLE_ENTRY64.size)
        )
    except MemoryReadError as error:
        raise DumpError(FIELD, f"{unknown}, and the module list cannot be read: {error}", DAMAGED) from None
    base, size = entry.number("DllBase"), min(entry.number("SizeOfImage"), LARGEST_KERNEL)
    for piece in memory.present(base, size):
        at = piece.data.find(OWNER_TAG)
        while at != -1:
            address = piece.address + at - TAG_OFFSET
            if not address % 8 and _leads_to(memory, address, base, module_list_head):
                return address
            at = piece.data.find(OWNER_TAG, at + 1)
    raise DumpError(FIELD, f"{unknown}, and the kernel's image at 0x{base:x} holds none that is decoded", DAMAGED)


def _leads_to(memory: VirtualMemory, address: int, kernel_base: int, module_list_head: int) -> bool:
    try:
        block = KDDEBUGGER_DATA64.parse(memory.read(address, SMALLEST_SIZE).ljust(KDDEBUGGER_DATA64.size, b"\0"))
    except MemoryReadError:
        return False
    return block.number("KernBase") == kernel_base and block.number("PsLoadedModuleList") == module_list_head
