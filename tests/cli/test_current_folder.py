"""A folder of dumps may hold anything: what is called there as a module of Python is not run."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.command_line import ROOT, environment

if TYPE_CHECKING:
    from pathlib import Path

KERNEL = (ROOT / "samples" / "kernel.dmp").read_bytes()
IMPORTED_LATER = ("argparse", "construct", "gettext", "gzip", "hashlib", "json", "lzma", "tabulate", "uuid", "zlib")
"""Modules that a run needs. Python itself loads a few before any code of ours: runpy, importlib."""
FOR_WORKERS = ("concurrent", "multiprocessing", "pickle", "socket", "subprocess")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "dumps"
    folder.mkdir()
    (folder / "a.dmp").write_bytes(KERNEL)
    (folder / "b.dmp.gz").write_bytes(gzip.compress(KERNEL))
    return folder


def set_traps(folder: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (folder / f"{name}.py").write_text(f"open({str(folder.parent / 'ran')!r}, 'w').write({name!r})\n")


def run_in(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "windbg_ext", *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        check=False,
    )
    ran = folder.parent / "ran"
    assert not ran.exists(), f"{ran.read_text()}.py was run"
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("dumpkind", "-v", "b.dmp.gz"),
        ("dumpkind", "--json", "a.dmp"),
        ("minify", "a.dmp"),
        ("pagefilefit", "a.dmp", "--pagefile", "16G"),
    ],
    ids=" ".join,
)
def test_no_module_of_the_current_folder_is_run(folder: Path, arguments: tuple[str, ...]) -> None:
    set_traps(folder, IMPORTED_LATER)
    run_in(folder, *arguments)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="older versions cannot tell a worker where not to look")
def test_no_module_of_the_current_folder_is_run_by_workers(folder: Path) -> None:
    set_traps(folder, (*IMPORTED_LATER, *FOR_WORKERS))
    run_in(folder, "minify", "--jobs", "2", ".")


def test_a_copy_of_the_package_in_the_current_folder_is_found_there(tmp_path: Path) -> None:
    (tmp_path / "windbg_ext").symlink_to(ROOT / "windbg_ext")
    without_path = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-m", "windbg_ext", "--version"],
        cwd=tmp_path,
        env=without_path,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
