"""The paging files of the machine in the session, read by type (nt!_MMPAGING_FILE) if the kernel's symbols are loaded.

Source of names: `dt nt!_MMPAGING_FILE`, `dt nt!_MI_PARTITION`. Sizes and offsets of the fields differ from build to
build, so nothing is read without symbols.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pykd

from windbg_ext.debugger.session import has_kernel_types

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE_SIZE = 0x1000
MAX_PAGING_FILES = 16
NO_PAGING_FILES_OF_DISK = ("VirtualStorePagefile", "WsSwapPagefile")
"""Flags of files that have the same type but take no dump: the store of compressed memory, and swapfile.sys."""


@dataclass(frozen=True)
class SessionPagingFile:
    """A paging file. path: as the kernel has it; size, maximum: in bytes, now and at most."""

    path: str
    size: int
    maximum: int

    @property
    def drive(self) -> str | None:
        r"""The drive, None if the path (`\??\C:\pagefile.sys`) has none."""
        start = self.path.removeprefix("\\??\\")
        return start[:2] if start[1:2] == ":" else None


def paging_files() -> list[SessionPagingFile]:
    """Return the paging files on disk; an empty list without the kernel's symbols."""
    if not has_kernel_types():
        return []
    try:
        return [_read(file) for file in _structures() if not any(_flag(file, name) for name in NO_PAGING_FILES_OF_DISK)]
    except pykd.DbgException:  # a build with other names, or memory that cannot be read
        return []


def _structures() -> Iterator[Any]:
    for address in _addresses():
        if address:
            yield pykd.typedVar("nt!_MMPAGING_FILE", address)


def _addresses() -> list[int]:
    """Return the pointers to the structures: from a variable on Windows 7, from the system partition later."""
    try:
        return list(pykd.loadPtrs(pykd.getOffset("nt!MmPagingFile"), MAX_PAGING_FILES))
    except pykd.SymbolException:
        # public symbols do not tell the type of a variable, so it is named here
        partition = pykd.typedVar("nt!_MI_PARTITION", pykd.getOffset("nt!MiSystemPartition"))
        array = partition.field("Vp").field("PagingFile")
        return [int(array[index]) for index in range(MAX_PAGING_FILES)]


def _flag(file: Any, name: str) -> bool:
    return bool(file.hasField(name)) and bool(int(file.field(name)))


def _read(file: Any) -> SessionPagingFile:
    # field() raises DbgException for a field that a build does not have; an attribute would raise AttributeError
    path = pykd.loadUnicodeString(file.field("PageFileName").getAddress())
    return SessionPagingFile(path, int(file.field("Size")) * PAGE_SIZE, int(file.field("MaximumSize")) * PAGE_SIZE)
