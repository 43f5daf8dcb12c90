"""What is known of a machine, put together, and the answer for it in a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from windbg_ext.commands.pagefilefit.judge import Verdict
from windbg_ext.commands.pagefilefit.rules import MB
from windbg_ext.commands.pagefilefit.space import Place

if TYPE_CHECKING:
    from datetime import datetime

    from windbg_ext.commands.pagefilefit.judge import KindReport
    from windbg_ext.commands.pagefilefit.kernel_use import KernelUse
    from windbg_ext.commands.pagefilefit.settings import CrashSettings
    from windbg_ext.commands.pagefilefit.space import Space, Volume
    from windbg_ext.dump.kinds import DumpKind
    from windbg_ext.structs.architectures import Architecture


@dataclass(frozen=True)
class Situation:
    """All that advice depends on. kind: the one that is set, or that the user asks about; now: the time, None: unknown.

    room_for: the report of that kind; automatic: the verdict for an automatic dump; did_not_fit: the dump that was
    named says so; certain: the user asks for certainty; in_use: what the kernel uses now; server: whether Windows is a
    server, None: not known.
    """

    kind: DumpKind
    room_for: KindReport
    automatic: Verdict
    architecture: Architecture
    ram: int | None
    space: Space
    volume: Volume
    crash: CrashSettings
    did_not_fit: bool
    now: datetime | None
    certain: bool = False
    in_use: KernelUse | None = None
    server: bool | None = None

    @property
    def writes_none(self) -> bool:
        """Whether Windows is set to write no dump."""
        return self.crash.kind is None and self.crash.kind_known

    @property
    def verdict(self) -> Verdict:
        """The answer for the machine as it is set."""
        return Verdict.NOT_WRITTEN if self.writes_none else self.room_for.verdict

    @property
    def a_dump(self) -> str:
        """The kind with its article."""
        return f"{'an' if self.kind.value[0] == 'a' else 'a'} {self.kind.value} dump"

    @property
    def for_certain(self) -> int | None:
        """The bytes that are enough whatever happens; None: they cannot be worked out."""
        sizes = (self.room_for.needs, self.room_for.measured)
        return None if sizes[0] is None else max(size for size in sizes if size is not None)

    @property
    def volume_takes_it(self) -> bool:
        """Whether the boot volume has room for a paging file of that size; True where that is not known, too."""
        size, volume = self.for_certain or 0, self.volume
        if volume.free is not None:
            return size - (self.space.now or 0) <= volume.free
        return volume.size is None or size <= volume.size

    @property
    def resizes(self) -> bool:
        """Whether a fixed size is to be advised: the dump cannot fit, or the user asks for certainty."""
        size, now = self.for_certain, self.space.now
        if size is None or (now is not None and now >= size):
            return False
        return self.certain or self.room_for.verdict is Verdict.DOES_NOT_FIT


def headline(at: Situation) -> str:
    """Return the answer for the machine as it is set, in a sentence."""
    name = "The dedicated dump file" if at.space.place is Place.DEDICATED_FILE else "The paging file"
    return {
        Verdict.FITS: f"{name} is large enough for {at.a_dump}: {at.room_for.why}.",
        Verdict.LIKELY: f"{_capital(at.a_dump)} fits most of the time: {at.room_for.why}.",
        Verdict.DOES_NOT_FIT: f"The next crash leaves no {at.kind.value} dump: {at.room_for.why}.",
        Verdict.ONLY_IF_IT_GROWS: f"{name} is large enough for {at.a_dump} only if it has grown before the crash.",
        Verdict.CANNOT_BE_TOLD: f"Whether the next crash leaves {at.a_dump} cannot be told: {at.room_for.why}.",
        Verdict.NOT_WRITTEN: "The next crash leaves no dump: Windows is set to write none (CrashDumpEnabled = 0).",
    }[at.verdict]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def megabytes(size: int) -> int:
    """Return a number of bytes in MB, rounded up, as the registry takes sizes."""
    return -(-size // MB)
