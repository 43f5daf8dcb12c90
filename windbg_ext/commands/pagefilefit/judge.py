"""From figures to an answer: does the next dump of a kind fit?"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from windbg_ext.commands.pagefilefit.rules import SMALLEST_PAGING_FILE, SYSTEM_MANAGED_FITS, Role, rules_for
from windbg_ext.commands.pagefilefit.space import Place
from windbg_ext.dump.kinds import DumpKind
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.commands.pagefilefit.kernel_use import KernelUse
    from windbg_ext.commands.pagefilefit.measure import Measured
    from windbg_ext.commands.pagefilefit.space import Space
    from windbg_ext.structs.architectures import Architecture


KERNEL_KINDS = (DumpKind.KERNEL, DumpKind.AUTOMATIC)


class Verdict(enum.Enum):
    """The answer. NOT_WRITTEN: Windows is set to write no dump, whatever there is room for."""

    FITS = "fits"
    LIKELY = "fits most of the time"
    DOES_NOT_FIT = "does not fit"
    ONLY_IF_IT_GROWS = "only if it grows"
    CANNOT_BE_TOLD = "cannot be told"
    NOT_WRITTEN = "no dump is set"

    @property
    def fits(self) -> bool | None:
        """Return whether the dump fits for certain; None: it may or may not."""
        return CERTAIN.get(self)

    @property
    def likely(self) -> bool | None:
        """Return whether the dump fits, for certain or most of the time; None: that cannot be told."""
        return True if self is Verdict.LIKELY else self.fits


CERTAIN = {Verdict.FITS: True, Verdict.DOES_NOT_FIT: False, Verdict.NOT_WRITTEN: False}


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
    *,
    did_not_fit: bool = False,
    in_use: KernelUse | None = None,
) -> KindReport:
    """Answer for one kind. at_least: bytes of a smaller kind that was measured, so this one takes as much or more;
    in_use: what the kernel uses now.

    Enough is what Microsoft calls safe; for a kernel, automatic or active dump that is only the worst case, so where
    one was measured on this machine the measure counts. Too little is the floor that a page gives as a bound, or the
    measure. Between the two, what a page says of most dumps decides, unless one was measured or did not fit; else it
    cannot be told.
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
    if in_use is not None and kind in (*KERNEL_KINDS, DumpKind.ACTIVE):
        sources.append(Source("in use", "what the kernel uses now, about", in_use.about, in_use.source))
        at_least = max(in_use.nonpaged or 0, at_least or 0)
    enough = size
    if enough is None or kind in (DumpKind.SMALL, DumpKind.COMPLETE):
        enough = None if needs is None else max(needs, size or 0)
    too_little = max((least for least in (bound, size, at_least) if least is not None), default=None)
    usual = None
    if measured is None and not did_not_fit and kind in KERNEL_KINDS:
        usual = _Usual(kind, typical, None if in_use is None else in_use.about)
    if usual is not None and space.system_managed and kind in SYSTEM_MANAGED_FITS.kinds:
        rule = SYSTEM_MANAGED_FITS
        sources.append(Source("likelihood", rule.says, None, rule.page, rule.as_of))
    verdict, why = _verdict(enough, too_little, usual, space)
    if verdict is Verdict.FITS and enough == size != needs:
        why = "there is room for what was measured on this machine"
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


class _Usual(NamedTuple):
    """What to go by if no bound decides: a kind that was not measured, what a page says that it usually takes, and what
    it would take about now.
    """

    kind: DumpKind
    bytes: int | None
    now: int | None


def _verdict(enough: int | None, too_little: int | None, usual: _Usual | None, space: Space) -> tuple[Verdict, str]:
    """Return the answer and the reason for it."""
    now, maximum = space.now, space.maximum
    if space.place is Place.NONE or maximum == 0:
        return Verdict.DOES_NOT_FIT, space.now_from if space.place is Place.NONE else space.maximum_from
    if enough is not None and now is not None and now >= enough:
        return Verdict.FITS, "there is room for as much as it takes"
    if enough is not None and now is None and space.place is Place.PAGING_FILE and enough <= SMALLEST_PAGING_FILE:
        return Verdict.FITS, "Windows makes no paging file of less than 2 MB"
    if maximum is not None and too_little is not None and maximum < too_little:
        return Verdict.DOES_NOT_FIT, "there is less room than the least that it takes"
    if usual is not None and (why := _most_of_the_time(usual, space)):
        return Verdict.LIKELY, why
    if enough is not None and maximum is not None and maximum >= enough:
        return Verdict.ONLY_IF_IT_GROWS, "there is room only if the paging file has grown before the crash"
    if maximum is None:
        return Verdict.CANNOT_BE_TOLD, space.maximum_from
    if enough is None:
        return Verdict.CANNOT_BE_TOLD, "how much RAM the machine has is not known"
    if usual is not None and usual.now is not None and now is not None and now < usual.now:
        return Verdict.CANNOT_BE_TOLD, "there is less room than what the kernel uses now, as far as Windows counts it"
    if too_little is None:
        why = "there is less room than in the worst case, and what it takes on this machine was not measured"
        return Verdict.CANNOT_BE_TOLD, f"{why}: a kernel, active or complete dump of it would tell"
    return Verdict.CANNOT_BE_TOLD, "there is room for more than the least and less than the most that it takes"


def _most_of_the_time(usual: _Usual, space: Space) -> str:
    """Return why such a dump fits most of the time; nothing where no rule says so. What is in use now goes first."""
    now = space.now
    if usual.now is not None and now is not None:
        return "there is room for what the kernel uses now" if now >= usual.now else ""
    if space.system_managed and usual.kind in SYSTEM_MANAGED_FITS.kinds:
        return "Windows makes a system-managed paging file large enough for that"
    if usual.bytes is not None and now is not None and now >= usual.bytes:
        return "it usually takes about a third of RAM, and there is room for that"
    return ""
