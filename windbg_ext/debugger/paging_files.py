"""The paging files of the machine in the session, by type: nt!_MMPAGING_FILE, where the kernel's symbols are loaded.

Names and places: `dt nt!_MMPAGING_FILE`, `dt nt!_MI_PARTITION`. Widths and offsets differ from build to build, so that
nothing is read without symbols.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pykd

from windbg_ext.debugger.session import has_kernel_types, machine_type
from windbg_ext.kernel import ARCHITECTURES

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE_SIZE = 0x1000
MAX_PAGING_FILES = 16
NO_PAGING_FILES_OF_DISK = ("VirtualStorePagefile", "WsSwapPagefile")
"""Flags of what has the same type but takes no dump: the store of compressed memory, and swapfile.sys."""

NUMBER_OF_PHYSICAL_PAGES = 0x2E8
"""Offset in KUSER_SHARED_DATA (ntddk.h)."""


@dataclass(frozen=True)
class SessionPagingFile:
    """A paging file. path: as the kernel has it; size, maximum: bytes, now and at most."""

    path: str
    size: int
    maximum: int

    @property
    def drive(self) -> str | None:
        r"""The drive, None if the path (`\??\C:\pagefile.sys`) has none."""
        start = self.path.removeprefix("\\??\\")
        return start[:2] if start[1:2] == ":" else None


class Options(Protocol):
    """The options of `pagefilefit` that matter here, as its declaration names them."""

    source: object
    ram: int | None
    pagefile: list[tuple[str | None, int, int]] | None
    system_hive: str | None
    this_machine: bool
    system_managed: bool
    dedicated: int | None


def add_session_facts(options: Options, open_dump: str | None) -> list[str]:
    """Put what the session knows of RAM and paging files where the user named neither a machine nor a figure of it.

    Gives the options that the user could have typed instead.
    """
    if options.source != open_dump and isinstance(options.source, str):
        return []  # another dump than the one that is open
    typed = []
    if not isinstance(options.source, str):
        options.source = None
        if options.ram is None:
            options.ram = _physical_memory()
            typed += [] if options.ram is None else [f"/ram {options.ram}"]
    settings = (options.pagefile, options.system_hive, options.this_machine, options.system_managed, options.dedicated)
    if not any(settings):
        files = paging_files()
        options.pagefile = [(file.drive, file.size, file.maximum) for file in files] or None
        drives = [f"{file.drive}=" if file.drive else "" for file in files]
        typed += [f"/pagefile {drive}{file.size}..{file.maximum}" for drive, file in zip(drives, files)]
    return typed


def paging_files() -> list[SessionPagingFile]:
    """Give the paging files on disk; nothing without the kernel's symbols."""
    if not has_kernel_types():
        return []
    try:
        return [_read(file) for file in _structures() if not any(_flag(file, name) for name in NO_PAGING_FILES_OF_DISK)]
    except pykd.DbgException:  # a build that names it otherwise, or memory that is not there
        return []


def _structures() -> Iterator[Any]:
    for address in _addresses():
        if address:
            yield pykd.typedVar("nt!_MMPAGING_FILE", address)


def _addresses() -> list[int]:
    """Give the array of pointers: a variable in Windows 7, later in the system partition."""
    try:
        return list(pykd.loadPtrs(pykd.getOffset("nt!MmPagingFile"), MAX_PAGING_FILES))
    except pykd.SymbolException:
        # public symbols have types but do not tell which one a variable has
        partition = pykd.typedVar("nt!_MI_PARTITION", pykd.getOffset("nt!MiSystemPartition"))
        array = partition.field("Vp").field("PagingFile")
        return [int(array[index]) for index in range(MAX_PAGING_FILES)]


def _flag(file: Any, name: str) -> bool:
    return bool(file.hasField(name)) and bool(int(file.field(name)))


def _read(file: Any) -> SessionPagingFile:
    # field(), since a field that a build does not have is an AttributeError as an attribute, and no DbgException
    path = pykd.loadUnicodeString(file.field("PageFileName").getAddress())
    return SessionPagingFile(path, int(file.field("Size")) * PAGE_SIZE, int(file.field("MaximumSize")) * PAGE_SIZE)


def _physical_memory() -> int | None:
    address = ARCHITECTURES[machine_type()].shared_user_data + NUMBER_OF_PHYSICAL_PAGES
    try:
        return int(pykd.loadDWords(address, 1)[0]) * PAGE_SIZE or None
    except pykd.MemoryException:
        return None
