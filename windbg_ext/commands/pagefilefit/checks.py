"""Will the next crash leave a dump, and will it be found? A list of all that decides it, as far as it is known.

Each answer names what it is from: a value below CrashControl unless it says otherwise, or a page of Microsoft's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from windbg_ext.commands.pagefilefit.rules import FREE_SPACE_TO_KEEP_A_DUMP, GB
from windbg_ext.commands.pagefilefit.situation import megabytes
from windbg_ext.commands.pagefilefit.space import Place
from windbg_ext.commands.pagefilefit.surroundings import OF_WINDOWS
from windbg_ext.dump.kinds import DumpKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.commands.pagefilefit.hive_logs import HiveState
    from windbg_ext.commands.pagefilefit.situation import Situation
    from windbg_ext.commands.pagefilefit.space import Volume
    from windbg_ext.commands.pagefilefit.surroundings import Surroundings

FILTERS_OF_WINDOWS = ("dumpfve.sys",)
"""BitLocker's, which is set on every Windows, with BitLocker or without."""
SYSTEM_ROOT = "%systemroot%"
IS_SET = "Windows is set to write a dump"
TAKES_IT = "A file takes the dump while Windows is down"
FITS = "The dump fits into it"
ON_DEMAND = "An NMI from a server's console makes a dump"
LIVE_DUMPS = "Full live dumps are kept"


@dataclass(frozen=True)
class Check:
    """One question. good: True yes, False no, None not known; source: what the answer is from; decides: a no means that
    the next crash leaves no dump.
    """

    question: str
    good: bool | None
    why: str
    source: str
    decides: bool = False


@dataclass(frozen=True)
class Checked:
    """What is checked. volumes: those that are known, by letter; mounted_at: where Windows' own volume is
    mounted, where Windows tells that."""

    at: Situation
    around: Surroundings
    hive: HiveState | None
    volumes: dict[str, Volume]
    mounted_at: str | None

    def drive_of(self, path: str) -> str:
        """Return the letter of the drive that a path of the settings is on."""
        return self.at.volume.letter if path.lower().startswith(SYSTEM_ROOT) else path[:2].upper()

    @property
    def saved_to(self) -> str:
        """The file or folder that the dump is copied to."""
        crash = self.at.crash
        return crash.minidump_folder if self.at.kind is DumpKind.SMALL else crash.dump_file


def check_all(checked: Checked) -> tuple[Check, ...]:
    """Return the check list."""
    return tuple(check for part in PARTS for check in part(checked))


def objections(checks: tuple[Check, ...]) -> list[Check]:
    """Return what speaks against finding the next dump, beside what the verdict tells."""
    apart = (IS_SET, TAKES_IT, FITS, ON_DEMAND, LIVE_DUMPS)
    return [check for check in checks if check.good is False and check.question not in apart]


def _is_set(on: Checked) -> Iterator[Check]:
    question, crash = IS_SET, on.at.crash
    kind = f"{crash.kind.value}" if crash.kind else "none" if crash.kind_known else "not set, or not known"
    good = None if not crash.kind_known else crash.kind is not None
    yield Check(question, good, kind, "CrashDumpEnabled", decides=True)


def _takes_it(on: Checked) -> Iterator[Check]:
    space, question = on.at.space, TAKES_IT
    if space.place is Place.DEDICATED_FILE:
        yield Check(question, True, space.path or "the dedicated dump file", "DedicatedDumpFile", decides=True)
        return
    good = None if space.place is Place.UNKNOWN else space.place is Place.PAGING_FILE
    why = space.path or space.now_from
    if space.elsewhere and not good:
        why += f"; those on {', '.join(file.drive for file in space.elsewhere)} do not count"
    yield Check(question, good, why, r"Memory Management\PagingFiles", decides=True)


def _fits(on: Checked) -> Iterator[Check]:
    verdict, why = on.at.room_for.verdict, on.at.room_for.why
    yield Check(FITS, verdict.fits, f"{verdict.value}: {why}", "Microsoft's figures", decides=True)


def _up_to_date(on: Checked) -> Iterator[Check]:
    if on.hive is not None:
        logs = f", with what {' and '.join(on.hive.logs)} had" if on.hive.logs else ""
        why = f"the hive is whole{logs}"
        if on.hive.outdated:
            why = "the hive was not written out in full, and its logs are missing"
        yield Check("These settings are the last ones", None if on.hive.outdated else True, why, "its base block")


def _windows_pe(on: Checked) -> Iterator[Check]:
    if on.around.windows_pe:
        why = "this is Windows PE, which runs from X: in RAM and has no paging file unless one is made"
        yield Check("A dump outlives the restart", False, why, r"Control\SystemStartOptions", decides=True)


def _drives(on: Checked) -> Iterator[Check]:
    """Yield whether Windows' own volume, and those that are named in the settings, have their letters."""
    drives, letter, source = on.around.drives, on.at.volume.letter, r"HKLM\SYSTEM\MountedDevices"
    question = f"Windows is on a volume with a letter, {letter}"
    listed = ", ".join(sorted(drives or ()))
    if on.mounted_at is not None:
        good = len(on.mounted_at) <= len("C:\\")
        why = letter if good else f"it is on the mount point {on.mounted_at}, where paging files do not count"
        yield Check(question, good, why, "GetVolumePathName", decides=True)
    elif drives is not None:
        why = f"{letter} is {'' if letter in drives else 'not '}among the drives {listed}"
        yield Check(question, True if letter in drives else None, why, source)
    for path in (on.saved_to, on.at.crash.dedicated_file):
        drive = "" if path is None else on.drive_of(path)
        if drive and drives is not None and drive not in (letter, *drives):
            why = f"{path}: {drive} is not among the drives {listed}"
            yield Check("The drives of the settings are there", False, why, source)


def _room_for_files(on: Checked) -> Iterator[Check]:
    """Yield whether there is free space for the dedicated dump file, and for the file that a dump is copied to."""
    at, dedicated = on.at, on.at.crash.dedicated_file
    if dedicated is not None and at.crash.dedicated_size is not None:
        question = "There is room for the dedicated dump file"
        yield _room(on, question, dedicated, at.crash.dedicated_size, "DedicatedDumpFile")
    size = at.room_for.measured or at.room_for.needs
    source = "MinidumpDir" if at.kind is DumpKind.SMALL else "DumpFile"
    yield _room(on, "There is room for a copy of the dump", on.saved_to, size, source)


def _room(on: Checked, question: str, path: str, size: int | None, source: str) -> Check:
    drive = on.drive_of(path)
    volume = on.volumes.get(drive)
    free = None if volume is None else volume.free
    if free is None or size is None:
        return Check(question, None, f"{path}: how much is free on {drive} is not known", source)
    enough = free >= size
    # of a kernel, automatic or active dump the worst case hardly ever comes
    certain = enough or source == "DedicatedDumpFile" or on.at.kind in (DumpKind.COMPLETE, DumpKind.SMALL)
    takes = "takes" if certain and not enough else "takes up to"
    why = f"{path}: {drive} has {free >> 20:,} MB free, it {takes} {megabytes(size):,} MB"
    return Check(question, enough if certain else None, why, source)


def _restarts(on: Checked) -> Iterator[Check]:
    good = on.around.restarts
    why = "AutoReboot is not set" if good is None else "AutoReboot = 1"
    if good is False:
        why = "it waits until somebody restarts it, and saves the dump then"
    yield Check("Windows restarts by itself and saves the dump", good, why, "AutoReboot")


def _replaces(on: Checked) -> Iterator[Check]:
    if on.at.kind is DumpKind.SMALL:
        count = on.at.crash.minidump_count
        yield Check("Small dumps are kept", count > 0, f"the newest {count:,}", "MinidumpsCount")
        return
    why = "the next dump replaces the last one"
    if not on.at.crash.overwrite:
        why = "a dump that is there stays, and no other is saved: move it away"
    yield Check("An earlier dump is not in the way", on.at.crash.overwrite, why, "Overwrite")


def _keeps(on: Checked) -> Iterator[Check]:
    if on.at.kind is DumpKind.SMALL:
        return
    question, source = "Windows keeps the dump", "AlwaysKeepMemoryDump"
    limit = f"{FREE_SPACE_TO_KEEP_A_DUMP // GB} GB"
    volume = on.volumes.get(on.drive_of(on.saved_to))
    free = None if volume is None else volume.free
    if on.at.crash.always_keep:
        yield Check(question, True, "AlwaysKeepMemoryDump = 1", source)
    elif on.around.server:
        yield Check(question, True, "this is a server, which keeps it", r"ProductOptions\ProductType")
    elif free is None:
        yield Check(question, None, f"not without more than {limit} free, unless it is in a domain", source)
    elif free > FREE_SPACE_TO_KEEP_A_DUMP:
        yield Check(question, True, f"{free // GB:,} GB are free, more than {limit}", source)
    else:
        why = f"{free // GB:,} GB are free, not more than {limit}: it is deleted unless the machine is in a domain"
        yield Check(question, False, why, source)


def _encrypted(on: Checked) -> Iterator[Check]:
    around, source = on.around, "DumpEncryptionEnabled, EncryptionCertificates"
    question = "The dump is not encrypted"
    key = f"the private key of certificate {', '.join(around.certificates)}" if around.certificates else "a private key"
    if around.encrypted:
        why = f"it must be decrypted before it can be opened, with {key}"
        yield Check(question, False, why, source)
    elif around.certificates:
        why = f"it is prepared, but not switched on: dumps would have to be decrypted with {key}"
        yield Check(question, None, why, source)
    else:
        yield Check(question, True, "dump encryption is not set", source)


def _bitlocker(on: Checked) -> Iterator[Check]:
    filters, question = on.around.filters, "BitLocker lets the dump through"
    loads = filters is not None and "dumpfve.sys" in map(str.lower, filters)
    if on.around.bitlocker:
        why = "dumpfve.sys encrypts it on its way to the disk, and it is read again after the restart"
        missing = "dumpfve.sys is missing: an encrypted volume gets no dump without it"
        yield Check(question, loads, why if loads else missing, r"DumpFilters, Control\BitLockerStatus", decides=True)
    elif loads:
        why = "dumpfve.sys is set, which writes the dump to an encrypted volume, too"
        yield Check(question, True, why, "DumpFilters")
    elif filters is not None:
        why = "dumpfve.sys is not set: there is no dump if Windows' volume is encrypted"
        yield Check(question, None, why, "DumpFilters")


def _filters(on: Checked) -> Iterator[Check]:
    others = [name for name in on.around.filters or () if name.lower() not in FILTERS_OF_WINDOWS]
    if others:
        why = f"every dump goes through {', '.join(others)}; if one fails, there is none"
        yield Check("Only Windows' filters are in the dump's way", None, why, "DumpFilters")


def _storage(on: Checked) -> Iterator[Check]:
    storage = on.around.storage
    if storage:
        others = [name for name in storage if name.lower() not in OF_WINDOWS]
        why = ", ".join(storage)
        if others:
            why = f"{', '.join(others)} may write it, and must get that right: keep it up to date"
        yield Check("Windows' own driver writes to the disk", None if others else True, why, "Services")


def _event(on: Checked) -> Iterator[Check]:
    if on.around.event is not None:
        why = "LogEvent = 1" if on.around.event else "look at the dump's folder: no event tells of a crash"
        yield Check("The System log tells of the crash", on.around.event, why, "LogEvent")


def _on_demand(on: Checked) -> Iterator[Check]:
    question, nmi = ON_DEMAND, on.around.nmi
    later = "not set; Windows 8 and Server 2012 and later do so without it"
    yield Check(question, nmi, f"NMICrashDump = {int(nmi)}" if nmi is not None else later, "NMICrashDump")


def _live_dumps(on: Checked) -> Iterator[Check]:
    kept = on.around.live_dumps
    if kept is not None:
        source = r"FullLiveKernelReports\FullLiveReportsMax"
        yield Check(LIVE_DUMPS, kept > 0, f"at most {kept:,}", source)


PARTS = (
    *(_is_set, _takes_it, _fits, _up_to_date, _windows_pe, _drives, _restarts, _room_for_files, _replaces, _keeps),
    *(_encrypted, _bitlocker, _filters, _storage, _event, _on_demand, _live_dumps),
)
