"""What the keys of a registry hive may ask for, and where their cells may lie."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
from hostile_files.case import MB
from hostile_files.hive_bytes import REG_BINARY, REG_DWORD, REG_MULTI_SZ, REG_SZ, Hive, control

from windbg_ext.commands.pagefilefit import DumpKind, HandFigures, PagefileFitReport, pagefilefit
from windbg_ext.limits import LimitError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Callable

GB = 1 << 30


def test_cells_behind_the_first_64_mb_of_a_packed_hive_are_read(tmp_path: Path) -> None:
    cells = Hive()
    cells.cell(bytes(65 * MB))
    values = [cells.value(b"CrashDumpEnabled", REG_DWORD, b"\3\0\0\0")]
    packed = tmp_path / "SYSTEM.gz"
    packed.write_bytes(gzip.compress(cells.build(*control(cells, {"CrashControl": values})), 1))
    assert pagefilefit(system_hive=packed, by_hand=HandFigures(ram=GB)).configured is DumpKind.SMALL


def report_of_cells(folder: Path, make: Callable[[Hive], dict[str, Sequence[int]]]) -> PagefileFitReport:
    cells = Hive()
    keys = make(cells)
    path = folder / "SYSTEM"
    path.write_bytes(cells.build(*control(cells, keys)))
    return pagefilefit(system_hive=path, by_hand=HandFigures(ram=GB))


def test_values_that_share_a_cell_count_each_for_itself(tmp_path: Path) -> None:
    def values(cells: Hive) -> dict[str, Sequence[int]]:
        at = cells.cell(bytes(1 << 16))
        return {"CrashControl": [cells.value(b"v", REG_BINARY, b"", at=at, length=1 << 16)] * 20}

    with pytest.raises(LimitError, match=r"ControlSet001\\Control\\CrashControl: asks for .* bytes of keys and values"):
        report_of_cells(tmp_path, values)


def test_a_value_that_is_too_long_is_refused_before_it_is_read(tmp_path: Path) -> None:
    def values(cells: Hive) -> dict[str, Sequence[int]]:
        return {"CrashControl": [cells.value(b"v", REG_MULTI_SZ, b"a\0" * MB)]}

    with pytest.raises(LimitError, match="CrashControl: has a value of 2,097,152 bytes, at most 65,536 are read"):
        report_of_cells(tmp_path, values)


def test_too_many_values_are_refused_before_one_is_read(tmp_path: Path) -> None:
    def values(cells: Hive) -> dict[str, Sequence[int]]:
        return {"CrashControl": [cells.value(b"v", REG_DWORD, bytes(4))] * 2001}

    with pytest.raises(LimitError, match=r"CrashControl: asks for 2,00\d values"):
        report_of_cells(tmp_path, values)


def test_a_path_that_is_too_long_for_windows_is_left_out_of_account(tmp_path: Path) -> None:
    def values(cells: Hive) -> dict[str, Sequence[int]]:
        return {"CrashControl": [cells.value(b"DumpFile", REG_SZ, b"C\0:\0" + b"d\0" * 32_766)]}

    report = report_of_cells(tmp_path, values)
    assert any(r"The dump will lie at %SystemRoot%\MEMORY.DMP" in advice.text for advice in report.advice)
    assert any("DumpFile has 32,768 characters" in note for note in report.notes)
