"""What a packed file may ask for: content, room on the disk, memory, short streams; and that honest files get it."""

from __future__ import annotations

import gzip
import lzma
import struct
import tempfile
import zipfile
import zlib
from contextlib import closing
from random import Random
from typing import TYPE_CHECKING

import pytest
from support.packers import PACKERS, zip_file

from windbg_ext.errors import DumpError
from windbg_ext.limits import MAX_TEMPORARY, MAX_UNPACKED, Budget, LimitError
from windbg_ext.sources import open_source
from windbg_ext.sources.archive import MAX_IN_MEMORY, UNKNOWN_SIZE, ArchiveMember
from windbg_ext.sources.local import LocalFile
from windbg_ext.sources.progress import no_progress

if TYPE_CHECKING:
    from pathlib import Path

MB = 1 << 20
GB = 1 << 30


def member(path: Path, data: bytes) -> ArchiveMember:
    path.write_bytes(data)
    packed = open_source(path)
    assert isinstance(packed, ArchiveMember)
    return packed


def test_a_dump_of_64_gb_in_a_gzip_file_of_2_gb_is_within_the_limits() -> None:
    budget = Budget()
    for _ in range(2048):
        budget.earn(MB)
        budget.draw(MAX_UNPACKED, 32 * MB, "content")
        budget.draw(MAX_TEMPORARY, 32 * MB, "temporary file")


def test_what_asks_for_too_much_is_refused_before_it_is_noted() -> None:
    budget = Budget()
    with pytest.raises(LimitError, match="asks for 2,147,483,648 bytes of content"):
        budget.draw(MAX_UNPACKED, 2 * GB, "content")
    budget.draw(MAX_UNPACKED, GB, "content")


def test_content_that_so_few_bytes_cannot_hold_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    stream = gzip.compress(bytes(MAX_IN_MEMORY), 1)
    with closing(member(tmp_path / "packed", stream * 40)) as content:
        with pytest.raises(DumpError, match="header in the gzip file: asks for 2,684,354,560 bytes of content"):
            content.unpack(40 * MAX_IN_MEMORY, UNKNOWN_SIZE, no_progress)
        assert content.reach == MAX_IN_MEMORY
        assert content.read(0, 8) == bytes(8)


def test_pages_that_are_not_zeros_take_little_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    stream = gzip.compress(b"\1" * MAX_IN_MEMORY, 1)
    with (
        closing(member(tmp_path / "packed", stream * 8)) as content,
        pytest.raises(LimitError, match="bytes of a temporary file"),
    ):
        content.unpack(8 * MAX_IN_MEMORY, UNKNOWN_SIZE, no_progress)
    assert [path.name for path in tmp_path.iterdir()] == ["packed"]


def test_unpacking_can_go_on_where_it_was_cut_off(tmp_path: Path) -> None:
    data = Random(1).randbytes(3 * MB) + bytes(MAX_IN_MEMORY) + b"end"
    with closing(member(tmp_path / "packed", gzip.compress(data, 1))) as content:
        for most in (100, MB + 7, MAX_IN_MEMORY + 5, MAX_IN_MEMORY + MB, len(data), UNKNOWN_SIZE):
            content.unpack(most, most, no_progress)
            assert content.size == min(most, len(data))
            assert content.read(0, MB) == data[: min(most, MB)]
            assert content.read(content.size - 10, 20) == data[: content.size][-10:]


@pytest.mark.parametrize("dictionary", [31, 40])
def test_an_xz_file_that_takes_too_much_memory_is_not_called_damaged(tmp_path: Path, dictionary: int) -> None:
    """Dictionaries of 192 MiB and 4 GiB, coded as in 5.3.1 of "The .xz File Format"."""
    packed = bytearray(lzma.compress(b"x" * 100, preset=0))
    packed[packed.index(b"\x21\x01", 12) + 2] = dictionary
    size = 4 * (packed[12] + 1)
    packed[12 + size - 4 : 12 + size] = struct.pack("<I", zlib.crc32(packed[12 : 12 + size - 4]))
    with closing(member(tmp_path / "packed", bytes(packed))) as content, pytest.raises(DumpError) as raised:
        content.read(0, 8)
    assert "takes more than 160 MB of memory to unpack" in str(raised.value)
    assert "unpack it with xz -d" in str(raised.value)
    assert "damaged" not in str(raised.value)


def test_a_dictionary_of_128_mib_is_unpacked(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 128 * MB, "mode": lzma.MODE_FAST, "mf": lzma.MF_HC3}]
    packed = lzma.compress(b"x" * 100, lzma.FORMAT_XZ, filters=filters)
    with closing(member(tmp_path / "packed", packed)) as content:
        assert content.read(0, 100) == b"x" * 100


def test_a_long_dump_that_a_zip_file_stores_is_read_in_place(tmp_path: Path) -> None:
    data = Random(1).randbytes(MB) + bytes(MAX_IN_MEMORY) + b"end"
    path = tmp_path / "packed"
    path.write_bytes(zip_file({"read.me": b"text", "MEMORY.DMP": data}, zipfile.ZIP_STORED))
    with closing(LocalFile(path)) as file:
        content = open_source(file)
        assert content.size == content.reach == len(data)
        assert content.read(len(data) - 3, 10) == b"end"
        assert content.read(1000, 50) == data[1000:1050]
        assert file.bytes_read < 200_000


@pytest.mark.parametrize("kind", ["gzip", "xz", "zstd"])
def test_thousands_of_short_streams_are_read(tmp_path: Path, kind: str) -> None:
    pack = PACKERS[kind]
    data = b"".join(pack(struct.pack("<I", number)) + bytes(4 * (number % 3)) for number in range(3000))
    with closing(member(tmp_path / "packed", data)) as content:
        content.find_end()
        assert content.size == 12_000
        assert content.read(0, 12_000) == struct.pack("<3000I", *range(3000))


def test_names_in_an_archive_are_cut_in_an_error(tmp_path: Path) -> None:
    names = {f"{'n' * 60_000}{number}.dmp": b"" for number in range(3)}
    with closing(member(tmp_path / "packed", zip_file(names))) as content, pytest.raises(DumpError) as raised:
        content.read(0, 8)
    assert len(str(raised.value)) < 500
