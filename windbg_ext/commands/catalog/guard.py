"""What a catalogue's file may do to whoever opens it: nothing but be read.

A SQLite file is a program: its tables may be views without end, its pages may lead to one another, and the journal
beside it may name a file that SQLite then deletes ("Atomic Commit In SQLite", multi-file commits).
"""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from windbg_ext.commands.catalog.database import DatabaseError
from windbg_ext.limits import (
    MAX_CATALOG_HEAP,
    MAX_CATALOG_PAGES,
    MAX_CATALOG_SCHEMA_STEPS,
    MAX_CATALOG_STEPS,
    MAX_CATALOG_VALUE,
    Budget,
    LimitError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

STEPS = 10_000
"""Of SQLite's virtual machine, after which it asks whether to go on."""
BESIDE = ("-journal", "-wal", "-shm")
"""What SQLite opens beside its file."""
JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
"""The first bytes of a rollback journal; the last ones, too, of one that names a super-journal."""
DAMAGED = "the catalogue is damaged, or was made to do harm: use a copy of an earlier day"
TABLES = ("catalog_facts", "catalog_dumps", "catalog_files")


def check_place(place: str, path: str) -> None:
    """Raise DatabaseError where SQLite should not open what has the name of a catalogue, or lies beside it.

    place: the path as the system takes it; path: as the user named it.
    """
    if os.path.lexists(place):
        if not Path(place).exists():
            raise DatabaseError("catalogue", "is a link that leads nowhere", "name the file itself", path)
        if not Path(place).is_file():
            raise DatabaseError("catalogue", "is a folder, a device or a pipe", "name a file", path)
    real = os.path.realpath(place)
    for ending in BESIDE:
        try:
            if not stat.S_ISREG(os.lstat(real + ending).st_mode):
                raise DatabaseError(f"{ending} file beside it", "is a link, a pipe or no file", "remove it", path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise DatabaseError("catalogue", f"cannot be used ({error.strerror})", "", path) from None
    _check_journal(f"{real}{BESIDE[0]}", path)


def _check_journal(journal: str, path: str) -> None:
    """Raise DatabaseError where the journal that a run left behind is none of a catalogue's: it names another file."""
    try:
        with Path(journal).open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - len(JOURNAL_MAGIC)))
            names_another = end > len(JOURNAL_MAGIC) and file.read() == JOURNAL_MAGIC
    except FileNotFoundError:
        return
    except OSError as error:
        raise DatabaseError("journal beside it", f"cannot be read ({error.strerror})", "", path) from None
    if names_another:
        why = "names another file, which SQLite would delete: windbg-ext writes no such journal"
        raise DatabaseError("journal beside it", why, "remove the journal, or use a copy of an earlier day", path)


class Guard:
    """Limits of a connection: steps in all, which the file's real bytes and the values that are asked for raise.

    over: what was exceeded, once something was.
    """

    def __init__(self, connection: sqlite3.Connection, place: str) -> None:
        self.over: LimitError | None = None
        self._place = place
        self._budget = Budget()
        self._limit = MAX_CATALOG_SCHEMA_STEPS
        connection.set_progress_handler(self._step, STEPS)
        if sys.version_info >= (3, 11):
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_CATALOG_VALUE)
        else:
            connection.execute(f"PRAGMA hard_heap_limit = {MAX_CATALOG_HEAP}")
        connection.execute("PRAGMA trusted_schema = OFF")  # no table of the file may call what is outside of it

    def check(self, connection: sqlite3.Connection, name: str) -> None:
        """Raise DatabaseError where the pages of the file lead to one another, or its tables are none."""
        pages = int(next(connection.execute("PRAGMA page_count"))[0])
        MAX_CATALOG_PAGES.check(pages, "page count")
        tables = ", ".join(f"'{table}'" for table in TABLES)
        sql = f"SELECT 1 FROM sqlite_master WHERE LOWER(name) IN ({tables}) AND (type <> 'table' OR rootpage = 0)"
        if next(connection.execute(sql), None) is not None:
            raise DatabaseError("catalogue", "is a database of another program", "name another one", name)
        self._limit = MAX_CATALOG_STEPS
        self.earn(())
        self.earn(())
        found = next(connection.execute("PRAGMA quick_check(1)"), ("ok",))[0]
        if found != "ok":
            raise DatabaseError("catalogue", "is damaged: its pages contradict one another", DAMAGED, name)

    def earn(self, values: Iterable[object]) -> None:
        """Allow what a statement with these values may take."""
        try:
            status = Path(self._place).stat()
        except OSError:
            return
        blocks: int | None = getattr(status, "st_blocks", None)  # None on Windows
        real = status.st_size if blocks is None else min(status.st_size, blocks * 512)
        self._budget.earn(real // 10 + 1000 * sum(1 for _ in values))

    def _step(self) -> int:
        try:
            self._budget.draw(self._limit, STEPS, "catalogue")
        except LimitError as error:
            self.over = error
            return 1
        return 0
