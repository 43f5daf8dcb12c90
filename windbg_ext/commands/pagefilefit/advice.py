"""What to do, in plain words: the settings to change, and what Windows does with a dump afterwards.

Registry values: the debugger's documentation (CrashControl), how-to-determine-the-appropriate-page-file-size (paging
files); see also `rules`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from windbg_ext.commands.pagefilefit.judge import Verdict
from windbg_ext.commands.pagefilefit.rules import (
    AFTER_AN_AUTOMATIC_DUMP_DID_NOT_FIT,
    FREE_SPACE_TO_KEEP_A_DUMP,
    SYSTEM_MANAGED_FOR_A_DUMP,
    WEEKS_AFTER_A_CRASH,
)
from windbg_ext.commands.pagefilefit.settings import CONTROL, CRASH_CONTROL, MEMORY_MANAGEMENT
from windbg_ext.commands.pagefilefit.situation import megabytes
from windbg_ext.commands.pagefilefit.space import Place, without_pae
from windbg_ext.dump.kinds import DumpKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from windbg_ext.commands.pagefilefit.checks import Check
    from windbg_ext.commands.pagefilefit.situation import Situation
    from windbg_ext.commands.pagefilefit.space import Space, Volume

SAFE_PATH = re.compile(r"[A-Za-z]:\\[\w.()-]+(?:\\[\w.()-]+)*", re.ASCII)
"""A path that may stand in a command line: what a hive says may be anything."""
MAX_PATH_IN_COMMAND = 100
"""Characters: with 16 paging files, a command is short enough for the 8,191 that cmd takes, and to be read."""
A_FIXED_VOLUME, ANOTHER_VOLUME = "D:", "E:"


@dataclass(frozen=True)
class Setting:
    """A registry value to set. key: the whole path; type: REG_DWORD and so on; data: as `reg add` takes it."""

    key: str
    name: str
    type: str
    data: str

    @property
    def command(self) -> str:
        """The command line that sets it."""
        data = f'"{self.data}"' if self.type != "REG_DWORD" else self.data
        return f'reg add "{self.key}" /v {self.name} /t {self.type} /d {data} /f'


@dataclass(frozen=True)
class Advice:
    """A piece of it. settings: what to change; restart: the change takes effect when Windows has been restarted; to_do:
    it is to be done or to be decided now, not only to be known.
    """

    text: str
    settings: tuple[Setting, ...] = ()
    restart: bool = False
    to_do: bool = False


def advise(situation: Situation, objections: Sequence[Check] = ()) -> tuple[Advice, ...]:
    """Return the advice: what to do, most urgent first, and then what to know.

    objections: questions of the check list that are answered with no. Those that cost the dump come first.
    """
    by_urgency = {
        decides: [Advice(f"{it.question}: no, {it.why}.", to_do=True) for it in objections if it.decides is decides]
        for decides in (True, False)
    }
    usual = [advice for part in PARTS for advice in part(situation)]
    return (*by_urgency[True], *usual, *by_urgency[False])


def _no_dump(at: Situation) -> Iterator[Advice]:
    if at.writes_none:
        yield Advice("Let Windows write an automatic dump:", (AUTOMATIC,), restart=True, to_do=True)


def _too_small_once(at: Situation) -> Iterator[Advice]:
    if at.did_not_fit:
        text = (
            "This dump says that there was too little room when it was written (InsufficientDumpfileSize): it is cut "
            "short, or a small dump in place of a larger one."
        )
        yield Advice(text, to_do=True)


def _growth(at: Situation) -> Iterator[Advice]:
    """Say what happens if a dump that usually fits does not, and what lets a file grow."""
    if at.writes_none:
        return
    if at.kind is DumpKind.AUTOMATIC and at.space.system_managed and at.verdict is not Verdict.FITS:
        text = (
            "If one does not fit, Windows notes the time (LastCrashTime) and keeps the paging file larger for "
            f"{WEEKS_AFTER_A_CRASH} weeks, so that the next one fits."
        )
        yield Advice(text, to_do=True)
    elif at.verdict is Verdict.LIKELY:
        yield Advice("If one does not fit, that crash leaves no dump, or one that is cut short.", to_do=True)
    elif at.verdict is Verdict.ONLY_IF_IT_GROWS:
        how = "with the commit charge"
        if at.space.system_managed:
            how += f", and {SYSTEM_MANAGED_FOR_A_DUMP.says} ({SYSTEM_MANAGED_FOR_A_DUMP.page})"
        yield Advice(f"The paging file grows {how}.", to_do=True)


def _certainty(at: Situation) -> Iterator[Advice]:
    """Say how to be certain and what it costs."""
    size = at.for_certain
    if at.writes_none or at.certain or at.resizes or size is None or at.verdict is Verdict.FITS:
        return
    text = f"Certainty takes a paging file on {at.volume.letter} of {megabytes(size):,} MB from the start"
    text += f"{_cost(at, size)}; --certain shows how."
    if at.space.place is Place.DEDICATED_FILE:
        text = f"Certainty takes a dedicated dump file of {megabytes(size):,} MB{_cost(at, size)}; --certain shows how."
    elif not at.volume_takes_it:
        text = (
            f"Certainty takes {megabytes(size):,} MB from the start, which {at.volume.letter} has no room for: it has "
            f"{_room_of(at.volume)}. --certain shows how to use another volume."
        )
    yield Advice(text, to_do=True)


def _cost(at: Situation, size: int) -> str:
    """Return what so large a file costs in disk space."""
    now = at.space.now
    return f", {megabytes(size - now):,} MB more of the disk than now" if now and now < size else ""


def _room_of(volume: Volume) -> str:
    """Return how much room a volume has, as far as that is known."""
    if volume.free is not None:
        return f"{megabytes(volume.free):,} MB free"
    return f"{megabytes(volume.size or 0):,} MB in all"


def _paging_file(at: Situation) -> Iterator[Advice]:
    enough = at.for_certain
    if at.space.place is Place.DEDICATED_FILE or not at.resizes or enough is None or not at.volume_takes_it:
        return
    size = megabytes(enough)
    lines = [f"{at.volume.letter}\\pagefile.sys {size} {size}", *_lines_to_keep(at.space)]
    yield Advice(
        f"Give the boot volume {at.volume.letter} a paging file of at least {size:,} MB from the start"
        f"{_cost(at, enough)}:",
        (_setting(MEMORY_MANAGEMENT, "PagingFiles", "REG_MULTI_SZ", r"\0".join(lines)),),
        restart=True,
        to_do=True,
    )


def _lines_to_keep(space: Space) -> list[str]:
    """Return the lines of PagingFiles for the other volumes, as far as they may stand in a command."""
    return [
        f"{file.path} {megabytes(file.initial or 0)} {megabytes(file.maximum or 0)}"
        for file in space.elsewhere
        if len(file.path) <= MAX_PATH_IN_COMMAND and SAFE_PATH.fullmatch(file.path)
    ]


def _dedicated_file(at: Situation) -> Iterator[Advice]:
    enough = at.for_certain
    if not at.resizes or enough is None or at.kind is DumpKind.SMALL:
        return
    size = _setting(CRASH_CONTROL, "DumpFileSize", "REG_DWORD", str(megabytes(enough)))
    if at.space.place is Place.DEDICATED_FILE:
        text = f"Make the dedicated dump file {megabytes(enough):,} MB large:"
        yield Advice(text, (size,), restart=True, to_do=True)
        return
    drive = A_FIXED_VOLUME
    text = (
        "Or leave the paging file as it is and give the dump a file of its own, on any fixed local volume with that "
        f"much free space ({drive} here):"
    )
    if not at.volume_takes_it:
        drive = A_FIXED_VOLUME if at.volume.letter != A_FIXED_VOLUME else ANOTHER_VOLUME
        text = (
            f"{at.volume.letter} has {_room_of(at.volume)}, too little for a paging file of {megabytes(enough):,} MB. "
            f"Give the dump a file of its own on another fixed local volume with that much free space ({drive} here):"
        )
    path = _setting(CRASH_CONTROL, "DedicatedDumpFile", "REG_SZ", f"{drive}\\dedicateddumpfile.sys")
    yield Advice(text, (path, size), restart=True, to_do=True)


def _other_kind(at: Situation) -> Iterator[Advice]:
    if at.kind is not DumpKind.COMPLETE or at.room_for.verdict is not Verdict.DOES_NOT_FIT:
        return
    text = "Or let Windows write an automatic dump, which leaves out the memory of programs"
    if at.automatic.likely:
        yield Advice(f"{text}:", (AUTOMATIC,), restart=True, to_do=True)
    elif at.space.place is not Place.DEDICATED_FILE:
        text += ", and choose the size of the paging file, which is large enough for that most of the time:"
        yield Advice(text, (AUTOMATIC, SYSTEM_MANAGED), restart=True, to_do=True)


def _in_use(at: Situation) -> Iterator[Advice]:
    """Say what the figures of a running machine bound, and what they do not."""
    if at.in_use is None or at.in_use.about is None or at.in_use.nonpaged is None:
        return
    yield Advice(
        f"A kernel dump holds all of the nonpaged pool, {megabytes(at.in_use.nonpaged):,} MB now, the images of "
        "drivers, what of the paged pool is in RAM, and besides them kernel stacks and page tables, which Windows does "
        f"not count here. So about {megabytes(at.in_use.about):,} MB is an estimate for now, and it grows with what "
        "the machine does; the worst case above is the only upper bound."
    )
    if at.in_use.large_pages:
        names = ", ".join(at.in_use.large_pages)
        yield Advice(f"Drivers that are set to be loaded into large pages (LargePageDrivers) hold whole ones: {names}.")


def _boot_volume(at: Situation) -> Iterator[Advice]:
    if at.space.place is Place.DEDICATED_FILE:
        yield Advice("With a dedicated dump file, the rules for paging files do not apply.")
        return
    yield Advice(
        f"A dump goes to the paging file on the boot volume, {at.volume.letter}, the one that holds Windows: "
        "paging files on other volumes do not count."
    )
    for file in at.space.elsewhere:
        yield Advice(f"{file.path} does not count.")


def _ignored_size(at: Situation) -> Iterator[Advice]:
    if at.crash.ignore_paging_file_size:
        yield Advice(
            "IgnorePagefileSize = 1: Windows does not check whether a dump fits, so one that does not is cut short."
        )


def _pae(at: Situation) -> Iterator[Advice]:
    if without_pae(at.space, at.architecture):
        yield Advice("32-bit Windows has paging files of more than 4 GB only with PAE.")


def _four_weeks(at: Situation) -> Iterator[Advice]:
    if at.kind is not DumpKind.AUTOMATIC or not at.space.system_managed:
        return
    sizes = "; ".join(
        f"{rule.says}{'' if at.ram is None else f' = {megabytes(rule.formula(at.ram)):,} MB'} ({rule.page})"
        for rule in AFTER_AN_AUTOMATIC_DUMP_DID_NOT_FIT
    )
    yield Advice(
        f"How large Windows keeps the paging file for the {WEEKS_AFTER_A_CRASH} weeks after an automatic dump that did "
        f"not fit, the pages disagree on: {sizes}."
    )
    crashed = at.crash.last_crash_time
    if crashed is not None:
        until = crashed + timedelta(weeks=WEEKS_AFTER_A_CRASH)
        over = "" if at.now is None else ", which is over" if at.now > until else ", which is still to come"
        yield Advice(f"LastCrashTime is {crashed:%Y-%m-%d %H:%M} UTC: four weeks from it are {until:%Y-%m-%d}{over}.")


def _where(at: Situation) -> Iterator[Advice]:
    crash = at.crash
    if at.kind is DumpKind.SMALL:
        yield Advice(
            f"Every small dump is a file of its own in {crash.minidump_folder}; "
            f"the newest {crash.minidump_count} are kept."
        )
    elif crash.overwrite:
        yield Advice(f"The dump will lie at {crash.dump_file}, and the next crash overwrites it (Overwrite = 1).")
    else:
        yield Advice(
            f"The dump will lie at {crash.dump_file}. Overwrite = 0: move it away, or the next crash leaves none."
        )


def _kept(at: Situation) -> Iterator[Advice]:
    if at.kind is DumpKind.SMALL or at.crash.always_keep or at.server:
        return
    free, limit = at.volume.free, FREE_SPACE_TO_KEEP_A_DUMP >> 30
    here = ""
    if free is not None:
        here = f" {at.volume.letter} has {free >> 30:,} GB:"
        here += " it will be deleted there." if free <= FREE_SPACE_TO_KEEP_A_DUMP else " enough."
    yield Advice(
        f"A client of Windows that is in no domain keeps that file only with more than {limit} GB free.{here} To keep "
        "it always:",
        (_setting(CRASH_CONTROL, "AlwaysKeepMemoryDump", "REG_DWORD", "1"),),
    )


def _signs(at: Situation) -> Iterator[Advice]:
    yield Advice("If nothing was written, the System log has event 46, 49 or 161 of volmgr.")


def _setting(key: str, name: str, kind: str, data: str) -> Setting:
    return Setting(f"{CONTROL}\\{key}", name, kind, data)


PARTS = (
    *(_no_dump, _too_small_once, _growth, _certainty, _paging_file, _dedicated_file, _other_kind),
    *(_in_use, _boot_volume, _ignored_size, _pae, _four_weeks, _where, _kept, _signs),
)
AUTOMATIC = _setting(CRASH_CONTROL, "CrashDumpEnabled", "REG_DWORD", "7")
SYSTEM_MANAGED = _setting(MEMORY_MANAGEMENT, "PagingFiles", "REG_MULTI_SZ", r"?:\pagefile.sys")
