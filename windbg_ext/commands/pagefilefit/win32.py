"""Windows itself, asked for what `this_machine` wants: one call for each question. Can be imported on Windows only.

Calls: the Windows SDK (GlobalMemoryStatusEx, EnumPageFilesW); registry and volumes through Python's own modules.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import shutil
import sys
import winreg
from datetime import datetime, timezone
from typing import Any

assert sys.platform == "win32"


class MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX."""

    _fields_ = [
        ("length", ctypes.c_uint32),
        ("memory_load", ctypes.c_uint32),
        ("total_physical", ctypes.c_uint64),
        ("others", ctypes.c_uint64 * 6),
    ]


class PageFileInformation(ctypes.Structure):
    """ENUM_PAGE_FILE_INFORMATION: sizes in pages."""

    _fields_ = [
        ("cb", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("total_size", ctypes.c_size_t),
        ("total_in_use", ctypes.c_size_t),
        ("peak_usage", ctypes.c_size_t),
    ]


class Win32Api:
    """`WindowsApi` by the calls themselves."""

    def registry_values(self, key: str) -> list[tuple[str, Any, int]]:
        """See `WindowsApi`."""
        access = winreg.KEY_READ | winreg.KEY_WOW64_64KEY
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key, 0, access) as opened:
            return [winreg.EnumValue(opened, index) for index in range(winreg.QueryInfoKey(opened)[1])]

    def physical_memory(self) -> int:
        """See `WindowsApi`."""
        status = MemoryStatus(length=ctypes.sizeof(MemoryStatus))
        if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
            raise ctypes.WinError()
        return int(status.total_physical)

    def paging_files(self) -> list[tuple[str, int]]:
        """See `WindowsApi`."""
        found: list[tuple[str, int]] = []

        def note(_context: int, information: Any, path: str) -> bool:
            found.append((path, int(information.contents.total_size)))
            return True

        callback = ctypes.WINFUNCTYPE(
            ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(PageFileInformation), ctypes.c_wchar_p
        )(note)
        if not ctypes.windll.kernel32.K32EnumPageFilesW(callback, None):
            raise ctypes.WinError()
        return found

    def page_size(self) -> int:
        """See `WindowsApi`."""
        return mmap.PAGESIZE

    def windows_folder(self) -> str:
        """See `WindowsApi`."""
        return os.environ["SYSTEMROOT"]

    def volume(self, drive: str) -> tuple[int, int]:
        """See `WindowsApi`."""
        usage = shutil.disk_usage(f"{drive}\\")
        return usage.total, usage.free

    def now(self) -> datetime:
        """See `WindowsApi`."""
        return datetime.now(timezone.utc)
