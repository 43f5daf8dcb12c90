"""Finding files in folders: what leads out of a folder is not followed."""

from __future__ import annotations

import os
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from windbg_ext.sources import find
from windbg_ext.sources.find import find_dumps

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

scandir = os.scandir


class Entry:
    """An entry of a folder on Windows, where whatever is called "junction" is one."""

    def __init__(self, entry: os.DirEntry[str]) -> None:
        self.entry, self.name, self.path = entry, entry.name, entry.path

    def is_dir(self) -> bool:
        return self.entry.is_dir()

    def is_symlink(self) -> bool:
        return self.entry.is_symlink()

    def stat(self, *, follow_symlinks: bool = True) -> SimpleNamespace:
        assert not follow_symlinks
        return SimpleNamespace(st_reparse_tag=0xA0000003 if self.name == "junction" else 0)


class NewEntry(Entry):
    """The same since CPython 3.12."""

    def is_junction(self) -> bool:
        return self.name == "junction"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("folder/real", "folder/junction", "outside"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "MEMORY.DMP").write_bytes(b"")
    return tmp_path / "folder"


@pytest.mark.parametrize("kind", [Entry, NewEntry])
def test_a_junction_is_not_followed_whatever_the_version_of_python(
    monkeypatch: pytest.MonkeyPatch, folder: Path, kind: type[Entry]
) -> None:
    @contextmanager
    def entries_on_windows(path: str) -> Iterator[Iterator[Entry]]:
        with scandir(path) as entries:
            yield map(kind, entries)

    monkeypatch.setattr(find, "os", SimpleNamespace(**{**vars(os), "name": "nt", "scandir": entries_on_windows}))
    assert list(find_dumps([str(folder)])) == [str(folder / "real" / "MEMORY.DMP")]


@pytest.mark.skipif(os.name == "nt", reason="a user may not make links there")
def test_a_link_is_not_followed(folder: Path) -> None:
    (folder / "link").symlink_to(folder.parent / "outside")
    found = list(find_dumps([str(folder)]))
    assert found == [str(folder / name / "MEMORY.DMP") for name in ("junction", "real")]
