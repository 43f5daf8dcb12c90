"""Which files to look at: named and listed ones, those of folders, and those that a wildcard fits."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError
from windbg_ext.sources.archive import DUMP_ENDINGS
from windbg_ext.sources.formats import ENDINGS as PACKED_ENDINGS
from windbg_ext.sources.local import DEVICE_PREFIXES, is_address, system_path, tidy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Callable

    OnUnreadable = Callable[[DumpError], None]

ENDINGS = tuple(name + packed for name in DUMP_ENDINGS for packed in ("", *PACKED_ENDINGS))
"""Files of a folder whose names end like this are looked at; whatever is named itself is looked at in any case."""
WILDCARDS = "*?["
MAX_LIST = 64 << 20
"""Bytes of a list of paths."""


def is_single(paths: Iterable[str]) -> bool:
    """Tell whether the paths are one file that was named itself."""
    listed = list(paths)
    return len(listed) == 1 and not _is_folder(listed[0]) and not _is_pattern(listed[0])


def find_dumps(paths: Iterable[str], on_unreadable: OnUnreadable | None = None) -> Iterator[str]:
    """Yield each file once, in the order of the paths; a folder's files with those of its subfolders, by name.

    DumpError: a folder without a dump, or a wildcard that nothing fits; a subfolder that cannot be read, unless
    `on_unreadable` takes that error, and that of a folder among those that a wildcard fits. Links to folders are not
    followed.
    """
    seen: set[str] = set()
    for path in paths:
        for file in _files(path, on_unreadable):
            if file not in seen:
                seen.add(file)
                yield file


def folder_of(path: str) -> str:
    """Return the folder that everything is in which `find_dumps` finds for a folder, a wildcard or a file."""
    if _is_folder(path):
        return path
    folder = os.path.dirname(path)  # "" is the current folder
    while _is_pattern(folder):
        folder = os.path.dirname(folder)
    return folder


def read_list(data: bytes, name: str) -> list[str]:
    """Read a list of paths, one a line, UTF-8 or UTF-16 as PowerShell writes it; blank lines are ignored.

    DumpError: it is no text, or there is nothing in it. name: what to call it then.
    """
    if len(data) > MAX_LIST:
        raise DumpError("list", f"is longer than {MAX_LIST >> 20} MB", "name the folder instead", name)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16", errors="replace")
    elif os.name == "nt":
        text = data.decode("utf-8-sig", errors="replace")
    else:  # a file name may be any bytes
        text = os.fsdecode(data.removeprefix(b"\xef\xbb\xbf"))
    if "\0" in text:
        raise DumpError("list", "is no text file", "name a file with the path of a dump on each line", name)
    paths = [line.rstrip("\r") for line in text.split("\n") if line.strip()]
    if not paths:
        raise DumpError("list", "names no file", "put the path of a dump on each line", name)
    return paths


def _files(path: str, on_unreadable: OnUnreadable | None) -> Iterator[str]:
    if _is_folder(path):
        yield from _files_of_folder(path, on_unreadable)
    elif _is_pattern(path):
        yield from _files_of_pattern(path, on_unreadable)
    else:
        yield path


def _is_folder(path: str) -> bool:
    return not is_address(path) and os.path.isdir(system_path(path))


def _is_pattern(path: str) -> bool:
    if is_address(path):  # "?" and brackets are part of it
        return False
    named = path[4:] if path.startswith(DEVICE_PREFIXES) else path  # \\?\ is no wildcard
    return any(character in named for character in WILDCARDS) and not os.path.lexists(system_path(path))


def _files_of_pattern(pattern: str, on_unreadable: OnUnreadable | None) -> Iterator[str]:
    import glob  # takes longer to import than most files to look at

    found = sorted(glob.glob(pattern, recursive=True))
    if not found:
        raise DumpError("path", "no file fits this wildcard", "name a dump or a folder", pattern)
    for path in found:
        if not _is_folder(path):
            yield path
            continue
        try:
            yield from _files_of_folder(path, on_unreadable)
        except DumpError as error:
            if on_unreadable is None:
                raise
            on_unreadable(error)


def _files_of_folder(folder: str, on_unreadable: OnUnreadable | None) -> Iterator[str]:
    found = False
    top = system_path(folder, longest=0)  # what lies below may have long paths

    def refuse(error: OSError) -> None:
        place = folder + str(error.filename)[len(top) :]
        refused = DumpError("folder", f"cannot be read ({error.strerror})", "run with more rights", place)
        if on_unreadable is None or place == folder:
            raise refused
        on_unreadable(refused)

    for place, folders, names in os.walk(top, onerror=refuse):
        folders.sort()
        for name in sorted(names):
            if name.lower().endswith(ENDINGS):
                found = True
                yield tidy(os.path.join(folder + place[len(top) :], name))
    if not found:
        raise DumpError("folder", "holds no file whose name ends in .dmp", "name the dump itself", folder)
