"""Small dumps of many dumps. A dump that cannot be read fails alone; finished ones are skipped on a rerun.

The name of each small dump follows from its source alone, and a destination is whole or not there. So a run that was
ended goes on where it stopped when it is started again. Names are not given one by one, so no link that is in the way
is written through.
"""

from __future__ import annotations

import enum
import os
import re
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from windbg_ext.commands.destination import SCRUBBED, SMALL, clear_leftovers, small_name
from windbg_ext.commands.larger_dump import larger_dump, way_out
from windbg_ext.commands.minify.command import minify
from windbg_ext.commands.minify.options import DEFAULTS, MinifyOptions
from windbg_ext.commands.output import folder_above, is_there, make_folder, output_of
from windbg_ext.commands.tasks import as_dump_error, folder_for, run_tasks, seen_from
from windbg_ext.dump import open_dump
from windbg_ext.errors import DestinationError, DumpError, UsageError
from windbg_ext.sources.find import find_dumps, folder_of
from windbg_ext.sources.local import is_address, shown, tidy
from windbg_ext.sources.progress import no_progress
from windbg_ext.sources.stamp import public_name
from windbg_ext.structs.header import DumpType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Executor
    from typing import Callable

    from windbg_ext.commands.minify.command import MinifyReport
    from windbg_ext.commands.output import Output
    from windbg_ext.commands.shard import Shard
    from windbg_ext.commands.tasks import Done
    from windbg_ext.dump.header import DumpHeader
    from windbg_ext.sources.progress import Progress

NAMED_IN_PROBLEM = 3
"""Parts that the reason of an incomplete small dump names; the report has all of them."""


class Outcome(enum.Enum):
    """What became of a source."""

    WRITTEN = "written"
    INCOMPLETE = "incomplete"
    """Written, but something that a debugger needs was not in the source or did not fit."""
    SKIPPED = "skipped"
    """It has its small dump already, or is one."""
    FAILED = "failed"


@dataclass(frozen=True)
class FileReport:
    """What became of one source. problem: why it is not `written`, else ""; report: what went in, if it was written.

    source: its name; destination: None for a folder that could not be looked into.
    """

    source: str
    destination: Output | None
    outcome: Outcome
    problem: str = ""
    report: MinifyReport | None = None


@dataclass(frozen=True)
class BatchReport:
    """What `minify_many` did: every file, in the order of the sources."""

    files: tuple[FileReport, ...]

    def count(self, outcome: Outcome) -> int:
        """Return how many files came out so."""
        return sum(file.outcome is outcome for file in self.files)

    @property
    def complete(self) -> bool:
        """Whether every source has a small dump that lacks nothing, or needed none."""
        return all(file.outcome in (Outcome.WRITTEN, Outcome.SKIPPED) for file in self.files)


@dataclass(frozen=True)
class Task:
    """A dump to read, by its name, and the file to write.

    within: the folder that the user named, below which no link is followed; None for a URL.
    """

    source: str
    destination: Output
    within: Path | None


def minify_many(
    sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    destination: str | os.PathLike[str] | None = None,
    options: MinifyOptions = DEFAULTS,
    *,
    executor: Executor | None = None,
    shard: Shard | None = None,
    progress: Progress | None = None,
) -> BatchReport:
    """Write a small memory dump of each of many dumps: MEMORY.DMP becomes MEMORY-small.dmp, or MEMORY-scrubbed.dmp.

    sources: a folder, whose dumps are taken with those of its subfolders, or a wildcard; or paths of files.
    destination: the folder to write to, in which the subfolders of the sources are kept; None is beside each source.
    options: as for `minify`, but with overwrite only small dumps are replaced; anything else that has the name of a
    destination stays. A link that has it, or that of a subfolder of the destination, is not followed.

    executor: where the files are converted, each as a task of its own. `LocalWorkers(2)` is two processes on this
    machine; any other `concurrent.futures.Executor` will do if its workers see the files under the same paths. The
    caller shuts it down: leave its `with` block after an exception, so that running tasks end. None converts one file
    after the other in this process.

        with LocalWorkers(2) as workers:
            report = minify_many("dumps", "small", executor=workers)

    shard: convert this part of the files only; the report has no others.

    What is wrong with a file is in the report, also when its worker died or took too long. Raise DumpError if the
    folder cannot be read or holds no dump, or no file fits the wildcard; DestinationError if there is no such folder
    and it cannot be made; UsageError if size or comment make no sense.
    """
    follow = progress or no_progress
    unreadable: list[DumpError] = []
    suffix = SMALL if options.scrub is None else SCRUBBED
    found = _plan(_find(sources, destination, unreadable.append, suffix))
    planned = [planned for planned in found if shard is None or shard.takes(public_name(planned.source))]
    if destination is not None:
        make_folder(output_of(destination))
    tasks = {task: number for number, task in enumerate(planned) if isinstance(task, Task)}
    reports = {number: report for number, report in enumerate(planned) if isinstance(report, FileReport)}
    convert = partial(minify_one, options=options, folder=folder_for(executor))
    follow("files", len(reports), len(planned))
    with closing(run_tasks(convert, tasks, executor)) as arriving:  # no other begins, whatever follow() raises
        for done in arriving:
            reports[tasks[done.task]] = _report_of(done)
            follow("files", len(reports), len(planned))
    return BatchReport(
        (
            *(reports[number] for number in range(len(planned))),
            *(FileReport(shown(tidy(error.path)), None, Outcome.FAILED, _problem(error)) for error in unreadable),
        )
    )


def _find(
    sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    destination: str | os.PathLike[str] | None,
    on_unreadable: Callable[[DumpError], None],
    suffix: str,
) -> Iterator[Task]:
    """Yield each source and the file to write for it. Raise UsageError for an address without a destination."""
    top: Path | None = None
    if isinstance(sources, (str, os.PathLike)):
        given = os.fspath(sources)
        folder = folder_of(given) or os.curdir
        top = Path(given) if folder == given else None
        found = ((file, _below(file, folder)) for file in find_dumps([given], on_unreadable))
    else:
        named = (os.fspath(file) for file in sources)
        found = ((file, kept_url(file) if is_address(file) else kept_path(PurePath(file))) for file in named)
    to = None if destination is None else output_of(destination)
    for file, kept in found:
        source = tidy(file)
        name = small_name(kept.name, suffix)
        if isinstance(to, str):
            yield Task(source, "/".join((to.rstrip("/"), *kept.parts[:-1], name)), None)
        elif to is None and is_address(file):
            yield Task(source, _beside_url(file, suffix), None)
        elif to is None:  # a wildcard or a list leads to the folder of each source as the user named it
            beside = Path(os.path.dirname(source))  # noqa: PTH120 - the source is a name, the destination a path
            yield Task(source, beside / name, top or beside)
        else:
            yield Task(source, to / kept.parent / name, to)


def _below(file: str, folder: str) -> PurePath:
    """Return the path of a file below the folder that it was found in."""
    if not is_address(file):
        return PurePath(os.path.relpath(file, folder))
    above = len(kept_url(folder).parts)
    return PurePath(*kept_url(file).parts[above:])


def kept_url(url: str) -> PurePath:
    """Return the path below a destination for the file under a URL: scheme, host and folders are folders of it."""
    from windbg_ext.sources.remote.address import parse_address  # only who names URLs waits for its import

    try:
        address = parse_address(url)
    except DumpError:  # opening it tells what is wrong
        return PurePath(re.sub(r"[^\w.]+", "_", url.partition("?")[0]))
    return PurePath(address.scheme, re.sub(r"[^\w.-]+", "_", address.host), *address.kept)


def _beside_url(url: str, suffix: str) -> str:
    """Return the URL of the small dump beside a dump. Raise UsageError on a web server, which takes no files."""
    from windbg_ext.sources.remote.address import parse_address, without_secrets

    try:
        address = parse_address(url)
        beside = address.beside(small_name(address.base_name, suffix))
    except DumpError:
        beside = None
    if beside is None:
        raise UsageError(f"{without_secrets(url)} lies in no folder that takes files: name the folder to write to")
    return beside


def kept_path(path: PurePath) -> PurePath:
    """Return the path below a destination for a file of a list: as it was listed, and drive or share are folders of it.

    A path that leads upwards is taken from the root, so that nothing is written outside of the destination.
    """
    if os.pardir in path.parts:
        path = type(path)(os.path.abspath(path))  # noqa: PTH100 - what a link leads to would be another name
    drive = re.findall(r"[^\\/:?.]+", path.drive)
    return type(path)(*drive, path.relative_to(path.anchor))


def _plan(found: Iterable[Task]) -> Iterator[Task | FileReport]:
    """Yield what was not found before; a destination that another source has already is refused."""
    seen: set[str] = set()
    owners: dict[str, str] = {}
    for task in found:
        source, destination = _key(task.source), _key(task.destination)
        if source in seen:
            continue
        seen.add(source)
        if destination in owners:
            why = f"would be the small dump of {owners[destination]}, too"
            yield _failed(task, DestinationError("destination", f"{task.destination} {why}", "rename one of the two"))
            continue
        owners[destination] = task.source
        yield task


def _key(path: str | Path) -> str:
    if isinstance(path, str) and is_address(path):
        return path
    return os.path.normcase(os.path.abspath(path))  # noqa: PTH100 - as above


def _report_of(done: Done[Task, FileReport]) -> FileReport:
    if done.error is None:
        return done.result
    if isinstance(done.task.destination, Path):
        clear_leftovers(done.task.destination, done.task.within)
    return _failed(done.task, as_dump_error(done.error))


def minify_one(task: Task, *, options: MinifyOptions, folder: str | None = None) -> FileReport:
    """Write the small dump of one of many sources, if it needs one; whatever goes wrong is in the report.

    folder: that the paths are relative to, where that is not the current one.
    """
    try:
        here = _in(folder, task)
        why_not = _needs_none(here, options)
        if why_not:
            return FileReport(shown(task.source), task.destination, Outcome.SKIPPED, why_not)
        make_folder(folder_above(here.destination), here.within)
        report = minify(here.source, here.destination, options, within=here.within)
    except DumpError as error:
        return _failed(task, error)
    except OSError as error:
        return _failed(task, DumpError("file", f"cannot be read ({error.strerror})"))
    except Exception as error:  # a fault of ours costs this file, and is told
        fault = f"internal error ({type(error).__name__}: {error})"
        return _failed(task, DumpError("minify", fault, "please report it"))
    if report.complete:
        return FileReport(shown(task.source), task.destination, Outcome.WRITTEN, report=report)
    return FileReport(shown(task.source), task.destination, Outcome.INCOMPLETE, _left_out(report), report)


def _in(folder: str | None, task: Task) -> Task:
    if folder is None:
        return task
    destination, within = task.destination, task.within
    if isinstance(destination, Path):
        destination = Path(seen_from(folder, str(destination)))
    return Task(
        seen_from(folder, task.source), destination, None if within is None else Path(seen_from(folder, str(within)))
    )


def _needs_none(task: Task, options: MinifyOptions) -> str:
    """Return why a source needs no small dump (any more); "" if it does.

    Raise DestinationError where what has the name of the destination is not the small dump of this crash. MEMORY.DMP is
    another dump after each crash, and where names are not given one by one, no file that may be needed is replaced.
    """
    header = _header(task.source)
    if header.dump_type is DumpType.TRIAGE and options.scrub is None:
        return "is a small memory dump already"
    if task.source.lower().endswith(f"{SCRUBBED}.dmp") and options.scrub is not None:
        return "is a scrubbed dump by its name"
    if not is_there(task.destination):
        return ""
    name = str(task.destination)
    found = larger_dump(task.destination)
    if found is not None:
        # what converts it names the file, and both names would leave no room for the rest in a table
        named = "" if found.convertible and isinstance(task.destination, Path) else f"{name} "
        why = f"{named}exists and is {found.name}, which is never replaced"
        way = way_out(found, task.destination, "move it away") if isinstance(task.destination, Path) else "move it away"
        raise DestinationError("destination", why, way)
    try:
        there = _header(task.destination)
    except DumpError:
        there = None
    if there is None or there.dump_type is not DumpType.TRIAGE:
        raise DestinationError("destination", f"{name} exists and is no small memory dump", "move it away")
    if options.overwrite:
        return ""
    if _crash(there) != _crash(header):
        why = f"{name} exists and is the small dump of another crash"
        raise DestinationError("destination", why, "move it away, or give --overwrite")
    return "is done already"


def _header(path: str | Path) -> DumpHeader:
    with open_dump(path, header_only=True) as dump:
        return dump.header


def _crash(header: DumpHeader) -> tuple[object, ...]:
    """Return what a small dump has from its source, and what no two crashes share."""
    return header.bug_check, header.system_time, header.system_up_time, header.directory_table_base


def _failed(task: Task, error: DumpError) -> FileReport:
    return FileReport(shown(task.source), task.destination, Outcome.FAILED, _problem(error))


def _problem(error: DumpError) -> str:
    """Return the line of an error without the path, which the report has."""
    return str(type(error)(error.field, error.why, error.advice))


def _left_out(report: MinifyReport) -> str:
    verification = report.verification
    if verification is not None and not verification.passed:
        return f"{verification.asked - verification.kept:,} of {verification.asked:,} answers differ from the source's"
    names = list(dict.fromkeys(lost.part for lost in report.left_out))
    more = f" and {len(names) - NAMED_IN_PROBLEM} more" if len(names) > NAMED_IN_PROBLEM else ""
    return f"left out: {', '.join(names[:NAMED_IN_PROBLEM])}{more}"
