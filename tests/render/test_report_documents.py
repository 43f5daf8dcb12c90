"""The nodes in the documents of reports: which parts are addresses, modules and verdicts."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from samples.builder import SAMPLES, build
from windbg_ext.commands.dumpkind import DumpReport, dumpkind
from windbg_ext.commands.minify.batch import BatchReport, FileReport, Outcome
from windbg_ext.commands.pagefilefit import DumpKind, HandFigures, pagefilefit
from windbg_ext.commands.pagefilefit.settings import PagingFile
from windbg_ext.render.batch import batch_document
from windbg_ext.render.dml import write_dml
from windbg_ext.render.document import Address, Answer, Bars, Code, Facts, MemoryMap, ModuleName, Table, of_files
from windbg_ext.render.dumpkind import dumpkind_document, time_text
from windbg_ext.render.dumpkind_table import dumpkind_table_document
from windbg_ext.render.pagefilefit import pagefilefit_document

if TYPE_CHECKING:
    from pathlib import Path

PAGED_OUT = "0xffffe00010080000"
FAULTY = "0xfffff80512991010"
"""Address of the code of faulty.sys in the x64 samples, as the README example shows it."""


def report_of(tmp_path: Path, name: str, **header: bytes) -> DumpReport:
    sample = next(sample for sample in SAMPLES if sample.file_name == name)
    path = tmp_path / name
    path.write_bytes(build(sample, header=header))
    return dumpkind(path, details=True)


def links(markup: str) -> list[str]:
    return re.findall(r'<link cmd="([^"]*)">', markup)


def test_parameters_are_addresses_and_the_process_is_a_module(tmp_path: Path) -> None:
    first = dumpkind_document(report_of(tmp_path, "complete.dmp")).sections[0]
    facts = {label: value for block in first.blocks if isinstance(block, Facts) for label, value in block.rows}
    assert facts["parameters"] == (
        *(Address(0xFFFFE00010080000), " ", "0x2", " ", "0x1", " "),
        Code(0xFFFFF80512991010),
    )
    assert facts["process"] == (ModuleName("sample.exe"),)
    (whole,) = facts["whole"]
    assert isinstance(whole, Answer)
    assert whole.good is True


def test_suspects_link_to_their_module_and_address(tmp_path: Path) -> None:
    document = dumpkind_document(report_of(tmp_path, "complete.dmp"))
    (table,) = next(section.blocks for section in document.sections if section.title.startswith("Suspects"))
    assert isinstance(table, Table)
    assert table.rows[0][:2] == ((ModuleName("faulty.sys"), "+0x1010"), (Code(0xFFFFF80512991010),))


def test_details_link_to_addresses_of_the_header_and_of_modules_but_not_to_other_numbers(tmp_path: Path) -> None:
    report = report_of(tmp_path, "complete.dmp")
    assert report.details is not None
    fields = {field.name: field.numbers for field in report.details.header_fields}
    document = dumpkind_document(report)
    linked = {
        section.title: links("".join(write_dml(document._replace(sections=(section,)))))
        for section in document.sections
    }
    expected = ["PfnDataBase", "PsLoadedModuleList", "PsActiveProcessHead", "KdDebuggerDataBlock"]
    numbers = [number for name in expected for number in fields[name] if number]
    parameters = [f"db {PAGED_OUT}", f"u {FAULTY}"]
    assert sorted(linked["Header:"]) == sorted([*(f"db 0x{number:016x}" for number in numbers), *parameters])
    assert f"db 0x{report.details.modules[0].base:016x}" in linked["Modules (base, bytes, name):"]
    assert "lmvm faulty" in linked["Modules (base, bytes, name):"]
    assert linked[""] == []
    assert [type(block) for section in document.sections for block in section.blocks].count(MemoryMap) == 1


def test_an_address_in_a_comment_is_only_text(tmp_path: Path) -> None:
    comment = f"faulty.sys {FAULTY[:-1]}f".encode()
    report = report_of(tmp_path, "complete.dmp", Comment=comment.ljust(128, b"\0"))
    assert report.comment == comment.decode()
    markup = "".join(write_dml(dumpkind_document(report)))
    assert comment.decode() in markup
    assert f"db {FAULTY[:-1]}f" not in links(markup)


def test_the_table_of_many_dumps_has_links_too(tmp_path: Path) -> None:
    report = report_of(tmp_path, "complete.dmp")
    linked = links("".join(write_dml(dumpkind_table_document([report, report]))))
    assert linked == ["lmvm faulty", f"u {FAULTY}"] * 2
    every = links("".join(write_dml(dumpkind_table_document([report], details=True))))
    assert {"lmvm sample", "lmvm faulty", "db 0xffffe00010080000"} <= set(every)


def test_only_what_is_about_the_open_dump_links_to_its_memory_and_modules(tmp_path: Path) -> None:
    report = report_of(tmp_path, "complete.dmp")
    path = str(tmp_path / "complete.dmp")
    for document in (dumpkind_document(report), dumpkind_table_document([report])):
        open_here = links("".join(write_dml(of_files(document, [path], path))))
        assert f"u {FAULTY}" in open_here
        assert "lmvm faulty" in open_here
        for open_dump in (None, "C:\\other.dmp"):
            elsewhere = links("".join(write_dml(of_files(document, [path], open_dump))))
            assert {link.partition(" ")[0] for link in elsewhere} <= {".opendump"}


@pytest.mark.parametrize(
    ("outcome", "good"),
    [(Outcome.WRITTEN, True), (Outcome.SKIPPED, True), (Outcome.INCOMPLETE, False), (Outcome.FAILED, False)],
)
def test_the_outcome_of_a_file_is_a_verdict(outcome: Outcome, good: bool) -> None:
    document = batch_document(BatchReport((FileReport("a.dmp", None, outcome, "why"),)))
    table = document.sections[0].blocks[0]
    assert isinstance(table, Table)
    assert table.rows[0][1] == (Answer(outcome.value, good=good),)


def test_whether_a_dump_fits_is_a_verdict_in_the_table_and_at_its_bar() -> None:
    figures = HandFigures(ram=16 << 30, paging_files=(PagingFile("C:\\pagefile.sys", 1 << 30, 1 << 30),))
    report = pagefilefit(by_hand=replace(figures, kind=DumpKind.COMPLETE))
    blocks = [block for section in pagefilefit_document(report).sections for block in section.blocks]
    (bars,) = (block for block in blocks if isinstance(block, Bars))
    assert (bars.scale, bars.now, bars.at_most) == ((16 << 30) + (257 << 20), 1 << 30, 1 << 30)
    answers = {bar.kind: bar.answer.good for bar in bars.kinds}
    assert (answers["small"], answers["kernel"], answers["complete"]) == (True, None, False)
    table = next(block for block in blocks if isinstance(block, Table))
    assert [row[-1] for row in table.rows] == [(bar.answer,) for bar in bars.kinds]


@pytest.mark.parametrize(
    ("year", "month", "day"),
    [
        *((1601, 1, 1), (1700, 2, 28), (1969, 12, 31), (2000, 2, 29), (2000, 12, 31), (2001, 1, 1), (2024, 2, 29)),
        *((2038, 1, 20), (2100, 3, 1), (2400, 12, 31), (2401, 1, 1), (3001, 1, 1), (9999, 12, 31)),
    ],
)
def test_times_are_those_of_the_calendar(year: int, month: int, day: int) -> None:
    moment = datetime(year, month, day, 23, 59, 58)
    since = moment - datetime(1601, 1, 1)
    filetime = (since.days * 86400 + since.seconds) * 10_000_000
    assert time_text(filetime) == time_text(filetime + 9_999_999) == f"{moment}"


def test_behind_the_last_year_that_a_calendar_knows_is_no_time() -> None:
    end = ((datetime(9999, 12, 31) - datetime(1601, 1, 1)).days + 1) * 86400 * 10_000_000
    assert time_text(end - 1) == "9999-12-31 23:59:59"
    assert time_text(end) == f"0x{end:x} (no time)"
