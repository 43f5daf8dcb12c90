"""Packed files: what is read of them, where their content ends, and the bound on unpacking."""

from __future__ import annotations

import gzip
import lzma
import sys
import tempfile
import zlib
from contextlib import closing, contextmanager
from random import Random
from typing import TYPE_CHECKING, Callable

import pytest
from support.open_files import open_files
from support.packers import PACKERS, zstd_with_checksum

from windbg_ext.errors import DumpError
from windbg_ext.sources import open_source
from windbg_ext.sources.archive import MAX_IN_MEMORY, UNKNOWN_SIZE, ArchiveMember
from windbg_ext.sources.local import LocalFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTENT = Random(1).randbytes(700_000)
each_kind = pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)


@contextmanager
def opened(path: Path) -> Iterator[ArchiveMember]:
    with closing(open_source(path)) as packed:
        assert isinstance(packed, ArchiveMember)
        yield packed


def follow_nothing(_doing: str, _done: int, _total: int) -> None:
    pass


@each_kind
def test_any_part_can_be_read_in_any_order(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "packed"
    path.write_bytes(pack(CONTENT))
    with opened(path) as content:
        for offset, length in ((0, 8), (600_000, 100), (5, 3000), (len(CONTENT) - 3, 10), (len(CONTENT), 1)):
            assert content.read(offset, length) == CONTENT[offset : offset + length]


@each_kind
def test_no_more_is_unpacked_than_is_asked_for(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "packed"
    path.write_bytes(pack(CONTENT))
    with closing(LocalFile(path)) as file:
        assert len(open_source(file).read(0, 0x2000)) == 0x2000
        assert file.bytes_read < 200_000


def test_the_index_of_an_xz_file_tells_the_length_and_a_gzip_file_only_its_end(tmp_path: Path) -> None:
    path = tmp_path / "packed"
    for packed, known in (
        (lzma.compress(CONTENT), len(CONTENT)),
        (lzma.compress(CONTENT) + bytes(8) + lzma.compress(b"more"), len(CONTENT) + 4),
        (lzma.compress(CONTENT) + b"????", UNKNOWN_SIZE),
        (gzip.compress(CONTENT), UNKNOWN_SIZE),
    ):
        path.write_bytes(packed)
        with opened(path) as content:
            assert content.size == known


def test_the_end_of_a_gzip_file_is_found_by_unpacking(tmp_path: Path) -> None:
    path = tmp_path / "packed"
    path.write_bytes(gzip.compress(CONTENT[:1000]) + gzip.compress(CONTENT[1000:]))
    with opened(path) as content:
        content.find_end()
        assert content.size == len(CONTENT)


def test_what_lies_behind_the_bound_is_refused_and_not_unpacked(tmp_path: Path) -> None:
    packer = zlib.compressobj(wbits=31)
    path = tmp_path / "bomb.gz"
    with path.open("wb") as out:
        for _ in range(MAX_IN_MEMORY * 4 >> 20):
            out.write(packer.compress(bytes(1 << 20)))
        out.write(packer.flush())
    with opened(path) as content:
        with pytest.raises(DumpError, match="unpack the file first"):
            content.read(MAX_IN_MEMORY, 1)
        content.find_end()
        assert content.size == UNKNOWN_SIZE


@each_kind
def test_a_packed_file_that_ends_too_early_is_a_dump_error(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "packed"
    path.write_bytes(pack(CONTENT)[:-500])
    said = r"it ends too early|File is not a zip file"  # zip files have their list last
    with opened(path) as content, pytest.raises(DumpError, match=said):
        content.unpack(len(CONTENT), UNKNOWN_SIZE, follow_nothing)


@each_kind
def test_a_changed_byte_is_a_dump_error(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    data = bytearray(zstd_with_checksum(CONTENT) if pack is PACKERS["zstd"] else pack(CONTENT))
    data[len(data) // 2] ^= 0x10
    path = tmp_path / "packed"
    path.write_bytes(data)
    with opened(path) as content, pytest.raises(DumpError, match="damaged behind 0x"):
        content.unpack(len(CONTENT), UNKNOWN_SIZE, follow_nothing)


def test_any_other_file_is_not_packed(tmp_path: Path) -> None:
    path = tmp_path / "plain"
    path.write_bytes(b"PAGEDU64")
    with closing(open_source(path)) as file:
        assert isinstance(file, LocalFile)


def test_any_number_of_empty_streams_does_not_keep_it_busy(tmp_path: Path) -> None:
    """Empty gzip members: some before the content, then so many that reading them ends before they do."""
    path = tmp_path / "packed"
    path.write_bytes(gzip.compress(b"") * 70_000 + gzip.compress(b"end"))
    with opened(path) as content:
        assert content.read(0, 3) == b"end"
    path.write_bytes(gzip.compress(b"") * 100_001)
    with opened(path) as content, pytest.raises(DumpError, match="100,001 packed streams with next to nothing"):
        content.find_end()


def test_a_stream_that_unpacks_to_nothing_does_not_keep_it_busy(tmp_path: Path) -> None:
    """Deflate's stored blocks (RFC 1951), each five bytes that hold none."""
    path = tmp_path / "packed"
    with path.open("wb") as out:
        out.write(b"\x1f\x8b\x08" + bytes(7))
        for _ in range(40):
            out.write(b"\0\0\0\xff\xff" * (1 << 20))
    with closing(LocalFile(path)) as file:
        content = open_source(file)
        assert isinstance(content, ArchiveMember)
        with pytest.raises(DumpError, match="less than half of its length"):
            content.find_end()
        assert file.bytes_read < 3 * MAX_IN_MEMORY


def test_more_xz_streams_than_anyone_makes_have_no_known_length(tmp_path: Path) -> None:
    path = tmp_path / "packed"
    path.write_bytes(lzma.compress(b"x") * 1001)
    with opened(path) as content:
        assert content.size == UNKNOWN_SIZE
        content.find_end()
        assert content.size == 1001


def test_zeros_without_end_are_no_padding(tmp_path: Path) -> None:
    path = tmp_path / "packed"
    with path.open("wb") as out:
        out.write(lzma.compress(b"more than eight"))
        out.truncate(1 << 36)
    with closing(LocalFile(path)) as file:
        content = open_source(file)
        assert isinstance(content, ArchiveMember)
        assert content.size == UNKNOWN_SIZE
        assert file.bytes_read < 1 << 20


def test_content_that_is_too_long_for_memory_goes_to_a_sparse_file_that_nobody_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random bytes, zeros that are more than the memory may hold, an odd end."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    zeros = MAX_IN_MEMORY + 12_345
    path = tmp_path / "packed.gz"
    path.write_bytes(gzip.compress(CONTENT + bytes(zeros) + CONTENT[:777], 1))
    size = len(CONTENT) + zeros + 777
    seen: list[tuple[str, int, int]] = []
    with opened(path) as content:
        content.unpack(size, UNKNOWN_SIZE, lambda *step: seen.append(step))
        assert content.size == size
        assert content.read(0, len(CONTENT)) == CONTENT
        assert not any(content.read(len(CONTENT), zeros))
        assert content.read(size - 777, 4096) == CONTENT[:777]
        if sys.platform == "linux":
            assert list(folder.iterdir()) == []
            (temporary,) = open_files(folder)
            assert temporary.st_blocks * 512 < 2 * len(CONTENT)
    assert open_files(folder) == []
    assert list(folder.iterdir()) == []
    assert {doing for doing, _, _ in seen} == {"unpacking the gzip file"}
    assert seen[-1][1:] == (size, size)
    assert sorted(done for _, done, _ in seen) == [done for _, done, _ in seen]
