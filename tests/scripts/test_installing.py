"""The lines that install the package for a debugger: it is on no package index, so they name a checkout or a wheel."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.command_line import ROOT

from windbg_ext.debugger.installation import install_command

if TYPE_CHECKING:
    from pathlib import Path

PAGES = ["README.md", "scripts/README.md", "docs/windbg.md"]
LINES = ["py -3.9 -m pip install .", "py -3.9 -m windbg_ext windbg-setup"]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_installs_from_a_checkout_and_never_from_an_index(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert re.findall(r"^    (py -3\.9 .*)$", text, re.MULTILINE) == LINES
    assert not re.search(r"pip install (--\S+ )*windbg-ext", text)


def test_the_hint_of_windbg_setup_names_the_checkout() -> None:
    assert install_command() == f'py -3.9 -m pip install "{ROOT}"'


@pytest.mark.slow
def test_the_lines_work_word_for_word_in_a_checkout(tmp_path: Path) -> None:
    """With the Python of an empty environment for `py -3.9`; windbg-setup itself needs Windows, and says so here."""
    checkout = tmp_path / "checkout"
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in files.decode().strip("\0").split("\0"):
        if (ROOT / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, checkout / name)
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    for line in LINES:
        where = checkout if "pip" in line else tmp_path
        done = subprocess.run([python, *line.split()[2:]], cwd=where, capture_output=True, text=True, check=False)
        if "pip" in line:
            assert done.returncode == 0, done.stderr
    if sys.platform != "win32":
        assert done.stderr.startswith("windbg-ext: this is not Windows")
    else:
        assert "load.wds" in done.stdout
    # the templates of HTML reports are files beside the code, and have to be in the wheel
    sample = ROOT / "samples" / "small.dmp"
    report = [str(python), "-m", "windbg_ext", "dumpkind", str(sample), "--html", "report.html"]
    subprocess.run(report, cwd=tmp_path, capture_output=True, check=True)
    assert "</html>" in (tmp_path / "report.html").read_text(encoding="utf-8")
