"""What a machine is set to do when it crashes, out of its registry, whoever reads the registry.

Values and their meaning: the debugger's documentation (CrashControl, FilterPages) and
how-to-determine-the-appropriate-page-file-size (paging files).
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Protocol

from windbg_ext.commands.pagefilefit.rules import MB
from windbg_ext.dump.kinds import DumpKind
from windbg_ext.limits import MAX_PAGING_FILES, MAX_WINDOWS_PATH
from windbg_ext.structs.architectures import ARM64, X64, X86

if TYPE_CHECKING:
    from collections.abc import Sequence

    from windbg_ext.commands.pagefilefit.hive_logs import HiveState
    from windbg_ext.structs.architectures import Architecture

CONTROL = r"HKLM\SYSTEM\CurrentControlSet\Control"
CRASH_CONTROL = "CrashControl"
MEMORY_MANAGEMENT = r"Session Manager\Memory Management"
ENVIRONMENT = r"Session Manager\Environment"

KINDS = {1: DumpKind.COMPLETE, 2: DumpKind.KERNEL, 3: DumpKind.SMALL, 7: DumpKind.AUTOMATIC}
"""CrashDumpEnabled; 0 is none, and complete with FilterPages = 1 is active."""
DEFAULT_DUMP_FILE = r"%SystemRoot%\MEMORY.DMP"
DEFAULT_MINIDUMP_FOLDER = r"%SystemRoot%\Minidump"
ANY_DRIVE = "?:"
EPOCH = datetime(1601, 1, 1, tzinfo=timezone.utc)
LAST_YEAR = 9998
"""The calendar ends a year later, and weeks are added to a time."""
MAX_NUMBER = 0xFFFFFFFF
"""Every number that is read is a REG_DWORD."""


@dataclass(frozen=True)
class RegistryValue:
    """A value. type: REG_DWORD and so on; data: int for numbers, str, list of str for REG_MULTI_SZ, bytes."""

    type: str
    data: int | str | list[str] | bytes


class Registry(Protocol):
    """The current control set of a machine. Raise DumpError where it cannot be read."""

    @property
    def name(self) -> str:
        """Where it comes from, as reports name it."""

    def values(self, key: str) -> dict[str, RegistryValue]:
        """Return the values of a key below `Control` by their names in lower case; nothing if there is no such key.

        `..` stands for the key above, as in a path: `..\\Services`.
        """

    def subkeys(self, key: str) -> Sequence[str]:
        """Return the names of the keys directly below one, which is named as for `values`."""


def path_of(control: str, key: str) -> str:
    """Return the whole path of a key that is named from `Control`."""
    parts = control.split("\\")
    for name in key.split("\\") if key else ():
        if name == "..":
            parts.pop()
        else:
            parts.append(name)
    return "\\".join(parts)


@dataclass(frozen=True)
class PagingFile:
    """A paging file. path: `C:\\pagefile.sys`, drive `?:` where Windows chooses; initial, maximum: bytes, None for a
    system-managed one; current: bytes that it has now, None if that is not known.
    """

    path: str
    initial: int | None = None
    maximum: int | None = None
    current: int | None = None

    @property
    def drive(self) -> str:
        """The letter with its colon, in upper case."""
        return self.path[:2].upper()

    @property
    def system_managed(self) -> bool:
        """Whether Windows chooses its size."""
        return self.initial is None


@dataclass(frozen=True)
class CrashSettings:
    """CrashControl. kind: None where no dump is written or `kind_known` is False.

    dedicated_size: bytes, None where Windows chooses; last_crash_time: when a dump did not fit; minidump_count: how
    many small dumps are kept.
    """

    kind: DumpKind | None = None
    kind_known: bool = False
    dump_file: str = DEFAULT_DUMP_FILE
    minidump_folder: str = DEFAULT_MINIDUMP_FOLDER
    overwrite: bool = True
    always_keep: bool = False
    ignore_paging_file_size: bool = False
    dedicated_file: str | None = None
    dedicated_size: int | None = None
    last_crash_time: datetime | None = None
    minidump_count: int = 50


@dataclass(frozen=True)
class Settings:
    """All of it. paging_files: None where the registry does not tell; notes: what is odd about it; hive: whether it is
    up to date, if it is one.
    """

    source: str
    crash: CrashSettings
    paging_files: tuple[PagingFile, ...] | None
    architecture: Architecture | None
    notes: tuple[str, ...]
    hive: HiveState | None = None


def read_settings(registry: Registry) -> Settings:
    """Interpret CrashControl and Memory Management. What makes no sense is noted and not guessed at."""
    notes: list[str] = []
    crash = _read_crash_settings(Key(registry.values(CRASH_CONTROL), notes), notes)
    memory = Key(registry.values(MEMORY_MANAGEMENT), notes)
    environment = Key(registry.values(ENVIRONMENT), notes)
    return Settings(
        source=registry.name,
        crash=crash,
        paging_files=_read_paging_files(memory, notes),
        architecture=_architecture(environment.text("PROCESSOR_ARCHITECTURE")),
        notes=tuple(notes),
    )


class Key:
    """The values of a key by type. A value of another type is noted and counts as missing."""

    def __init__(self, values: dict[str, RegistryValue], notes: list[str]) -> None:
        self._values = values
        self._notes = notes

    def switch(self, name: str) -> bool | None:
        """Return whether a number is not 0; None where it is missing."""
        number = self.number(name)
        return None if number is None else number != 0

    def number(self, name: str) -> int | None:
        """Return a REG_DWORD; None where it is missing."""
        data = self._data(name)
        if data is None or (isinstance(data, int) and 0 <= data <= MAX_NUMBER):
            return data
        self._odd(name, "REG_DWORD")
        return None

    def text(self, name: str) -> str | None:
        """Return a REG_SZ or REG_EXPAND_SZ; None where it is missing, empty, or longer than any path."""
        data = self._data(name)
        if isinstance(data, str) and len(data) > MAX_WINDOWS_PATH:
            self._notes.append(f"{name} has {len(data):,} characters, no path is so long: it is left out of account")
            return None
        if data is None or isinstance(data, str):
            return data or None
        self._odd(name, "REG_SZ")
        return None

    def lines(self, name: str) -> list[str] | None:
        """Return the lines of a REG_MULTI_SZ that are not blank; None where it is missing."""
        data = self._data(name)
        if data is None:
            return None
        if isinstance(data, str):
            self._notes.append(f"{name} is a {self._type(name)}, not a REG_MULTI_SZ: it is read as one line")
            data = data.split("\0")
        if isinstance(data, list):
            return [line for line in data if line.strip()]
        self._odd(name, "REG_MULTI_SZ")
        return None

    def time(self, name: str) -> datetime | None:
        """Read a FILETIME, a number or 8 bytes."""
        data = self._data(name)
        if data is None:
            return None
        if isinstance(data, bytes) and len(data) == 8:
            data = int.from_bytes(data, "little")
        if isinstance(data, int):
            with suppress(OverflowError):
                moment = EPOCH + timedelta(microseconds=data // 10)
                if moment.year <= LAST_YEAR:
                    return moment
        self._odd(name, "time")
        return None

    def _data(self, name: str) -> int | str | list[str] | bytes | None:
        return self._values[name.lower()].data if name.lower() in self._values else None

    def _type(self, name: str) -> str:
        return self._values[name.lower()].type

    def _odd(self, name: str, expected: str) -> None:
        self._notes.append(f"{name} is a {self._type(name)}, not a {expected}: it is left out of account")


def _read_crash_settings(key: Key, notes: list[str]) -> CrashSettings:
    enabled = key.number("CrashDumpEnabled")
    kind = KINDS.get(enabled) if enabled is not None else None
    if kind is DumpKind.COMPLETE and key.number("FilterPages") == 1:
        kind = DumpKind.ACTIVE
    if enabled not in (None, 0) and kind is None:
        notes.append(f"CrashDumpEnabled is {enabled}, which no documentation describes")
    size = key.number("DumpFileSize")
    kept = key.number("MinidumpsCount")
    return CrashSettings(
        kind=kind,
        kind_known=enabled == 0 or kind is not None,
        dump_file=key.text("DumpFile") or DEFAULT_DUMP_FILE,
        minidump_folder=key.text("MinidumpDir") or DEFAULT_MINIDUMP_FOLDER,
        overwrite=key.number("Overwrite") != 0,
        always_keep=key.number("AlwaysKeepMemoryDump") == 1,
        ignore_paging_file_size=key.number("IgnorePagefileSize") == 1,
        dedicated_file=key.text("DedicatedDumpFile"),
        dedicated_size=size * MB if size else None,
        last_crash_time=key.time("LastCrashTime"),
        minidump_count=50 if kept is None else kept,
    )


def _read_paging_files(key: Key, notes: list[str]) -> tuple[PagingFile, ...] | None:
    lines = key.lines("PagingFiles")
    if lines is None:
        return None
    if len(lines) > MAX_PAGING_FILES:
        notes.append(f"PagingFiles has {len(lines):,} lines, Windows uses {MAX_PAGING_FILES}: the others are not read")
    files = []
    for line in lines[:MAX_PAGING_FILES]:
        file = parse_paging_file(line)
        if file is None:
            notes.append(f"a line of PagingFiles names no paging file: {line[:80]!r}")
        else:
            files.append(file)
    return tuple(files)


PAGING_FILE = re.compile(r"(?:\\\?\?\\)?([A-Za-z?]:\\.*)")
SIZE_IN_MB = re.compile(r"\d{1,9}", re.ASCII)


def parse_paging_file(line: str) -> PagingFile | None:
    """Read a line of PagingFiles: a path, then initial and maximum size in MB; none or zeros: system-managed."""
    path = line.strip()
    sizes: list[int] = []
    if len(path) > MAX_WINDOWS_PATH:
        return None
    while len(sizes) < 2:
        words = path.rsplit(maxsplit=1)
        if len(words) < 2 or SIZE_IN_MB.fullmatch(words[1]) is None:
            break
        path = words[0]
        sizes.insert(0, int(words[1]) * MB)
    match = PAGING_FILE.fullmatch(path)
    if match is None:
        return None
    initial, maximum = (*sizes, 0, 0)[:2]
    if (not initial and not maximum) or match[1].startswith(ANY_DRIVE):
        return PagingFile(match[1])
    return PagingFile(match[1], initial, max(initial, maximum))


def _architecture(name: str | None) -> Architecture | None:
    """Read PROCESSOR_ARCHITECTURE, which says AMD64 for x64."""
    if name is None:
        return None
    return {"x86": X86, "arm64": ARM64}.get(name.lower(), X64)
