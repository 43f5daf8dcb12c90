"""Facts about the debugged machine, for commands that do not read its memory themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pykd

from windbg_ext.debugger.paging_files import paging_files
from windbg_ext.debugger.session import dump_path, is_process, machine_type
from windbg_ext.debugger.target import session_target
from windbg_ext.errors import DumpError
from windbg_ext.kernel import ARCHITECTURES

if TYPE_CHECKING:
    from windbg_ext.commands.pagefilefit.kernel_use import KernelUse

PAGE_SIZE = 0x1000
NUMBER_OF_PHYSICAL_PAGES = 0x2E8
"""Offset in KUSER_SHARED_DATA (ntddk.h)."""


@dataclass(frozen=True)
class DebuggedMachine:
    """The machine in the open session.

    open_dump: the path of its dump, None without a file; is_process: a process is debugged, and no kernel.
    """

    open_dump: str | None
    is_process: bool = False

    @classmethod
    def of_session(cls) -> DebuggedMachine:
        """Return what the session has open."""
        return cls(dump_path(), is_process())

    def target(self) -> object:
        """Return the session's `Target`. Raise DumpError if it has none."""
        return session_target()

    def physical_memory(self) -> int | None:
        """Return the RAM that Windows uses, in bytes, or None if the session cannot read it."""
        address = ARCHITECTURES[machine_type()].shared_user_data + NUMBER_OF_PHYSICAL_PAGES
        try:
            return int(pykd.loadDWords(address, 1)[0]) * PAGE_SIZE or None
        except pykd.MemoryException:
            return None

    def kernel_use(self) -> KernelUse | None:
        """Return what the kernel uses now, None while it runs and the session cannot read its structures."""
        from windbg_ext.commands.pagefilefit.kernel_use import kernel_in_use  # only for a live kernel

        try:
            return kernel_in_use(session_target())
        except DumpError:
            return None

    def paging_files(self) -> list[tuple[str | None, int, int]]:
        """Return drive, size and maximum size in bytes of each paging file; nothing without the kernel's symbols."""
        return [(file.drive, file.size, file.maximum) for file in paging_files()]
