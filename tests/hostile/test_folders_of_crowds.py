"""Folders of files that each have as much to report as is allowed: JSON of them all takes the memory of one."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import pytest
from hostile_files.case import DUMP, MB, Command
from hostile_files.checks import broken
from hostile_files.crowds import images_in_bytes
from hostile_files.process import run

if TYPE_CHECKING:
    from pathlib import Path

FILES = 60


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory of a process: Linux only")
def test_json_about_a_folder_of_dumps_with_10_000_modules_takes_the_memory_of_one(tmp_path: Path) -> None:
    images_in_bytes(tmp_path, name=b"\x1b" * 0x900 + b"\0", scattered=False)
    for number in range(1, FILES):
        shutil.copy(tmp_path / DUMP, tmp_path / f"{number}.dmp")
    asked = Command(("dumpkind", "-v", "--json", "."), (0, 1), seconds=20, largest_output=1024 * MB)
    problems = list(broken(asked, run(asked, tmp_path), 0))
    assert not problems, "\n".join(problems)
