"""The calls behind `pagefilefit --this-machine`, made by a Windows Python: Wine's, as far as it implements them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine.engine import windows_path
from engine.kd import REPOSITORY

if TYPE_CHECKING:
    from engine.engine import Engine

SCRIPT = Path(__file__).with_name("this_machine.py")
under_wine = pytest.mark.skipif(sys.platform == "win32", reason="this is Windows itself")


@pytest.fixture(scope="module")
def told(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    answer = tmp_path_factory.mktemp("machine") / "answer.json"
    environment = {**os.environ, "PYTHONPATH": windows_path(REPOSITORY)}
    words, quiet = (windows_path(SCRIPT), windows_path(answer)), subprocess.DEVNULL
    subprocess.run([*engine.python, *words], env=environment, stdin=quiet, stdout=quiet, stderr=quiet, timeout=120)
    found: dict[str, Any] = json.loads(answer.read_text())
    return found


@under_wine
def test_ram_and_volumes_are_those_of_the_machine_that_wine_runs_on(told: dict[str, Any]) -> None:
    answers = told["answers"]
    ram = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert abs(answers["physical_memory"] - ram) < 1 << 20
    size, free = answers["volume"]
    assert 0 < free <= size
    assert answers["page_size"] == 4096


def test_the_registry_is_read_with_types_and_keys(told: dict[str, Any]) -> None:
    assert ["OS", "Windows_NT", 1] in told["answers"]["registry_values"]
    assert {"Session Manager", "ProductOptions"} <= set(told["answers"]["registry_keys"])


def test_windows_its_drive_and_its_mount_point_are_told(told: dict[str, Any]) -> None:
    answers = told["answers"]
    assert re.fullmatch(r"[A-Z]:\\windows", answers["windows_folder"], re.IGNORECASE)
    letter = answers["windows_folder"][:2].upper()
    assert letter in answers["drives"]
    assert answers["mount_point"].upper() == f"{letter}\\"


def test_what_the_kernel_uses_and_its_drivers_are_told_or_nothing(told: dict[str, Any]) -> None:
    """Wine has neither pools nor drivers: it answers with zeros and an empty list."""
    *_, page_size = told["answers"]["performance"]
    assert page_size == 4096
    assert isinstance(told["answers"]["drivers"], list)


@pytest.mark.parametrize("question", ["no such key", "no keys there", "no such drive", "no such mount point"])
def test_a_call_that_fails_raises_an_error_with_a_reason(told: dict[str, Any], question: str) -> None:
    assert re.match(r"(\w*Error): .+", told["answers"][question]), told["answers"][question]


@under_wine
def test_the_command_answers_and_has_a_line_for_each_call_that_wine_does_not_implement(told: dict[str, Any]) -> None:
    status, out, errors = told["command"]
    assert (status, errors) == (0, "")
    report = json.loads(out)
    assert report["ram_from"] == "this machine"
    assert report["kernel_use"] is None
    assert any(note.startswith("EnumPageFiles: ") for note in report["notes"])
    assert any(note.startswith("GetPerformanceInfo: ") for note in report["notes"])
    checks = {check["question"]: check["answer"] for check in report["checks"]}
    assert checks["Windows is on a volume with a letter, C:"] is True
