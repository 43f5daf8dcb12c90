"""A catalogue in PostgreSQL, by way of SQLAlchemy and psycopg.

User and password come from libpq's own configuration: PGUSER, PGPASSWORD, ~/.pgpass, PGSERVICE.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from windbg_ext.commands.catalog.database import DatabaseError
from windbg_ext.errors import UsageError

try:
    import sqlalchemy
    from sqlalchemy.exc import SQLAlchemyError
except ImportError:
    raise UsageError(
        "--catalog: PostgreSQL needs SQLAlchemy and psycopg: python -m pip install 'windbg-ext[fleet]'"
    ) from None

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from windbg_ext.commands.catalog.database import Row, Value

DRIVER = "postgresql+psycopg"
ROWS_AT_ONCE = 1000
LOCK = 0x77696E64_62670001
"""The number of the advisory lock by which two runs take turns: any that others do not use ("windbg", 1)."""


class Server:
    """An open connection to PostgreSQL."""

    def __init__(self, url: str) -> None:
        scheme, _, rest = url.partition("://")
        self.name = url
        try:
            engine = sqlalchemy.create_engine(
                f"{DRIVER}://{rest}" if "+" not in scheme else url, poolclass=sqlalchemy.pool.NullPool
            )
            self._connection = engine.connect()
        except ImportError as error:
            raise UsageError(f"--catalog: {error}: python -m pip install 'windbg-ext[fleet]'") from None
        except (SQLAlchemyError, ValueError) as error:
            raise self._failed(error) from None

    def rows(self, sql: str, values: Mapping[str, Value] | None = None) -> Iterator[Row]:
        """Yield the rows of a query, a few at a time."""
        with self._told():
            options = {"yield_per": ROWS_AT_ONCE}
            for row in self._connection.execute(sqlalchemy.text(sql), dict(values or {}), execution_options=options):
                yield tuple(row)

    def execute(self, sql: str, values: Mapping[str, Value] | None = None) -> None:
        """Carry out a statement."""
        with self._told():
            self._connection.execute(sqlalchemy.text(sql), dict(values or {}))

    def execute_many(self, sql: str, values: Sequence[Mapping[str, Value]]) -> None:
        """Carry out a statement for each set of values."""
        if values:
            with self._told():
                self._connection.execute(sqlalchemy.text(sql), [dict(row) for row in values])

    def has_tables(self) -> bool:
        """Tell whether the catalogue's tables are there; other tables of the database do not matter."""
        # not by to_regclass, which may remember from before another run made them
        where = "tablename = 'catalog_facts' AND schemaname = ANY(current_schemas(false))"
        return next(self.rows(f"SELECT 1 FROM pg_catalog.pg_tables WHERE {where}"), None) is not None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Make all changes of the block at once, or none. Two runs take turns."""
        with self._told():
            self._connection.rollback()  # what only read ends here
            self._connection.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        try:
            yield
            with self._told():
                self._connection.commit()
        except BaseException:
            try:
                self._connection.rollback()
            except SQLAlchemyError:  # the server has gone, and with it what was not committed
                self._connection.invalidate()
            raise

    def close(self) -> None:
        """Release it."""
        try:
            self._connection.close()
        except SQLAlchemyError:
            self._connection.invalidate()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise self._failed(error) from None

    def _failed(self, error: Exception) -> DatabaseError:
        why = str(getattr(error, "orig", None) or error).strip().split("\n")[0]
        return DatabaseError("catalogue", f"cannot be used ({why})", "the same command goes on", self.name)
