"""The Windows that this runs on, with recorded answers; and the calls themselves on Windows."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import pytest

from windbg_ext.commands.pagefilefit import DumpKind, HandFigures, PagefileFitReport, Place, Verdict, pagefilefit
from windbg_ext.commands.pagefilefit import command as pagefilefit_command
from windbg_ext.commands.pagefilefit.kernel_use import Performance
from windbg_ext.commands.pagefilefit.this_machine import read_machine
from windbg_ext.errors import DumpError, UsageError
from windbg_ext.render.pagefilefit import pagefilefit_document
from windbg_ext.render.text import write_text

MB, GB = 1 << 20, 1 << 30
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
    use: Performance = field(default_factory=lambda: Performance(5 << 18, 200_000, 120_000, 80_000, 4096))

    def registry_values(self, key: str) -> list[tuple[str, Any, int]]:
        if self.refused and self.refused in key:
            raise PermissionError(13, "Access is denied")
        if key not in self.registry:
            raise FileNotFoundError(2, "The system cannot find the file specified")
        return self.registry[key]

    def registry_keys(self, key: str) -> list[str]:
        names = [name[len(key) + 1 :].partition("\\")[0] for name in self.registry if name.startswith(f"{key}\\")]
        return sorted(set(names))

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

    def drives(self) -> list[str]:
        self._refuse("drives")
        return ["C:", "E:"]

    def volume(self, drive: str) -> tuple[int, int]:
        self._refuse(f"volume {drive}")
        return {"C:": (475 * GB, 21 * GB), "E:": (2000 * GB, 1900 * GB)}[drive]

    def mount_point(self, path: str) -> str:
        self._refuse("mount point")
        assert path == "C:\\Windows"
        return "C:\\"

    def performance(self) -> Performance:
        self._refuse("performance")
        return self.use

    def drivers(self) -> list[tuple[str, int]]:
        self._refuse("drivers")
        return [("ntoskrnl.exe", 17 * MB), ("disk.sys", MB // 4), ("nic.sys", 5 * MB // 2)]

    def _refuse(self, what: str) -> None:
        if self.refused == what:
            raise OSError(5, "Access is denied")

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


# --- what the kernel uses ---

IN_USE = 200_000 * 4096 + 17 * MB + MB // 4 + 5 * MB // 2
"""Both pools and the images of the three drivers."""


def test_what_the_kernel_uses_now_is_told_with_its_source_and_the_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    report = report_of(monkeypatch, Recorded())
    assert report.kernel_use is not None
    assert (report.kernel_use.about, report.kernel_use.nonpaged) == (IN_USE, 80_000 * 4096)
    assert report.kernel_use.peak_commit == 5 * GB
    sources = [source for source in report.kind(DumpKind.AUTOMATIC).sources if source.role == "in use"]
    assert [(source.bytes, source.page) for source in sources] == [
        (IN_USE, "GetPerformanceInfo and EnumDeviceDrivers of this machine")
    ]
    text = write_text(pagefilefit_document(report))
    assert "Kernel uses   about 801 MB now: paged pool 468.8 MB, nonpaged pool 312.5 MB, 3 drivers 19.8 MB" in text
    assert "most committed since it started 5,120 MB" in text
    assert "kernel stacks and page tables, which Windows does not count here" in " ".join(text.split())


def test_a_driver_in_large_pages_holds_whole_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Recorded()
    memory = api.registry[rf"{CONTROL}\Session Manager\Memory Management"]
    memory.append(("LargePageDrivers", ["NIC.SYS"], REG_MULTI_SZ))
    report = report_of(monkeypatch, api)
    assert report.kernel_use is not None
    assert report.kernel_use.about == IN_USE + 4 * MB - 5 * MB // 2
    assert any("NIC.SYS" in advice.text for advice in report.advice)


def paging_file_of(size: int) -> Recorded:
    """Return a machine with a fixed paging file of so many MB and no size from Windows."""
    api = Recorded(files=())
    lines = [f"C:\\pagefile.sys {size} {size}"]
    api.registry[rf"{CONTROL}\Session Manager\Memory Management"] = [("PagingFiles", lines, REG_MULTI_SZ)]
    return api


@pytest.mark.parametrize(
    ("size", "verdict"),
    [(802, Verdict.LIKELY), (800, Verdict.CANNOT_BE_TOLD), (313, Verdict.CANNOT_BE_TOLD), (312, Verdict.DOES_NOT_FIT)],
)
def test_what_the_kernel_uses_decides_between_the_floor_and_the_worst_case(
    monkeypatch: pytest.MonkeyPatch, size: int, verdict: Verdict
) -> None:
    """801 MB are in use, of which 312.5 MB nonpaged pool are sure to go into the dump."""
    report = report_of(monkeypatch, paging_file_of(size))
    assert report.kind(DumpKind.AUTOMATIC).verdict is verdict


def test_a_system_managed_file_that_is_smaller_than_what_is_in_use_does_not_fit_most_of_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    report = report_of(monkeypatch, Recorded(files=(("\\??\\C:\\pagefile.sys", 700 * MB // 4096),)))
    assert report.kind(DumpKind.AUTOMATIC).verdict is Verdict.ONLY_IF_IT_GROWS


def test_a_windows_that_counts_no_pools_tells_nothing_of_what_the_kernel_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wine answers like this."""
    report = report_of(monkeypatch, Recorded(use=Performance(0, 0, 0, 0, 4096)))
    assert report.kernel_use is None
    assert "GetPerformanceInfo: what the kernel uses: not known (it has no figures for the pools)" in report.notes


# --- each call may fail ---


@pytest.mark.parametrize(
    ("refused", "told"),
    [
        ("paging files", "EnumPageFiles: sizes of paging files: not known"),
        ("drives", "GetLogicalDrives: other drives: not known (Access is denied)"),
        ("volume E:", "GetDiskFreeSpaceEx: free space on E:: not known (Access is denied)"),
        ("mount point", "GetVolumePathName: where Windows is mounted: not known (Access is denied)"),
        ("performance", "GetPerformanceInfo: what the kernel uses: not known (Access is denied)"),
        ("drivers", "EnumDeviceDrivers: drivers that are loaded: not known (Access is denied)"),
    ],
)
def test_a_call_that_windows_refuses_has_its_line_and_the_rest_is_answered(
    monkeypatch: pytest.MonkeyPatch, refused: str, told: str
) -> None:
    report = report_of(monkeypatch, Recorded(refused=refused))
    assert any(note.startswith(told) for note in report.notes), report.notes
    assert report.configured is DumpKind.AUTOMATIC


@pytest.mark.parametrize("refused", ["CrashControl", "memory", "volume C:"])
def test_without_what_everything_needs_there_is_one_line(monkeypatch: pytest.MonkeyPatch, refused: str) -> None:
    with pytest.raises(DumpError, match="Access is denied"):
        report_of(monkeypatch, Recorded(refused=refused))


# --- the check list of a running machine ---


def answers(report: PagefileFitReport) -> dict[str, tuple[bool | None, str]]:
    return {check.question: (check.good, check.why) for check in report.checks}


def test_free_space_is_compared_on_the_volumes_of_the_dump_file_and_of_the_dedicated_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """C: has 21 GB free and E: 1,900 GB; a complete dump of 16,084 MB of RAM takes up to 257 MB more."""
    api = Recorded()
    dedicated = [("DedicatedDumpFile", "C:\\dump.sys", REG_SZ), ("DumpFileSize", 30_000, REG_DWORD)]
    api.registry[rf"{CONTROL}\CrashControl"] = [("CrashDumpEnabled", 1, REG_DWORD), *dedicated]
    checked = answers(report_of(monkeypatch, api))
    assert checked["There is room for the dedicated dump file"] == (
        False,
        "C:\\dump.sys: C: has 21,504 MB free, it takes 30,000 MB",
    )
    assert checked["There is room for a copy of the dump"][0] is True
    api.registry[rf"{CONTROL}\CrashControl"].append(("DumpFile", "E:\\Dumps\\MEMORY.DMP", REG_SZ))
    checked = answers(report_of(monkeypatch, api))
    good, why = checked["There is room for a copy of the dump"]
    assert (good, why) == (True, "E:\\Dumps\\MEMORY.DMP: E: has 1,945,600 MB free, it takes up to 16,341 MB")
    assert checked["Windows keeps the dump"] == (True, "1,900 GB are free, more than 25 GB")


def test_a_boot_volume_that_is_a_mount_point_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Recorded()
    monkeypatch.setattr(api, "mount_point", lambda path: "C:\\Mounted\\Windows\\")
    good, why = answers(report_of(monkeypatch, api))["Windows is on a volume with a letter, C:"]
    assert good is False
    assert "C:\\Mounted\\Windows\\" in why
