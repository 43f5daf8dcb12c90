"""From a large dump to a small one: read the kernel, choose what fits, write the file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from windbg_ext.commands.destination import beside, check_destination, replace_file
from windbg_ext.commands.minify.account import SMALLEST_SIZE, LeftOut, Part
from windbg_ext.commands.minify.assemble import assemble
from windbg_ext.commands.progress import no_progress
from windbg_ext.dump import open_dump, write_small_dump
from windbg_ext.errors import DumpError, UsageError
from windbg_ext.kernel import DumpTarget, read_kernel
from windbg_ext.structs.header import DumpType

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from windbg_ext.commands.progress import Progress
    from windbg_ext.dump import Dump


@dataclass(frozen=True)
class MinifyReport:
    """What `minify` did.

    bytes: length of the destination; parts: what went in, most important first; left_out: what did not, and why;
    processors, modules: how many a debugger can show; complete: nothing that the engine needs, and nothing because of
    a size limit, was left out.
    """

    source: Path
    destination: Path
    bytes: int
    parts: tuple[Part, ...]
    left_out: tuple[LeftOut, ...]
    processors: int
    modules: int
    complete: bool


def minify(
    source: str | os.PathLike[str],
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
    if size is not None and size < SMALLEST_SIZE:
        raise UsageError(f"--size: {size} bytes are too few, a small dump takes at least {SMALLEST_SIZE} (64K)")
    source = Path(source)
    with open_dump(source) as dump:
        target_path = beside(source) if destination is None else Path(destination)
        check_destination(target_path, source, overwrite=overwrite)
        if dump.header.dump_type is DumpType.TRIAGE:
            raise DumpError("DumpType", "4, this is a small memory dump already", "send it as it is", str(source))
        follow = progress or no_progress
        target = DumpTarget(dump)
        kernel = read_kernel(target)
        made = assemble(
            target,
            kernel,
            secondary_size=_secondary_size(dump),
            size=size,
            comment=comment,
            salvage=salvage,
            progress=follow,
        )
        with replace_file(target_path, source, overwrite=overwrite) as out:
            secondary = _followed(target.secondary_data() if made.with_secondary else (), _secondary_size(dump), follow)
            length = write_small_dump(made.dump, secondary, out)
        left_out = [*_cut(dump), *made.left_out]
        return MinifyReport(
            source=source,
            destination=target_path,
            bytes=length,
            parts=made.parts,
            left_out=tuple(left_out),
            processors=made.processors,
            modules=len(made.dump.drivers),
            complete=made.complete,
        )


def _cut(dump: Dump) -> Iterator[LeftOut]:
    if dump.missing_bytes:
        yield LeftOut(
            "pages", f"the source is cut short: {dump.missing_bytes:,} of {dump.expected_bytes:,} bytes are missing"
        )
    if dump.secondary is not None and dump.secondary.problem is not None:
        yield LeftOut("secondary data", dump.secondary.problem)


def _secondary_size(dump: Dump) -> int:
    return dump.secondary.size if dump.secondary is not None else 0


def _followed(pieces: Iterable[bytes], total: int, progress: Progress) -> Iterator[bytes]:
    done = 0
    for piece in pieces:
        yield piece
        done += len(piece)
        progress("copying secondary data", done, total)
