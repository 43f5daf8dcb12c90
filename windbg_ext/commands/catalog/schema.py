"""The tables of a catalogue, and how those of older versions become the newest.

Each change of the tables is a new entry of MIGRATIONS; an entry that was released is never changed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from windbg_ext.commands.catalog.database import DatabaseError

if TYPE_CHECKING:
    from windbg_ext.commands.catalog.database import Database

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE catalog_facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
        """CREATE TABLE catalog_dumps (
            fingerprint TEXT PRIMARY KEY, crash TEXT NOT NULL, kind TEXT NOT NULL, architecture TEXT, windows TEXT,
            build BIGINT, processors BIGINT, bug_check TEXT, bug_check_name TEXT, parameters TEXT, signature TEXT,
            signature_hash TEXT, driver TEXT, process TEXT, crashed_at TEXT, week TEXT, file_bytes BIGINT,
            complete INTEGER, problem TEXT, machine TEXT, computer TEXT)""",
        """CREATE TABLE catalog_files (
            path TEXT PRIMARY KEY, size BIGINT NOT NULL, modified TEXT NOT NULL, reader INTEGER NOT NULL,
            fingerprint TEXT, problem TEXT)""",
    ),
    (
        "CREATE INDEX catalog_files_modified ON catalog_files (modified)",
        "CREATE INDEX catalog_files_fingerprint ON catalog_files (fingerprint)",
        "CREATE INDEX catalog_dumps_signature ON catalog_dumps (signature)",
        "CREATE INDEX catalog_dumps_crashed_at ON catalog_dumps (crashed_at)",
    ),
)
"""The statements that lead to version 1, from there to version 2, and so on."""
VERSION = len(MIGRATIONS)
MAX_SHOWN = 40
"""Characters of a version that is none."""


def version_of(database: Database) -> int:
    """Return the version of the tables; 0: there are none. Raise DatabaseError where they are of another program."""
    if not database.has_tables():
        return 0
    try:
        found = next(database.rows("SELECT value FROM catalog_facts WHERE name = 'schema_version'"), None)
    except DatabaseError as error:
        if "catalog_facts" not in error.why:
            raise
        raise DatabaseError(
            "catalogue", "is a database of another program", "name another one", database.name
        ) from None
    version = "0" if found is None else str(found[0])
    if not re.fullmatch("[0-9]{1,9}", version):
        why = f"has version {version[:MAX_SHOWN]!a} of its tables, which is none"
        raise DatabaseError("catalogue", why, "use a copy of an earlier day", database.name)
    return int(version)


def migrate(database: Database) -> None:
    """Bring the tables to the newest version. Raise DatabaseError where they are of a newer one."""
    if check_version(database) == VERSION:
        return
    with database.writing():
        begin = check_version(database)  # another run may have done it meanwhile
        for statements in MIGRATIONS[begin:]:
            for statement in statements:
                database.execute(statement)
        database.execute(
            "INSERT INTO catalog_facts (name, value) VALUES ('schema_version', :version) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            {"version": str(VERSION)},
        )


def check_version(database: Database) -> int:
    """Return the version of the tables. Raise DatabaseError where it is newer than this program."""
    version = version_of(database)
    if version > VERSION:
        why = f"has version {version} of its tables, this windbg-ext knows {VERSION}"
        raise DatabaseError("catalogue", why, "update windbg-ext", database.name)
    return version
