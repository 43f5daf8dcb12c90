"""From figures to an answer: does the next dump of a kind fit?"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from windbg_ext.commands.pagefilefit.rules import Role, rules_for
from windbg_ext.commands.pagefilefit.space import Place
from windbg_ext.dump.kinds import DumpKind

if TYPE_CHECKING:
    from windbg_ext.commands.pagefilefit.measure import Measured
    from windbg_ext.commands.pagefilefit.space import Space
    from windbg_ext.structs.architectures import Architecture


class Verdict(enum.Enum):
    """The answer."""

    FITS = "fits"
    DOES_NOT_FIT = "does not fit"
    ONLY_IF_IT_GROWS = "only if it grows"
    CANNOT_BE_TOLD = "cannot be told"


@dataclass(frozen=True)
class Source:
    """One figure and where it is from. bytes: None where it cannot be worked out; role: what it is good for."""

    role: str
    says: str
    bytes: int | None
    page: str
    as_of: str | None = None


@dataclass(frozen=True)
class KindReport:
    """The answer for a kind of dump, in bytes; None: not known.

    needs: with that much it fits, says Microsoft; floor: the least that any page gives; measured: what such a dump
    took, or would have taken, on this machine; enough: how much room is enough, see `judge`; now, maximum: what there
    is room for.
    """

    kind: DumpKind
    needs: int | None
    floor: int | None
    measured: int | None
    enough: int | None
    now: int | None
    maximum: int | None
    verdict: Verdict
    why: str
    sources: tuple[Source, ...]


def judge(
    kind: DumpKind,
    architecture: Architecture,
    ram: int | None,
    measured: Measured | None,
    space: Space,
    at_least: int | None = None,
) -> KindReport:
    """Answer for one kind. at_least: bytes of a smaller kind that was measured, so this one takes as much or more.

    Enough is what Microsoft calls safe; for a kernel, automatic or active dump that is only the worst case, so where
    one was measured on this machine the measure counts. Too little is the floor that a page gives as a bound, or the
    measure. Between the two, it cannot be told.
    """
    figures = [(rule, rule.figure(ram)) for rule in rules_for(kind, architecture)]
    needs, bound, typical = (
        next((figure for rule, figure in figures if rule.role is role and figure is not None), None)
        for role in (Role.SAFE, Role.FLOOR, Role.TYPICAL)
    )
    size = None if measured is None else measured.bytes
    sources = [Source(rule.role.value, rule.says, figure, rule.page, rule.as_of) for rule, figure in figures]
    if measured is not None:
        sources.append(Source("measured", measured.how, measured.bytes, "the dump"))
    enough = size
    if enough is None or kind in (DumpKind.SMALL, DumpKind.COMPLETE):
        enough = None if needs is None else max(needs, size or 0)
    too_little = max((least for least in (bound, size, at_least) if least is not None), default=None)
    verdict, why = _verdict(enough, too_little, space)
    if verdict in (Verdict.FITS, Verdict.ONLY_IF_IT_GROWS) and enough == size != needs:
        why += "; it is what was measured, Microsoft's worst case is more"
    return KindReport(
        kind=kind,
        needs=needs,
        floor=typical if bound is None else bound,
        measured=size,
        enough=enough,
        now=space.now,
        maximum=space.maximum,
        verdict=verdict,
        why=why,
        sources=tuple(sources),
    )


def _verdict(enough: int | None, too_little: int | None, space: Space) -> tuple[Verdict, str]:
    """Return the answer and the reason for it."""
    now, maximum = space.now, space.maximum
    if space.place is Place.NONE:
        return Verdict.DOES_NOT_FIT, space.now_from
    if enough is not None and now is not None and now >= enough:
        return Verdict.FITS, "there is room for as much as it takes"
    if enough is not None and maximum is not None and maximum >= enough:
        return (
            Verdict.ONLY_IF_IT_GROWS,
            "there is room only if the paging file has grown before the crash",
        )
    if maximum is not None and too_little is not None and maximum < too_little:
        return Verdict.DOES_NOT_FIT, "there is less room than the least that it takes"
    if maximum is None:
        return Verdict.CANNOT_BE_TOLD, space.maximum_from
    if enough is None:
        return Verdict.CANNOT_BE_TOLD, "how much RAM the machine has is not known"
    if too_little is None:
        why = "there is less room than in the worst case, and what it takes on this machine was not measured"
        return Verdict.CANNOT_BE_TOLD, f"{why}: a kernel, active or complete dump of it would tell"
    return Verdict.CANNOT_BE_TOLD, "there is room for more than the least and less than the most that it takes"
