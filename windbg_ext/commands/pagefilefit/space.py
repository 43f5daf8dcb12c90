"""Where a crashing Windows can put its dump, and how much room there is: now, and once the paging file has grown."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from windbg_ext.commands.pagefilefit.rules import (
    LARGEST_WITHOUT_PAE,
    SMALLEST_PAGING_FILE,
    SYSTEM_MANAGED_FOR_A_DUMP,
    SYSTEM_MANAGED_MAXIMUM,
    SYSTEM_MANAGED_MINIMUM,
    SYSTEM_MANAGED_OF_VOLUME,
)
from windbg_ext.commands.pagefilefit.settings import ANY_DRIVE
from windbg_ext.structs.architectures import X86

if TYPE_CHECKING:
    from windbg_ext.commands.pagefilefit.settings import PagingFile
    from windbg_ext.structs.architectures import Architecture


class Place(enum.Enum):
    """What takes the dump."""

    PAGING_FILE = "paging file"
    DEDICATED_FILE = "dedicated dump file"
    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Space:
    """The room for a dump, in bytes; None where it cannot be told.

    path: of the file that takes the dump; now, maximum: how large it is and how large it can get, each with what that
    follows from; system_managed: Windows chooses the size of the paging file; elsewhere: paging files that do not
    count, because they are not on the boot volume.
    """

    place: Place
    path: str | None
    now: int | None
    maximum: int | None
    now_from: str
    maximum_from: str
    system_managed: bool = False
    elsewhere: tuple[PagingFile, ...] = ()


@dataclass(frozen=True)
class Volume:
    """The boot volume. letter: such as `C:`; size, free: bytes, None where they are not known."""

    letter: str
    size: int | None = None
    free: int | None = None


def dedicated_space(path: str | None, size: int | None) -> Space:
    """Return the room of a dedicated dump file."""
    source = "DumpFileSize" if size is not None else "Windows chooses the size: DumpFileSize is not set"
    return Space(Place.DEDICATED_FILE, path, size, size, source, source)


def paging_file_space(files: tuple[PagingFile, ...] | None, volume: Volume, ram: int | None) -> Space:
    """Return the room of the paging file on the boot volume; files: None where nobody tells."""
    if files is None:
        return Space(Place.UNKNOWN, None, None, None, "no paging file was named", "no paging file was named")
    here = [file for file in files if file.drive in (volume.letter, ANY_DRIVE)]
    elsewhere = tuple(file for file in files if file.drive not in (volume.letter, ANY_DRIVE))
    if not here:
        source = f"there is no paging file on the boot volume {volume.letter}"
        return Space(Place.NONE, None, 0, 0, source, source, elsewhere=elsewhere)
    file = here[0]
    room = _system_managed(file, volume, ram) if file.system_managed else _fixed(file, volume)
    now, now_from, maximum, maximum_from = room
    path = volume.letter + file.path[2:] if file.drive == ANY_DRIVE else file.path
    return Space(Place.PAGING_FILE, path, now, maximum, now_from, maximum_from, file.system_managed, elsewhere)


Room = tuple["int | None", str, "int | None", str]
"""Bytes now and why, bytes at its maximum and why."""


def _fixed(file: PagingFile, volume: Volume) -> Room:
    assert file.initial is not None
    assert file.maximum is not None
    if file.maximum < SMALLEST_PAGING_FILE:
        why = "the paging file's maximum is under 2 MB, and Windows makes none so small"
        return 0, why, 0, why
    now = file.initial if file.current is None else file.current
    maximum, maximum_from = max(file.maximum, now), "its maximum size"
    if volume.free is not None and now + volume.free < maximum:
        maximum, maximum_from = now + volume.free, f"what is free on {volume.letter}, less than its maximum size"
    return now, "its initial size" if file.current is None else "its size", maximum, maximum_from


def _system_managed(file: PagingFile, volume: Volume, ram: int | None) -> Room:
    now, now_from = file.current, "its size"
    if now is None and ram is not None:
        rule = SYSTEM_MANAGED_MINIMUM
        now, now_from = rule.formula(ram), f"system-managed, its minimum is {rule.says} ({rule.page})"
    if ram is None:
        return now, now_from if now is not None else "system-managed, by RAM", None, "system-managed, by RAM"
    rule = SYSTEM_MANAGED_MAXIMUM
    maximum, maximum_from = rule.formula(ram), f"system-managed, {rule.says} ({rule.page})"
    if volume.free is not None:
        rule = SYSTEM_MANAGED_FOR_A_DUMP
        by_free_space = (now or 0) + rule.formula(volume.free)
        if by_free_space < maximum:
            maximum, maximum_from = by_free_space, f"system-managed, {rule.says} ({rule.page})"
    elif volume.size is not None:
        rule = SYSTEM_MANAGED_OF_VOLUME
        if rule.formula(volume.size) < maximum:
            maximum, maximum_from = rule.formula(volume.size), f"system-managed, {rule.says} ({rule.page})"
    return now, now_from, max(maximum, now or 0), maximum_from


def without_pae(space: Space, architecture: Architecture) -> bool:
    """Return whether the paging file can have its maximum on 32-bit Windows only with PAE."""
    large = space.place is Place.PAGING_FILE and (space.maximum or 0) > LARGEST_WITHOUT_PAE
    return architecture is X86 and large
