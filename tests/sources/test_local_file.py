"""Positional reads: what comes back at the end of a file, and what an unreadable one is told as."""

from __future__ import annotations

import io
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from support.dump_bytes import file_of

from windbg_ext.errors import DumpError
from windbg_ext.sources import read_field
from windbg_ext.sources.local import LocalFile

if TYPE_CHECKING:
    from pathlib import Path

DATA = bytes(range(256))


def test_bytes_are_read_from_an_offset() -> None:
    with file_of(DATA) as file:
        assert file.size == 256
        assert file.read(0x10, 3) == b"\x10\x11\x12"


def test_a_read_across_the_end_gives_what_is_there() -> None:
    with file_of(DATA) as file:
        assert file.read(254, 10) == b"\xfe\xff"


@pytest.mark.parametrize("offset", [256, 1 << 40, 1 << 62, 1 << 63, (1 << 64) - 1])
def test_a_read_behind_the_end_gives_nothing(offset: int) -> None:
    with file_of(DATA) as file:
        assert file.read(offset, 1) == b""


def test_bytes_that_are_read_are_counted() -> None:
    with file_of(DATA) as file:
        file.read(0, 10)
        file.read(250, 10)
        assert file.bytes_read == 16


class OneByteAtATime(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(1, size or 0))


class Broken(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError(5, "Input/output error")


def open_with(monkeypatch: pytest.MonkeyPatch, raw: io.BytesIO) -> LocalFile:
    monkeypatch.setattr(os, "stat", lambda _: os.stat_result((stat.S_IFREG, *[0] * 9)))
    monkeypatch.setattr("builtins.open", lambda *_, **__: raw)
    return LocalFile("test.dmp")


def test_a_read_goes_on_where_the_system_gives_fewer_bytes_than_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_with(monkeypatch, OneByteAtATime(DATA)).read(5, 7) == DATA[5:12]


def test_an_error_of_the_system_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="Input/output error"):
        open_with(monkeypatch, Broken(DATA)).read(0, 1)


def test_a_field_that_the_system_cannot_read_is_a_dump_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DumpError) as raised:
        read_field(open_with(monkeypatch, Broken(DATA)), "bitmap", 0x20, 8)
    assert raised.value.field == "bitmap"
    assert raised.value.why == "cannot be read at 0x20 (Input/output error)"


def test_a_field_is_read_whole_or_is_a_dump_error_that_says_where_the_file_ends() -> None:
    with file_of(DATA) as file:
        assert read_field(file, "tail", 0xFC, 4) == DATA[-4:]
        with pytest.raises(DumpError) as raised:
            read_field(file, "tail", 0xFC, 5)
    assert raised.value.field == "tail"
    assert raised.value.why == "lies at 0xfc to 0x101, the file ends at 0x100"
    assert "cut short" in raised.value.advice


def test_reading_a_closed_file_is_an_error() -> None:
    with file_of(DATA) as file:
        pass
    with pytest.raises(ValueError, match="closed"):
        file.read(0, 1)


def test_a_folder_is_told_as_one(tmp_path: Path) -> None:
    with pytest.raises(DumpError, match="is a folder; name the dump in it"):
        LocalFile(tmp_path)


def test_a_missing_file_is_one_line_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(DumpError) as raised:
        LocalFile(tmp_path / "missing.dmp")
    why = "cannot be opened (No such file or directory); check its path and name"
    assert str(raised.value) == f"{tmp_path / 'missing.dmp'}: file: {why}"


def test_a_file_that_may_not_be_opened_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(DumpError, match=r"test\.dmp: file: cannot be opened \(Permission denied\)"):
        LocalFile("test.dmp")


def test_threads_may_read_at_the_same_time() -> None:
    data = b"".join(index.to_bytes(4, "little") for index in range(5000))
    with file_of(data) as file, ThreadPoolExecutor(4) as pool:
        read = list(pool.map(lambda index: file.read(4 * index, 4), range(5000)))
    assert b"".join(read) == data
