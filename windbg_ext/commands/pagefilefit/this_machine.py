"""The Windows that this runs on: its registry, memory, paging files and boot volume.

What is asked of Windows is a protocol, so that recorded answers do as well; `win32` asks the real one.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from windbg_ext.commands.pagefilefit.settings import RegistryValue
from windbg_ext.commands.pagefilefit.space import Volume
from windbg_ext.errors import DumpError, UsageError

if TYPE_CHECKING:
    from datetime import datetime

CONTROL = r"SYSTEM\CurrentControlSet\Control"
TYPES = {1: "REG_SZ", 2: "REG_EXPAND_SZ", 3: "REG_BINARY", 4: "REG_DWORD", 7: "REG_MULTI_SZ", 11: "REG_QWORD"}
"""Numbers of value types, winnt.h."""


class WindowsApi(Protocol):
    """What is asked of Windows. OSError where it refuses."""

    def registry_values(self, key: str) -> list[tuple[str, Any, int]]:
        """Return (name, data, number of the type) of the values of a key of HKEY_LOCAL_MACHINE, as winreg does."""

    def physical_memory(self) -> int:
        """Return the bytes of RAM that Windows uses."""

    def paging_files(self) -> list[tuple[str, int]]:
        """Return (path, pages) of each paging file as it is now."""

    def page_size(self) -> int:
        """Return the bytes of a page."""

    def windows_folder(self) -> str:
        """Return %SystemRoot%."""

    def volume(self, drive: str) -> tuple[int, int]:
        """Return (bytes, free bytes) of a volume."""

    def now(self) -> datetime:
        """Return the time."""


class ThisRegistry:
    """A `Registry` over the one of this machine."""

    name = "this machine's registry"

    def __init__(self, api: WindowsApi) -> None:
        self._api = api

    def values(self, key: str) -> dict[str, RegistryValue]:
        """Return the values of a key below `Control` by their names in lower case; nothing if there is no such key."""
        try:
            values = self._api.registry_values(f"{CONTROL}\\{key}")
        except FileNotFoundError:
            return {}
        except OSError as error:
            why = f"cannot be read ({error.strerror})"
            raise DumpError(f"HKLM\\{CONTROL}\\{key}", why, "run this as an administrator") from None
        return {
            name.lower(): RegistryValue(TYPES.get(number, f"value of type {number}"), b"" if data is None else data)
            for name, data, number in values
        }


@dataclass(frozen=True)
class ThisMachine:
    """What this Windows tells. ram: bytes; paging_file_sizes: bytes that each has now, by drive such as `C:`."""

    registry: ThisRegistry
    ram: int
    volume: Volume
    paging_file_sizes: dict[str, int]
    now: datetime


def open_this_machine() -> ThisMachine:
    """Ask the Windows that this runs on; UsageError where it is none."""
    if sys.platform == "win32":
        from windbg_ext.commands.pagefilefit.win32 import Win32Api  # there is no such thing elsewhere

        return read_machine(Win32Api())
    raise UsageError("--this-machine: only on Windows; elsewhere name a dump, --system-hive, or --ram and --pagefile")


def read_machine(api: WindowsApi) -> ThisMachine:
    """Ask a Windows. DumpError where it refuses."""
    try:
        letter = api.windows_folder()[:2].upper()
        size, free = api.volume(letter)
        return ThisMachine(
            registry=ThisRegistry(api),
            ram=api.physical_memory(),
            volume=Volume(letter, size, free),
            paging_file_sizes=dict(_sizes(api)),
            now=api.now(),
        )
    except OSError as error:
        raise DumpError("this machine", f"cannot be asked ({error.strerror})", "give the figures by hand") from None


def _sizes(api: WindowsApi) -> list[tuple[str, int]]:
    """Return (drive, bytes) of the paging files as far as Windows tells: without, the sizes that are set are taken."""
    try:
        page_size, files = api.page_size(), api.paging_files()
    except OSError:
        return []
    paths = ((path[4:] if path.startswith("\\??\\") else path, pages) for path, pages in files)
    return [(path[:2].upper(), pages * page_size) for path, pages in paths]
