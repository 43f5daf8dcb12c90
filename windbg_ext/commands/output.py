"""Where results go: a file of this machine, or one under a URL. Either is whole or not there."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Union, cast

from windbg_ext.commands.destination import SMALL, check_destination, replace_file, small_name, unused
from windbg_ext.commands.destination import make_folder as make_local_folder
from windbg_ext.commands.larger_dump import larger_dump
from windbg_ext.errors import DestinationError, UsageError
from windbg_ext.sources.local import is_address, shown

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from windbg_ext.sources import Source

Output = Union[Path, str]
"""A path, or a URL as text."""


def output_of(named: str | os.PathLike[str]) -> Output:
    """Return what a user named as a URL or a path."""
    return named if isinstance(named, str) and is_address(named) else Path(named)


def unused_output(output: Output) -> Output:
    """Return it if no file has that name yet, else one with a number behind the name."""
    if isinstance(output, Path):
        return unused(output)
    from windbg_ext.sources.remote.write import unused_url  # and all that it needs

    return unused_url(output)


def output_beside(source: Source, suffix: str = SMALL) -> Output:
    """Return a name for a small dump beside its source that no file has yet.

    Raise UsageError for a source that lies in no folder, or on a web server, which takes no files.
    """
    name = source.beside(small_name(source.base_name, suffix))
    if name is None:
        raise UsageError(f"{source.name} lies in no folder that takes files: name the file to write")
    return unused_output(output_of(name))


def check_output(output: Output, source: Source | None, *, overwrite: bool, within: Path | None = None) -> None:
    """Refuse, before any work is done, what `output_file` would refuse after it."""
    if isinstance(output, Path):
        check_destination(output, source, overwrite=overwrite, within=within)
        return
    from windbg_ext.sources.remote.write import check_url

    check_url(output, None if source is None else source.name, overwrite=overwrite)
    found = larger_dump(output) if overwrite and is_there(output) else None
    if found is not None:
        why = f"exists and is {found.name}, which is never replaced"
        raise DestinationError("destination", why, "give another name", shown(output))


def is_there(output: Output) -> bool:
    """Tell whether there is a file already."""
    if isinstance(output, Path):
        return output.is_file()
    from windbg_ext.sources.remote.write import url_exists

    return url_exists(output)


def folder_above(output: Output) -> Output:
    """Return the folder that a file lies in."""
    return output.parent if isinstance(output, Path) else output.rpartition("/")[0]


def make_folder(output: Output, within: Path | None = None) -> None:
    """Make a folder for results, with those above it, if it is not there. within: as for `replace_file`."""
    if isinstance(output, Path):
        make_local_folder(output, within)
        return
    from windbg_ext.sources.remote import write

    write.make_folder(output)


@contextmanager
def output_file(
    output: Output, source: Source | None, *, overwrite: bool, within: Path | None = None
) -> Iterator[BinaryIO]:
    """Return a file to write; at the end of the block it is there under its name, after any exception it is not.

    For a URL it is a temporary file of this machine, which is then sent.
    """
    if isinstance(output, Path):
        with replace_file(output, source, overwrite=overwrite, within=within) as file:
            yield file
        return
    import tempfile

    from windbg_ext.sources.remote.write import put_file

    with tempfile.TemporaryFile(prefix="windbg-ext-") as written:
        yield cast("BinaryIO", written)
        written.seek(0)
        put_file(output, written.read(), overwrite=overwrite)
