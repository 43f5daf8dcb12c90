"""From the name of a catalogue to its database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.errors import UsageError
from windbg_ext.sources.local import is_address

if TYPE_CHECKING:
    from windbg_ext.commands.catalog.database import Database


def open_database(name: str, *, create: bool) -> Database:
    """Open the database behind a path (SQLite) or a URL (PostgreSQL). create: make the file if it is not there.

    Raise DatabaseError where that is impossible, UsageError for a URL that is no such database or has a password.
    """
    path = name[len("sqlite:///") :] if name.startswith("sqlite:///") else name
    if not is_address(path):
        from windbg_ext.commands.catalog.sqlite_file import SqliteFile

        return SqliteFile(path, create=create)
    scheme, _, rest = name.partition("://")
    if scheme.partition("+")[0] not in ("postgresql", "postgres"):
        raise UsageError(f"--catalog: {scheme}:// is no database that is known: name a path, or postgresql://HOST/NAME")
    place = rest.partition("/")[0].rpartition("@")[0]
    if ":" in place or "password=" in rest.lower():
        raise UsageError("--catalog: leave the password out of the URL: it is read from PGPASSWORD or ~/.pgpass")
    from windbg_ext.commands.catalog.server import Server  # SQLAlchemy: not for those to wait for who have a file

    return Server(name)
