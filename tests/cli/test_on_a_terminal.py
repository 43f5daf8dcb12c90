"""Reports on a terminal: colours for verdicts and problems, tables that fit its width; neither in a pipe."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from support.command_line import ROOT, command, environment
from support.hive_file import system_hive
from support.registry_hives import CRASH_CONTROL
from support.terminal import all_of, open_terminal

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs a pseudo terminal")

SAMPLES = ROOT / "samples"
CODES = re.compile(r"\x1b\[\d+m")
GREEN, RED, PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[0m"


def shown(*arguments: object, width: int = 80, **variables: str) -> str:
    """Return what a terminal of a width gets from the command line's standard output."""
    main_end, terminal = open_terminal(width)
    inherited = {
        name: value for name, value in environment(**{"TERM": "xterm", **variables}).items() if name != "COLUMNS"
    }
    process = subprocess.Popen(command(*arguments), env=inherited, stdout=terminal, stderr=subprocess.DEVNULL)
    os.close(terminal)
    text = all_of(main_end)
    process.wait(60)
    return text.replace("\r\n", "\n")


def test_verdicts_are_green_and_problems_red_on_a_terminal_only() -> None:
    good = shown("dumpkind", SAMPLES / "kernel.dmp")
    assert f"{GREEN}yes: 352,732 bytes" in good
    assert re.search(rf"{re.escape(GREEN)}yes[^\x1b]*{re.escape(PLAIN)}\n", good)
    cut = ROOT / "README.md"
    assert f"{RED}Signature: " in shown("dumpkind", SAMPLES / "kernel.dmp", cut)
    piped = subprocess.run(
        command("dumpkind", SAMPLES / "kernel.dmp"), env=environment(TERM="xterm"), capture_output=True, check=True
    )
    assert b"\x1b" not in piped.stdout


def test_who_wants_no_colours_gets_none() -> None:
    assert "\x1b" not in shown("dumpkind", SAMPLES / "kernel.dmp", NO_COLOR="1")
    assert "\x1b" not in shown("dumpkind", SAMPLES / "kernel.dmp", TERM="dumb")


@pytest.mark.parametrize("width", [80, 120, 160])
def test_a_table_fits_the_terminal_by_leaving_out_columns(width: int) -> None:
    text = CODES.sub("", shown("dumpkind", SAMPLES, ROOT / "README.md", width=width))
    assert max(map(len, text.split("\n"))) <= width
    header = text.split("\n")[0]
    assert header.startswith("Dump file")
    for column in ("Caused by address", "Problem"):
        assert column in header
    assert ("Processors count" in header) == (width > 200)
    assert "faulty.sys+0x1010" in text
    assert "More columns: -v shows all, --csv has them for a spreadsheet." in text


def test_a_narrow_table_keeps_the_bug_check_whatever_the_names_of_the_files(tmp_path: Path) -> None:
    for number in range(2):
        shutil.copy(SAMPLES / "small.dmp", tmp_path / f"{'a-long-name-' * 3}{number}.dmp")
    text = CODES.sub("", shown("dumpkind", tmp_path))
    assert "Bug check code" in text.split("\n")[0]
    assert text.count("0x000000D1") == 2


@pytest.mark.parametrize("width", [60, 80, 100])
def test_figures_and_check_list_of_pagefilefit_fit_the_terminal(width: int, tmp_path: Path) -> None:
    hive = tmp_path / "SYSTEM"
    hive.write_bytes(system_hive({CRASH_CONTROL: {"CrashDumpEnabled": 7, "DumpFilters": ["dumpfve.sys"]}}))
    text = CODES.sub("", shown("pagefilefit", "--system-hive", hive, "--ram", "512G", width=width))
    figures = text.partition("\nDump  ")[2]
    table, _, rest = figures.partition("\n\n")
    assert max(map(len, f"Dump  {table}".split("\n"))) <= width
    header = f"Dump  {table}".split("\n")[0].split("  ")
    for column in ("Needs", "Room now", "The next one"):
        assert any(cell.strip() == column for cell in header)
    answers = rest.partition("be found?\n")[2].partition("\n\n")[0].split("\n")
    assert max(map(len, answers)) <= width
    assert answers[0].split("  ")[1:2] == ["yes"]
    assert len(answers) < 40  # no column of single words


def test_with_v_the_table_has_all_columns_however_wide() -> None:
    header = shown("dumpkind", "-v", SAMPLES).split("\n")[0]
    for column in ("Parameter 4", "Stack address 3", "Full path", "Process", "Problem"):
        assert column in header
