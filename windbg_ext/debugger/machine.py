"""Facts about the debugged machine, for commands that do not read its memory themselves."""

from __future__ import annotations

from dataclasses import dataclass

import pykd

from windbg_ext.debugger.paging_files import paging_files
from windbg_ext.debugger.session import machine_type
from windbg_ext.kernel import ARCHITECTURES

PAGE_SIZE = 0x1000
NUMBER_OF_PHYSICAL_PAGES = 0x2E8
"""Offset in KUSER_SHARED_DATA (ntddk.h)."""


@dataclass(frozen=True)
class DebuggedMachine:
    """The machine in the open session. open_dump: the path of its dump, None without a file."""

    open_dump: str | None

    def physical_memory(self) -> int | None:
        """Return the RAM that Windows uses, in bytes, or None if the session cannot read it."""
        address = ARCHITECTURES[machine_type()].shared_user_data + NUMBER_OF_PHYSICAL_PAGES
        try:
            return int(pykd.loadDWords(address, 1)[0]) * PAGE_SIZE or None
        except pykd.MemoryException:
            return None

    def paging_files(self) -> list[tuple[str | None, int, int]]:
        """Return drive, size and maximum size in bytes of each paging file; nothing without the kernel's symbols."""
        return [(file.drive, file.size, file.maximum) for file in paging_files()]
