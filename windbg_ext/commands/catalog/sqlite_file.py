"""A catalogue in a file: SQLite, which comes with Python.

The file keeps the rollback journal that is SQLite's default: the faster one (WAL) does not work on network shares.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from windbg_ext.commands.catalog.database import DatabaseError
from windbg_ext.commands.catalog.guard import DAMAGED, Guard, check_place
from windbg_ext.limits import LimitError
from windbg_ext.sources.local import full_path, is_there, system_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from windbg_ext.commands.catalog.database import Row, Value

SECONDS_TO_WAIT = 120
"""How long one run waits for another that writes."""
ROWS_AT_ONCE = 100
KINDS = frozenset({str, int, type(None)})
"""Of values that a catalogue has. In SQLite, those of a column may be of any."""


class SqliteFile:
    """An open SQLite file."""

    def __init__(self, path: str, *, create: bool) -> None:
        self.name = path
        place = system_path(path)
        if not create and not is_there(path):
            raise DatabaseError("catalogue", "is not there", "name the dumps to put into it", path)
        check_place(place, path)
        if create:
            _make(place, path)
        self._guard: Guard | None = None
        with self._told():  # in full, since SQLite takes some names for others than files
            self._connection = sqlite3.connect(full_path(place), timeout=SECONDS_TO_WAIT, isolation_level=None)
        try:
            with self._told():
                self._guard = Guard(self._connection, place)
                self._guard.check(self._connection, path)
        except BaseException:
            self._connection.close()
            raise

    def rows(self, sql: str, values: Mapping[str, Value] | None = None) -> Iterator[Row]:
        """Yield the rows of a query, a few at a time."""
        with self._told(values):
            cursor = self._connection.execute(sql, values or {})
            while some := cursor.fetchmany(ROWS_AT_ONCE):
                for row in some:
                    if not KINDS.issuperset(map(type, row)):
                        why = "has a value that is neither text nor a whole number"
                        raise DatabaseError("catalogue", why, DAMAGED, self.name)
                    yield row

    def execute(self, sql: str, values: Mapping[str, Value] | None = None) -> None:
        """Carry out a statement."""
        with self._told(values):
            self._connection.execute(sql, values or {})

    def execute_many(self, sql: str, values: Sequence[Mapping[str, Value]]) -> None:
        """Carry out a statement for each set of values."""
        with self._told(value for row in values for value in row):
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
    def _told(self, values: Iterable[object] | None = None) -> Iterator[None]:
        """Raise what goes wrong in the block as a DatabaseError. values: those that it asks for or writes."""
        if self._guard is not None:
            self._guard.earn(values or ())
        try:
            yield
        except (sqlite3.Error, LimitError) as error:
            raise self._failed(error) from None
        except UnicodeDecodeError:  # a name in the message of an error
            raise DatabaseError("catalogue", "is damaged", DAMAGED, self.name) from None
        except MemoryError:
            raise DatabaseError("catalogue", "has a value that is too long", DAMAGED, self.name) from None

    def _failed(self, error: sqlite3.Error | LimitError) -> DatabaseError | KeyboardInterrupt:
        over = error if isinstance(error, LimitError) else None if self._guard is None else self._guard.over
        if over is not None:
            return DatabaseError("catalogue", over.why, DAMAGED, self.name)
        why = str(error)
        if why == "interrupted":  # Ctrl+C, where SQLite asks whether to go on
            return KeyboardInterrupt()
        if "too big" in why:
            return DatabaseError("catalogue", "has a value that is too long", DAMAGED, self.name)
        if "malformed" in why or "UTF-8" in why:
            return DatabaseError("catalogue", f"is damaged ({why.partition(' with text')[0]})", DAMAGED, self.name)
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
