"""dumpkind of many files, on any executor."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from windbg_ext.commands.dumpkind.command import dumpkind
from windbg_ext.commands.dumpkind.report import DumpReport
from windbg_ext.commands.tasks import as_dump_error, folder_for, run_tasks, seen_from
from windbg_ext.sources.find import find_dumps
from windbg_ext.sources.progress import no_progress
from windbg_ext.sources.stamp import public_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from concurrent.futures import Executor

    from windbg_ext.commands.shard import Shard
    from windbg_ext.sources.progress import Progress


def dumpkind_many(
    sources: Iterable[str],
    *,
    details: bool = False,
    executor: Executor | None = None,
    shard: Shard | None = None,
    progress: Progress = no_progress,
) -> list[DumpReport]:
    """Report what each of many files is, in the order in which they were found.

    sources: files, folders and wildcards. executor: where they are read, each as a task of its own: `LocalWorkers(2)`,
    or any other whose workers see the files under the same paths. None reads one after the other in this process. A
    worker that dies costs its file. shard: report this part of them only. Raise DumpError as `find_dumps`.
    """
    paths = find_of_shard(sources, shard)
    arriving = look_at_many(paths, details=details, executor=executor, progress=progress)
    reports = {report.path: report for report in arriving}
    return [reports[path] for path in paths]


def find_of_shard(sources: Iterable[str], shard: Shard | None) -> list[str]:
    """Return the files of a shard. Raise DumpError as `find_dumps`."""
    return [path for path in find_dumps(sources) if shard is None or shard.takes(public_name(path))]


def look_at_many(
    paths: Sequence[str], *, details: bool, executor: Executor | None, progress: Progress
) -> Iterator[DumpReport]:
    """Yield the report of each file when it is there, as `dumpkind_many` makes them."""
    look = partial(_look, details=details, folder=folder_for(executor))
    with closing(run_tasks(look, paths, executor)) as arriving:
        for number, done in enumerate(arriving, 1):
            progress("files", number, len(paths))
            if done.error is None:
                yield done.result
            else:
                error = as_dump_error(done.error)
                yield DumpReport(done.task, problems=(f"{error.field}: {error.why}",), advice=error.advice)


def _look(path: str, *, details: bool, folder: str | None) -> DumpReport:
    return dumpkind(seen_from(folder, path), details=details)._replace(path=path)
