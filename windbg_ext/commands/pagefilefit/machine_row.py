"""A machine in a table of many."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from windbg_ext.commands.pagefilefit.judge import Verdict

if TYPE_CHECKING:
    from windbg_ext.dump.kinds import DumpKind


LOSES = (Verdict.DOES_NOT_FIT, Verdict.ONLY_IF_IT_GROWS, Verdict.NOT_WRITTEN)
"""Verdicts with which a crash now would leave no dump, or none for certain."""


class Rank(enum.IntEnum):
    """How a machine is sorted: worst first."""

    LOST, UNREADABLE, UNTOLD, LIKELY, FITS = range(5)


@dataclass(frozen=True)
class MachineRow:
    """What is known of a machine. name: of the machine, or of its file; kind: the one that is set, None: none, or not
    known; verdict, headline: for that kind; fits: of each kind; room, at_most, needs, ram: bytes, None where they are
    not known; no, unknown: questions of the check list; decided: those that a no to means that there is no dump;
    problem: why the file cannot be read.
    """

    name: str
    path: str
    kind: DumpKind | None = None
    verdict: Verdict | None = None
    headline: str = ""
    fits: dict[DumpKind, bool | None] | None = None
    room: int | None = None
    at_most: int | None = None
    needs: int | None = None
    ram: int | None = None
    place: str = ""
    no: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    decided: tuple[str, ...] = ()
    outdated: bool = False
    problem: str = ""

    @property
    def lost(self) -> bool:
        """Whether the next crash would leave no dump of the kind that is set, as things are now."""
        return self.verdict in LOSES or bool(self.decided)

    @property
    def rank(self) -> Rank:
        """How bad it is."""
        if self.problem:
            return Rank.UNREADABLE
        if self.lost:
            return Rank.LOST
        return {Verdict.FITS: Rank.FITS, Verdict.LIKELY: Rank.LIKELY}.get(self.verdict or Verdict.FITS, Rank.UNTOLD)
