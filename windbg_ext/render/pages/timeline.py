"""Crashes over time in equal steps, as fine as a picture has room for."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from windbg_ext.render.page import Bucket, Timeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Callable

MAX_BUCKETS = 62
"""Steps of one picture: two months of days."""
FILETIME_START = datetime(1601, 1, 1, tzinfo=timezone.utc)


def _week(index: int) -> str:
    return f"week of {date.fromordinal(max(1, 7 * index + 1)).isoformat()}"


def _month(index: int) -> str:
    return f"{index // 12:04}-{index % 12 + 1:02}"


STEPS: tuple[tuple[str, Callable[[date], int], Callable[[int], str]], ...] = (
    ("day", date.toordinal, lambda index: date.fromordinal(index).isoformat()),
    ("week", lambda day: (day.toordinal() - 1) // 7, _week),
    ("month", lambda day: day.year * 12 + day.month - 1, _month),
    ("year", lambda day: day.year, str),
    ("decade", lambda day: day.year // 10, lambda index: f"{index * 10}s"),
    ("millennium", lambda day: day.year // 1000, lambda index: f"from {index * 1000}"),
)
"""Name, the number of the step that a day lies in, and how that step is called."""


def timeline(filetimes: Iterable[int | None], title: str) -> Timeline | None:
    """Return crashes over time; None if none of them has a time. filetimes: 100 ns since 1601."""
    counts: Counter[date] = Counter()
    undated = 0
    for filetime in filetimes:
        day = None if filetime is None else _day(filetime)
        if day is None:
            undated += 1
        else:
            counts[day] += 1
    return timeline_of_days(counts, undated, title)


def timeline_of_days(crashes: Mapping[date, int], undated: int, title: str) -> Timeline | None:
    """Return crashes over time, of which it is known how many there were on each day; None if there are none."""
    if not crashes:
        return None
    first, last = min(crashes), max(crashes)
    name, index_of, label = next(step for step in STEPS if step[1](last) - step[1](first) < MAX_BUCKETS)
    counts: Counter[int] = Counter()
    for day, number in crashes.items():
        counts[index_of(day)] += number
    buckets = tuple(Bucket(label(at), counts[at]) for at in range(index_of(first), index_of(last) + 1))
    return Timeline(title, name, buckets, undated)


def _day(filetime: int) -> date | None:
    try:
        return (FILETIME_START + timedelta(microseconds=filetime // 10)).date()
    except OverflowError:
        return None
