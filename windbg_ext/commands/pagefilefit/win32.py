"""Windows itself, asked for what `this_machine` wants: one call for each question. Can be imported on Windows only.

Calls: the Windows SDK (GlobalMemoryStatusEx, EnumPageFilesW, GetPerformanceInfo, EnumDeviceDrivers, GetLogicalDrives,
GetDriveTypeW, GetVolumePathNameW); registry and volumes through Python's own modules.
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

from windbg_ext.commands.pagefilefit.kernel_use import Performance

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


class PerformanceInformation(ctypes.Structure):
    """PERFORMANCE_INFORMATION: sizes in pages."""

    _fields_ = [
        ("cb", ctypes.c_uint32),
        ("commit_total", ctypes.c_size_t),
        ("commit_limit", ctypes.c_size_t),
        ("commit_peak", ctypes.c_size_t),
        ("physical_total", ctypes.c_size_t),
        ("physical_available", ctypes.c_size_t),
        ("system_cache", ctypes.c_size_t),
        ("kernel_total", ctypes.c_size_t),
        ("kernel_paged", ctypes.c_size_t),
        ("kernel_nonpaged", ctypes.c_size_t),
        ("page_size", ctypes.c_size_t),
        ("handle_count", ctypes.c_uint32),
        ("process_count", ctypes.c_uint32),
        ("thread_count", ctypes.c_uint32),
    ]


MAX_DRIVERS = 4096
"""Windows loads a few hundred."""
MAX_PATH = 260
DRIVE_FIXED = 3
PE_HEADER_AT, SIZE_OF_IMAGE = 0x3C, 0x50
"""Of an image's file: where the PE header is noted, and where in that the size of the loaded image is (winnt.h)."""


class Win32Api:
    """`WindowsApi` by the calls themselves."""

    def registry_values(self, key: str) -> list[tuple[str, Any, int]]:
        """See `WindowsApi`."""
        access = winreg.KEY_READ | winreg.KEY_WOW64_64KEY
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key, 0, access) as opened:
            return [winreg.EnumValue(opened, index) for index in range(winreg.QueryInfoKey(opened)[1])]

    def registry_keys(self, key: str) -> list[str]:
        """See `WindowsApi`."""
        access = winreg.KEY_READ | winreg.KEY_WOW64_64KEY
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key, 0, access) as opened:
            return [winreg.EnumKey(opened, index) for index in range(winreg.QueryInfoKey(opened)[0])]

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

    def drives(self) -> list[str]:
        """See `WindowsApi`."""
        present = ctypes.windll.kernel32.GetLogicalDrives()
        if not present:
            raise ctypes.WinError()
        letters = [f"{chr(ord('A') + number)}:" for number in range(26) if present >> number & 1]
        return [letter for letter in letters if ctypes.windll.kernel32.GetDriveTypeW(f"{letter}\\") == DRIVE_FIXED]

    def mount_point(self, path: str) -> str:
        """See `WindowsApi`."""
        mounted = ctypes.create_unicode_buffer(MAX_PATH)
        if not ctypes.windll.kernel32.GetVolumePathNameW(path, mounted, MAX_PATH):
            raise ctypes.WinError()
        return mounted.value

    def performance(self) -> Performance:
        """See `WindowsApi`."""
        told = PerformanceInformation(cb=ctypes.sizeof(PerformanceInformation))
        if not ctypes.windll.kernel32.K32GetPerformanceInfo(ctypes.byref(told), told.cb):
            raise ctypes.WinError()
        return Performance(told.commit_peak, told.kernel_total, told.kernel_paged, told.kernel_nonpaged, told.page_size)

    def drivers(self) -> list[tuple[str, int]]:
        """See `WindowsApi`. Windows 11 tells the addresses only to administrators, and then no names are found."""
        bases = (ctypes.c_void_p * MAX_DRIVERS)()
        needed = ctypes.c_uint32()
        kernel32 = ctypes.windll.kernel32
        if not kernel32.K32EnumDeviceDrivers(bases, ctypes.sizeof(bases), ctypes.byref(needed)):
            raise ctypes.WinError()
        found = []
        for base in bases[: min(MAX_DRIVERS, needed.value // ctypes.sizeof(ctypes.c_void_p))]:
            path = ctypes.create_unicode_buffer(MAX_PATH)
            if base and kernel32.K32GetDeviceDriverFileNameW(ctypes.c_void_p(base), path, MAX_PATH):
                size = _image_size(_as_path(path.value))
                if size is not None:
                    found.append((path.value.rpartition("\\")[2], size))
        return found

    def volume(self, drive: str) -> tuple[int, int]:
        """See `WindowsApi`."""
        usage = shutil.disk_usage(f"{drive}\\")
        return usage.total, usage.free

    def now(self) -> datetime:
        """See `WindowsApi`."""
        return datetime.now(timezone.utc)


def _as_path(name: str) -> str:
    """Return the path of a driver's file, whose name begins with `\\SystemRoot` or `\\??\\`."""
    name = name[4:] if name.startswith("\\??\\") else name
    root = "\\SystemRoot"
    return os.environ["SYSTEMROOT"] + name[len(root) :] if name.lower().startswith(root.lower()) else name


def _image_size(path: str) -> int | None:
    """Return the bytes that an image takes when it is loaded, None where its file cannot be read."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            head = file.read(0x1000)
    except OSError:
        return None
    at = int.from_bytes(head[PE_HEADER_AT : PE_HEADER_AT + 4], "little") + SIZE_OF_IMAGE
    return int.from_bytes(head[at : at + 4], "little") if at + 4 <= len(head) else None
