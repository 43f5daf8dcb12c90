"""A catalogue in a file: SQLite, which comes with Python.

The file keeps the rollback journal that is SQLite's default: the faster one (WAL) does not work on network shares.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from windbg_ext.commands.catalog.database import DatabaseError
from windbg_ext.sources.local import is_there, system_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from windbg_ext.commands.catalog.database import Row, Value

SECONDS_TO_WAIT = 120
"""How long one run waits for another that writes."""
ROWS_AT_ONCE = 1000


class SqliteFile:
    """An open SQLite file."""

    def __init__(self, path: str, *, create: bool) -> None:
        self.name = path
        place = system_path(path)
        if create:
            _make(place, path)
        elif not is_there(path):
            raise DatabaseError("catalogue", "is not there", "name the dumps to put into it", path)
        try:
            self._connection = sqlite3.connect(place, timeout=SECONDS_TO_WAIT, isolation_level=None)
        except sqlite3.Error as error:
            raise self._failed(error) from None

    def rows(self, sql: str, values: Mapping[str, Value] | None = None) -> Iterator[Row]:
        """Yield the rows of a query, a few at a time."""
        with self._told():
            cursor = self._connection.execute(sql, values or {})
            while some := cursor.fetchmany(ROWS_AT_ONCE):
                yield from some

    def execute(self, sql: str, values: Mapping[str, Value] | None = None) -> None:
        """Carry out a statement."""
        with self._told():
            self._connection.execute(sql, values or {})

    def execute_many(self, sql: str, values: Sequence[Mapping[str, Value]]) -> None:
        """Carry out a statement for each set of values."""
        with self._told():
            self._connection.executemany(sql, values)

    def has_tables(self) -> bool:
        """Tell whether there is any table."""
        return next(self.rows("SELECT 1 FROM sqlite_master"), None) is not None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Make all changes of the block at once, or none. Two runs take turns."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._connection.rollback()
            raise

    def close(self) -> None:
        """Release it."""
        self._connection.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._failed(error) from None

    def _failed(self, error: sqlite3.Error) -> DatabaseError:
        why = str(error)
        if isinstance(error, sqlite3.DatabaseError) and "not a database" in why:
            return DatabaseError("catalogue", "is a file of another kind", "name another file", self.name)
        if "locked" in why:
            why = f"{why}: another run has written to it for {SECONDS_TO_WAIT} s"
        return DatabaseError("catalogue", f"cannot be used ({why})", "the same command tries it again", self.name)


def _make(place: str, path: str) -> None:
    """Make the file if it is not there, readable by its owner only: it has names of computers."""
    try:
        os.close(os.open(place, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        advice = "make the folder first" if isinstance(error, FileNotFoundError) else ""
        raise DatabaseError("catalogue", f"cannot be written ({error.strerror})", advice, path) from None
