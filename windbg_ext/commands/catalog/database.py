"""A database as the catalogue uses it: a little SQL that SQLite and PostgreSQL both know, with values as `:name`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Union

from windbg_ext.errors import DumpError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

Value = Union[str, int, None]
Row = tuple[Value, ...]


class DatabaseError(DumpError):
    """The database cannot be reached, read or written (exit status 3)."""


class Database(Protocol):
    """An open database. Every method raises DatabaseError where the database fails."""

    @property
    def name(self) -> str:
        """The path or the URL, without a password."""

    def rows(self, sql: str, values: Mapping[str, Value] | None = None) -> Iterator[Row]:
        """Yield the rows of a query, a few at a time."""

    def execute(self, sql: str, values: Mapping[str, Value] | None = None) -> None:
        """Carry out a statement."""

    def execute_many(self, sql: str, values: Sequence[Mapping[str, Value]]) -> None:
        """Carry out a statement for each set of values."""

    def has_tables(self) -> bool:
        """Tell whether there is any table that others made, or the catalogue."""

    def writing(self) -> AbstractContextManager[None]:
        """Make all changes of the block at once, or none. Two runs take turns."""

    def close(self) -> None:
        """Release it."""
