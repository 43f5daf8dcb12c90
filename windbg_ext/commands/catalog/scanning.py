"""A run: find dumps, read those that the catalogue does not know, take them in.

What was read is taken in every few seconds, so a run that was ended goes on there. Memory does not grow with the number
of files.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from windbg_ext.commands.catalog.read_file import FileFacts, FileTask, read_files
from windbg_ext.commands.tasks import as_dump_error, folder_for, run_tasks
from windbg_ext.errors import DumpError
from windbg_ext.sources.find import find_dumps
from windbg_ext.sources.progress import no_progress
from windbg_ext.sources.stamp import public_name, stamp_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Executor

    from windbg_ext.commands.catalog.catalog import Catalog
    from windbg_ext.commands.shard import Shard
    from windbg_ext.sources.progress import Progress
    from windbg_ext.sources.stamp import Stamp

FILES_AT_ONCE = 500
"""Files that the catalogue is asked for together."""
FILES_PER_TASK = 16
"""Files that a worker takes at once: a scheduler takes as long for a task as a small dump does."""
MAX_LOST = 10_000
"""Files that workers did not do: so many are not to blame for it, the workers have gone."""
MAX_UNSAVED = 500
SECONDS_UNSAVED = 2.0
"""At most so many files, and those of so many seconds, are read again after a run was killed."""
MAX_TOLD = 20
"""Files with problems that the report of a run names; the catalogue has all of them."""


@dataclass(frozen=True)
class ScanReport:
    """What a run did, in files.

    found: looked at; known: unchanged since an earlier run; moved: known under another name; new: read, and dumps;
    others: read, and no dumps; failed: could not be read, so that the next run tries them again; problems: (path, why)
    of the first that are no dumps or failed.
    """

    found: int
    known: int
    moved: int
    new: int
    others: int
    failed: int
    problems: tuple[tuple[str, str], ...]

    @property
    def complete(self) -> bool:
        """Whether every file could be read and was a dump."""
        return not self.others and not self.failed


def scan_dumps(
    sources: Iterable[str],
    catalog: Catalog,
    *,
    executor: Executor | None = None,
    shard: Shard | None = None,
    progress: Progress | None = None,
) -> ScanReport:
    """Take the dumps among files, folders and wildcards into a catalogue; only what is new or has changed is read.

    executor: where files are read, each as a task of its own; None reads one after the other in this process. shard:
    take this part of them only. Raise DumpError where a folder cannot be read or holds no dump, or a wildcard fits
    nothing; DatabaseError where the catalogue fails.
    """
    return _Scan(catalog, progress or no_progress).run(sources, executor, shard)


class _Scan:
    def __init__(self, catalog: Catalog, follow: Progress) -> None:
        self.catalog, self.follow = catalog, follow
        self.found = self.known = self.moved = self.new = self.others = self.failed = 0
        self.problems: list[tuple[str, str]] = []
        self.lost: list[tuple[FileTask, ...]] = []
        self.unsaved: list[FileFacts] = []
        self.saved_at = time.monotonic()

    def run(self, sources: Iterable[str], executor: Executor | None, shard: Shard | None) -> ScanReport:
        work = partial(read_files, key=self.catalog.key(), folder=folder_for(executor))
        paths = find_dumps(sources, lambda error: self._failed(error.path, error))
        tasks = self._tasks(path for path in paths if shard is None or shard.takes(public_name(path)))
        try:
            with closing(run_tasks(work, _grouped(tasks, executor), executor, tries=1)) as arriving:
                for done in arriving:
                    if done.error is None:
                        self._take_all(done.result)
                    else:
                        self._try_again(done.task, done.error)
            with closing(run_tasks(work, self.lost, executor, tries=1, at_once=1)) as arriving:
                for done in arriving:
                    self._take_all(done.result if done.error is None else _lost(done.task, done.error))
        finally:
            self._save()
        self._tell()
        return ScanReport(self.found, self.known, self.moved, self.new, self.others, self.failed, tuple(self.problems))

    def _tasks(self, paths: Iterator[str]) -> Iterator[FileTask]:
        """Yield the files that are to be read."""
        some: list[Stamp] = []
        for path in paths:
            self.found += 1
            try:
                some.append(stamp_of(path))
            except DumpError as error:
                self._failed(path, error)
            if len(some) == FILES_AT_ONCE:
                yield from self._new(some)
                some = []
        yield from self._new(some)

    def _new(self, some: list[Stamp]) -> Iterator[FileTask]:
        unknown = self.catalog.unknown(some) if some else []
        self.known += len(some) - len(unknown)
        self._tell()
        return (FileTask(stamp, candidates) for stamp, candidates in unknown)

    def _try_again(self, tasks: tuple[FileTask, ...], error: BaseException) -> None:
        """Try what a worker did not do once more, each file alone. Raise DumpError where that is true of too many."""
        self.lost.extend((task,) for task in tasks)
        if len(self.lost) > MAX_LOST:
            told = as_dump_error(error)
            why = f"{told.why}; so did {MAX_LOST:,} files before"
            raise DumpError(told.field, why, "what was read is in the catalogue: the same command goes on")

    def _take_all(self, files: Iterable[FileFacts]) -> None:
        for file in files:
            self._take(file)

    def _take(self, file: FileFacts) -> None:
        if file.facts is not None:
            self.new += 1
        elif file.problem is None:
            self.moved += 1
        else:
            self.failed += file.again
            self.others += not file.again
            self._note(file.stamp.path, file.problem)
        self.unsaved.append(file)
        if len(self.unsaved) >= MAX_UNSAVED or time.monotonic() - self.saved_at > SECONDS_UNSAVED:
            self._save()
        self._tell()

    def _save(self) -> None:
        unsaved, self.unsaved = self.unsaved, []
        if unsaved:
            self.catalog.take(unsaved)
        self.saved_at = time.monotonic()

    def _failed(self, path: str, error: DumpError) -> None:
        self.failed += 1
        self._note(path, f"{error.field}: {error.why}")

    def _note(self, path: str, why: str) -> None:
        if len(self.problems) < MAX_TOLD:
            self.problems.append((public_name(path), why))

    def _tell(self) -> None:
        self.follow("files", self.known + self.moved + self.new + self.others + self.failed, self.found)


def _grouped(tasks: Iterator[FileTask], executor: Executor | None) -> Iterator[tuple[FileTask, ...]]:
    size = 1 if executor is None else FILES_PER_TASK
    while group := tuple(islice(tasks, size)):
        yield group


def _lost(tasks: tuple[FileTask, ...], error: BaseException) -> Iterator[FileFacts]:
    told = as_dump_error(error)
    return (FileFacts(task.stamp, None, problem=f"{told.field}: {told.why}", again=True) for task in tasks)
