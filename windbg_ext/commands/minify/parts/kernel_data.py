"""What the kernel and its drivers keep for debuggers: blocks registered for small dumps, and kernel variables."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from windbg_ext.commands.minify.collector import Wanted
from windbg_ext.errors import MemoryReadError
from windbg_ext.memory.paging import PAGE_SIZE
from windbg_ext.memory.virtual import read_u32

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.commands.minify.crash import Crash

VARIABLE = 8
BUILD_LAB = 0x100
VERIFIER_DATA = 0xA0
MAX_REGISTERED_BLOCKS = 4096
MAX_REGISTERED_BYTES = 64 << 20


def registered_blocks(crash: Crash) -> Iterator[Wanted]:
    """Yield what kernel and drivers registered for small dumps: IopNumTriageDumpDataBlocks times {start, end}.

    Measured on dumps of 64-bit Windows 10 and 11: the second pointer is the end, not the length.
    """
    memory, block, size = crash.memory, crash.debugger_data, crash.architecture.layouts.pointer_size
    if not block.iop_num_triage_dump_data_blocks or not block.iop_triage_dump_data_blocks:
        return
    try:
        count = min(read_u32(memory, block.iop_num_triage_dump_data_blocks), MAX_REGISTERED_BLOCKS)
        table = memory.read(block.iop_triage_dump_data_blocks, 2 * size * count)
    except MemoryReadError:
        return
    yield Wanted(block.iop_num_triage_dump_data_blocks, 4)
    yield Wanted(block.iop_triage_dump_data_blocks, len(table))
    total = 0
    for start, end in struct.iter_unpack(f"<2{crash.architecture.layouts.pointer_code}", table):
        total += max(end - start, 0)
        if total > MAX_REGISTERED_BYTES:  # nobody registers that much: the list is damaged from here on
            return
        if start < end:
            yield Wanted(start, end - start)


def kernel_variables(crash: Crash) -> Iterator[Wanted]:
    """Yield the variables that the debugger data block points at, the kernel's image header, the shared data page."""
    block, architecture = crash.debugger_data, crash.architecture
    yield Wanted(block.nt_build_lab, BUILD_LAB)
    yield Wanted(block.mm_verifier_data, VERIFIER_DATA)
    yield Wanted(architecture.shared_user_data, PAGE_SIZE)
    yield Wanted(block.kern_base, PAGE_SIZE)
    for _, value in block.integers():
        if value >= architecture.lowest_kernel:
            yield Wanted(value, VARIABLE)
