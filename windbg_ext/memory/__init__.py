"""Memory of a crashed machine: physical pages of a dump, virtual addresses behind page tables or data blocks."""

from windbg_ext.memory.blocks import BlockMemory
from windbg_ext.memory.physical import PhysicalMemory
from windbg_ext.memory.virtual import Piece, VirtualMemory, read_pointer, read_text, read_u32
from windbg_ext.memory.x64 import X64Memory

__all__ = [
    "BlockMemory",
    "PhysicalMemory",
    "Piece",
    "VirtualMemory",
    "X64Memory",
    "read_pointer",
    "read_text",
    "read_u32",
]
