"""What a command may ask of a debugger's session, where it does not read the session's memory itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from windbg_ext.commands.pagefilefit.kernel_use import KernelUse


class Session(Protocol):
    """The machine that is debugged."""

    @property
    def open_dump(self) -> str | None:
        """Return the path of the open dump, None without a file."""

    def physical_memory(self) -> int | None:
        """Return the bytes of RAM of the machine, None if the session does not tell."""

    def kernel_use(self) -> KernelUse | None:
        """Return what the kernel uses now, None if the session does not tell."""

    def paging_files(self) -> Sequence[tuple[str | None, int, int]]:
        """Return drive (None if unknown), bytes now and bytes at most of each paging file; empty if unknown."""
