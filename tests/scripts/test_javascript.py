"""The JavaScript for WinDbg under Node.js, with a stand-in for the provider's `host` object (stand_in.js)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from windbg_ext.debugger.installation import Parts, scripts
from windbg_ext.interface.registry import COMMANDS

STAND_IN = Path(__file__).with_name("stand_in.js")
FOLDER = r"C:\Users\me\AppData\Local\windbg-ext"
RUN = FOLDER + r"\run.wds"
PARTS = Parts(r"C:\Python39\python39.dll", r"C:\Python39\pykd\pykd.pyd", r"C:\Python39\windbg_ext\debugger\bang.py")
NAMES = [command.name for command in COMMANDS]


@pytest.fixture(scope="session")
def node() -> str:
    program = shutil.which("node")
    if program is None:
        if os.environ.get("WINDBG_EXT_REQUIRE_NODE") == "1":
            pytest.fail("there is no Node.js")
        pytest.skip("there is no Node.js")
    return program


def run(
    node: str, folder: Path, name: str, calls: list[list[object]], answers: dict[str, list[str]] | None = None
) -> dict[str, Any]:
    """Return what the script did: see stand_in.js."""
    script, request = folder / name, folder / "request.json"
    script.write_text(scripts(PARTS, FOLDER, COMMANDS)[name])
    request.write_text(json.dumps({"calls": calls, "answers": answers or {}}))
    outcome = subprocess.run([node, str(STAND_IN), str(script), str(request)], capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stderr
    result: dict[str, Any] = json.loads(outcome.stdout)
    return result


def test_loading_registers_every_command_as_an_alias_of_its_own_name(node: str, tmp_path: Path) -> None:
    result = run(node, tmp_path, "windbg-ext.js", [])
    assert result["aliases"] == NAMES
    assert result["returned"] == [[1, 7]]
    assert (result["executed"], result["shown"]) == ([], "")


@pytest.mark.parametrize("name", NAMES)
def test_a_command_runs_the_script_of_the_aliases_and_shows_its_answer(name: str, node: str, tmp_path: Path) -> None:
    line = f'$$>a<"{RUN}" {name}'
    result = run(node, tmp_path, "windbg-ext.js", [[name]], {line: ["one line", "another"]})
    assert result["executed"] == [line]
    assert result["shown"] == "one line\nanother\n"


def test_arguments_are_passed_on_in_quotes(node: str, tmp_path: Path) -> None:
    calls: list[list[object]] = [["minify", r"C:\with blanks\small.dmp", "/o", "/size", 262144, "/c", "a; b"]]
    result = run(node, tmp_path, "windbg-ext.js", calls)
    assert result["executed"] == [rf'$$>a<"{RUN}" minify "C:\with blanks\small.dmp" "/o" "/size" "262144" "/c" "a; b"']


@pytest.mark.parametrize("argument", ['x" ; .shell calc ; "', "two\nlines", "two\rlines"])
def test_an_argument_that_would_end_its_quotes_is_refused(argument: str, node: str, tmp_path: Path) -> None:
    result = run(node, tmp_path, "windbg-ext.js", [["minify", argument]])
    assert result["executed"] == []
    assert len(result["errors"]) == 1
    assert "cannot be passed on" in result["errors"][0]


TRIAGE_ANSWERS = {
    f'$$>a<"{RUN}" dumpkind': [r"C:\dumps\MEMORY.DMP: kernel memory dump"],
    f'$$>a<"{RUN}" pagefilefit': ["kernel fits"],
    f'$$>a<"{RUN}" minify': [r"C:\dumps\MEMORY-small.dmp: 1.5 MB", "What went in"],
    "||": ["   0 another system", r".  1 64-bit Kernel bitmap dump: C:\dumps\MEMORY.DMP"],
}


PICTURES = f'$$>a<"{RUN}" dumpkind /html'
HTML_LINE = "HTML report  C:\\dumps\\MEMORY-dumpkind.html"


def test_the_triage_asks_for_kind_paging_file_and_a_small_dump_and_keeps_a_report(node: str, tmp_path: Path) -> None:
    result = run(
        node, tmp_path, "triage.js", [["invokeScript"]], {**TRIAGE_ANSWERS, PICTURES: ["MEMORY.DMP", HTML_LINE]}
    )
    assert result["errors"] == []
    assert result["executed"] == [*TRIAGE_ANSWERS, PICTURES]
    report = (
        "=== !dumpkind\nC:\\dumps\\MEMORY.DMP: kernel memory dump\n\n"
        "=== !pagefilefit\nkernel fits\n\n"
        "=== !minify\nC:\\dumps\\MEMORY-small.dmp: 1.5 MB\nWhat went in\n\n"
    )
    assert result["files"] == {r"C:\dumps\MEMORY-triage.txt": report}
    assert result["shown"] == f"{report}Report: C:\\dumps\\MEMORY-triage.txt\n{HTML_LINE}\n"


def test_the_triage_says_why_there_is_no_html_report(node: str, tmp_path: Path) -> None:
    refused = {**TRIAGE_ANSWERS, PICTURES: ["windbg-ext: C:\\r.html: destination: exists", ""]}
    shown = run(node, tmp_path, "triage.js", [["invokeScript"]], refused)["shown"]
    assert shown.endswith("No HTML report: windbg-ext: C:\\r.html: destination: exists\n")


def test_the_triage_of_a_live_target_shows_the_answers_and_writes_no_report(node: str, tmp_path: Path) -> None:
    live = {**TRIAGE_ANSWERS, "||": [".  0 Remote KD: KdSrv:Server=@{<Local>}"]}
    result = run(node, tmp_path, "triage.js", [["invokeScript"]], live)
    assert (result["errors"], result["files"]) == ([], {})
    assert result["shown"].endswith("There is no dump file, so no report file is written.\n")
    assert "kernel fits" in result["shown"]
