"""Will the next crash leave a dump? Everything at hand put together, then an answer for each kind of dump."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from windbg_ext.commands.pagefilefit.advice import Advice, advise
from windbg_ext.commands.pagefilefit.by_hand import DEFAULT_BOOT_VOLUME, WINDOWS_PE_VOLUME, HandFigures, check_figures
from windbg_ext.commands.pagefilefit.checks import Check, Checked, check_all, objections
from windbg_ext.commands.pagefilefit.judge import KindReport, Verdict, judge
from windbg_ext.commands.pagefilefit.measure import DumpFacts, measure
from windbg_ext.commands.pagefilefit.settings import ANY_DRIVE, CrashSettings, PagingFile, Settings, read_settings
from windbg_ext.commands.pagefilefit.situation import Situation, headline
from windbg_ext.commands.pagefilefit.space import Space, Volume, dedicated_space, paging_file_space
from windbg_ext.commands.pagefilefit.surroundings import read_surroundings
from windbg_ext.commands.pagefilefit.system_hive import SystemHive
from windbg_ext.commands.pagefilefit.this_machine import ThisMachine, open_this_machine
from windbg_ext.dump import open_dump
from windbg_ext.dump.kinds import CRASH_DUMP_KINDS, DumpKind
from windbg_ext.errors import DumpError, UsageError
from windbg_ext.sources.far import confirm, traffic_of, watched
from windbg_ext.sources.progress import no_progress
from windbg_ext.structs.architectures import BY_NAME, X64

if TYPE_CHECKING:
    from windbg_ext.commands.pagefilefit.hive_logs import HiveState
    from windbg_ext.commands.pagefilefit.kernel_use import KernelUse
    from windbg_ext.commands.pagefilefit.settings import Registry
    from windbg_ext.commands.pagefilefit.surroundings import Surroundings
    from windbg_ext.sources import SourceLike
    from windbg_ext.sources.far import Traffic
    from windbg_ext.sources.progress import Progress
    from windbg_ext.structs.architectures import Architecture


@dataclass(frozen=True)
class PagefileFitReport:
    """The answer. ram: bytes, with where that is known from; configured: the kind that is set, None: none, or unknown.

    verdict, headline: for the machine as it is set, or for an automatic dump if that is not known; dump: its name;
    advised: the kind that the advice is for; kernel_pages: what was counted in a complete or active dump; hive: whether
    the hive is up to date; computer: the machine's name; checks: all that decides whether the next crash leaves a dump;
    kernel_use: what the kernel of this machine uses now; traffic: what reading the dump took, if it is on another
    machine.
    """

    verdict: Verdict
    headline: str

    dump: str | None
    settings: str | None
    ram: int | None
    ram_from: str
    architecture: Architecture
    volume: Volume
    space: Space
    configured: DumpKind | None
    configured_known: bool
    advised: DumpKind
    kinds: tuple[KindReport, ...]
    kernel_pages: int | None
    did_not_fit: bool
    advice: tuple[Advice, ...]
    notes: tuple[str, ...]
    hive: HiveState | None = None
    computer: str | None = None
    checks: tuple[Check, ...] = ()
    kernel_use: KernelUse | None = None
    traffic: Traffic | None = None

    def kind(self, kind: DumpKind) -> KindReport:
        """Return the answer for a kind."""
        return next(report for report in self.kinds if report.kind is kind)

    def fits(self, kind: DumpKind) -> bool:
        """Return whether the next dump of a kind fits, with nothing left open."""
        return self.kind(kind).verdict is Verdict.FITS


def pagefilefit(
    source: SourceLike | None = None,
    *,
    system_hive: SourceLike | None = None,
    this_machine: bool = False,
    by_hand: HandFigures | None = None,
    certain: bool = False,
    kernel_use: KernelUse | None = None,
    progress: Progress | None = None,
) -> PagefileFitReport:
    """Return whether the next crash leaves a dump, for each kind of dump.

    source: a dump of the machine; system_hive: its SYSTEM registry hive, a path, a binary stream or a source; both may
    be packed. this_machine: ask the Windows that this runs on. Any of them, and figures by hand, may be combined.
    certain: advise what makes certain that a dump fits, even if it fits most of the time. kernel_use: what the kernel
    of the machine uses now, if that is known from elsewhere.

    Raise DumpError where the dump or the hive cannot be read, or tell too little; UsageError for figures that make no
    sense, by themselves or together, and without anything to go by.
    """
    hand = by_hand or HandFigures()
    if this_machine and system_hive is not None:
        raise UsageError("--this-machine and --system-hive: two machines; name one of them")
    if hand == HandFigures() and source is None and system_hive is None and not this_machine:
        raise UsageError("nothing to go by: name a dump, --system-hive, --this-machine, or --ram and --pagefile")
    check_figures(hand)
    machine = open_this_machine() if this_machine else None
    follow = progress or no_progress
    settings, surroundings = _settings(system_hive, machine, follow)
    facts = _dump_facts(source, hand, follow)
    if machine is not None:
        kernel_use = kernel_use or machine.kernel_use
    return _answer(_Inputs(hand, machine, settings, facts, certain, surroundings, kernel_use))


@dataclass(frozen=True)
class _Inputs:
    hand: HandFigures
    machine: ThisMachine | None
    settings: Settings | None
    facts: DumpFacts | None
    certain: bool
    surroundings: Surroundings | None
    kernel_use: KernelUse | None


def _settings(
    system_hive: SourceLike | None, machine: ThisMachine | None, progress: Progress
) -> tuple[Settings | None, Surroundings | None]:
    if machine is not None:
        return _read(machine.registry, machine.notes)
    if system_hive is None:
        return None, None
    with SystemHive(system_hive, progress) as hive:
        settings, surroundings = _read(hive, hive.state.notes)
        hive.confirm()
        return replace(settings, hive=hive.state), surroundings


def _read(registry: Registry, more: tuple[str, ...]) -> tuple[Settings, Surroundings]:
    settings, notes = read_settings(registry), [*more]
    surroundings = read_surroundings(registry, notes)
    return replace(settings, notes=tuple(dict.fromkeys((*settings.notes, *notes)))), surroundings


def _dump_facts(source: SourceLike | None, hand: HandFigures, progress: Progress) -> DumpFacts | None:
    if source is None:
        return None
    with open_dump(source, progress=progress) as dump:
        dump.check()
        progress = watched(dump.source, progress)
        facts = measure(dump, progress, with_ram=hand.ram is None)
        confirm(dump.source)
        return replace(facts, traffic=traffic_of(dump.source))


def _answer(inputs: _Inputs) -> PagefileFitReport:
    hand, settings, facts, machine = inputs.hand, inputs.settings, inputs.facts, inputs.machine
    notes = [*(facts.notes if facts else ()), *(settings.notes if settings else ())]
    ram, ram_from = _ram(inputs)
    if ram is None:
        _miss_ram(inputs, notes)
    architecture = BY_NAME[hand.architecture] if hand.architecture is not None else None
    architecture = architecture or (facts and facts.architecture) or (settings and settings.architecture) or X64
    volume = _volume(inputs, notes)
    crash = settings.crash if settings else CrashSettings()
    if hand.kind is not None:
        crash = replace(crash, kind=hand.kind, kind_known=True)
    space = _space(inputs, crash, volume, ram, notes)
    kinds = _kinds(inputs, architecture, ram, space)
    advised = crash.kind or DumpKind.AUTOMATIC
    if not crash.kind_known:
        notes.append(
            "which kind of dump is set is not known: the advice is for automatic, what Windows is set to at first"
        )
    situation = Situation(
        kind=advised,
        room_for=kinds[CRASH_DUMP_KINDS.index(advised)],
        automatic=kinds[CRASH_DUMP_KINDS.index(DumpKind.AUTOMATIC)].verdict,
        architecture=architecture,
        ram=ram,
        space=space,
        volume=volume,
        crash=crash,
        did_not_fit=facts is not None and facts.did_not_fit,
        now=None if machine is None else machine.now,
        certain=inputs.certain,
        in_use=inputs.kernel_use,
        server=None if inputs.surroundings is None else inputs.surroundings.server,
    )
    checks = _checks(inputs, situation)
    return PagefileFitReport(
        verdict=situation.verdict,
        headline=headline(situation),
        dump=None if facts is None else facts.dump,
        settings=None if settings is None else settings.source,
        ram=ram,
        ram_from=ram_from,
        architecture=architecture,
        volume=volume,
        space=space,
        configured=crash.kind,
        configured_known=crash.kind_known,
        advised=advised,
        kinds=kinds,
        kernel_pages=None if facts is None else facts.kernel_pages,
        did_not_fit=situation.did_not_fit,
        advice=advise(situation, objections(checks)),
        notes=tuple(notes),
        hive=None if settings is None else settings.hive,
        computer=None if inputs.surroundings is None else inputs.surroundings.computer,
        checks=checks,
        kernel_use=situation.in_use,
        traffic=None if facts is None else facts.traffic,
    )


def _kinds(inputs: _Inputs, architecture: Architecture, ram: int | None, space: Space) -> tuple[KindReport, ...]:
    facts = inputs.facts
    measured = {item.kind: item for item in (facts.measured if facts else ())}
    kernel = measured.get(DumpKind.KERNEL)
    return tuple(
        judge(
            kind,
            architecture,
            ram,
            measured.get(kind),
            space,
            at_least=kernel.bytes if kernel is not None and kind is DumpKind.ACTIVE else None,
            did_not_fit=facts is not None and facts.did_not_fit,
            in_use=inputs.kernel_use,
        )
        for kind in CRASH_DUMP_KINDS
    )


def _checks(inputs: _Inputs, situation: Situation) -> tuple[Check, ...]:
    """Return the check list; none where only figures are known."""
    machine, around = inputs.machine, inputs.surroundings
    if around is None:
        return ()
    volumes = {} if machine is None else dict(machine.volumes)
    volumes[situation.volume.letter] = situation.volume
    hive = None if inputs.settings is None else inputs.settings.hive
    return check_all(Checked(situation, around, hive, volumes, None if machine is None else machine.mounted_at))


def _ram(inputs: _Inputs) -> tuple[int | None, str]:
    if inputs.hand.ram is not None:
        return inputs.hand.ram, "--ram"
    if inputs.facts is not None and inputs.facts.ram is not None:
        return inputs.facts.ram, "the physical memory block of the dump"
    if inputs.machine is not None:
        return inputs.machine.ram, "this machine"
    return None, "not known"


def _miss_ram(inputs: _Inputs, notes: list[str]) -> None:
    """Note that the RAM is not known. Raise an error where there is nothing else to answer from."""
    if inputs.facts is None:
        if inputs.settings is None:
            raise UsageError("how much RAM the machine has is not known: give --ram, such as --ram 64G")
        notes.append("a SYSTEM hive does not tell how much RAM the machine has: give --ram")
        return
    why = "this dump does not tell how much RAM the machine had (a debugger that writes a small dump leaves it out)"
    if inputs.settings is None:
        raise DumpError("PhysicalMemoryBlock", why, "give --ram, such as --ram 64G", inputs.facts.dump)
    notes.append(f"{why}: give --ram")


def _volume(inputs: _Inputs, notes: list[str]) -> Volume:
    hand, machine = inputs.hand, inputs.machine
    if machine is not None and hand.boot_volume in (None, machine.volume.letter):
        volume = machine.volume
    else:
        windows_pe = inputs.surroundings is not None and inputs.surroundings.windows_pe
        letter = (hand.boot_volume or (WINDOWS_PE_VOLUME if windows_pe else DEFAULT_BOOT_VOLUME)).upper()
        if hand.boot_volume is None and inputs.settings is not None:
            notes.append(
                f"a SYSTEM hive does not tell which drive Windows is on: {letter} is taken, --boot-volume changes it"
            )
        volume = Volume(letter)
    return Volume(
        volume.letter,
        volume.size if hand.volume_size is None else hand.volume_size,
        volume.free if hand.free_space is None else hand.free_space,
    )


def _space(inputs: _Inputs, crash: CrashSettings, volume: Volume, ram: int | None, notes: list[str]) -> Space:
    hand, settings, machine = inputs.hand, inputs.settings, inputs.machine
    if hand.dedicated is not None:
        return dedicated_space(crash.dedicated_file, hand.dedicated)
    by_hand = hand.paging_files is not None or hand.system_managed
    if crash.dedicated_file is not None and not by_hand:
        return dedicated_space(crash.dedicated_file, crash.dedicated_size)
    if crash.dedicated_file is not None:
        notes.append("the dedicated dump file that is set is left out of account: a paging file was given by hand")
    files = settings.paging_files if settings else None
    if files is not None and inputs.surroundings is not None:
        files = _placed(files, inputs.surroundings.existing, volume)
    if machine is not None and files is not None:
        sizes = {**machine.paging_file_sizes, ANY_DRIVE: machine.paging_file_sizes.get(volume.letter)}
        files = tuple(replace(file, current=sizes.get(file.drive)) for file in files)
    if hand.paging_files is not None:
        files = hand.paging_files
    if hand.system_managed:
        current = {file.drive: file.initial for file in hand.paging_files or ()}
        files = tuple(
            PagingFile(f"{drive}\\pagefile.sys", current=size) for drive, size in (current or {ANY_DRIVE: None}).items()
        )
    return paging_file_space(files, volume, ram)


def _placed(files: tuple[PagingFile, ...], existing: tuple[str, ...], volume: Volume) -> tuple[PagingFile, ...]:
    """Return paging files with a drive where Windows chose it: a file that exists elsewhere only is there."""
    if not existing or volume.letter in existing:
        return files
    return tuple(replace(file, path=existing[0] + file.path[2:]) if file.drive == ANY_DRIVE else file for file in files)
