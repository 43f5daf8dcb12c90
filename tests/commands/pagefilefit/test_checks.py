"""The check list: will the next crash leave a dump, and will it be found? One setting at a time."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from support.command_line import run
from support.hive_file import system_hive
from support.hive_logs import dirty
from support.registry_hives import CRASH_CONTROL, MEMORY_MANAGEMENT

from windbg_ext.commands.pagefilefit import HandFigures, PagefileFitReport, Place, pagefilefit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.registry_hives import Value

GB = 1 << 30
MOUNTED = "\\MountedDevices"
CERTIFICATE = f"{CRASH_CONTROL}\\EncryptionCertificates\\Certificate.1"
DEFAULT: dict[str, Value] = {"CrashDumpEnabled": 7, "AutoReboot": 1, "LogEvent": 1, "DumpFilters": ["dumpfve.sys"]}
WITH_LETTERS: dict[str, Value] = {"\\DosDevices\\C:": b"12 bytes ...", "\\DosDevices\\D:": b"12 bytes ..."}

SET = "Windows is set to write a dump"
TAKES = "A file takes the dump while Windows is down"
FITS = "The dump fits into it"
LAST = "These settings are the last ones"
LETTER = "Windows is on a volume with a letter, C:"
DRIVES = "The drives of the settings are there"
RESTARTS = "Windows restarts by itself and saves the dump"
ROOM = "There is room for a copy of the dump"
DEDICATED = "There is room for the dedicated dump file"
IN_THE_WAY = "An earlier dump is not in the way"
KEPT = "Windows keeps the dump"
SMALL = "Small dumps are kept"
PLAIN = "The dump is not encrypted"
BITLOCKER = "BitLocker lets the dump through"
FILTERS = "Only Windows' filters are in the dump's way"
STORAGE = "Windows' own driver writes to the disk"
EVENT = "The System log tells of the crash"
NMI = "An NMI from a server's console makes a dump"
LIVE = "Full live dumps are kept"
PE = "A dump outlives the restart"


def report_of(
    crash: Mapping[str, Value], keys: Mapping[str, Mapping[str, Value]] | None = None, hand: HandFigures | None = None
) -> PagefileFitReport:
    everything: dict[str, Mapping[str, Value]] = {
        CRASH_CONTROL: {**DEFAULT, **crash},
        MEMORY_MANAGEMENT: {"PagingFiles": ["?:\\pagefile.sys"]},
        **(keys or {}),
    }
    return pagefilefit(system_hive=io.BytesIO(system_hive(everything)), by_hand=hand or HandFigures(ram=16 * GB))


def answer(report: PagefileFitReport, question: str) -> tuple[bool | None, str]:
    (check,) = (check for check in report.checks if check.question == question)
    assert check.source
    return check.good, check.why


@pytest.mark.parametrize(
    ("question", "crash", "keys", "good", "why"),
    [
        (SET, {}, {}, True, "automatic"),
        (SET, {"CrashDumpEnabled": 0}, {}, False, "none"),
        (SET, {"CrashDumpEnabled": 9}, {}, None, "not known"),
        (TAKES, {}, {}, True, "C:\\pagefile.sys"),
        (TAKES, {"DedicatedDumpFile": "D:\\dump.sys"}, {}, True, "D:\\dump.sys"),
        (TAKES, {}, {MEMORY_MANAGEMENT: {"PagingFiles": ["D:\\p.sys 99 99"]}}, False, "those on D: do not count"),
        (TAKES, {}, {MEMORY_MANAGEMENT: {}}, None, "no paging file was named"),
        (FITS, {}, {}, None, "fits most of the time"),  # which is no yes
        (FITS, {"CrashDumpEnabled": 3}, {}, True, "fits: "),
        (FITS, {}, {MEMORY_MANAGEMENT: {"PagingFiles": []}}, False, "does not fit"),
        (FITS, {"CrashDumpEnabled": 1}, {}, None, "only if it grows"),
        (LETTER, {}, {MOUNTED: WITH_LETTERS}, True, "C: is among the drives C:, D:"),
        (LETTER, {}, {MOUNTED: {"\\DosDevices\\D:": b"x"}}, None, "C: is not among the drives D:"),
        (DRIVES, {"DumpFile": "E:\\MEMORY.DMP"}, {MOUNTED: WITH_LETTERS}, False, "E: is not among the drives C:, D:"),
        (DRIVES, {"DedicatedDumpFile": "F:\\d.sys"}, {MOUNTED: WITH_LETTERS}, False, "F:\\d.sys: F: is not among"),
        (RESTARTS, {}, {}, True, "AutoReboot = 1"),
        (RESTARTS, {"AutoReboot": 0}, {}, False, "until somebody restarts it"),
        (ROOM, {}, {}, None, "how much is free on C: is not known"),
        (IN_THE_WAY, {}, {}, True, "replaces the last one"),
        (IN_THE_WAY, {"Overwrite": 0}, {}, False, "move it away"),
        (KEPT, {}, {}, None, "not without more than 25 GB free"),
        (KEPT, {"AlwaysKeepMemoryDump": 1}, {}, True, "AlwaysKeepMemoryDump = 1"),
        (KEPT, {}, {"Control\\ProductOptions": {"ProductType": "ServerNT"}}, True, "this is a server"),
        (KEPT, {}, {"Control\\ProductOptions": {"ProductType": "WinNT"}}, None, "25 GB"),
        (SMALL, {"CrashDumpEnabled": 3, "MinidumpsCount": 5}, {}, True, "the newest 5"),
        (SMALL, {"CrashDumpEnabled": 3, "MinidumpsCount": 0}, {}, False, "the newest 0"),
        (PLAIN, {}, {}, True, "dump encryption is not set"),
        (PLAIN, {"DumpEncryptionEnabled": 1}, {CERTIFICATE: {"Thumbprint": "AB12"}}, False, "of certificate AB12"),
        (PLAIN, {"DumpEncryptionEnabled": 1}, {}, False, "with a private key"),
        (PLAIN, {}, {CERTIFICATE: {"PublicKey": b"key"}}, None, "of certificate Certificate.1"),
        (BITLOCKER, {}, {"Control\\BitLockerStatus": {"BootStatus": 1}}, True, "dumpfve.sys encrypts it"),
        (BITLOCKER, {"DumpFilters": []}, {"Control\\BitLockerStatus": {"BootStatus": 1}}, False, "is missing"),
        (BITLOCKER, {"DumpFilters": []}, {}, None, "there is no dump if Windows' volume is encrypted"),
        (FILTERS, {"DumpFilters": ["dumpfve.sys", "other.sys"]}, {}, None, "goes through other.sys"),
        (EVENT, {}, {}, True, "LogEvent = 1"),
        (EVENT, {"LogEvent": 0}, {}, False, "look at the dump's folder"),
        (NMI, {}, {}, None, "Windows 8 and Server 2012 and later"),
        (NMI, {"NMICrashDump": 1}, {}, True, "NMICrashDump = 1"),
        (NMI, {"NMICrashDump": 0}, {}, False, "NMICrashDump = 0"),
        (LIVE, {}, {f"{CRASH_CONTROL}\\FullLiveKernelReports": {"FullLiveReportsMax": 3}}, True, "at most 3"),
        (LIVE, {}, {f"{CRASH_CONTROL}\\FullLiveKernelReports": {"FullLiveReportsMax": 0}}, False, "at most 0"),
        (PE, {}, {"Control": {"SystemStartOptions": " NOEXECUTE=OPTIN  MININT"}}, False, "Windows PE"),
    ],
)
def test_a_setting_has_its_answer(
    question: str, crash: dict[str, Value], keys: dict[str, dict[str, Value]], good: bool | None, why: str
) -> None:
    found, reason = answer(report_of(crash, keys), question)
    assert found is good
    assert why in reason


def test_a_small_dump_fits_every_paging_file_also_where_its_size_is_not_known() -> None:
    """Windows makes none of less than 2 MB, which is what Microsoft's pages ask for."""
    for line, good in (("?:\\pagefile.sys", True), ("C:\\pagefile.sys 1 1", False)):
        report = report_of({"CrashDumpEnabled": 3}, {MEMORY_MANAGEMENT: {"PagingFiles": [line]}}, HandFigures())
        assert report.ram is None
        assert answer(report, FITS)[0] is good
        assert [kind.verdict.fits for kind in report.kinds[:1]] == [good]


@pytest.mark.parametrize(
    ("services", "good", "why"),
    [
        ({"storahci": {"Start": 0}, "Tcpip": {"Start": 1}}, True, "storahci"),
        ({"storahci": {"Start": 0}, "iaStorAVC": {"Start": 0}}, None, "iaStorAVC may write it"),
        ({"storahci": {"Start": 0}, "iaStorV": {"Start": 0}, "iaStorV\\StartOverride": {"0": 3}}, True, "storahci"),
        ({"stornvme": {"Start": 0}, "megasas": {"Start": 3}}, True, "stornvme"),
    ],
)
def test_the_drivers_of_disks_are_those_that_start_with_windows(
    services: dict[str, dict[str, Value]], good: bool | None, why: str
) -> None:
    keys = {f"Services\\{name}": values for name, values in services.items()}
    found, reason = answer(report_of({}, keys), STORAGE)
    assert (found, why in reason) == (good, True)


@pytest.mark.parametrize(
    ("kind", "free", "good"),
    [(1, 17 * GB, True), (1, 16 * GB, False), (7, 17 * GB, True), (7, 16 * GB, None), (3, 2 << 20, True)],
)
def test_free_space_by_hand_is_compared_with_what_the_dump_takes(kind: int, free: int, good: bool | None) -> None:
    """A complete dump of 16 GB takes 16 GB; an automatic one hardly ever takes its worst case."""
    report = report_of({"CrashDumpEnabled": kind}, hand=HandFigures(ram=16 * GB, free_space=free))
    assert answer(report, ROOM)[0] is good


def test_a_dedicated_dump_file_needs_its_size() -> None:
    crash: dict[str, Value] = {"DedicatedDumpFile": "C:\\dump.sys", "DumpFileSize": 17_000}
    report = report_of(crash, hand=HandFigures(ram=16 * GB, free_space=16 * GB))
    assert answer(report, DEDICATED) == (False, "C:\\dump.sys: C: has 16,384 MB free, it takes 17,000 MB")


def test_windows_pe_is_on_x() -> None:
    keys: dict[str, dict[str, Value]] = {"Control": {"SystemStartOptions": " MININT"}}
    assert report_of({}, keys).volume.letter == "X:"
    assert report_of({}).volume.letter == "C:"


def test_a_server_needs_no_advice_about_25_gb() -> None:
    client, server = (
        report_of({}, {"Control\\ProductOptions": {"ProductType": kind}}) for kind in ("WinNT", "LanmanNT")
    )
    assert any("25 GB" in advice.text for advice in client.advice)
    assert not any("25 GB" in advice.text for advice in server.advice)


def test_a_file_that_windows_placed_on_another_volume_does_not_count() -> None:
    memory: dict[str, Value] = {"PagingFiles": ["?:\\pagefile.sys"], "ExistingPageFiles": ["\\??\\D:\\pagefile.sys"]}
    report = report_of({}, {MEMORY_MANAGEMENT: memory})
    assert report.space.place is Place.NONE
    assert [file.path for file in report.space.elsewhere] == ["D:\\pagefile.sys"]


def test_a_hive_without_its_logs_may_be_out_of_date() -> None:
    crash = {CRASH_CONTROL: DEFAULT}
    report = pagefilefit(system_hive=io.BytesIO(dirty(system_hive(crash), 9)), by_hand=HandFigures(ram=GB))
    assert answer(report, LAST)[0] is None
    assert answer(report_of({}), LAST)[0] is True


def test_the_list_is_in_the_text_and_in_json_with_yes_no_and_not_known(tmp_path: Path) -> None:
    path = tmp_path / "SYSTEM"
    path.write_bytes(system_hive({CRASH_CONTROL: {**DEFAULT, "AutoReboot": 0}}))
    text = run("pagefilefit", "--system-hive", path, "--ram", "16G").out
    (part,) = (part for part in text.split("\n\n") if part.startswith("Will the next crash leave a dump"))
    rows = {line[2:60].strip() for line in part.splitlines()[1:]}
    assert f"yes        {SET}" in rows
    assert f"no         {RESTARTS}" in rows
    assert f"not known  {TAKES}" in rows
    document = json.loads(run("pagefilefit", "--system-hive", path, "--ram", "16G", "--json").out)
    checks = {check["question"]: check for check in document["checks"]}
    assert (checks[SET]["answer"], checks[RESTARTS]["answer"], checks[TAKES]["answer"]) == (True, False, None)
    assert checks[RESTARTS]["source"] == "AutoReboot"


def test_figures_by_hand_have_no_list() -> None:
    report = pagefilefit(by_hand=HandFigures(ram=16 * GB, system_managed=True))
    assert report.checks == ()


@pytest.mark.parametrize(
    ("crash", "memory"),
    [
        ({"CrashDumpEnabled": 2, "DumpFile": "%SystemRoot%\\MEMORY.DMP"}, ["C:\\pagefile.sys 1536 3072"]),
        ({"CrashDumpEnabled": 2, "Overwrite": 1, "MinidumpDir": "%SystemRoot%\\Minidump"}, ["?:\\pagefile.sys"]),
        ({"CrashDumpEnabled": 7, "MinidumpsCount": 50, "DumpFilters": ["dumpfve.sys"]}, ["?:\\pagefile.sys"]),
    ],
    ids=["Windows XP", "Windows 7", "Windows 10 and Server"],
)
def test_hives_of_windows_xp_to_11_are_read(crash: dict[str, Value], memory: list[str]) -> None:
    """Their values differ: XP has no MinidumpsCount and no filters, 7 no automatic dump."""
    hive = system_hive({CRASH_CONTROL: crash, MEMORY_MANAGEMENT: {"PagingFiles": memory}})
    report = pagefilefit(system_hive=io.BytesIO(hive), by_hand=HandFigures(ram=GB))
    assert report.configured_known
    assert report.space.place is Place.PAGING_FILE
    assert answer(report, SET)[0] is True


def to_do(report: PagefileFitReport) -> list[str]:
    return [advice.text for advice in report.advice if advice.to_do]


def test_what_costs_the_dump_is_told_before_all_advice() -> None:
    report = report_of({"DumpFilters": ["other.sys"]}, {"Control\\BitLockerStatus": {"BootStatus": 1}})
    assert to_do(report)[0].startswith("BitLocker lets the dump through: no, dumpfve.sys is missing")
    assert len(to_do(report)) > 1


def test_what_keeps_a_dump_from_being_found_is_told_after_other_advice() -> None:
    told = to_do(report_of({"Overwrite": 0, "AutoReboot": 0, "NMICrashDump": 0}))
    assert not told[0].startswith(RESTARTS)
    assert [text.partition(":")[0] for text in told[-2:]] == [RESTARTS, IN_THE_WAY]


def test_where_all_is_well_there_is_nothing_to_do() -> None:
    fixed = {MEMORY_MANAGEMENT: {"PagingFiles": ["C:\\pagefile.sys 20000 20000"]}}
    assert to_do(report_of({}, fixed)) == []
