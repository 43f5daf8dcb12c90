"""From a large dump to a small one: read the kernel, choose what fits, write the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from windbg_ext.commands.destination import SCRUBBED, SMALL
from windbg_ext.commands.minify.account import Account, LeftOut, Part
from windbg_ext.commands.minify.crash import damages, read_crash
from windbg_ext.commands.minify.options import DEFAULTS, MinifyOptions
from windbg_ext.commands.minify.parts.order import collect_parts
from windbg_ext.commands.minify.secondary import (
    SECONDARY_DATA,
    SecondaryCopy,
    copy_secondary_data,
    secondary_data_fits,
)
from windbg_ext.commands.minify.shared import SavedRange, Shared, saved_ranges, what_is_shared
from windbg_ext.commands.output import check_output, output_beside, output_file, output_of
from windbg_ext.dump import open_dump
from windbg_ext.dump.small_file import write_headers, write_parts
from windbg_ext.errors import DumpError
from windbg_ext.kernel import DumpTarget
from windbg_ext.sources import opened_source
from windbg_ext.sources.archive import UNKNOWN_SIZE
from windbg_ext.sources.far import confirm, traffic_of, watched
from windbg_ext.sources.progress import no_progress
from windbg_ext.structs.header import DumpType
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from windbg_ext.commands.minify.collector import Collector
    from windbg_ext.commands.minify.crash import Crash
    from windbg_ext.commands.minify.verify import Verification
    from windbg_ext.commands.output import Output
    from windbg_ext.commands.privacy.scrubbing import ScrubReport
    from windbg_ext.dump.small_file import SmallDump
    from windbg_ext.kernel import Target
    from windbg_ext.sources import Source, SourceLike
    from windbg_ext.sources.far import Traffic
    from windbg_ext.sources.progress import Progress

COPY_AGAIN = "copy it again from where it was made"


@dataclass(frozen=True)
class MinifyReport:
    """What `minify` did.

    source: None where it was a debugger session without a file; bytes: length of the destination; parts: what went in,
    most important first; left_out: what did not, and why; processors, modules: how many a debugger can show; complete:
    nothing that the engine needs, and nothing because of a size limit or because the source could not be read
    everywhere, was left out, and the comparison found no difference; saved: the ranges of virtual memory that went in;
    shared: what of it is whose; source_bytes: length of the source, unpacked, None where that is not known;
    verification: what the comparison found, None if none was asked for; traffic: what reading the source took, if it is
    on another machine; scrub: what was left out because it is personal, None if nobody asked for that.
    """

    source: str | None
    destination: Output
    bytes: int
    parts: tuple[Part, ...]
    left_out: tuple[LeftOut, ...]
    processors: int
    modules: int
    complete: bool
    saved: tuple[SavedRange, ...] = ()
    shared: tuple[Shared, ...] = ()
    source_bytes: int | None = None
    verification: Verification | None = None
    traffic: Traffic | None = None
    scrub: ScrubReport | None = None


def minify(
    source: SourceLike,
    destination: str | os.PathLike[str] | None = None,
    options: MinifyOptions = DEFAULTS,
    *,
    progress: Progress | None = None,
    within: Path | None = None,
) -> MinifyReport:
    """Write a small memory dump with the answers of a complete, active or kernel dump.

    destination: a path or a URL; None is a new name beside the source. within: a folder that the destination lies in,
    below which no link is followed; None: the destination may be a link to an older file.

    Raise DumpError where the source cannot be read, or is a small dump already and is not to be scrubbed;
    DestinationError where the destination exists, is the source or cannot be written. After any of them there is no
    file.
    """
    with opened_source(source) as opened:
        suffix = SMALL if options.scrub is None else SCRUBBED
        destination = output_beside(opened, suffix) if destination is None else output_of(destination)
        # before it is unpacked, which may take minutes
        check_output(destination, opened, overwrite=options.overwrite, within=within)
        progress = watched(opened, progress or no_progress)
        dump = open_dump(opened, progress=progress)
        dump.check()
        target = DumpTarget(dump)
        return minify_target(target, destination, options, source=opened, progress=progress, within=within)


def minify_target(
    target: Target,
    destination: Output,
    options: MinifyOptions = DEFAULTS,
    *,
    source: Source | None,
    progress: Progress | None = None,
    within: Path | None = None,
) -> MinifyReport:
    """Write a small memory dump of any target. source: its file, None for a session without one; the rest as `minify`.

    Raise DumpError where the target's kernel cannot be read, DestinationError as `minify` does.
    """
    check_output(destination, source, overwrite=options.overwrite, within=within)
    follow = progress or no_progress
    account = Account(options.size)
    if target.header.dump_type is DumpType.TRIAGE and (options.scrub is None or not isinstance(target, DumpTarget)):
        path = "" if source is None else source.name
        raise DumpError("DumpType", "4, this is a small memory dump already", "send it as it is, or --scrub it", path)
    try:
        made = _make(target, options, account, follow)
    except DumpError as error:  # perhaps because the source itself is not whole
        failures = (f"{part}: {why}" for part, why in target.read_failures())
        losses = [why for _, why in target.losses()]
        error.why = "; ".join((error.why, *losses, *failures))
        if losses:
            error.advice = ": ".join(filter(None, (error.advice, COPY_AGAIN)))
        raise
    has_secondary = target.secondary_size > 0 and -1 not in made.without_blobs
    copies_secondary = has_secondary and secondary_data_fits(target, account)
    if has_secondary and not copies_secondary:
        account.refuse(SECONDARY_DATA)
    secondary = SecondaryCopy()
    with output_file(destination, source, overwrite=options.overwrite, within=within) as out:
        triage = write_parts(made.dump, out)
        if copies_secondary:
            bounded = options.size is None
            secondary = copy_secondary_data(target, out, follow, bounded=bounded, without=made.without_blobs)
            account.enter(SECONDARY_DATA, secondary.size)
        length = write_headers(made.dump, triage, out)
        unread = [*(LeftOut(part, why) for part, why in target.read_failures()), *secondary.left_out()]
        if source is not None:
            confirm(source)
    verification = None
    if options.verify and made.crash is not None:
        from windbg_ext.commands.minify.verify import verify_crash  # only who asks for it waits for its import

        verification = verify_crash(made.crash, destination, written=made.dump, progress=follow)
    saved = saved_ranges(made.dump.data_blocks, target.header.architecture)
    return MinifyReport(
        source=None if source is None else source.name,
        destination=destination,
        bytes=length,
        parts=account.parts,
        left_out=(*(LeftOut(part, why) for part, why in target.losses()), *unread, *account.left_out),
        processors=made.processors,
        modules=len(made.dump.drivers),
        complete=account.complete and not unread and (verification is None or verification.passed),
        saved=saved,
        shared=what_is_shared(made.dump, saved, made.processors, secondary.size),
        source_bytes=None if source is None or source.size == UNKNOWN_SIZE else source.size,
        verification=verification,
        traffic=None if source is None else traffic_of(source),
        scrub=made.scrub,
    )


class _Made(NamedTuple):
    """A small dump to be written.

    crash: what it was collected from, None of a small dump; without_blobs: numbers of the blobs of secondary data that
    are left out.
    """

    dump: SmallDump
    processors: int
    crash: Crash | None
    without_blobs: frozenset[int] = frozenset()
    scrub: ScrubReport | None = None


def _make(target: Target, options: MinifyOptions, account: Account, progress: Progress) -> _Made:
    if options.scrub is None:
        crash = read_crash(target)
        collector = _collect(crash, options, account, progress)
        return _Made(collector.dump, collector.processors, crash)
    from windbg_ext.commands.minify.scrub import (  # only who asks for it waits for it
        processors_of,
        scrub_collected,
        scrub_small,
    )

    if isinstance(target, DumpTarget) and target.dump.small is not None:
        scrubbed, processors = scrub_small(target, options, account), processors_of(target)
    else:
        collector = collect(target, options, account, progress)
        scrubbed, processors = scrub_collected(target, options, collector), collector.processors
    return _Made(scrubbed.dump, processors, None, scrubbed.blobs, scrubbed.report)


def collect(target: Target, options: MinifyOptions, account: Account, progress: Progress) -> Collector:
    """Choose what goes into the small dump of a target, and note in the account what does not.

    Raise DumpError where a structure that a debugger needs is damaged or missing and `salvage` is not asked for.
    """
    return _collect(read_crash(target), options, account, progress)


def _collect(crash: Crash, options: MinifyOptions, account: Account, progress: Progress) -> Collector:
    for field, why in damages(crash):
        if not options.salvage:
            raise DumpError(field, why, "--salvage goes on without it")
        account.lose(field, why)
    if crash.kernel.crashed is None:
        why = "the header's registers fit none; processor 0 is taken"
        account.lose("crashing processor", why, essential=False)
    if options.scrub is not None:  # it sets the comment itself
        return collect_parts(crash, None, account, progress, crash.architecture.lowest_kernel)
    return collect_parts(crash, options.comment, account, progress)
