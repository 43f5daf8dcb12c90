"""Ways to damage a crashed machine's memory before it is written, for tests of hostile input: arguments of `build`.

Damage to the header goes into `build`'s `header`; other registers, RAM or modules are `dataclasses.replace` of the
machine; a truncated dump is a slice of what `build` returns.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from samples.builder.crashed_machine import CrashedMachine

KI_WAIT_NEVER, KI_WAIT_ALWAYS = 0x00A3B1C5_D7E9F117, 0x9C6E2B53_48D0F1A6
"""Made-up values of the two kernel variables that are the keys of the encoding."""
DATA_BLOCK_ENCODED = 0x4800
"""Offset in the kernel image of KdpDataBlockEncoded, whose address takes part in the encoding."""


def loop_module_list(crashed: CrashedMachine) -> None:
    """Let the last entry of PsLoadedModuleList point at the second one, so that the list never returns to its head."""
    entries = list(crashed.loaded_modules.values())
    crashed.write_pointers(entries[-1], entries[1])


def encode_debugger_data(crashed: CrashedMachine) -> None:
    """Encode the debugger data block as it is in live memory since Windows 8 (volatility 2 `win8_kdbg.py`, rekall)."""
    block_encoded = crashed.machine.kernel.base + DATA_BLOCK_ENCODED
    crashed.write(block_encoded, b"\1")
    size = crashed.machine.version.debugger_data_size
    plain = struct.unpack(f"<{size // 8}Q", crashed.system.read(crashed.debugger_data, size))
    crashed.write_u64(crashed.debugger_data, *(encode(value, block_encoded) for value in plain))


def encode(value: int, block_encoded: int) -> int:
    """Encode a quadword; block_encoded: address of KdpDataBlockEncoded."""
    swapped = int.from_bytes((value ^ KI_WAIT_ALWAYS).to_bytes(8, "little"), "big")
    mixed = swapped ^ (block_encoded | 0xFFFF0000_00000000)
    turn = KI_WAIT_NEVER & 63
    return (mixed >> turn | mixed << 64 - turn) & (1 << 64) - 1 ^ KI_WAIT_NEVER


def spoil_debugger_data(crashed: CrashedMachine) -> None:
    """Fill the debugger data block with ones, except its tag and its size."""
    size = crashed.machine.version.debugger_data_size
    crashed.write(crashed.debugger_data, b"\xff" * 0x10)
    crashed.write(crashed.debugger_data + 0x18, b"\xff" * (size - 0x18))


def loop_page_tables(crashed: CrashedMachine) -> None:
    """Let every entry of every root point at the root itself."""
    tables = crashed.machine.page_tables
    for space in crashed.spaces.values():
        entry = struct.pack(tables.entry, space.root << 12 | tables.flags.kernel_table)
        crashed.memory.write(space.root, 0, entry * tables.entries)
