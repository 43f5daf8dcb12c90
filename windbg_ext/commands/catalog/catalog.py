"""The catalogue itself: which files it knows, and what it takes in. Its database may be shared by several runs."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, TypeVar

from windbg_ext.commands.catalog.database import DatabaseError
from windbg_ext.commands.catalog.facts import READER, DumpFacts
from windbg_ext.commands.catalog.guard import DAMAGED
from windbg_ext.commands.catalog.opening import open_database
from windbg_ext.commands.catalog.schema import check_version, migrate
from windbg_ext.sources.local import full_path
from windbg_ext.sources.stamp import public_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from windbg_ext.commands.catalog.database import Database, Value
    from windbg_ext.commands.catalog.read_file import FileFacts
    from windbg_ext.sources.stamp import Stamp

T = TypeVar("T")

KEY_VARIABLE = "WINDBG_EXT_CATALOG_KEY"
"""The environment variable with the secret that several catalogues share, so that they can be merged."""
ROWS_AT_ONCE = 500
MAX_CANDIDATES = 16
"""Known files with one size and time: there are several only if they were written at once."""

FACTS = ", ".join(DumpFacts._fields)
TAKE_DUMP = (
    f"INSERT INTO catalog_dumps ({FACTS}) VALUES ({', '.join(f':{name}' for name in DumpFacts._fields)}) "
    "ON CONFLICT (fingerprint) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in DumpFacts._fields if name != "fingerprint")
)
TAKE_FILE = (
    "INSERT INTO catalog_files (path, size, modified, reader, fingerprint, problem) "
    "VALUES (:path, :size, :modified, :reader, :fingerprint, :problem) "
    "ON CONFLICT (path) DO UPDATE SET size = excluded.size, modified = excluded.modified, reader = excluded.reader, "
    "fingerprint = excluded.fingerprint, problem = excluded.problem"
)
TAKE_KEY = "INSERT INTO catalog_facts (name, value) VALUES ('machine_key', :key)"
NOT_KNOWN = 0
"""The reader of a file that is to be read again."""


@contextmanager
def open_catalog(name: str, *, create: bool = True) -> Iterator[Catalog]:
    """Open the catalogue in a file (a path) or in PostgreSQL (a URL). create: make it if it is not there.

    An older one is brought to the newest version of its tables. Raise DatabaseError where it cannot be opened, is of a
    newer version, or is not there; UsageError for a URL that is no such database.
    """
    database = open_database(name, create=create)
    try:
        if create:
            migrate(database)
        elif not check_version(database):
            raise DatabaseError("catalogue", "is not there", "name the dumps to put into it", database.name)
        else:
            migrate(database)
        yield Catalog(database)
    finally:
        database.close()


class Catalog:
    """An open catalogue. Its methods raise DatabaseError where the database fails."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.name = database.name

    def key(self) -> bytes:
        """Return the key of the hashes of machines; make one for a new catalogue, of KEY_VARIABLE if that is set."""
        if not self._machine_key():
            secret = os.environ.get(KEY_VARIABLE)
            key = sha256(secret.encode("utf-8", "surrogateescape")).hexdigest() if secret else secrets.token_hex(32)
            with self.database.writing():
                self.database.execute(f"{TAKE_KEY} ON CONFLICT (name) DO NOTHING", {"key": key})
        return bytes.fromhex(self._machine_key())

    def _machine_key(self) -> str:
        """Return the key of the hashes of machines in digits, "" if there is none yet."""
        key = self._fact("machine_key")
        if key and not re.fullmatch("[0-9a-f]{64}", key):
            raise DatabaseError("catalogue", "has a key of machines that is none", DAMAGED, self.name)
        return key

    def _fact(self, name: str) -> str:
        row = next(self.database.rows("SELECT value FROM catalog_facts WHERE name = :name", {"name": name}), ("",))
        return str(row[0])

    def unknown(self, stamps: Sequence[Stamp]) -> list[tuple[Stamp, tuple[str, ...]]]:
        """Return the files that are new or have changed, each with the fingerprints of files that it may be."""
        new = [stamp for some in _pieces(stamps) for stamp in self._new(some)]
        return [(stamp, found) for some in _pieces(new) for stamp, found in zip(some, self._candidates(some))]

    def _new(self, stamps: Sequence[Stamp]) -> Iterator[Stamp]:
        named, values = _as_parameters(key_of(stamp.path) for stamp in stamps)
        sql = f"SELECT path, size, modified FROM catalog_files WHERE reader = :reader AND path IN ({named})"
        known = set(self.database.rows(sql, {**values, "reader": READER}))
        return (
            stamp
            for stamp in stamps
            if not stamp.modified or (key_of(stamp.path), stamp.size, stamp.modified) not in known
        )

    def _candidates(self, stamps: Sequence[Stamp]) -> list[tuple[str, ...]]:
        named, values = _as_parameters(dict.fromkeys(stamp.modified for stamp in stamps))
        sql = (
            "SELECT size, modified, fingerprint FROM catalog_files "
            f"WHERE fingerprint IS NOT NULL AND reader = :reader AND modified IN ({named})"
        )
        found: dict[tuple[Value, Value], dict[str, None]] = {}
        for size, modified, fingerprint in self.database.rows(sql, {**values, "reader": READER}):
            of_these = found.setdefault((size, modified), {})
            if len(of_these) < MAX_CANDIDATES:
                of_these[str(fingerprint)] = None
        return [tuple(found.get((stamp.size, stamp.modified), ())) for stamp in stamps]

    def take(self, found: Iterable[FileFacts]) -> None:
        """Take in what was read, all of it at once or, where that fails, nothing."""
        dumps: dict[str, dict[str, Value]] = {}
        files: dict[str, dict[str, Value]] = {}
        for file in found:
            if file.facts is not None:
                dumps[file.facts.fingerprint] = file.facts.values()
            path = key_of(file.stamp.path)
            files[path] = {
                "path": path,
                "size": file.stamp.size,
                "modified": file.stamp.modified,
                "reader": NOT_KNOWN if file.again else READER,
                "fingerprint": file.fingerprint,
                "problem": file.problem,
            }
        with self.database.writing():
            self.database.execute_many(TAKE_DUMP, list(dumps.values()))
            self.database.execute_many(TAKE_FILE, list(files.values()))

    def merge(self, other: Catalog) -> None:
        """Take in all that another catalogue has.

        Raise DatabaseError where its machines are hashed with another key.
        """
        theirs, ours = other._machine_key(), self._machine_key()
        if theirs != ours and not self._has_dumps() and theirs:
            with self.database.writing():
                self.database.execute("DELETE FROM catalog_facts WHERE name = 'machine_key'")
                self.database.execute(TAKE_KEY, {"key": theirs})
        elif theirs != ours and theirs and other._has_machines():
            why = f"hashes machines with another key than {self.name}"
            advice = f"set {KEY_VARIABLE} to the same secret before catalogues that are to be merged are made"
            raise DatabaseError("catalogue", why, advice, other.name)
        columns = "path, size, modified, reader, fingerprint, problem"
        self._copy(other, FACTS, "catalog_dumps", TAKE_DUMP)
        self._copy(other, columns, "catalog_files", TAKE_FILE)

    def _copy(self, other: Catalog, columns: str, table: str, take: str) -> None:
        names = columns.split(", ")
        rows = other.database.rows(f"SELECT {columns} FROM {table}")
        for some in _pieces(rows):
            with self.database.writing():
                self.database.execute_many(take, [dict(zip(names, row)) for row in some])

    def _has_dumps(self) -> bool:
        return next(self.database.rows("SELECT 1 FROM catalog_dumps LIMIT 1"), None) is not None

    def _has_machines(self) -> bool:
        sql = "SELECT 1 FROM catalog_dumps WHERE machine IS NOT NULL LIMIT 1"
        return next(self.database.rows(sql), None) is not None


def key_of(path: str) -> str:
    """Return a path as the catalogue has it: in full, and as text that every database takes."""
    return full_path(public_name(path)).encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def _as_parameters(values: Iterable[str]) -> tuple[str, dict[str, Value]]:
    """Return values as a list of parameters for SQL, and the parameters; an empty list fits nothing."""
    named: dict[str, Value] = {f"value{number}": value for number, value in enumerate(values)}
    return ", ".join(f":{name}" for name in named) or "NULL", named


def _pieces(rows: Iterable[T]) -> Iterator[list[T]]:
    some: list[T] = []
    for row in rows:
        some.append(row)
        if len(some) == ROWS_AT_ONCE:
            yield some
            some = []
    if some:
        yield some
