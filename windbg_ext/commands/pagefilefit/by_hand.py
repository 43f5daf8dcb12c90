"""Figures that the user gives himself, and whether they make sense, each by itself and all together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from windbg_ext.commands.pagefilefit.measure import MAX_RAM
from windbg_ext.commands.pagefilefit.rules import MB
from windbg_ext.commands.pagefilefit.settings import ANY_DRIVE
from windbg_ext.errors import UsageError
from windbg_ext.structs.architectures import BY_NAME

if TYPE_CHECKING:
    from windbg_ext.commands.pagefilefit.settings import PagingFile
    from windbg_ext.dump.kinds import DumpKind

MIN_BYTES, MAX_BYTES = 1 * MB, 1 << 60
"""Of RAM and files: less is a forgotten G, and no volume is larger."""
DEFAULT_BOOT_VOLUME = "C:"
WINDOWS_PE_VOLUME = "X:"
"""The RAM disk that Windows PE runs from."""


@dataclass(frozen=True)
class HandFigures:
    """What the user says himself, in bytes; None: nothing. It goes before what a dump, a hive or this machine tells.

    architecture: its name, x86, x64 or ARM64; paging_files: all of them, an empty tuple for none; a path of the drive
    `?:` stands for the boot volume.
    """

    ram: int | None = None
    architecture: str | None = None
    paging_files: tuple[PagingFile, ...] | None = None
    system_managed: bool = False
    dedicated: int | None = None
    boot_volume: str | None = None
    volume_size: int | None = None
    free_space: int | None = None
    kind: DumpKind | None = None


def check_figures(hand: HandFigures) -> None:
    """Check the figures by themselves and together; UsageError."""
    _check_size("--ram", hand.ram, MIN_BYTES, MAX_RAM)
    _check_size("--dedicated", hand.dedicated, MIN_BYTES, MAX_BYTES)
    _check_size("--volume-size", hand.volume_size, MIN_BYTES, MAX_BYTES)
    _check_size("--free-space", hand.free_space, 0, MAX_BYTES)
    if hand.volume_size is not None and (hand.free_space or 0) > hand.volume_size:
        raise UsageError("--free-space is more than --volume-size")
    if hand.boot_volume is not None and not re.fullmatch("[A-Za-z]:", hand.boot_volume):
        raise UsageError(f"--boot-volume: {hand.boot_volume!r} is no drive such as C:")
    if hand.architecture is not None and hand.architecture not in BY_NAME:
        raise UsageError(f"--architecture: {hand.architecture!r} is none of {', '.join(BY_NAME)}")
    files = hand.paging_files or ()
    boot_volume = (hand.boot_volume or DEFAULT_BOOT_VOLUME).upper()
    drives = [boot_volume if file.drive == ANY_DRIVE else file.drive for file in files]
    for drive in drives:
        if drives.count(drive) > 1:
            raise UsageError(f"--pagefile: two sizes for {drive}")
    for file in files:
        for size in (file.initial, file.maximum, file.current):
            _check_size("--pagefile", size, MIN_BYTES, MAX_BYTES)
        if file.initial is not None and file.maximum is not None and file.maximum < file.initial:
            raise UsageError("--pagefile: the maximum is less than the initial size")
    if hand.system_managed and hand.paging_files is not None:
        if not files:
            raise UsageError("--system-managed and --pagefile 0: there is a paging file, or there is none")
        if any(file.initial != file.maximum for file in files):
            now = "give the size that the file has now, or none"
            raise UsageError(f"--system-managed and a maximum in --pagefile: {now}")


def _check_size(option: str, size: int | None, least: int, most: int) -> None:
    if size is not None and not least <= size <= most:
        raise UsageError(f"{option}: {size:,} bytes make no sense; sizes are such as 64G")
