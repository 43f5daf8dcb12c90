"""From stretches of a dump to what was found in them, each at its place."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from windbg_ext.commands.privacy.report import Finding, Occurrence
from windbg_ext.commands.privacy.rules import IDENTIFYING_BLOBS, RULES, rule
from windbg_ext.commands.privacy.search import Search, search
from windbg_ext.commands.privacy.stretches import HEADER, header_field, runs
from windbg_ext.limits import MAX_MATCHES, MAX_OCCURRENCES, MAX_PRIVACY
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from windbg_ext.commands.privacy.rules import Rule
    from windbg_ext.commands.privacy.stretches import Run, Stretch
    from windbg_ext.limits import Budget
    from windbg_ext.structs.layouts import RawHeader


class Found(NamedTuple):
    """A piece of a run that a rule found."""

    run: Run
    start: int
    end: int
    rule: Rule
    value: str


def find(stretches: Iterable[Stretch], by: Search, budget: Budget) -> list[Found]:
    """Return what is personal in stretches, in the order of the runs; what overlaps and is of one sort is one thing.

    Raise LimitError where there is more to look through, or more to be found, than any honest dump has.
    """
    together = runs(stretches)
    size = sum(run.starts[-1] + len(run.stretches[-1].data) for run in together)
    budget.draw(MAX_PRIVACY, size, "small dump")
    matches: dict[tuple[int, str], list[Found]] = {}
    for number, match in search(lambda: (run.data for run in together), by):
        budget.draw(MAX_MATCHES, 1, "memory")
        found = Found(together[number], match.start, match.end, match.rule, match.value)
        matches.setdefault((number, match.rule.key), []).append(found)
    return [one for key in sorted(matches) for one in _joined(matches[key])]


def _joined(found: Sequence[Found]) -> Iterator[Found]:
    """Yield what overlaps as one; its value is that of the first rule that found it."""
    ordered = sorted(found, key=lambda one: (one.start, -one.end))
    at = ordered[0]
    for one in ordered[1:]:
        if one.start < at.end:
            at = at._replace(end=max(at.end, one.end))
        else:
            yield at
            at = one
    yield at


def occurrences(found: Iterable[Found], header: RawHeader) -> Iterator[Occurrence]:
    """Yield what was found with the place of its first byte."""
    for one in found:
        stretch, start, _ = next(one.run.parts(one.start, one.end))
        place = f"{HEADER}, {header_field(header, start)}" if stretch.place == HEADER else stretch.place
        address = None if stretch.address is None else stretch.address + start
        offset = None if stretch.offset is None else stretch.offset + start
        yield Occurrence(one.rule, place, one.end - one.start, address, offset, one.value)


def personal_as_a_whole(stretches: Iterable[Stretch], lowest_kernel: int) -> Iterator[Occurrence]:
    """Yield what is personal whatever it holds: user-mode memory, the comment, blobs that identify the machine."""
    memory, firmware = rule("user_memory"), rule("firmware")
    for stretch in stretches:
        if stretch.address is not None and stretch.address < lowest_kernel and stretch.data:
            yield Occurrence(memory, stretch.place, len(stretch.data), stretch.address, stretch.offset)
        blob = IDENTIFYING_BLOBS.get(stretch.tag)
        if blob is not None:
            yield Occurrence(firmware, stretch.place, len(stretch.data), None, stretch.offset, blob.why)


def findings(found: Iterable[Occurrence], *, show: bool) -> tuple[Finding, ...]:
    """Return what was found, by sort, in the order of the rules. show: with the values."""
    by_key: dict[str, list[Occurrence]] = {}
    for one in found:
        by_key.setdefault(one.rule.key, []).append(one if show else one._replace(value=""))
    result = []
    for key in dict.fromkeys(by.key for by in RULES):
        if key in by_key:
            first, places = rule(key), Counter(one.place for one in by_key[key])
            listed = tuple(by_key[key][:MAX_OCCURRENCES])
            not_listed = len(by_key[key]) - len(listed)
            result.append(Finding(key, first.name, first.why, tuple(places.most_common()), listed, not_listed))
    return tuple(result)
