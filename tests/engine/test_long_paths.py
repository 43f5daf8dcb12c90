"""Paths of more than 260 characters, on a drive and on a share. Windows takes them only with a prefix.

Wine takes them without it, too; it shows folders of its own as the shares of a server.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.dumps_at_hand import SAMPLES

from engine.engine import windows_path
from engine.windows_paths import answer_of, share_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.engine import Engine

SCRIPT = Path(__file__).with_name("long_paths.py")


@pytest.fixture(scope="module", params=["drive", "share"])
def answer(
    request: pytest.FixtureRequest, engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("long")
    with share_of(engine, folder) if request.param == "share" else nullcontext(windows_path(folder)) as place:
        source = windows_path(SAMPLES / "kernel.dmp")
        found = answer_of(engine, SCRIPT, folder / "answer.json", source, f"{place}\\below")
        assert found["runs"][0][0][1].startswith(place)
        yield found


def test_every_command_reads_and_writes_them(answer: dict[str, Any]) -> None:
    said = [(words[0], status, error) for words, status, error in answer["runs"]]
    source = answer["runs"][0][0][1]
    assert len(source) > 300
    small = source.replace("MEMORY.DMP", "small.dmp")
    exists = f"windbg-ext: {small}: destination: exists; give another name or --overwrite\n"
    itself = f"windbg-ext: {source}: destination: is the source itself; name another file\n"
    folder = f"windbg-ext: {source[: -len('MEMORY.DMP') - 1]}: file: is a folder; name the dump in it\n"
    assert said == [
        ("dumpkind", 0, ""),
        ("dumpkind", 0, ""),
        ("pagefilefit", 0, ""),
        ("minify", 0, ""),
        ("minify", 0, ""),
        ("minify", 3, exists),
        ("minify", 0, ""),
        ("minify", 3, itself),
        ("pagefilefit", 3, folder),
    ]
    assert answer["names"] == ["MEMORY-small.dmp", "MEMORY.DMP", "MEMORY.DMP.gz", "small.dmp"]


def test_only_long_ones_get_the_prefix(answer: dict[str, Any]) -> None:
    """Microsoft's "Naming Files, Paths, and Namespaces"."""
    assert answer["paths"] == [
        ["C:\\x.dmp", "C:\\x.dmp"],
        ["\\\\server\\share\\x.dmp", "\\\\server\\share\\x.dmp"],
        ["\\\\server\\share\\" + "x" * 300, "\\\\?\\UNC\\server\\share\\" + "x" * 300],
        ["C:/a/../" + "x" * 300, "\\\\?\\C:\\" + "x" * 300],
    ]
