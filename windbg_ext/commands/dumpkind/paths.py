"""Which files to look at: named ones, those of folders, and those that a wildcard fits where no shell expands it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from windbg_ext.dump.file import system_path
from windbg_ext.dump.packed import DUMP_ENDINGS
from windbg_ext.dump.packed import ENDINGS as PACKED_ENDINGS
from windbg_ext.errors import DumpError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ENDINGS = tuple(name + packed for name in DUMP_ENDINGS for packed in ("", *PACKED_ENDINGS))
"""Files of a folder whose names end like this are looked at; whatever is named itself is looked at in any case."""


def is_single(paths: Iterable[str]) -> bool:
    """Tell whether the paths are one file that was named itself."""
    listed = list(paths)
    return len(listed) == 1 and not _is_folder(listed[0]) and not _is_pattern(listed[0])


def find_dumps(paths: Iterable[str]) -> Iterator[str]:
    """Give each file once, in the order of the paths; a folder's files with those of its subfolders, by name.

    DumpError: a folder without a dump, or a wildcard that nothing fits. Links to folders are not followed.
    """
    seen: set[str] = set()
    for path in paths:
        for file in _files(path):
            if file not in seen:
                seen.add(file)
                yield file


def _files(path: str) -> Iterator[str]:
    if _is_folder(path):
        yield from _files_of_folder(path)
    elif _is_pattern(path):
        yield from _files_of_pattern(path)
    else:
        yield path


def _is_folder(path: str) -> bool:
    return os.path.isdir(system_path(path))  # noqa: PTH112 - Path.is_dir raises where looking is not allowed


def _is_pattern(path: str) -> bool:
    return any(character in path for character in "*?[") and not os.path.lexists(system_path(path))


def _files_of_pattern(pattern: str) -> Iterator[str]:
    import glob  # takes longer to import than most files to look at

    found = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
    if not found:
        raise DumpError("path", "no file fits this wildcard", "name a dump or a folder", pattern)
    for path in found:
        yield from _files_of_folder(path) if _is_folder(path) else (path,)


def _files_of_folder(folder: str) -> Iterator[str]:
    found = False

    def refuse(error: OSError) -> None:
        raise DumpError("folder", f"cannot be read ({error.strerror})", "run with more rights", str(error.filename))

    top = system_path(folder, longest=0)  # what lies below may have long paths
    for place, folders, names in os.walk(top, onerror=refuse):
        folders.sort()
        for name in sorted(names):
            if name.lower().endswith(ENDINGS):
                found = True
                yield str(Path(folder + place[len(top) :], name))
    if not found:
        raise DumpError("folder", "holds no file whose name ends in .dmp", "name the dump itself", folder)
