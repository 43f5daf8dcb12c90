"""Which files to look at: named and listed ones, those of folders, and those that a wildcard fits."""

from __future__ import annotations

import codecs
import os
import sys
from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError
from windbg_ext.limits import MAX_WINDOWS_PATH
from windbg_ext.sources.archive import DUMP_ENDINGS
from windbg_ext.sources.formats import ENDINGS as PACKED_ENDINGS
from windbg_ext.sources.local import DEVICE_PREFIXES, advice_on, is_address, system_path, tidy
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO, Callable

    OnUnreadable = Callable[[DumpError], None]

ENDINGS = tuple(name + packed for name in DUMP_ENDINGS for packed in ("", *PACKED_ENDINGS))
"""Files of a folder whose names end like this are looked at; whatever is named itself is looked at in any case."""
WILDCARDS = "*?["
MAX_LISTED = 20_000
"""Paths of a list: more than one run converts in a day. The report, which is kept until the end, has a row for each."""
MAX_LIST = 16 << 20
"""Bytes of a list: as many paths of 800 characters."""
MOUNT_POINT = 0xA0000003
"""IO_REPARSE_TAG_MOUNT_POINT of ntifs.h: a junction, or a volume that is mounted in a folder."""
LIST_PIECE = 1 << 16
"""Bytes of a list that are read at once."""


def is_single(paths: Iterable[str]) -> bool:
    """Return whether the paths are one file that was named itself."""
    listed = list(paths)
    return len(listed) == 1 and not _is_folder(listed[0]) and not _is_pattern(listed[0])


class Wanted(NamedTuple):
    """Which files of a folder are looked at. fits: tells by the name, in lower case; none: what to say where there is
    none.
    """

    fits: Callable[[str], bool]
    none: str


DUMPS = Wanted(lambda name: name.endswith(ENDINGS), "holds no file whose name ends in .dmp")


def find_dumps(
    paths: Iterable[str], on_unreadable: OnUnreadable | None = None, wanted: Wanted = DUMPS
) -> Iterator[str]:
    """Yield each file once, in the order of the paths; a folder's files with those of its subfolders, by name.

    Raise DumpError for a folder without a dump and for a wildcard that nothing fits; for a subfolder that cannot be
    read, unless `on_unreadable` takes that error, and that of a folder among those that a wildcard fits. Links to
    folders are not followed. wanted: what is looked for instead of dumps.
    """
    named = list(paths)
    if len(named) == 1:  # it has nothing twice, and may have a million files, whose names need not be kept
        yield from _files(named[0], on_unreadable, wanted)
        return
    seen: set[str] = set()
    for path in named:
        for file in _files(path, on_unreadable, wanted):
            if file not in seen:
                seen.add(file)
                yield file


def folder_of(path: str) -> str:
    """Return the folder that everything is in which `find_dumps` finds for a folder, a wildcard or a file."""
    if is_address(path):
        from windbg_ext.sources.remote import find

        return find.folder_of(path)
    if _is_folder(path):
        return path
    folder = os.path.dirname(path)  # "" is the current folder
    while _is_pattern(folder):
        folder = os.path.dirname(folder)
    return folder


def open_list(path: str) -> list[str]:
    """Read the list of paths in a file, as `read_list` does. Raise DumpError where the file cannot be read, too."""
    try:
        with open(path, "rb") as file:
            return read_list(file, path)
    except OSError as error:
        raise DumpError("list", f"cannot be read ({error.strerror})", advice_on(error), path) from None


def read_list(file: BinaryIO, name: str) -> list[str]:
    """Read a list of paths, one a line, UTF-8 or UTF-16 as PowerShell writes it, each path once; no blank lines.

    Raise DumpError where it is no text, is too long, or names nothing. name: what to call it then.
    """
    paths: dict[str, None] = {}
    for lines in _read_lines(file, name):
        for line in dict.fromkeys(lines):  # a line that is there a million times costs little
            if line.strip():
                paths[line.rstrip("\r")] = None
        if len(paths) > MAX_LISTED:
            raise DumpError("list", f"names more than {MAX_LISTED:,} files", "divide it", name)
    if not paths:
        raise DumpError("list", "names no file", "put the path of a dump on each line", name)
    return list(paths)


def _read_lines(file: BinaryIO, name: str) -> Iterator[list[str]]:
    """Yield the lines of a list without their ends, many at once."""
    piece = file.read(LIST_PIECE)
    decoder = _decoder(piece)
    read, rest = 0, ""
    while piece or rest:
        read += len(piece)
        if read > MAX_LIST:
            raise DumpError("list", f"is longer than {MAX_LIST >> 20} MB", "divide it, or name the folder", name)
        text = rest + decoder.decode(piece, final=not piece)
        if "\0" in text:
            raise DumpError("list", "is no text file", "name a file with the path of a dump on each line", name)
        lines = text.split("\n")
        if max(map(len, lines)) > MAX_WINDOWS_PATH:
            raise DumpError("list", "has a line that is longer than any path", "put one path on each line", name)
        rest = lines.pop() if piece else ""
        yield lines
        piece = file.read(LIST_PIECE)


def _decoder(start: bytes) -> codecs.IncrementalDecoder:
    """Return what decodes a list that begins so."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return codecs.getincrementaldecoder("utf-16")("replace")
    if start.startswith(codecs.BOM_UTF8) or os.name == "nt":
        return codecs.getincrementaldecoder("utf-8-sig")("replace" if os.name == "nt" else "surrogateescape")
    return codecs.getincrementaldecoder(sys.getfilesystemencoding())(sys.getfilesystemencodeerrors())  # any bytes


def _files(path: str, on_unreadable: OnUnreadable | None, wanted: Wanted) -> Iterator[str]:
    if _is_folder(path):
        yield from _files_of_folder(path, on_unreadable, wanted)
    elif _is_pattern(path):
        yield from _files_of_pattern(path, on_unreadable, wanted)
    else:
        yield path


def _is_folder(path: str) -> bool:
    if is_address(path):
        from windbg_ext.sources.remote import find

        return not path.lower().endswith(ENDINGS) and find.is_folder(path)
    return os.path.isdir(system_path(path))


def _is_pattern(path: str) -> bool:
    if is_address(path):
        from windbg_ext.sources.remote import find

        return find.is_pattern(path)
    named = path[4:] if path.startswith(DEVICE_PREFIXES) else path  # \\?\ is no wildcard
    return any(character in named for character in WILDCARDS) and not os.path.lexists(system_path(path))


def _files_of_pattern(pattern: str, on_unreadable: OnUnreadable | None, wanted: Wanted) -> Iterator[str]:
    if is_address(pattern):
        yield from _files_under_url(pattern, wanted)
        return
    import glob  # takes longer to import than most files to look at

    try:
        found = sorted(glob.glob(pattern, recursive=True))
    except RecursionError:  # glob calls itself for each folder in a folder
        raise DumpError("path", "the folders are too deep for **", "name the folder itself", pattern) from None
    if not found:
        raise DumpError("path", "no file fits this wildcard", "name a dump or a folder", pattern)
    for path in found:
        if not _is_folder(path):
            yield path
            continue
        try:
            yield from _files_of_folder(path, on_unreadable, wanted)
        except DumpError as error:
            if on_unreadable is None:
                raise
            on_unreadable(error)


def _files_of_folder(folder: str, on_unreadable: OnUnreadable | None, wanted: Wanted) -> Iterator[str]:
    if is_address(folder):
        yield from _files_under_url(folder, wanted)
        return
    found = False
    top = system_path(folder, longest=0)  # what lies below may have long paths

    def refuse(error: OSError) -> None:
        place = folder + str(error.filename)[len(top) :]
        refused = DumpError("folder", f"cannot be read ({error.strerror})", "run with more rights", place)
        if on_unreadable is None or place == folder:
            raise refused
        on_unreadable(refused)

    for place, names in _walk(top, refuse):
        for name in names:
            if wanted.fits(name.lower()):
                found = True
                yield tidy(os.path.join(folder + place[len(top) :], name))
    if not found:
        raise DumpError("folder", wanted.none, "name the file itself", folder)


def _files_under_url(url: str, wanted: Wanted) -> Iterator[str]:
    """Yield the files of a folder or of a wildcard on another machine. Raise DumpError where there are none."""
    from windbg_ext.sources.remote import find
    from windbg_ext.sources.remote.address import without_secrets

    if _is_pattern(url):
        found = find.files_of_pattern(url)
        none = DumpError("path", "no file fits this wildcard", "name a dump or a folder", without_secrets(url))
    else:
        found = [file for file in find.files_of_folder(url) if wanted.fits(file.lower())]
        none = DumpError("folder", wanted.none, "name the file itself", without_secrets(url))
    if not found:
        raise none
    yield from found


def _walk(top: str, refuse: Callable[[OSError], None]) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder, from the top down, with the names of its files. Links to folders are not followed.

    Not by os.walk, which before CPython 3.12 calls itself for each folder in a folder and gives up at a thousand.
    """
    waiting = [top]
    while waiting:
        place = waiting.pop()
        try:
            with os.scandir(place) as entries:
                found = sorted((entry.name, _leads_to_folder(entry), _is_link(entry)) for entry in entries)
        except OSError as error:
            refuse(error)
            continue
        yield place, [name for name, is_folder, _ in found if not is_folder]
        folders = (name for name, is_folder, is_link in reversed(found) if is_folder and not is_link)
        waiting.extend(os.path.join(place, name) for name in folders)


def _is_link(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a link or, on Windows, a junction, which is_symlink does not count as one."""
    if entry.is_symlink():
        return True
    is_junction: Callable[[], bool] | None = getattr(entry, "is_junction", None)
    if is_junction is not None:
        return is_junction()
    if os.name != "nt":
        return False
    tag: int = getattr(entry.stat(follow_symlinks=False), "st_reparse_tag", 0)  # before CPython 3.12
    return tag == MOUNT_POINT


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or leads to one; a link to itself leads nowhere."""
    try:
        return entry.is_dir()
    except OSError:
        return False
