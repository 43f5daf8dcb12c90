"""The Windows that this runs on, with recorded answers; and the calls themselves on Windows."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import pytest

from windbg_ext.commands.pagefilefit import DumpKind, HandFigures, PagefileFitReport, Place, Verdict, pagefilefit
from windbg_ext.commands.pagefilefit import command as pagefilefit_command
from windbg_ext.commands.pagefilefit.this_machine import read_machine
from windbg_ext.errors import DumpError, UsageError

GB = 1 << 30
REG_SZ, REG_EXPAND_SZ, REG_BINARY, REG_DWORD, REG_MULTI_SZ = 1, 2, 3, 4, 7
CONTROL = r"SYSTEM\CurrentControlSet\Control"


def crash_control(kind: int = 7) -> list[tuple[str, Any, int]]:
    return [
        ("AutoReboot", 1, REG_DWORD),
        ("CrashDumpEnabled", kind, REG_DWORD),
        ("DumpFile", "%SystemRoot%\\MEMORY.DMP", REG_EXPAND_SZ),
        ("DumpFilters", ["dumpfve.sys"], REG_MULTI_SZ),
        ("Overwrite", 1, REG_DWORD),
        ("Empty", None, REG_BINARY),
    ]


@dataclass
class Recorded:
    """The answers of a Windows 11 with 16 GB."""

    registry: dict[str, list[tuple[str, Any, int]]] = field(
        default_factory=lambda: {
            rf"{CONTROL}\CrashControl": crash_control(),
            rf"{CONTROL}\Session Manager\Memory Management": [
                ("PagingFiles", ["?:\\pagefile.sys"], REG_MULTI_SZ),
                ("ExistingPageFiles", ["\\??\\C:\\pagefile.sys"], REG_MULTI_SZ),
            ],
            rf"{CONTROL}\Session Manager\Environment": [("PROCESSOR_ARCHITECTURE", "AMD64", REG_SZ)],
        }
    )
    files: tuple[tuple[str, int], ...] = (("\\??\\C:\\pagefile.sys", 622592),)
    """2432 MB in pages."""
    refused: str = ""

    def registry_values(self, key: str) -> list[tuple[str, Any, int]]:
        if self.refused and self.refused in key:
            raise PermissionError(13, "Access is denied")
        if key not in self.registry:
            raise FileNotFoundError(2, "The system cannot find the file specified")
        return self.registry[key]

    def physical_memory(self) -> int:
        if self.refused == "memory":
            raise OSError(5, "Access is denied")
        return 16 * GB - (300 << 20)

    def paging_files(self) -> list[tuple[str, int]]:
        if self.refused == "paging files":
            raise OSError(22, "Success.")
        return list(self.files)

    def page_size(self) -> int:
        return 0x1000

    def windows_folder(self) -> str:
        return "C:\\Windows"

    def volume(self, drive: str) -> tuple[int, int]:
        assert drive == "C:"
        return 475 * GB, 21 * GB

    def now(self) -> datetime:
        return datetime(2026, 5, 1, tzinfo=timezone.utc)


def report_of(monkeypatch: pytest.MonkeyPatch, api: Recorded, hand: HandFigures | None = None) -> PagefileFitReport:
    monkeypatch.setattr(pagefilefit_command, "open_this_machine", lambda: read_machine(api))
    return pagefilefit(this_machine=True, by_hand=hand)


def test_ram_paging_file_and_boot_volume_are_those_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    report = report_of(monkeypatch, Recorded())
    assert (report.ram, report.ram_from) == (16 * GB - (300 << 20), "this machine")
    assert (report.space.path, report.space.now) == ("C:\\pagefile.sys", 622592 * 4096)
    assert report.space.maximum == 622592 * 4096 + 20 * GB
    assert (report.volume.letter, report.volume.free) == ("C:", 21 * GB)
    assert report.configured is DumpKind.AUTOMATIC
    assert report.kind(DumpKind.COMPLETE).verdict is Verdict.ONLY_IF_IT_GROWS


def test_the_25_gb_are_compared_with_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\n".join(advice.text for advice in report_of(monkeypatch, Recorded()).advice)
    assert "C: has 21 GB: it will be deleted there" in text


def test_whether_the_four_weeks_are_over_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for day, told in ((20, "which is still to come"), (1, "which is over")):
        crashed = datetime(2026, 4, day, tzinfo=timezone.utc) - datetime(1601, 1, 1, tzinfo=timezone.utc)
        api = Recorded()
        ticks = int(crashed.total_seconds()) * 10_000_000
        api.registry[rf"{CONTROL}\CrashControl"].append(("LastCrashTime", ticks.to_bytes(8, "little"), REG_BINARY))
        assert told in "\n".join(advice.text for advice in report_of(monkeypatch, api).advice)


def test_a_paging_file_of_another_drive_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Recorded(files=(("D:\\pagefile.sys", 8 << 20),))
    memory = [("PagingFiles", ["D:\\pagefile.sys 32768 32768"], REG_MULTI_SZ)]
    api.registry[rf"{CONTROL}\Session Manager\Memory Management"] = memory
    assert report_of(monkeypatch, api).space.place is Place.NONE


def test_figures_by_hand_go_before_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    report = report_of(monkeypatch, Recorded(), HandFigures(ram=GB, free_space=0))
    assert (report.ram, report.volume.free) == (GB, 0)


def test_a_key_that_is_not_there_is_as_good_as_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    report = report_of(monkeypatch, Recorded(registry={}))
    assert (report.configured_known, report.space.place) == (False, Place.UNKNOWN)


@pytest.mark.parametrize("refused", ["CrashControl", "memory"])
def test_what_windows_refuses_is_one_line(monkeypatch: pytest.MonkeyPatch, refused: str) -> None:
    with pytest.raises(DumpError, match="Access is denied"):
        report_of(monkeypatch, Recorded(refused=refused))


def test_where_windows_does_not_tell_the_size_of_the_paging_file_the_one_that_is_set_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wine answers like this."""
    api = Recorded(refused="paging files")
    memory = [("PagingFiles", "C:\\pagefile.sys 27 77", REG_SZ)]
    api.registry[rf"{CONTROL}\Session Manager\Memory Management"] = memory
    space = report_of(monkeypatch, api).space
    assert (space.now, space.maximum) == (27 << 20, 77 << 20)


@pytest.mark.skipif(sys.platform == "win32", reason="this is Windows")
def test_elsewhere_it_is_refused() -> None:
    with pytest.raises(UsageError, match="only on Windows"):
        pagefilefit(this_machine=True)


@pytest.mark.skipif(sys.platform != "win32", reason="this is no Windows")
def test_this_windows_tells_its_ram_and_its_boot_volume() -> None:
    report = pagefilefit(this_machine=True)
    assert report.ram
    assert report.volume.size
