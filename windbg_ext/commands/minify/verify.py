"""Does a small dump say what its source says? It is read back, and every answer that it can give is compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from windbg_ext.commands.minify.compare import Compared, compare_all
from windbg_ext.commands.minify.crash import read_crash
from windbg_ext.dump import open_dump
from windbg_ext.dump.small_file import load_small_dump
from windbg_ext.errors import DumpError
from windbg_ext.kernel import DumpTarget
from windbg_ext.sources import opened_source
from windbg_ext.sources.progress import no_progress
from windbg_ext.structs.header import DumpType
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.commands.minify.crash import Crash
    from windbg_ext.dump.small_file import SmallDump
    from windbg_ext.sources import SourceLike
    from windbg_ext.sources.progress import Progress

MAX_DIFFERENCES = 256
"""Differences that are told one by one."""
NOT_THERE = "nothing"


class Difference(NamedTuple):
    """An answer that the small dump does not keep: what was asked, what the source says, and what the small dump."""

    answer: str
    source: str
    small: str


@dataclass(frozen=True)
class Verification:
    """What a comparison found. asked: answers of the source; kept: those that the small dump gives, too.

    differences: at most 256 of the others.
    """

    asked: int
    kept: int
    differences: tuple[Difference, ...]

    @property
    def passed(self) -> bool:
        """Whether the small dump says all that its source says."""
        return self.kept == self.asked


def verify(source: SourceLike, small: SourceLike, *, progress: Progress = no_progress) -> Verification:
    """Compare a small dump with the dump that `minify` made it of.

    What is compared: bug check and times, registers, stack and thread of every processor, thread and process of the
    crash, modules, unloaded drivers, secondary data, and the bytes of every block of memory. Not asked is what the
    source does not hold.

    Raise DumpError where the source cannot be read. That the small dump cannot be read is a difference.
    """
    with opened_source(source) as opened:
        dump = open_dump(opened, progress=progress)
        dump.check()
        if dump.header.dump_type is DumpType.TRIAGE:
            raise DumpError("DumpType", "4, the source is a small memory dump itself", "name the dump it was made of")
        return verify_crash(read_crash(DumpTarget(dump)), small, progress=progress)


def verify_crash(
    crash: Crash, small: SourceLike, *, written: SmallDump | None = None, progress: Progress = no_progress
) -> Verification:
    """Compare a small dump with the crash that it is of. written: what `minify` meant to write, if it was just now."""
    answers = _Answers()
    with opened_source(small) as opened:
        try:
            dump = open_dump(opened)
            dump.check()
            if dump.small is None:
                raise DumpError("DumpType", f"{dump.header.dump_type:d} is no small memory dump")
            loaded = load_small_dump(dump.source, dump.header, dump.small, dump.budget)
            compare_all(Compared(crash, dump, loaded, written), answers, progress)
        except DumpError as error:
            answers.compare("small dump", "answers", f"none that can be read ({error.field}: {error.why})")
    return answers.verification()


class _Answers:
    """What was asked so far, and what differed."""

    def __init__(self) -> None:
        self._asked = self._kept = 0
        self._differences: list[Difference] = []

    def compare(self, answer: str, source: object, small: object) -> bool:
        """Note an answer of the source and that of the small dump; None of the source: it has none, so nobody asks."""
        if source is None:
            return True
        self._asked += 1
        if source == small:
            self._kept += 1
            return True
        if len(self._differences) < MAX_DIFFERENCES:
            self._differences.append(Difference(answer, *_shown(source, small)))
        return False

    def verification(self) -> Verification:
        """Return the result."""
        return Verification(self._asked, self._kept, tuple(self._differences))


def _shown(source: object, small: object) -> tuple[str, str]:
    """Return two answers that differ as text; of bytes, where they begin to differ."""
    if isinstance(source, bytes) and isinstance(small, bytes):
        at = next((at for at, (a, b) in enumerate(zip(source, small)) if a != b), None)
        if at is None:
            return f"{len(source):,} bytes", f"{len(small):,} bytes"
        one, other = (f"{data[at : at + 8].hex()} at 0x{at:x} of {len(data):,} bytes" for data in (source, small))
        return one, other
    return _text(source), _text(small)


def _text(value: object) -> str:
    if value is None:
        return NOT_THERE
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    return f"0x{value:x}" if isinstance(value, int) else str(value)
