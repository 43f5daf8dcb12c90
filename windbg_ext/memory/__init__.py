"""Memory of a crashed machine: physical pages of a dump, virtual addresses behind page tables or data blocks.

What is imported from here is loaded only then (PEP 562).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from windbg_ext.memory.blocks import BlockMemory
    from windbg_ext.memory.paging import PagedMemory
    from windbg_ext.memory.physical import PhysicalMemory
    from windbg_ext.memory.virtual import Piece, VirtualMemory, read_pointer, read_text, read_u32

__all__ = [
    "BlockMemory",
    "PagedMemory",
    "PhysicalMemory",
    "Piece",
    "VirtualMemory",
    "read_pointer",
    "read_text",
    "read_u32",
]

_HOMES = {"BlockMemory": "blocks", "PagedMemory": "paging", "PhysicalMemory": "physical"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'virtual')}"), name)
