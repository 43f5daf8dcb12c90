"""What a catalogue answers: crashes by signature, machine, driver, build and week, and the dumps behind them.

A crash counts once, however many dumps there are of it: Windows writes a small dump beside each large one, and files
are copied.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import TYPE_CHECKING

from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from windbg_ext.commands.catalog.catalog import Catalog
    from windbg_ext.commands.catalog.database import Row, Value

MACHINE = "COALESCE(machine, computer)"
GROUPINGS = {
    "signature": ("signature", "signature"),
    "machine": ("machine", MACHINE),
    "driver": ("driver", "driver"),
    "build": ("build", "build"),
    "week": ("week", "week"),
}
"""Name of a view: what it is called, and the SQL of what has one row in it."""
MAX_DAYS = 36_500
DUMP_COLUMNS = (
    *("crashed_at", "signature", "signature_hash", "bug_check", "bug_check_name", "parameters", "driver", "process"),
    *("machine", "computer", "kind", "architecture", "windows", "build", "processors", "file_bytes", "complete"),
    *("problem", "crash", "fingerprint", "path"),
)


class Choice(NamedTuple):
    """Which crashes to look at. since: UTC, ISO 8601; signature: a part of its text, or its hash."""

    since: str | None = None
    signature: str | None = None

    def where(self) -> tuple[str, dict[str, Value]]:
        """Return a condition in SQL and its values."""
        conditions = ["1 = 1"]
        values: dict[str, Value] = {}
        if self.since is not None:
            conditions.append("crashed_at >= :since")
            values["since"] = self.since
        if self.signature is not None:
            conditions.append(r"(signature_hash = :hash OR LOWER(signature) LIKE :pattern ESCAPE '\')")
            part = re.sub(r"([%_\\])", r"\\\1", self.signature.lower())
            values.update({"hash": self.signature.lower(), "pattern": f"%{part}%"})
        return " AND ".join(conditions), values


EVERYTHING = Choice()


class Group(NamedTuple):
    """Crashes that have something in common. name: None for those that do not tell.

    crashes: how many; dumps: of them; machines: on which they were, as far as the dumps tell; first, last: time, UTC;
    signatures: how many different ones; about: the bug check of a signature, the computer's name of a machine, the
    Windows of a build; driver: caused by; hash: of a signature.
    """

    name: str | None
    crashes: int
    dumps: int
    machines: int
    signatures: int
    first: str | None
    last: str | None
    about: str | None
    driver: str | None
    hash: str | None


@dataclass(frozen=True)
class CatalogReport:
    """What is in a catalogue.

    groups: by the name of the view, most crashes first, the newest week first; more: how many groups are left out;
    more_named: how many of them have a name, and the crashes of these; unread: files that could not be read, or are no
    dumps; choice: what was asked for.
    """

    name: str
    choice: Choice
    crashes: int
    dumps: int
    machines: int
    signatures: int
    first: str | None
    last: str | None
    unread: int
    groups: dict[str, tuple[Group, ...]]
    more: dict[str, int]
    more_named: dict[str, tuple[int, int]]


TOTALS = (
    f"COUNT(DISTINCT crash), COUNT(*), COUNT(DISTINCT {MACHINE}), COUNT(DISTINCT signature), "
    "MIN(crashed_at), MAX(crashed_at)"
)
ABOUT = {
    "signature": "MAX(bug_check_name), MAX(driver), MAX(signature_hash)",
    "machine": "MAX(computer), NULL, NULL",
    "driver": "NULL, NULL, NULL",
    "build": "MAX(windows), NULL, NULL",
    "week": "NULL, NULL, NULL",
}


def summarize_catalog(
    catalog: Catalog, choice: Choice = EVERYTHING, *, most: int | None = None, views: Iterable[str] = tuple(GROUPINGS)
) -> CatalogReport:
    """Return what is in a catalogue. most: rows of each view; None: all; views: those to return the rows of."""
    where, values = choice.where()
    totals = next(catalog.database.rows(f"SELECT {TOTALS} FROM catalog_dumps WHERE {where}", values))
    unread = next(catalog.database.rows("SELECT COUNT(*) FROM catalog_files WHERE problem IS NOT NULL"))
    groups: dict[str, tuple[Group, ...]] = {}
    more: dict[str, int] = {}
    more_named: dict[str, tuple[int, int]] = {}
    for view in views:
        found = list_groups(catalog, view, choice)
        groups[view] = tuple(islice(found, most))
        more[view], more_named[view] = _count_groups(found)
    crashes, dumps, machines, signatures, first, last = totals
    return CatalogReport(
        name=catalog.name,
        choice=choice,
        crashes=_count(crashes),
        dumps=_count(dumps),
        machines=_count(machines),
        signatures=_count(signatures),
        first=_text(first),
        last=_text(last),
        unread=_count(unread[0]),
        groups=groups,
        more=more,
        more_named=more_named,
    )


def _count_groups(groups: Iterator[Group]) -> tuple[int, tuple[int, int]]:
    """Return how many groups there are; how many of them have a name, and the crashes of these."""
    number = named = crashes = 0
    for group in groups:
        number += 1
        if group.name is not None:
            named += 1
            crashes += group.crashes
    return number, (named, crashes)


def list_groups(catalog: Catalog, view: str, choice: Choice = EVERYTHING) -> Iterator[Group]:
    """Yield the rows of a view, most crashes first, the newest week first."""
    where, values = choice.where()
    by = GROUPINGS[view][1]
    order = "1 DESC" if view == "week" else "2 DESC, 1"
    sql = f"SELECT {by}, {TOTALS}, {ABOUT[view]} FROM catalog_dumps WHERE {where} GROUP BY {by} ORDER BY {order}"
    return map(_group, catalog.database.rows(sql, values))


def _group(row: Row) -> Group:
    name, crashes, dumps, machines, signatures, first, last, about, driver, digits = row
    return Group(
        name=_text(name),
        crashes=_count(crashes),
        dumps=_count(dumps),
        machines=_count(machines),
        signatures=_count(signatures),
        first=_text(first),
        last=_text(last),
        about=_text(about),
        driver=_text(driver),
        hash=_text(digits),
    )


def _count(value: Value) -> int:
    return int(value or 0)


def _text(value: Value) -> str | None:
    return None if value is None else str(value)


def count_by_day(catalog: Catalog, choice: Choice = EVERYTHING) -> list[tuple[str | None, int]]:
    """Return each day (ISO 8601; None: not known) on which something crashed, and how many crashes there were."""
    where, values = choice.where()
    day = "SUBSTR(crashed_at, 1, 10)"
    sql = f"SELECT {day}, COUNT(DISTINCT crash) FROM catalog_dumps WHERE {where} GROUP BY {day} ORDER BY 1"
    return [(_text(name), _count(crashes)) for name, crashes in catalog.database.rows(sql, values)]


def list_dumps(catalog: Catalog, choice: Choice = EVERYTHING) -> Iterator[Row]:
    """Yield the dumps, newest first, each with the values of DUMP_COLUMNS; path: of one of its files."""
    where, values = choice.where()
    path = "(SELECT MIN(path) FROM catalog_files WHERE catalog_files.fingerprint = catalog_dumps.fingerprint)"
    columns = ", ".join(path if name == "path" else name for name in DUMP_COLUMNS)
    order = "ORDER BY CASE WHEN crashed_at IS NULL THEN 1 ELSE 0 END, crashed_at DESC, fingerprint"
    return catalog.database.rows(f"SELECT {columns} FROM catalog_dumps WHERE {where} {order}", values)


def read_since(text: str) -> str:
    """Read a date, a time, or a number of days back (`30d`) as UTC, ISO 8601; ValueError with what is wrong with it."""
    days = re.fullmatch(r"(\d{1,6})d", text)
    if days and int(days[1]) <= MAX_DAYS:
        moment = datetime.now(timezone.utc) - timedelta(days=int(days[1]))
    else:
        try:
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError:
            raise ValueError(f"{text!r} is no date such as 2024-01-31, and no number of days such as 30d") from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
