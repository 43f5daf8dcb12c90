"""Real SYSTEM hives, as hivexsh reads them. WINDBG_EXT_HIVES names a folder with such hives, packed or not."""

from __future__ import annotations

import lzma
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.registry_hives import CRASH_CONTROL, ENVIRONMENT, MEMORY_MANAGEMENT, read_values

from windbg_ext.commands.pagefilefit import HandFigures, pagefilefit
from windbg_ext.commands.pagefilefit.system_hive import SystemHive

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = os.environ.get("WINDBG_EXT_HIVES", "")
HIVES = sorted(path for path in Path(FOLDER).iterdir() if path.name.startswith("SYSTEM")) if FOLDER else []

pytestmark = pytest.mark.skipif(not HIVES, reason="WINDBG_EXT_HIVES names no folder with real hives")


@pytest.fixture(scope="module", params=HIVES, ids=lambda path: path.name)
def hive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    packed: Path = request.param
    folder = tmp_path_factory.mktemp("hive")
    plain = folder / packed.name.replace(".xz", "")
    with lzma.open(packed) if packed.suffix == ".xz" else packed.open("rb") as source, plain.open("wb") as unpacked:
        shutil.copyfileobj(source, unpacked)
    yield plain
    plain.unlink()


@pytest.mark.parametrize("key", [CRASH_CONTROL, MEMORY_MANAGEMENT, ENVIRONMENT])
def test_every_value_is_what_hivexsh_reads(hive: Path, key: str) -> None:
    expected = read_values(hive, f"ControlSet001\\{key}")
    assert expected
    with SystemHive(hive) as registry:
        found = registry.values(key.partition("\\")[2])
    assert {name: value.data for name, value in found.items()} == {
        name.lower(): data for name, data in expected.items()
    }


def test_the_report_has_the_settings_that_hivexsh_reads(hive: Path) -> None:
    crash = read_values(hive, f"ControlSet001\\{CRASH_CONTROL}")
    memory = read_values(hive, f"ControlSet001\\{MEMORY_MANAGEMENT}")
    report = pagefilefit(system_hive=hive, by_hand=HandFigures(ram=16 << 30))
    kinds = {1: "complete", 2: "kernel", 3: "small", 7: "automatic"}
    assert report.configured is not None
    assert report.configured.value == kinds[int(str(crash["CrashDumpEnabled"]))]
    assert memory["PagingFiles"] == ["?:\\pagefile.sys"]
    assert report.space.system_managed
