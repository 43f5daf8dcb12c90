"""The engine, or the reason why there is none; unpacked dumps and small dumps, made once for all tests.

All tests of this folder get the marker `engine`, except those of NEEDS_NO_ENGINE.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest
from support.dumps_at_hand import unpacked as unpacked_dump

from engine.bang_commands import Scripts, run_python
from engine.engine import Engine, MissingEngineError, windows_path
from engine.kd import Kd
from engine.kernel_symbols import TOOLS, write_dump_with_symbols
from windbg_ext import minify

if TYPE_CHECKING:
    from engine.kernel_symbols import WriteDump


FOLDER = Path(__file__).parent
NEEDS_NO_ENGINE = "test_measures.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == FOLDER and item.path.name != NEEDS_NO_ENGINE:
            item.add_marker("engine")


@pytest.fixture(scope="session")
def engine() -> Engine:
    try:
        return Engine.find()
    except MissingEngineError as missing:
        if os.environ.get("WINDBG_EXT_REQUIRE_ENGINE") == "1":
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def kd(engine: Engine) -> Kd:
    try:
        return Kd.find()
    except MissingEngineError as missing:
        if os.environ.get("WINDBG_EXT_REQUIRE_ENGINE") == "1":
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def written(engine: Engine, kd: Kd, tmp_path_factory: pytest.TempPathFactory) -> Scripts:
    folder = tmp_path_factory.mktemp("scripts")
    run_python(engine, "-m", "windbg_ext", "windbg-setup", "--folder", windows_path(folder))
    return Scripts(folder)


@pytest.fixture(scope="session")
def newer_python(engine: Engine) -> Path:
    """Return the program that starts a newer Python for Windows, without pykd. Skip the test if there is none."""
    program = Path(os.environ.get("ENGINE_HOME") or Path.home() / ".cache" / "windbg-ext-engine", "newpython")
    if not program.exists():
        why = f"no newer Python for Windows at {program}: setup.sh makes one where this machine has a CPython 3.13"
        if os.environ.get("WINDBG_EXT_REQUIRE_NEWER_PYTHON") == "1":
            pytest.fail(why)
        pytest.skip(why)
    return program


@pytest.fixture(scope="session")
def without_pykd(newer_python: Path, kd: Kd, tmp_path_factory: pytest.TempPathFactory) -> Scripts:
    """Return the scripts that windbg-setup writes in a Python without pykd."""
    folder = tmp_path_factory.mktemp("scripts")
    newer = Engine((str(newer_python),))
    run_python(newer, "-m", "windbg_ext", "windbg-setup", "--folder", windows_path(folder))
    return Scripts(folder)


@pytest.fixture(scope="session")
def dump_with_symbols() -> WriteDump:
    """Return a function that writes a dump with kernel symbols. Skip the test if the tools for it are missing."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        why = f"no {' and no '.join(missing)} here to make symbols with (Debian packages clang and lld)"
        if os.environ.get("WINDBG_EXT_REQUIRE_CLANG") == "1":
            pytest.fail(why)
        pytest.skip(why)
    return write_dump_with_symbols


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Return the dump as a file that the engine can open: itself, or an unpacked copy."""
    folder = tmp_path_factory.mktemp("unpacked")

    return lambda path: unpacked_dump(path, folder)


@pytest.fixture(scope="session")
def minified(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Return the small dump that `minify` makes of a large one by default."""
    folder = tmp_path_factory.mktemp("minified")

    def make(source: Path) -> Path:
        small = folder / source.name
        if not small.exists():
            minify(source, small)
        return small

    return make
