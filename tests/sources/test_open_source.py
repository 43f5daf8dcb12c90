"""What can be opened, and what a source tells of itself."""

from __future__ import annotations

import gzip
import io
import os
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from windbg_ext.errors import DumpError
from windbg_ext.sources import Range, open_source
from windbg_ext.sources.local import LocalFile

if TYPE_CHECKING:
    from pathlib import Path

DATA = bytes(range(256)) * 4


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "MEMORY.DMP"
    file.write_bytes(DATA)
    return file


def test_a_path_a_stream_and_a_packed_file_give_the_same_bytes(path: Path) -> None:
    packed = path.with_name("MEMORY.DMP.gz")
    packed.write_bytes(gzip.compress(DATA))
    for what in (path, str(path), io.BytesIO(DATA), packed):
        with closing(open_source(what)) as source:
            assert source.read(0x10, 3) == b"\x10\x11\x12"
            assert source.read(len(DATA) - 2, 10) == b"\xfe\xff"
            assert source.read(1 << 63, 1) == b""
            assert source.read_many([Range(0, 2), Range(254, 2)]) == [b"\0\1", b"\xfe\xff"]


def test_a_source_is_opened_as_it_is(path: Path) -> None:
    with closing(open_source(path)) as source:
        assert open_source(source) is source


def test_two_names_of_one_file_have_the_same_identity(path: Path) -> None:
    other = path.with_name("other.dmp")
    os.link(path, other)
    copy = path.with_name("copy.dmp")
    copy.write_bytes(DATA)
    with closing(open_source(path)) as one, closing(open_source(other)) as two, closing(open_source(copy)) as three:
        assert one.identity == two.identity
        assert one.identity != three.identity
    with path.open("rb") as stream:
        assert open_source(stream).identity == one_identity(path)


def one_identity(path: Path) -> object:
    status = path.stat()
    return (status.st_dev, status.st_ino)


def test_a_stream_without_a_file_has_no_identity_no_permissions_and_no_folder() -> None:
    source = open_source(io.BytesIO(DATA))
    assert (source.identity, source.permissions, source.beside("small.dmp")) == (None, None, None)


def test_a_file_and_what_is_packed_in_it_lie_in_the_same_folder(path: Path) -> None:
    packed = path.with_name("MEMORY.DMP.gz")
    packed.write_bytes(gzip.compress(DATA))
    for what in (path, packed):
        with closing(open_source(what)) as source:
            assert source.beside("small.dmp") == str(path.with_name("small.dmp"))
            assert source.base_name == what.name


class Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise io.UnsupportedOperation("underlying stream is not seekable")


class Silent(io.BytesIO):
    """A stream such as paramiko's, whose seek returns nothing."""

    def seek(self, *where: int) -> None:  # type: ignore[override]
        super().seek(*where)


def test_a_stream_whose_seek_returns_nothing_is_read_as_any_other() -> None:
    source = open_source(Silent(DATA))
    assert (source.size, source.read(0x10, 3)) == (len(DATA), b"\x10\x11\x12")


def test_a_stream_that_cannot_seek_is_refused_with_what_to_do() -> None:
    with pytest.raises(DumpError, match=r"cannot be read at any place .*; store what comes out of it in a file first"):
        open_source(Pipe(DATA))


def test_a_stream_of_text_is_refused(path: Path) -> None:
    with path.open(encoding="latin-1") as stream, pytest.raises(DumpError, match='mode "rb"'):
        open_source(stream)  # type: ignore[arg-type]  # that is the point


def test_a_stream_is_not_closed_with_its_source(path: Path) -> None:
    with path.open("rb") as stream:
        source = open_source(stream)
        assert source.name == str(path)
        source.close()
        assert not stream.closed


def test_a_file_whose_first_bytes_cannot_be_read_does_not_stay_open(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []

    def fail(file: LocalFile, offset: int, length: int) -> bytes:
        raise DumpError("connection", "the answer was cut short", file.name)

    monkeypatch.setattr(LocalFile, "read", fail)
    monkeypatch.setattr(LocalFile, "close", lambda file: closed.append(file.base_name))
    with pytest.raises(DumpError, match="cut short"):
        open_source(path)
    assert closed == ["MEMORY.DMP"]
    with pytest.raises(DumpError, match="cut short"):
        open_source(LocalFile(path))  # whoever opened it closes it
    assert closed == ["MEMORY.DMP"]
