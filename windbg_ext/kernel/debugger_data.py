"""Finding and reading the debugger data block (KDDEBUGGER_DATA64).

Layout and source: `windbg_ext.structs.debugger_data`.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError, MemoryReadError
from windbg_ext.limits import MAX_DEBUGGER_DATA_CANDIDATES
from windbg_ext.memory.virtual import Piece, read_pointer, read_run, read_structure
from windbg_ext.structs.debugger_data import (
    MAX_SIZE,
    OF_WINDOWS_XP,
    OWNER_TAG,
    SIZE_OF_WINDOWS_XP,
    SMALLEST_SIZE,
    KdDebuggerData64,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.limits import Budget
    from windbg_ext.memory.virtual import VirtualMemory
    from windbg_ext.structs.layouts import Layouts

TAG_OFFSET = KdDebuggerData64.owner_tag.offset
FIELD = "KdDebuggerDataBlock"
MAX_KERNEL_IMAGE = 64 << 20
"""Bytes of the kernel's image that are searched: the one of Windows 11 takes 20 MB."""


class DebuggerData(KdDebuggerData64):
    """The decoded block: the fields that public headers describe, where it was, and all of its bytes.

    A field is 0 where the block of this Windows version ends before it; pointers of x86 are not sign-extended.
    decoded: it was encoded where it was, as in the memory of a running machine.
    """

    address: int
    data: bytes
    decoded: bool

    def __init__(self, address: int, data: bytes, layouts: Layouts, *, decoded: bool = False) -> None:
        block = KdDebuggerData64.parse(data.ljust(KdDebuggerData64.SIZE, b"\0"))
        of_xp = layouts.pointer_size == 4 and len(data) <= SIZE_OF_WINDOWS_XP
        untold = OF_WINDOWS_XP if of_xp else {}
        values = {
            field.attribute: value & layouts.address_mask or untold.get(field.attribute, 0)
            for field, value in block.integers()
        }
        self.__dict__.update({**block.__dict__, **values, "address": address, "data": data, "decoded": decoded})

    def __eq__(self, other: object) -> bool:
        """Equal when address and bytes are, encoded or not."""
        return isinstance(other, DebuggerData) and (self.address, self.data) == (other.address, other.data)

    def __hash__(self) -> int:
        return hash((self.address, self.data))


def read_debugger_data(
    memory: VirtualMemory, address: int | None, module_list_head: int | None, budget: Budget
) -> DebuggerData:
    """Read the block at the address that the header gives, or find it inside the kernel's image.

    One that is still encoded, as in the memory of a running machine, is decoded. Raise DumpError if it cannot be read
    or decoded, or is garbage.
    """
    if address is None:
        address = _find_in_kernel(memory, module_list_head, budget)
    try:
        head = memory.read(address, TAG_OFFSET + 8)
    except MemoryReadError as error:
        raise DumpError(FIELD, str(error), "without it no kernel structure can be found") from None
    if head[TAG_OFFSET : TAG_OFFSET + 4] != OWNER_TAG:
        return _decoded(memory, address, module_list_head, head)
    size = int.from_bytes(head[TAG_OFFSET + 4 :], "little")
    _check_size(size)
    data = read_run(memory, address, size)  # an engine that knows less of it saves less
    return DebuggerData(address, data, memory.layouts)


DAMAGED = "the dump is damaged or not one that Windows wrote"


def _check_size(size: int) -> None:
    if not SMALLEST_SIZE <= size <= MAX_SIZE:
        why = f"0x{size:x} is not between 0x{SMALLEST_SIZE:x} and 0x{MAX_SIZE:x}"
        raise DumpError(f"{FIELD}.Size", why, DAMAGED)


def _decoded(memory: VirtualMemory, address: int, module_list_head: int | None, head: bytes) -> DebuggerData:
    """Decode the block that a running kernel keeps encoded. Raise DumpError if that is not what is there."""
    block = next(_decodings(read_run(memory, address, MAX_SIZE)), None)
    if block is None:
        tag = ascii(head[TAG_OFFSET : TAG_OFFSET + 4].decode("latin-1"))
        raise DumpError(FIELD, f"0x{address:x} holds no debugger data block (its tag is {tag}, not 'KDBG')", DAMAGED)
    found = DebuggerData(address, block, memory.layouts, decoded=True)
    if module_list_head not in (None, found.ps_loaded_module_list):
        raise DumpError(
            FIELD,
            f"the block at 0x{address:x} is encoded, as in the memory of a running machine, and what it decodes to has "
            f"another module list (0x{found.ps_loaded_module_list:x}) than the header (0x{module_list_head:x})",
            "the keys in the dump do not fit its header: make the snapshot again, with the machine paused",
        )
    return found


def _decodings(data: bytes) -> Iterator[bytes]:
    """Yield what bytes decode to, where that is a debugger data block.

    Every quadword is encoded by itself with the same keys: exclusive or, bytes reversed, exclusive or, rotated,
    exclusive or (Volatility and Rekall describe it). So the exclusive or of two encoded quadwords is that of the plain
    ones, reversed and rotated: with the encoding of 0 at hand, all that is left of the keys is by how many bits. A
    block has many fields that are 0, their encoding is the most common one, and the tag tells the right rotation.
    """
    values = [value for (value,) in struct.iter_unpack("<Q", data[: len(data) & -8])]
    at_least = SMALLEST_SIZE // 8
    if len(values) < at_least:
        return
    zero = Counter(values[:at_least]).most_common(1)[0][0]
    tag_at = TAG_OFFSET // 8
    for turn in range(64):
        tag = _turned(values[tag_at] ^ zero, turn)
        size = int.from_bytes(tag[4:], "little")
        if tag[:4] == OWNER_TAG and SMALLEST_SIZE <= size <= min(MAX_SIZE, len(data)):
            whole = values[: -(-size // 8)]
            yield b"".join(_turned(value ^ zero, turn) for value in whole)[:size]


def _turned(mixed: int, turn: int) -> bytes:
    """Rotate to the left and reverse the bytes, which the bytes of a little-endian number then are already."""
    return ((mixed << turn | mixed >> 64 - turn) & (1 << 64) - 1).to_bytes(8, "big")


def _find_in_kernel(memory: VirtualMemory, module_list_head: int | None, budget: Budget) -> int:
    """Search the image of the kernel, the first of the loaded modules, for the block."""
    unknown = "the header gives no address for it"
    if module_list_head is None:
        raise DumpError(FIELD, f"{unknown}, nor a module list to find the kernel by", DAMAGED)
    try:
        entry = read_structure(memory, read_pointer(memory, module_list_head), memory.layouts.module)
    except MemoryReadError as error:
        raise DumpError(FIELD, f"{unknown}, and the module list cannot be read: {error}", DAMAGED) from None
    base, size = entry.dll_base, min(entry.size_of_image, MAX_KERNEL_IMAGE)
    for address in _candidates(memory, base, size):
        budget.draw(MAX_DEBUGGER_DATA_CANDIDATES, 1, FIELD)
        if _module_list_of(memory, address) == module_list_head:
            return address
    raise DumpError(FIELD, f"{unknown}, and the kernel's image at 0x{base:x} holds none that is decoded", DAMAGED)


def _candidates(memory: VirtualMemory, kernel_base: int, size: int) -> Iterator[int]:
    """Yield the addresses in a kernel's image at which a block of that kernel may begin.

    The tag, a size below 64 KB and KernBase stand behind one another, perhaps in two pages. All of them are looked for
    at once: an image can be nothing but tags.
    """
    base = kernel_base.to_bytes(memory.layouts.pointer_size, "little")
    head = re.compile(re.escape(OWNER_TAG) + rb"..\0\0" + re.escape(base), re.DOTALL)
    longest_part = len(OWNER_TAG) + 4 + len(base) - 1
    tail = Piece(kernel_base, b"")
    for piece in memory.present(kernel_base, size):
        touches = tail.address + len(tail.data) == piece.address
        data = tail.data + piece.data if touches else piece.data
        start = piece.address + len(piece.data) - len(data)
        for found in head.finditer(data):
            address = start + found.start() - TAG_OFFSET
            if not address % 8:
                yield address
        end = data[-longest_part:]
        tail = Piece(start + len(data) - len(end), end)


def _module_list_of(memory: VirtualMemory, address: int) -> int | None:
    """Return PsLoadedModuleList of a block, None where the block is not whole."""
    try:
        data = memory.read(address, SMALLEST_SIZE)
    except MemoryReadError:
        return None
    return DebuggerData(address, data, memory.layouts).ps_loaded_module_list
