"""The answer for every kind, paging file and size of RAM, row by row against a table from Microsoft's pages.

`verdicts.tsv` was written by hand from the pages that its last column names. The manual shows the same table.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.hive_file import system_hive
from support.registry_hives import CRASH_CONTROL, MEMORY_MANAGEMENT

from windbg_ext.commands.pagefilefit import HandFigures, PagefileFitReport, pagefilefit
from windbg_ext.render.pagefilefit import pagefilefit_document, pagefilefit_json
from windbg_ext.render.text import write_text

if TYPE_CHECKING:
    from support.registry_hives import Value

HERE = Path(__file__).parent
MANUAL = HERE.parents[2] / "docs" / "paging-file-verdicts.md"
SETTINGS: dict[str, dict[str, Value]] = {
    "automatic": {"CrashDumpEnabled": 7},
    "small": {"CrashDumpEnabled": 3},
    "kernel": {"CrashDumpEnabled": 2},
    "complete": {"CrashDumpEnabled": 1},
    "active": {"CrashDumpEnabled": 1, "FilterPages": 1},
    "none": {"CrashDumpEnabled": 0},
}
FILES = (
    "system-managed",
    "C: 4 GB",
    "C: RAM",
    "C: RAM + 257 MB",
    "D: RAM + 257 MB",
    "C: 4 GB and D: RAM + 257 MB",
    "none",
    "dedicated file, RAM + 257 MB",
    "dedicated file, no size set",
)
SIZES = (4, 16, 64, 512)
LIKELY = {"fits": True, "fits most of the time": True, "does not fit": False, "no dump is set": False}
CERTAIN = {"fits": True, "does not fit": False, "no dump is set": False}

with (HERE / "verdicts.tsv").open(encoding="utf-8", newline="") as file:
    HEADER, *ROWS = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)


def report_of(kind: str, paging_file: str, ram: int) -> PagefileFitReport:
    """Return the report on a machine with so many GB of RAM whose registry has these settings."""
    large = ram * 1024 + 257
    lines = {
        "system-managed": ["?:\\pagefile.sys"],
        "C: 4 GB": ["C:\\pagefile.sys 4096 4096"],
        "C: RAM": [f"C:\\pagefile.sys {ram * 1024} {ram * 1024}"],
        "C: RAM + 257 MB": [f"C:\\pagefile.sys {large} {large}"],
        "D: RAM + 257 MB": [f"D:\\pagefile.sys {large} {large}"],
        "C: 4 GB and D: RAM + 257 MB": ["C:\\pagefile.sys 4096 4096", f"D:\\pagefile.sys {large} {large}"],
    }.get(paging_file, [])
    dedicated: dict[str, Value] = {}
    if paging_file.startswith("dedicated"):
        dedicated["DedicatedDumpFile"] = "D:\\dump.sys"
    if paging_file == "dedicated file, RAM + 257 MB":
        dedicated["DumpFileSize"] = large
    hive = system_hive({CRASH_CONTROL: {**SETTINGS[kind], **dedicated}, MEMORY_MANAGEMENT: {"PagingFiles": lines}})
    return pagefilefit(system_hive=io.BytesIO(hive), by_hand=HandFigures(ram=ram << 30))


def cells() -> list[tuple[str, str, int, str, str]]:
    """Return (kind, paging file, GB of RAM, verdict, first line) of each combination."""
    return [
        (kind, paging_file, int(ram), verdict, line)
        for kind, paging_file, sizes, verdict, line, _page in ROWS
        for ram in sizes.split(", ")
    ]


def test_the_table_has_every_combination_once() -> None:
    combinations = [(kind, paging_file, ram) for kind, paging_file, ram, _, _ in cells()]
    assert sorted(combinations) == sorted((kind, file, ram) for kind in SETTINGS for file in FILES for ram in SIZES)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}, {row[1]}, {row[2]} GB")
def test_the_verdict_and_the_first_line_are_those_of_the_pages(row: list[str]) -> None:
    kind, paging_file, sizes, verdict, line, page = row
    assert page
    for ram in map(int, sizes.split(", ")):
        report = report_of(kind, paging_file, ram)
        assert (report.verdict.value, report.headline) == (verdict, line)
        assert (report.configured is None) == (kind == "none")
        if report.configured is not None:
            assert report.configured.value == kind
            assert report.kind(report.configured).verdict is report.verdict


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}, {row[1]}, {row[2]} GB")
def test_the_text_begins_with_the_first_line_and_json_has_the_verdict(row: list[str]) -> None:
    kind, paging_file, sizes, verdict, line, _ = row
    report = report_of(kind, paging_file, int(sizes.split(", ")[-1]))
    shown = write_text(pagefilefit_document(report))
    assert shown.replace("\n", " ").startswith(line)
    document = json.loads(pagefilefit_json(report))
    assert (document["verdict"], document["likely"]) == (verdict, LIKELY.get(verdict))
    for item in document["kinds"]:
        if item["kind"] == kind:
            told = (item["verdict"], item["likely"], item["fits"])
            assert told == (verdict, LIKELY.get(verdict), CERTAIN.get(verdict))


def test_the_manual_shows_the_same_table() -> None:
    lines = [line for line in MANUAL.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    shown = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [shown[0], *shown[2:]] == [HEADER, *ROWS]
