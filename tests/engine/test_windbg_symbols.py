"""The bang commands with the kernel's symbols loaded, from a PDB that is made for the test (nt.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.bang_commands import without_suggestions
from engine.engine import windows_path
from engine.kernel_symbols import PRIVATE, PUBLIC, WITHOUT_TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from engine.bang_commands import Scripts
    from engine.kd import Kd
    from engine.kernel_symbols import Objects, WriteDump

GB = 1 << 30
ON_DISK = f"/pagefile C:={16 * GB}..{48 * GB} /pagefile D:={GB}..{2 * GB}"
"""The paging files of nt.c that are on disk, as options of pagefilefit."""


def answers_without_and_with_symbols(
    kd: Kd, scripts: Scripts, dump: Path, without: Sequence[str], with_symbols: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Return what the commands print before and after the symbols in the folder of the dump are loaded."""
    load_symbols = [f".sympath {windows_path(dump.parent)}", ".reload"]
    answers = kd.run(dump, [scripts.load, *without, *load_symbols, *with_symbols])
    return answers[1 : 1 + len(without)], answers[-len(with_symbols) :]


@pytest.mark.parametrize("windows", [[], ["SYSTEM_PARTITION"]], ids=["Windows 7", "Windows 10"])
@pytest.mark.parametrize(
    ("objects", "kind"), [(PUBLIC, "(pdb symbols)"), (PRIVATE, "(private pdb symbols)")], ids=["public", "private"]
)
def test_pagefilefit_takes_the_paging_files_on_disk_from_the_session(
    objects: Objects,
    kind: str,
    windows: list[str],
    kd: Kd,
    written: Scripts,
    dump_with_symbols: WriteDump,
    tmp_path: Path,
) -> None:
    dump, _ = dump_with_symbols(tmp_path, objects, *windows)
    (by_hand,), (modules, answer) = answers_without_and_with_symbols(
        kd, written, dump, [f"!pagefilefit {ON_DISK}"], ["lm m nt", "!pagefilefit"]
    )
    assert kind in modules
    assert "the paging file C:\\pagefile.sys, 16,384 MB, at most 49,152 MB" in by_hand
    assert answer == f"Taken from this session: {ON_DISK}\n\n{by_hand}"


@pytest.mark.parametrize(
    ("objects", "definitions"),
    [
        (WITHOUT_TYPES, []),
        (PUBLIC, ["MmPagingFile=Renamed"]),
        (PUBLIC, ["SYSTEM_PARTITION", "PagingFile=Renamed"]),
        (PUBLIC, ["MaximumSize=Renamed"]),
    ],
    ids=["no types", "another variable", "another field of the partition", "another field of the paging file"],
)
def test_pagefilefit_does_without_paging_files_that_the_symbols_name_otherwise(
    objects: Objects,
    definitions: list[str],
    kd: Kd,
    written: Scripts,
    dump_with_symbols: WriteDump,
    tmp_path: Path,
) -> None:
    dump, _ = dump_with_symbols(tmp_path, objects, *definitions)
    (without,), (modules, answer) = answers_without_and_with_symbols(
        kd, written, dump, ["!pagefilefit"], ["lm m nt", "!pagefilefit"]
    )
    assert "(pdb symbols)" in modules
    assert "Dump goes to  not known" in without
    assert answer == without


def test_the_other_commands_say_the_same_with_symbols_and_without(
    kd: Kd, written: Scripts, dump_with_symbols: WriteDump, tmp_path: Path
) -> None:
    dump, _ = dump_with_symbols(tmp_path, PUBLIC)
    commands = ["!dumpkind -v", f"!minify /o /v {windows_path(tmp_path / 'small.dmp')}"]
    without, answers = answers_without_and_with_symbols(kd, written, dump, commands, commands)
    assert without_suggestions(answers[0]).startswith(f"{windows_path(dump)}: kernel or automatic memory dump")
    assert "debugger data block" in answers[1]
    assert answers == without
