"""Hives that Windows had not written out in full, with and without their logs; regipy replays them, too."""

from __future__ import annotations

import gzip
import json
import struct
from typing import TYPE_CHECKING

import pytest
from regipy.recovery import apply_transaction_logs
from support.command_line import run
from support.hive_file import system_hive
from support.hive_logs import Change, clean, dirty, entry, new_log, old_log
from support.registry_hives import CRASH_CONTROL, MEMORY_MANAGEMENT, read_value

from windbg_ext.commands.pagefilefit import DumpKind, HandFigures, PagefileFitReport, pagefilefit

if TYPE_CHECKING:
    from pathlib import Path

    from support.registry_hives import Value

GB = 1 << 30
ROUND = 40
"""The secondary sequence number of the hives here, so that of the first change that they lack."""


def hive_with(kind: int, dump_file: str = "C:\\dumps\\first.dmp", size: int = 0) -> bytes:
    """Return a hive with a kind of dump and a dump file, whose data is in a page of its own, behind other keys."""
    crash: dict[str, Value] = {"CrashDumpEnabled": kind, "DumpFile": dump_file}
    other: dict[str, dict[str, Value]] = {f"Services\\driver{number:03}": {"Start": 3} for number in range(60)}
    return system_hive({CRASH_CONTROL: crash, **other, MEMORY_MANAGEMENT: {"PagingFiles": []}}, size=size)


COMPLETE, KERNEL, SMALL, AUTOMATIC = map(hive_with, (1, 2, 3, 7))


def report_of(folder: Path, hive: bytes, **logs: bytes) -> PagefileFitReport:
    """Write a hive and its logs, and return the report. logs: by their endings."""
    path = folder / "SYSTEM"
    path.write_bytes(hive)
    for ending, data in logs.items():
        (folder / f"SYSTEM.{ending}").write_bytes(data)
    return pagefilefit(system_hive=path, by_hand=HandFigures(ram=GB))


def dump_file(report: PagefileFitReport) -> str:
    return next(advice.text for advice in report.advice if advice.text.startswith("The dump will lie at"))


def test_without_a_log_the_hive_is_as_it_was_written_and_the_report_says_what_may_be_out_of_date(
    tmp_path: Path,
) -> None:
    report = report_of(tmp_path, dirty(COMPLETE, ROUND))
    assert report.configured is DumpKind.COMPLETE
    (note,) = (note for note in report.notes if "not written out in full" in note)
    assert "the last changes of the kind of dump, of paging files and of dump files may be missing" in note
    assert "SYSTEM.LOG1 and SYSTEM.LOG2: put those beside it" in note


def test_a_log_beside_the_hive_is_replayed_and_the_report_says_so(tmp_path: Path) -> None:
    log = new_log(Change(ROUND, COMPLETE, KERNEL))
    report = report_of(tmp_path, dirty(COMPLETE, ROUND), LOG1=log)
    assert report.configured is DumpKind.KERNEL
    assert "the hive was not written out in full: the rest, 1 change, was taken from SYSTEM.LOG1" in report.notes
    assert report.hive is not None
    assert not report.hive.outdated


@pytest.mark.parametrize("form", [new_log, old_log], ids=["entries of Windows 8.1 and later", "a log up to Windows 8"])
def test_the_values_after_the_replay_are_those_after_regipys_replay(tmp_path: Path, form: object) -> None:
    """regipy writes the whole hive anew, and hivexsh reads that."""
    after = hive_with(3, "E:\\second.dmp")
    report = report_of(tmp_path, dirty(COMPLETE, ROUND), LOG1=form(Change(ROUND, COMPLETE, after)))  # type: ignore[operator]
    restored = tmp_path / "restored"
    apply_transaction_logs(str(tmp_path / "SYSTEM"), str(tmp_path / "SYSTEM.LOG1"), restored_hive_path=str(restored))
    restored.write_bytes(clean(restored.read_bytes()))  # regipy leaves the old check sum, which hivexsh looks at
    assert report.configured is DumpKind.SMALL
    key = f"ControlSet001\\{CRASH_CONTROL}"
    assert read_value(restored, key, "CrashDumpEnabled") == "3"
    assert read_value(restored, key, "DumpFile") == "E:\\second.dmp"
    path = tmp_path / "SYSTEM"
    kernel = pagefilefit(system_hive=path, by_hand=HandFigures(ram=GB, kind=DumpKind.KERNEL))
    assert "E:\\second.dmp" in dump_file(kernel)


def test_both_logs_are_replayed_in_the_order_of_their_changes(tmp_path: Path) -> None:
    first, second = Change(ROUND, COMPLETE, KERNEL), Change(ROUND + 1, KERNEL, SMALL)
    report = report_of(tmp_path, dirty(COMPLETE, ROUND), LOG1=new_log(second), LOG2=new_log(first))
    assert report.configured is DumpKind.SMALL
    assert any("2 changes, was taken from SYSTEM.LOG2, SYSTEM.LOG1" in note for note in report.notes)


def test_changes_that_the_hive_has_already_are_not_taken_back(tmp_path: Path) -> None:
    old, next_one = Change(ROUND - 2, AUTOMATIC, SMALL), Change(ROUND - 1, SMALL, COMPLETE)
    report = report_of(tmp_path, dirty(COMPLETE, ROUND), LOG1=new_log(old, next_one))
    assert report.configured is DumpKind.COMPLETE
    assert any("SYSTEM.LOG1 beside it do not go on from it" in note for note in report.notes)


def test_entries_of_an_earlier_round_behind_the_last_one_are_not_replayed(tmp_path: Path) -> None:
    log = new_log(Change(ROUND, COMPLETE, KERNEL)) + entry(Change(ROUND - 7, AUTOMATIC, SMALL))
    assert report_of(tmp_path, dirty(COMPLETE, ROUND), LOG1=log).configured is DumpKind.KERNEL


def test_a_change_behind_one_that_is_lost_is_not_replayed(tmp_path: Path) -> None:
    first, third = Change(ROUND, COMPLETE, KERNEL), Change(ROUND + 2, AUTOMATIC, SMALL)
    report = report_of(tmp_path, dirty(COMPLETE, ROUND), LOG1=new_log(first), LOG2=new_log(third))
    assert report.configured is DumpKind.KERNEL


def test_an_entry_that_is_cut_off_is_not_replayed(tmp_path: Path) -> None:
    log = new_log(Change(ROUND, COMPLETE, KERNEL), Change(ROUND + 1, KERNEL, SMALL))
    report = report_of(tmp_path, dirty(COMPLETE, ROUND), LOG1=log[:-512])
    assert report.configured is DumpKind.KERNEL


def test_a_hive_that_has_grown_is_read_with_its_new_bins(tmp_path: Path) -> None:
    grown = hive_with(3, "F:\\" + "d" * 200 + ".dmp", size=0x9000)
    assert len(grown) > len(COMPLETE)
    report = report_of(tmp_path, dirty(COMPLETE, ROUND), LOG1=new_log(Change(ROUND, COMPLETE, grown)))
    assert report.configured is DumpKind.SMALL


def test_the_sectors_of_an_old_log_of_a_large_hive_lie_behind_its_longer_bitmap(tmp_path: Path) -> None:
    """A hive of 5 MB has 10,240 sectors: a bitmap of 1,280 bytes, where regipy expects 508 at most."""
    before, after = hive_with(1, size=5 << 20), hive_with(2, size=5 << 20)
    report = report_of(tmp_path, dirty(before, ROUND), LOG=old_log(Change(ROUND, before, after), kind=2))
    assert report.configured is DumpKind.KERNEL


def test_a_hive_that_is_whole_needs_no_log(tmp_path: Path) -> None:
    report = report_of(tmp_path, COMPLETE, LOG1=new_log(Change(ROUND, COMPLETE, KERNEL)))
    assert report.configured is DumpKind.COMPLETE
    assert not any("hive was" in note for note in report.notes)


@pytest.mark.parametrize("at", [4, 0x24, 508], ids=["its sequence number", "its root", "its check sum"])
def test_a_log_whose_first_sector_is_damaged_is_not_replayed(tmp_path: Path, at: int) -> None:
    log = bytearray(new_log(Change(ROUND, COMPLETE, KERNEL)))
    log[at] ^= 0x40
    assert report_of(tmp_path, dirty(COMPLETE, ROUND), LOG1=bytes(log)).configured is DumpKind.COMPLETE


@pytest.mark.parametrize("log", [b"", b"regf", bytes(4096), b"no log" * 1000])
def test_a_log_that_is_none_is_as_good_as_missing(tmp_path: Path, log: bytes) -> None:
    report = report_of(tmp_path, dirty(COMPLETE, ROUND), LOG1=log, LOG2=new_log(Change(ROUND, COMPLETE, KERNEL)))
    assert report.configured is DumpKind.KERNEL


def test_a_packed_hive_has_packed_logs(tmp_path: Path) -> None:
    (tmp_path / "SYSTEM.gz").write_bytes(gzip.compress(dirty(COMPLETE, ROUND)))
    (tmp_path / "SYSTEM.LOG1.gz").write_bytes(gzip.compress(new_log(Change(ROUND, COMPLETE, KERNEL))))
    report = pagefilefit(system_hive=tmp_path / "SYSTEM.gz", by_hand=HandFigures(ram=GB))
    assert report.configured is DumpKind.KERNEL


def test_a_log_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    (tmp_path / "SYSTEM.LOG1").write_bytes(b"PK\x03\x04" + bytes(100))
    report = report_of(tmp_path, dirty(COMPLETE, ROUND))
    assert any(note.startswith("SYSTEM.LOG1: ") for note in report.notes)


def test_json_says_whether_the_hive_is_up_to_date(tmp_path: Path) -> None:
    report_of(tmp_path, dirty(COMPLETE, ROUND), LOG1=new_log(Change(ROUND, COMPLETE, KERNEL)))
    outcome = run("pagefilefit", "--system-hive", tmp_path / "SYSTEM", "--ram", "1G", "--json")
    expected = {"dirty": True, "outdated": False, "logs": ["SYSTEM.LOG1"], "entries": 1}
    assert json.loads(outcome.out)["hive"] == expected


@pytest.mark.parametrize("field", [4, 12, 20], ids=["its size", "its sequence number", "its count of pages"])
@pytest.mark.parametrize("value", [0, 1, 511, 0x7FFFFFFF, 0xFFFFFFFF])
def test_whatever_an_entry_claims_the_hive_is_read(tmp_path: Path, field: int, value: int) -> None:
    log = bytearray(new_log(Change(ROUND, COMPLETE, KERNEL)))
    struct.pack_into("<I", log, 512 + field, value)
    assert report_of(tmp_path, dirty(COMPLETE, ROUND), LOG1=bytes(log)).configured_known
