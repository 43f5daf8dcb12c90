"""From a large dump to a small one: read the kernel, choose what fits, write the file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from windbg_ext.commands.destination import beside, check_destination, replace_file
from windbg_ext.commands.minify.account import SMALLEST_SIZE, LeftOut, Part
from windbg_ext.commands.minify.assemble import assemble
from windbg_ext.commands.minify.parts import encode_comment
from windbg_ext.commands.minify.secondary import SecondaryCopy
from windbg_ext.commands.progress import no_progress
from windbg_ext.dump import open_dump, write_small_dump
from windbg_ext.errors import DumpError, UsageError
from windbg_ext.kernel import DumpTarget, read_kernel
from windbg_ext.sources import open_source
from windbg_ext.structs.header import DumpType

if TYPE_CHECKING:
    import os

    from windbg_ext.commands.progress import Progress
    from windbg_ext.kernel import Target
    from windbg_ext.sources import Source, SourceLike


@dataclass(frozen=True)
class MinifyReport:
    """What `minify` did.

    source: None where it was a debugger session without a file; bytes: length of the destination; parts: what went in,
    most important first; left_out: what did not, and why; processors, modules: how many a debugger can show; complete:
    nothing that the engine needs, and nothing because of a size limit or because the source could not be read
    everywhere, was left out.
    """

    source: str | None
    destination: Path
    bytes: int
    parts: tuple[Part, ...]
    left_out: tuple[LeftOut, ...]
    processors: int
    modules: int
    complete: bool


def minify(
    source: SourceLike,
    destination: str | os.PathLike[str] | None = None,
    *,
    overwrite: bool = False,
    size: int | None = None,
    comment: str | None = None,
    salvage: bool = False,
    progress: Progress | None = None,
) -> MinifyReport:
    """Write a small memory dump with the answers of a complete, active or kernel dump.

    destination: None is a new name beside the source. size: the most bytes that the file may have, at least 64K; what
    does not fit is dropped, least important first. comment: at most 127 ASCII characters for the header. salvage: go
    on where kernel structures are damaged, and leave out what they lead to.

    DumpError: the source cannot be read or is a small dump already; DestinationError: the destination exists, is the
    source or cannot be written; UsageError: size or comment make no sense. After any of them there is no file.
    """
    check_options(size, comment)
    opened = open_source(source)
    try:
        destination = beside(opened) if destination is None else Path(destination)
        check_destination(destination, opened, overwrite=overwrite)  # before it is unpacked, which may take minutes
        dump = open_dump(opened, progress=progress or no_progress)
        dump.check()
        return minify_target(
            DumpTarget(dump),
            destination,
            source=opened,
            overwrite=overwrite,
            size=size,
            comment=comment,
            salvage=salvage,
            progress=progress,
        )
    except DumpError as error:
        error.path = error.path or opened.name
        raise
    finally:
        if opened is not source:
            opened.close()


def minify_target(
    target: Target,
    destination: Path,
    *,
    source: Source | None,
    overwrite: bool = False,
    size: int | None = None,
    comment: str | None = None,
    salvage: bool = False,
    progress: Progress | None = None,
) -> MinifyReport:
    """Write a small memory dump of any target. source: its file, None for a session without one; the rest as `minify`.

    DumpError: the target's kernel cannot be read; DestinationError and UsageError as for `minify`.
    """
    check_options(size, comment)
    check_destination(destination, source, overwrite=overwrite)
    if target.header.dump_type is DumpType.TRIAGE:
        path = "" if source is None else source.name
        raise DumpError("DumpType", "4, this is a small memory dump already", "send it as it is", path)
    follow = progress or no_progress
    try:
        made = assemble(
            target,
            read_kernel(target),
            secondary_size=target.secondary_size,
            size=size,
            comment=comment,
            salvage=salvage,
            progress=follow,
        )
    except DumpError as error:  # perhaps because the source itself is not whole
        failures = (f"{part}: {why}" for part, why in target.read_failures())
        error.why = "; ".join((error.why, *(why for _, why in target.losses()), *failures))
        raise
    with replace_file(destination, source, overwrite=overwrite) as out:
        secondary = SecondaryCopy(target, out, follow)
        length = write_small_dump(made.dump, secondary.pieces() if made.with_secondary else (), out)
        unread = [*(LeftOut(part, why) for part, why in target.read_failures()), *secondary.left_out()]
    return MinifyReport(
        source=None if source is None else source.name,
        destination=destination,
        bytes=length,
        parts=tuple(secondary.corrected(part) for part in made.parts),
        left_out=(*(LeftOut(part, why) for part, why in target.losses()), *unread, *made.left_out),
        processors=made.processors,
        modules=len(made.dump.drivers),
        complete=made.complete and not unread,
    )


def check_options(size: int | None, comment: str | None) -> None:
    """Refuse what makes no sense, whatever the source is."""
    if size is not None and size < SMALLEST_SIZE:
        raise UsageError(f"--size: {size} bytes are too few, a small dump takes at least {SMALLEST_SIZE} (64K)")
    if comment is not None:
        encode_comment(comment)
