"""SYSTEM hives with all kinds of settings, written by hivexsh, and files that are no hives."""

from __future__ import annotations

import errno
import gzip
import io
import os
import struct
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest
from support.registry_hives import (
    CRASH_CONTROL,
    ENVIRONMENT,
    MEMORY_MANAGEMENT,
    Value,
    smallest_hive,
    write_hive,
    write_system_hive,
)

from samples.builder import SAMPLES, build
from windbg_ext.commands.pagefilefit import (
    DumpKind,
    HandFigures,
    PagefileFitReport,
    PagingFile,
    Place,
    Verdict,
    pagefilefit,
)
from windbg_ext.errors import DumpError
from windbg_ext.sources.local import LocalFile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MB, GB = 1 << 20, 1 << 30
AUTOMATIC_DEFAULT: dict[str, Value] = {
    "AutoReboot": 1,
    "CrashDumpEnabled": 7,
    "DumpFile": (2, "%SystemRoot%\\MEMORY.DMP\0".encode("utf-16-le")),
    "LogEvent": 1,
    "MinidumpDir": (2, "%SystemRoot%\\Minidump\0".encode("utf-16-le")),
    "MinidumpsCount": 50,
    "Overwrite": 1,
}
"""The default CrashControl of Windows 10."""
WHERE_WINDOWS_LIKES = {"PagingFiles": ["?:\\pagefile.sys"], "ExistingPageFiles": ["\\??\\C:\\pagefile.sys"]}


def report_of(
    folder: Path,
    crash: Mapping[str, Value],
    memory: Mapping[str, Value],
    *,
    environment: Mapping[str, Value] | None = None,
    control_set: int = 1,
    hand: HandFigures | None = None,
) -> PagefileFitReport:
    keys = {CRASH_CONTROL: crash, MEMORY_MANAGEMENT: memory, **({ENVIRONMENT: environment} if environment else {})}
    hive = write_system_hive(folder / "SYSTEM", keys, control_set)
    return pagefilefit(system_hive=hive, by_hand=hand or HandFigures(ram=16 * GB))


def texts(report: PagefileFitReport) -> str:
    return "\n".join(advice.text for advice in report.advice)


# --- settings of machines ---


def test_the_default_is_an_automatic_dump_into_a_system_managed_file(tmp_path: Path) -> None:
    report = report_of(tmp_path, AUTOMATIC_DEFAULT, WHERE_WINDOWS_LIKES)
    assert report.configured is DumpKind.AUTOMATIC
    assert report.settings == "SYSTEM hive SYSTEM, ControlSet001"
    assert (report.space.place, report.space.path) == (Place.PAGING_FILE, "C:\\pagefile.sys")
    assert report.space.system_managed
    assert (report.space.now, report.space.maximum) == (2 * GB, 48 * GB)
    assert report.kind(DumpKind.AUTOMATIC).verdict is Verdict.LIKELY
    assert "The dump will lie at %SystemRoot%\\MEMORY.DMP, and the next crash overwrites it" in texts(report)


def test_active_is_complete_with_filter_pages(tmp_path: Path) -> None:
    report = report_of(tmp_path, {"CrashDumpEnabled": 1, "FilterPages": 1}, WHERE_WINDOWS_LIKES)
    assert report.configured is DumpKind.ACTIVE


@pytest.mark.parametrize("values", [{}, {"FilterPages": 0}])
def test_complete_without_filter_pages_is_complete(tmp_path: Path, values: dict[str, Value]) -> None:
    report = report_of(tmp_path, {"CrashDumpEnabled": 1, **values}, WHERE_WINDOWS_LIKES)
    assert report.configured is DumpKind.COMPLETE


@pytest.mark.parametrize(("number", "kind"), [(2, DumpKind.KERNEL), (3, DumpKind.SMALL), (7, DumpKind.AUTOMATIC)])
def test_filter_pages_changes_no_other_kind(tmp_path: Path, number: int, kind: DumpKind) -> None:
    report = report_of(tmp_path, {"CrashDumpEnabled": number, "FilterPages": 1}, WHERE_WINDOWS_LIKES)
    assert report.configured is kind


def test_no_dump_at_all_is_told_with_the_setting_that_changes_it(tmp_path: Path) -> None:
    report = report_of(tmp_path, {"CrashDumpEnabled": 0}, WHERE_WINDOWS_LIKES)
    assert (report.configured, report.configured_known) == (None, True)
    assert (report.verdict, report.verdict.likely) == (Verdict.NOT_WRITTEN, False)
    (setting,) = report.advice[0].settings
    assert (setting.name, setting.type, setting.data) == ("CrashDumpEnabled", "REG_DWORD", "7")


def test_complete_with_too_small_a_file_gets_the_exact_settings(tmp_path: Path) -> None:
    report = report_of(tmp_path, {"CrashDumpEnabled": 1}, {"PagingFiles": ["C:\\pagefile.sys 16384 16384"]})
    assert report.kind(DumpKind.COMPLETE).verdict is Verdict.DOES_NOT_FIT
    settings = {setting.name: setting for advice in report.advice for setting in advice.settings}
    control = r"HKLM\SYSTEM\CurrentControlSet\Control"
    assert settings["PagingFiles"].command == (
        rf'reg add "{control}\Session Manager\Memory Management" /v PagingFiles /t REG_MULTI_SZ '
        r'/d "C:\pagefile.sys 16641 16641" /f'
    )
    assert settings["DedicatedDumpFile"].command == (
        rf'reg add "{control}\CrashControl" /v DedicatedDumpFile /t REG_SZ /d "D:\dedicateddumpfile.sys" /f'
    )
    assert settings["DumpFileSize"].command == (
        rf'reg add "{control}\CrashControl" /v DumpFileSize /t REG_DWORD /d 16641 /f'
    )
    assert all(advice.restart for advice in report.advice if any(s.name == "PagingFiles" for s in advice.settings))


def test_with_a_dedicated_dump_file_the_paging_file_does_not_matter(tmp_path: Path) -> None:
    crash: dict[str, Value] = {"CrashDumpEnabled": 1, "DedicatedDumpFile": "E:\\dump.sys", "DumpFileSize": 16641}
    report = report_of(tmp_path, crash, {"PagingFiles": []})
    assert (report.space.place, report.space.path) == (Place.DEDICATED_FILE, "E:\\dump.sys")
    assert report.space.now == 16641 * MB
    assert report.kind(DumpKind.COMPLETE).verdict is Verdict.FITS


def test_a_dedicated_dump_file_a_megabyte_too_small_is_made_larger(tmp_path: Path) -> None:
    crash: dict[str, Value] = {"CrashDumpEnabled": 1, "DedicatedDumpFile": "E:\\dump.sys", "DumpFileSize": 16384}
    report = report_of(tmp_path, crash, WHERE_WINDOWS_LIKES)
    assert report.kind(DumpKind.COMPLETE).verdict is Verdict.DOES_NOT_FIT
    settings = [setting for advice in report.advice if advice.restart for setting in advice.settings]
    assert [(s.name, s.data) for s in settings] == [("DumpFileSize", "16641"), ("CrashDumpEnabled", "7")]


@pytest.mark.parametrize("values", [{}, {"DumpFileSize": 0}])
def test_how_large_windows_makes_a_dedicated_dump_file_is_not_told(tmp_path: Path, values: dict[str, Value]) -> None:
    report = report_of(tmp_path, {"DedicatedDumpFile": "E:\\dump.sys", **values}, WHERE_WINDOWS_LIKES)
    assert {kind.verdict for kind in report.kinds} == {Verdict.CANNOT_BE_TOLD}


def test_without_a_paging_file_no_kind_fits(tmp_path: Path) -> None:
    report = report_of(tmp_path, AUTOMATIC_DEFAULT, {"PagingFiles": []})
    assert report.space.place is Place.NONE
    assert {kind.verdict for kind in report.kinds} == {Verdict.DOES_NOT_FIT}


def test_a_paging_file_on_another_volume_does_not_count(tmp_path: Path) -> None:
    report = report_of(tmp_path, AUTOMATIC_DEFAULT, {"PagingFiles": ["D:\\pagefile.sys 65536 65536"]})
    assert {kind.verdict for kind in report.kinds} == {Verdict.DOES_NOT_FIT}
    assert "D:\\pagefile.sys does not count" in texts(report)
    settings = {setting.name: setting.data for advice in report.advice for setting in advice.settings}
    assert settings["PagingFiles"] == "C:\\pagefile.sys 16512 16512\\0D:\\pagefile.sys 65536 65536"


def test_it_counts_when_it_is_the_boot_volume_by_hand(tmp_path: Path) -> None:
    hand = HandFigures(ram=16 * GB, boot_volume="d:")
    report = report_of(tmp_path, AUTOMATIC_DEFAULT, {"PagingFiles": ["D:\\pagefile.sys 65536 65536"]}, hand=hand)
    assert {kind.verdict for kind in report.kinds} == {Verdict.FITS}


def test_of_several_files_the_one_on_the_boot_volume_counts(tmp_path: Path) -> None:
    lines = ["D:\\pagefile.sys 65536 65536", "c:\\pagefile.sys 1024 4096", "E:\\pagefile.sys 0 0"]
    report = report_of(tmp_path, AUTOMATIC_DEFAULT, {"PagingFiles": lines})
    assert (report.space.now, report.space.maximum) == (1 * GB, 4 * GB)
    assert [file.drive for file in report.space.elsewhere] == ["D:", "E:"]


@pytest.mark.parametrize("line", ["C:\\pagefile.sys 0 0", "C:\\pagefile.sys"])
def test_a_file_without_sizes_is_system_managed(tmp_path: Path, line: str) -> None:
    report = report_of(tmp_path, AUTOMATIC_DEFAULT, {"PagingFiles": [line]})
    assert report.space.system_managed
    assert report.space.now == 2 * GB


def test_paging_files_as_reg_sz_are_read_as_one_line_and_noted(tmp_path: Path) -> None:
    report = report_of(tmp_path, AUTOMATIC_DEFAULT, {"PagingFiles": "C:\\pagefile.sys 20480 40960"})
    assert (report.space.now, report.space.maximum) == (20 * GB, 40 * GB)
    assert any("PagingFiles is a REG_SZ, not a REG_MULTI_SZ" in note for note in report.notes)


def test_values_of_other_types_are_noted_and_left_out_of_account(tmp_path: Path) -> None:
    crash: dict[str, Value] = {"CrashDumpEnabled": "7", "DumpFile": 3, "LastCrashTime": "yesterday"}
    report = report_of(tmp_path, crash, {"PagingFiles": b"C:\\pagefile.sys"})
    assert (report.configured, report.configured_known, report.space.place) == (None, False, Place.UNKNOWN)
    for name in ("CrashDumpEnabled", "DumpFile", "LastCrashTime", "PagingFiles"):
        assert any(note.startswith(name) for note in report.notes), name


def test_a_kind_that_nobody_describes_is_noted(tmp_path: Path) -> None:
    report = report_of(tmp_path, {"CrashDumpEnabled": 9}, WHERE_WINDOWS_LIKES)
    assert not report.configured_known
    assert any("CrashDumpEnabled is 9" in note for note in report.notes)


def test_a_line_that_names_no_file_is_noted(tmp_path: Path) -> None:
    report = report_of(tmp_path, AUTOMATIC_DEFAULT, {"PagingFiles": ["rubbish", "C:\\pagefile.sys 32768 32768"]})
    assert report.space.now == 32 * GB
    assert any("'rubbish'" in note for note in report.notes)


def test_the_current_control_set_is_the_one_that_select_names(tmp_path: Path) -> None:
    other = {f"ControlSet001\\{CRASH_CONTROL}": {"CrashDumpEnabled": 2}}
    current = {f"ControlSet003\\{CRASH_CONTROL}": {"CrashDumpEnabled": 3}}
    hive = write_hive(tmp_path / "SYSTEM", {"Select": {"Current": 3}, **other, **current})
    report = pagefilefit(system_hive=hive, by_hand=HandFigures(ram=GB))
    assert report.configured is DumpKind.SMALL
    assert report.settings == "SYSTEM hive SYSTEM, ControlSet003"


@pytest.mark.parametrize(("name", "expected"), [("x86", "x86"), ("AMD64", "x64"), ("ARM64", "ARM64")])
def test_the_architecture_is_that_of_the_environment(tmp_path: Path, name: str, expected: str) -> None:
    environment: dict[str, Value] = {"PROCESSOR_ARCHITECTURE": name}
    assert (
        report_of(tmp_path, AUTOMATIC_DEFAULT, WHERE_WINDOWS_LIKES, environment=environment).architecture.name
        == expected
    )


@pytest.mark.parametrize("number", [3, 11])
def test_the_four_weeks_run_from_the_last_crash_time(tmp_path: Path, number: int) -> None:
    crashed = datetime(2026, 3, 14, 15, 9, tzinfo=timezone.utc)
    ticks = int((crashed - datetime(1601, 1, 1, tzinfo=timezone.utc)).total_seconds()) * 10_000_000
    crash = {**AUTOMATIC_DEFAULT, "LastCrashTime": (number, struct.pack("<Q", ticks))}
    assert "LastCrashTime is 2026-03-14 15:09 UTC: four weeks from it are 2026-04-11" in texts(
        report_of(tmp_path, crash, WHERE_WINDOWS_LIKES)
    )


def test_settings_that_change_what_becomes_of_a_dump_are_told(tmp_path: Path) -> None:
    crash = {**AUTOMATIC_DEFAULT, "DumpFile": "E:\\Dumps\\MEMORY.DMP", "Overwrite": 0, "IgnorePagefileSize": 1}
    text = texts(report_of(tmp_path, crash, WHERE_WINDOWS_LIKES))
    assert "The dump will lie at E:\\Dumps\\MEMORY.DMP. Overwrite = 0: move it away" in text
    assert "IgnorePagefileSize = 1" in text
    assert "25 GB" in text


def test_the_25_gb_do_not_matter_where_the_dump_is_always_kept(tmp_path: Path) -> None:
    crash = {**AUTOMATIC_DEFAULT, "AlwaysKeepMemoryDump": 1}
    assert "25 GB" not in texts(report_of(tmp_path, crash, WHERE_WINDOWS_LIKES))


def test_small_dumps_lie_in_their_folder(tmp_path: Path) -> None:
    crash: dict[str, Value] = {"CrashDumpEnabled": 3, "MinidumpDir": "E:\\Mini", "MinidumpsCount": 7}
    text = texts(report_of(tmp_path, crash, WHERE_WINDOWS_LIKES))
    assert "Every small dump is a file of its own in E:\\Mini; the newest 7 are kept" in text


def test_figures_by_hand_go_before_those_of_the_hive(tmp_path: Path) -> None:
    hand = HandFigures(
        ram=16 * GB, paging_files=(PagingFile("?:\\pagefile.sys", 20 * GB, 20 * GB),), kind=DumpKind.COMPLETE
    )
    report = report_of(tmp_path, AUTOMATIC_DEFAULT, WHERE_WINDOWS_LIKES, hand=hand)
    assert report.configured is DumpKind.COMPLETE
    assert report.space.now == 20 * GB
    assert report.kind(DumpKind.COMPLETE).verdict is Verdict.FITS


def test_a_dump_tells_the_ram_and_a_hive_the_paging_file(tmp_path: Path) -> None:
    sample = next(sample for sample in SAMPLES if sample.name == "complete")
    dump = tmp_path / "MEMORY.DMP"
    dump.write_bytes(build(sample))
    memory = {"PagingFiles": ["C:\\pagefile.sys 512 1024"]}
    hive = write_system_hive(tmp_path / "SYSTEM", {CRASH_CONTROL: AUTOMATIC_DEFAULT, MEMORY_MANAGEMENT: memory})
    report = pagefilefit(dump, system_hive=hive)
    assert report.ram == sum(run.page_count for run in sample.machine.ram) * 4096
    assert (report.space.now, report.configured) == (512 * MB, DumpKind.AUTOMATIC)
    assert report.kind(DumpKind.KERNEL).measured
    assert pagefilefit(dump, system_hive=hive, by_hand=HandFigures(ram=GB)).ram == GB


def test_without_ram_a_hive_still_tells_what_does_not_depend_on_it(tmp_path: Path) -> None:
    hand = HandFigures(kind=DumpKind.SMALL)
    report = report_of(tmp_path, AUTOMATIC_DEFAULT, {"PagingFiles": ["C:\\pagefile.sys 1024 1024"]}, hand=hand)
    assert report.ram is None
    assert [kind.verdict.value for kind in report.kinds] == ["fits", *["cannot be told"] * 4]
    assert any("give --ram" in note for note in report.notes)


def test_what_a_hive_says_gets_into_no_command_line(tmp_path: Path) -> None:
    lines = ['D:\\" & format c: & ".sys 1 1', "E:\\%COMSPEC%.sys 1 1", "F:\\pagefile.sys 4 4"]
    report = report_of(tmp_path, AUTOMATIC_DEFAULT, {"PagingFiles": lines})
    commands = "\n".join(setting.command for advice in report.advice for setting in advice.settings)
    assert "format" not in commands
    assert "%" not in commands
    assert "F:\\pagefile.sys 4 4" in commands


# --- hives are sources like any other ---


def test_a_hive_may_be_packed(tmp_path: Path) -> None:
    plain = write_system_hive(tmp_path / "SYSTEM", {CRASH_CONTROL: {"CrashDumpEnabled": 3}})
    packed = tmp_path / "SYSTEM.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    report = pagefilefit(system_hive=packed, by_hand=HandFigures(ram=GB))
    assert report.configured is DumpKind.SMALL
    assert report.settings == "SYSTEM hive SYSTEM.gz, ControlSet001"


def test_a_hive_may_be_a_stream_which_stays_open(tmp_path: Path) -> None:
    path = write_system_hive(tmp_path / "SYSTEM", {CRASH_CONTROL: {"CrashDumpEnabled": 3}})
    stream = io.BytesIO(path.read_bytes())
    assert pagefilefit(system_hive=stream, by_hand=HandFigures(ram=GB)).configured is DumpKind.SMALL
    assert not stream.closed


def test_of_a_large_hive_only_the_keys_that_are_needed_are_read(tmp_path: Path) -> None:
    path = write_system_hive(tmp_path / "SYSTEM", {CRASH_CONTROL: AUTOMATIC_DEFAULT, MEMORY_MANAGEMENT: {}})
    os.truncate(path, 200 * MB)
    file = LocalFile(path)
    report = pagefilefit(system_hive=file, by_hand=HandFigures(ram=GB))
    assert report.configured is DumpKind.AUTOMATIC
    assert file.bytes_read < MB
    file.close()


# --- what a hive may ask for ---


def test_no_more_paging_files_are_read_than_windows_uses(tmp_path: Path) -> None:
    lines = [f"D:\\pagefile{number}.sys 1 1" for number in range(17)]
    report = report_of(tmp_path, AUTOMATIC_DEFAULT, {"PagingFiles": lines})
    assert len(report.space.elsewhere) == 16
    assert any("PagingFiles has 17 lines, Windows uses 16" in note for note in report.notes)


def test_a_time_at_the_end_of_the_calendar_is_left_out_of_account(tmp_path: Path) -> None:
    crash = {**AUTOMATIC_DEFAULT, "LastCrashTime": (11, struct.pack("<Q", 2650467743999999999))}
    report = report_of(tmp_path, crash, WHERE_WINDOWS_LIKES)
    assert any("LastCrashTime is a REG_QWORD, not a time" in note for note in report.notes)


# --- files that are no SYSTEM hive, or only part of one ---


def refusal(path: Path) -> str:
    with pytest.raises(DumpError) as refused:
        pagefilefit(system_hive=path, by_hand=HandFigures(ram=GB))
    line = str(refused.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    return line


def error_of(path: Path) -> str:
    """Return the error for a hive; nothing if it is read."""
    try:
        pagefilefit(system_hive=path, by_hand=HandFigures(ram=GB))
    except DumpError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("data", [b"", b"PAGEDU64" * 1000, b"Windows Registry Editor Version 5.00\r\n", b"reg"])
def test_a_file_that_is_no_hive_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "SYSTEM"
    path.write_bytes(data)
    assert "the file is no registry hive" in refusal(path)


def test_a_hive_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    assert "cannot be opened (No such file" in refusal(tmp_path / "SYSTEM")


def test_a_hive_that_the_system_cannot_read_to_its_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_system_hive(tmp_path / "SYSTEM", {CRASH_CONTROL: AUTOMATIC_DEFAULT})
    read = LocalFile.read

    def fail(file: LocalFile, offset: int, length: int) -> bytes:
        if offset >= 0x1000:
            raise OSError(errno.EIO, "Input/output error")
        return read(file, offset, length)

    monkeypatch.setattr(LocalFile, "read", fail)
    assert "file: cannot be read (Input/output error); copy the hive again" in refusal(path)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "is a folder; name the hive in it" in refusal(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "SYSTEM")
    assert "is a pipe" in refusal(tmp_path / "SYSTEM")


def test_another_hive_is_refused(tmp_path: Path) -> None:
    path = write_hive(tmp_path / "SOFTWARE", {"Microsoft\\Windows": {"Version": 10}})
    assert "names no control set" in refusal(path)


def test_a_hive_without_anything_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "SYSTEM"
    path.write_bytes(smallest_hive())
    assert "names no control set" in refusal(path)


def test_a_hive_that_is_cut_short_anywhere_is_refused_or_read_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = write_system_hive(
        tmp_path / "WHOLE", {CRASH_CONTROL: AUTOMATIC_DEFAULT, MEMORY_MANAGEMENT: {"PagingFiles": ["C:\\p.sys 1 1"]}}
    ).read_bytes()
    path = tmp_path / "SYSTEM"
    used = len(whole.rstrip(b"\0"))
    errors = []
    for length in range(8, used, 37):
        path.write_bytes(whole[:length])
        errors.append(error_of(path))
    refused = [error for error in errors if error]
    assert len(refused) > len(errors) // 2
    assert all(error.startswith(f"{path}: ") and "\n" not in error for error in refused)
    path.write_bytes(whole[: used * 2 // 3])
    assert "cut short" in refusal(path)


@pytest.mark.parametrize("step", [37, pytest.param(11, marks=pytest.mark.slow)])
def test_any_byte_of_a_hive_may_be_wrong(tmp_path: Path, step: int) -> None:
    whole = write_system_hive(
        tmp_path / "WHOLE", {CRASH_CONTROL: AUTOMATIC_DEFAULT, MEMORY_MANAGEMENT: WHERE_WINDOWS_LIKES}
    ).read_bytes()
    path = tmp_path / "SYSTEM"
    for at in (*range(0x24, 0x30), *range(0x1000, len(whole.rstrip(b"\0")), step)):
        for value in (0x00, 0x7F, 0xFF):
            path.write_bytes(whole[:at] + bytes([value]) + whole[at + 1 :])
            assert "\n" not in error_of(path)


def test_a_hive_that_was_not_written_out_is_noted(tmp_path: Path) -> None:
    path = write_system_hive(tmp_path / "SYSTEM", {CRASH_CONTROL: AUTOMATIC_DEFAULT})
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, 4, struct.unpack_from("<I", data, 4)[0] + 1)
    path.write_bytes(data)
    report = pagefilefit(system_hive=path, by_hand=HandFigures(ram=GB))
    assert any(".LOG" in note for note in report.notes)
