"""The lines for schedulers in the manual: as cron runs them, and as Windows Task Scheduler takes them apart."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.command_line import ROOT, run

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "fleet.md").read_text(encoding="utf-8")
CRON = {"HOME": "/root", "LOGNAME": "root", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}
"""The environment that cron gives its commands: crontab(5) of Debian, and nothing else."""
MAX_TASK = 261
"""Characters that `schtasks /create /tr` takes."""


@pytest.fixture
def dumps(tmp_path: Path) -> Path:
    folder = tmp_path / "dumps"
    folder.mkdir()
    shutil.copy(ROOT / "samples" / "small.dmp", folder)
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="this is cron's")
def test_the_line_for_cron_runs_in_the_environment_that_cron_has(dumps: Path, tmp_path: Path) -> None:
    (line,) = re.findall(r"^0 2 \* \* \*  (.*)$", PAGE, re.MULTILINE)
    program, *words = shlex.split(line)
    assert program.startswith("/")
    assert "%" not in line  # which is a new line for cron
    script = tmp_path / "windbg-ext"
    python = f"PYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)}"
    script.write_text(f'#!/bin/sh\n{python} -m windbg_ext "$@"\n')
    script.chmod(0o755)
    words = [word.replace("/srv/dumps", str(dumps)).replace("/srv", str(tmp_path)) for word in words]
    done = subprocess.run(
        ["/bin/sh", "-c", shlex.join([str(script), *words])],
        env=CRON,
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 file: 1 new" in done.stdout
    assert (tmp_path / "fleet.db").is_file()


def test_the_line_for_task_scheduler_has_a_task_that_runs(dumps: Path, tmp_path: Path) -> None:
    (task,) = re.findall(r'^schtasks /create .* /tr "([^"]*)"$', PAGE, re.MULTILINE)
    assert len(task) <= MAX_TASK
    launcher, module, name, *words = task.split(" ")
    assert (launcher, module, name) == ("py", "-m", "windbg_ext")
    places = {"\\\\server\\dumps": dumps, "C:\\fleet\\fleet.db": tmp_path / "c.db"}
    places["\\\\server\\reports\\crashes.html"] = tmp_path / "crashes.html"
    assert set(places) < set(words)
    for _ in range(2):  # every night
        outcome = run(*[places.get(word, word) for word in words])
        assert (outcome.status, outcome.err) == (0, "")
    assert (tmp_path / "crashes.html").is_file()
    assert "1 file: 1 known" in outcome.out
