"""The Windows that this runs on: its registry, memory, paging files and boot volume.

What is asked of Windows is a protocol, so that recorded answers do as well; `win32` asks the real one.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from windbg_ext.commands.pagefilefit.kernel_use import Driver, KernelUse, Performance
from windbg_ext.commands.pagefilefit.settings import MEMORY_MANAGEMENT, Key, RegistryValue, path_of
from windbg_ext.commands.pagefilefit.space import Volume
from windbg_ext.errors import DumpError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

T = TypeVar("T")
CONTROL = r"SYSTEM\CurrentControlSet\Control"
TYPES = {1: "REG_SZ", 2: "REG_EXPAND_SZ", 3: "REG_BINARY", 4: "REG_DWORD", 7: "REG_MULTI_SZ", 11: "REG_QWORD"}
"""Numbers of value types, winnt.h."""


class WindowsApi(Protocol):
    """What is asked of Windows. OSError where it refuses."""

    def registry_values(self, key: str) -> list[tuple[str, Any, int]]:
        """Return (name, data, number of the type) of the values of a key of HKEY_LOCAL_MACHINE, as winreg does."""

    def registry_keys(self, key: str) -> list[str]:
        """Return the names of the keys below a key of HKEY_LOCAL_MACHINE."""

    def physical_memory(self) -> int:
        """Return the bytes of RAM that Windows uses."""

    def paging_files(self) -> list[tuple[str, int]]:
        """Return (path, pages) of each paging file as it is now."""

    def page_size(self) -> int:
        """Return the bytes of a page."""

    def windows_folder(self) -> str:
        """Return %SystemRoot%."""

    def drives(self) -> list[str]:
        """Return the letters of local fixed drives, such as `C:`."""

    def volume(self, drive: str) -> tuple[int, int]:
        """Return (bytes, free bytes) of a volume."""

    def mount_point(self, path: str) -> str:
        """Return the place where the volume of a path is mounted: `C:\\`, or a folder."""

    def performance(self) -> Performance:
        """Return what the kernel uses."""

    def drivers(self) -> list[tuple[str, int]]:
        """Return (name of the file, bytes of the image) of each driver that is loaded."""

    def now(self) -> datetime:
        """Return the time."""


class ThisRegistry:
    """A `Registry` over the one of this machine."""

    name = "this machine's registry"

    def __init__(self, api: WindowsApi) -> None:
        self._api = api

    def values(self, key: str) -> dict[str, RegistryValue]:
        """Return the values of a key; see `Registry`."""
        values = self._ask(self._api.registry_values, key)
        return {
            name.lower(): RegistryValue(TYPES.get(number, f"value of type {number}"), b"" if data is None else data)
            for name, data, number in values
        }

    def subkeys(self, key: str) -> list[str]:
        """Return the names of the keys below one; see `Registry`."""
        return self._ask(self._api.registry_keys, key)

    def _ask(self, question: Callable[[str], list[T]], key: str) -> list[T]:
        path = path_of(CONTROL, key)
        try:
            return question(path)
        except FileNotFoundError:
            return []
        except OSError as error:
            why = f"cannot be read ({error.strerror})"
            raise DumpError(f"HKLM\\{path}", why, "run this as an administrator") from None


@dataclass(frozen=True)
class ThisMachine:
    """What this Windows tells. ram: bytes; paging_file_sizes: bytes that each has now, by drive such as `C:`.

    volumes: local drives by letter; mounted_at: where Windows' own volume is mounted; kernel_use: None where Windows
    does not tell; notes: what it refused.
    """

    registry: ThisRegistry
    ram: int
    volume: Volume
    paging_file_sizes: dict[str, int]
    now: datetime
    volumes: dict[str, Volume]
    mounted_at: str | None
    kernel_use: KernelUse | None
    notes: tuple[str, ...]


def open_this_machine() -> ThisMachine:
    """Ask the Windows that this runs on; UsageError where it is none."""
    if sys.platform == "win32":
        from windbg_ext.commands.pagefilefit.win32 import Win32Api  # there is no such thing elsewhere

        return read_machine(Win32Api())
    raise UsageError("--this-machine: only on Windows; elsewhere name a dump, --system-hive, or --ram and --pagefile")


def read_machine(api: WindowsApi) -> ThisMachine:
    """Ask a Windows. DumpError where it refuses what nothing can be answered without; other refusals are noted."""
    notes: list[str] = []
    registry = ThisRegistry(api)
    try:
        folder = api.windows_folder()
        letter = folder[:2].upper()
        size, free = api.volume(letter)
        ram, now = api.physical_memory(), api.now()
    except OSError as error:
        raise DumpError("this machine", f"cannot be asked ({error.strerror})", "give the figures by hand") from None
    boot = Volume(letter, size, free)
    return ThisMachine(
        registry=registry,
        ram=ram,
        volume=boot,
        paging_file_sizes=dict(_asked(notes, "EnumPageFiles: sizes of paging files", lambda: _sizes(api)) or ()),
        now=now,
        volumes={**(_asked(notes, "GetLogicalDrives: other drives", lambda: _volumes(api, notes)) or {}), letter: boot},
        mounted_at=_asked(notes, "GetVolumePathName: where Windows is mounted", lambda: api.mount_point(folder)),
        kernel_use=_asked(notes, "GetPerformanceInfo: what the kernel uses", lambda: _kernel_use(api, registry, notes)),
        notes=tuple(notes),
    )


def _asked(notes: list[str], what: str, question: Callable[[], T]) -> T | None:
    """Return the answer; None, with a note, where Windows refuses it."""
    try:
        return question()
    except OSError as error:
        notes.append(f"{what}: not known ({error.strerror})")
        return None


def _sizes(api: WindowsApi) -> list[tuple[str, int]]:
    """Return (drive, bytes) of the paging files."""
    page_size, files = api.page_size(), api.paging_files()
    paths = ((path[4:] if path.startswith("\\??\\") else path, pages) for path, pages in files)
    return [(path[:2].upper(), pages * page_size) for path, pages in paths]


def _volumes(api: WindowsApi, notes: list[str]) -> dict[str, Volume]:
    found = {}
    for letter in api.drives():
        space = _asked(notes, f"GetDiskFreeSpaceEx: free space on {letter}", partial(api.volume, letter))
        if space is not None:
            found[letter] = Volume(letter, *space)
    return found


def _kernel_use(api: WindowsApi, registry: ThisRegistry, notes: list[str]) -> KernelUse:
    told = api.performance()
    if not told.kernel_paged or not told.kernel_nonpaged:  # Wine has no pools
        raise OSError(0, "it has no figures for the pools")
    drivers = _asked(notes, "EnumDeviceDrivers: drivers that are loaded", api.drivers) or []
    large = Key(registry.values(MEMORY_MANAGEMENT), notes).lines("LargePageDrivers")
    return KernelUse(
        paged=told.kernel_paged * told.page_size,
        nonpaged=told.kernel_nonpaged * told.page_size,
        drivers=tuple(Driver(name, size) for name, size in drivers),
        large_pages=tuple(large or ()),
        peak_commit=told.commit_peak * told.page_size,
        source="GetPerformanceInfo and EnumDeviceDrivers of this machine",
    )
