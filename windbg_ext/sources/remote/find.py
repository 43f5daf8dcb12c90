"""Which files there are on another machine: those of a folder with its subfolders, and those that a wildcard fits."""

from __future__ import annotations

import re
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote

from windbg_ext.errors import DumpError
from windbg_ext.sources.remote.address import HTTP, WILDCARDS, parse_address
from windbg_ext.sources.remote.open import missing
from windbg_ext.sources.remote.transport import TransientError, explained

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Callable

    from windbg_ext.sources.remote.address import Address
    from windbg_ext.sources.remote.places import Place

Result = TypeVar("Result")
MAX_FOLDERS = 2_000
"""Folders that are looked into: each takes a round trip."""
MAX_FILES = 20_000
"""Files, as many as a list may name."""


def is_folder(url: str) -> bool:
    """Tell whether there is a folder under a URL. On a web server, its path ends with a slash.

    What is no URL of a file is none of a folder either: opening it tells what is wrong.
    """
    try:
        address = parse_address(url)
    except DumpError:
        return False
    if address.path.endswith("/") or not address.path:
        return True
    if address.scheme in HTTP or address.is_pattern:
        return False
    return at_place(address, lambda place: place.is_folder(address))


def is_pattern(url: str) -> bool:
    """Tell whether a URL has wildcards, and is not the name of a file with brackets or question marks in it.

    With what Windows has in no name, it is one without a look: an asterisk, on a share also a question mark.
    """
    try:
        address = parse_address(url)
    except DumpError:
        return False
    if not address.is_pattern or "*" in address.path or (address.scheme == "smb" and "?" in address.path):
        return address.is_pattern
    return not at_place(address, lambda place: place.exists(address))


def files_of_folder(url: str) -> list[str]:
    """Return the URLs of all files in a folder and its subfolders, by name."""
    address = parse_address(url)
    folder = address.with_path(address.path.rstrip("/") + "/")
    return at_place(folder, lambda place: [file.url for file in _walk(place, folder, None)])


def files_of_pattern(url: str) -> list[str]:
    """Return the URLs of the files that a wildcard fits, by name: `*` fits within a folder, `**` through folders."""
    address = parse_address(url)
    pattern = _path_of(address)
    fits = re.compile(_expression(pattern), re.DOTALL).fullmatch
    marks = "*" if address.scheme in HTTP else WILDCARDS
    first = min(address.path.index(mark) for mark in marks if mark in address.path)
    top = address.with_path(address.path[: address.path.rindex("/", 0, first) + 1])
    depth = None if "**" in pattern else address.path[len(top.path) :].count("/")
    return at_place(top, lambda place: [file.url for file in _walk(place, top, depth) if fits(_path_of(file))])


def folder_of(url: str) -> str:
    """Return the folder that everything is in which is found for a folder, a wildcard or a file."""
    address = parse_address(url)
    if is_folder(url):
        return url
    path = address.path.rpartition("/")[0]
    while any(mark in path for mark in ("*" if address.scheme in HTTP else WILDCARDS)):
        path = path.rpartition("/")[0]
    return address.with_path(path + "/").url


def at_place(address: Address, ask: Callable[[Place], Result]) -> Result:
    """Return what a function finds at the place of a URL. Raise DumpError with the URL for whatever goes wrong."""
    try:
        with closing(place_of(address)) as place:
            try:
                return ask(place)
            except Exception as error:
                raise explained(error, place.explain) from None
    except ImportError as error:
        raise missing(address, error) from None
    except TransientError as problem:
        raise DumpError("connection", problem.why, "try again later", address.shown) from None
    except DumpError as error:
        error.path = error.path or address.shown
        raise


def place_of(address: Address) -> Place:
    """Return the place that a URL lies in. Raise ImportError where the library for it is missing."""
    if address.scheme in HTTP:
        from windbg_ext.sources.remote.web_folders import WebPlace

        return WebPlace()
    if address.scheme == "smb":
        from windbg_ext.sources.remote.smb import SmbPlace

        return SmbPlace(address)
    if address.scheme == "sftp":
        from windbg_ext.sources.remote.sftp import SftpPlace

        return SftpPlace(address)
    from windbg_ext.sources.remote.buckets import BucketPlace

    return BucketPlace(address)


def _path_of(address: Address) -> str:
    return unquote(address.path) if address.scheme in HTTP else address.path


def _expression(pattern: str) -> str:
    """Return a pattern as a regular expression."""
    parts = re.split(r"(\*\*/|\*+|\?|\[!?\]?[^\]/]*\])", pattern)
    known = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}

    def expressed(part: str) -> str:
        if part in known:
            return known[part]
        if part.startswith("**"):
            return ".*"
        if part.startswith("[") and part.endswith("]") and len(part) > 2:
            inside = part[1:-1].replace("\\", "\\\\")
            return f"[{'^' + inside[1:] if inside.startswith('!') else inside}]"
        return re.escape(part)

    return "".join(map(expressed, parts))


def _walk(place: Place, folder: Address, depth: int | None) -> Iterator[Address]:
    """Yield the files of a folder and of its subfolders. depth: of how many levels of those, None for all."""
    waiting = [(folder, 0)]
    folders = files = 0
    while waiting:
        here, level = waiting.pop()
        folders += 1
        most = MAX_FILES + MAX_FOLDERS + 1  # a server may tell of more than there are names
        entries = sorted(islice(place.entries(here), most), key=lambda entry: entry.address.path)
        for entry in entries:
            if not entry.is_folder:
                files += 1
                yield entry.address
        if depth is None or level < depth:
            waiting += [(entry.address, level + 1) for entry in reversed(entries) if entry.is_folder]
        if files > MAX_FILES or folders + len(waiting) > MAX_FOLDERS:
            why = f"has more than {MAX_FILES:,} files or {MAX_FOLDERS:,} folders"
            raise DumpError("folder", why, "name one of its subfolders", folder.shown)
