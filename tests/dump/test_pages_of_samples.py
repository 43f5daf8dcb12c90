"""Every page of the samples, and of other people's dumps, is where a naive reading finds it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from support.dump_bytes import naive_offsets
from support.dumps_at_hand import dumps_of_types, unpacked

from windbg_ext.dump import open_dump

if TYPE_CHECKING:
    from pathlib import Path

each_dump = pytest.mark.parametrize("path", dumps_of_types(1, 5, 6, 8, 9, 0xA), ids=lambda path: path.name)


def naive_pages(data: bytes) -> dict[int, int]:
    """The file offset of every page frame. Offsets: kdmp-parser-structs.h."""
    dump_type = struct.unpack_from("<I", data, 0xF98)[0]
    if dump_type == 1:
        count = struct.unpack_from("<I", data, 0x88)[0]
        return naive_offsets(0x2000, list(struct.iter_unpack("<QQ", data[0x98 : 0x98 + 16 * count])))
    if dump_type in (5, 6):
        first, bits = struct.unpack_from("<Q8xQ", data, 0x2020)
        present = [(pfn, 1) for pfn in range(bits) if data[0x2038 + pfn // 8] >> pfn % 8 & 1]
        return naive_offsets(first, present)
    first = struct.unpack_from("<Q", data, 0x2018)[0]
    return naive_offsets(first, list(struct.iter_unpack("<QQ", data[0x2030:first])))


@each_dump
def test_every_page_is_where_a_naive_reading_finds_it(path: Path, tmp_path: Path) -> None:
    data = unpacked(path)
    expected = naive_pages(data)
    copy = tmp_path / "copy.dmp"
    copy.write_bytes(data)
    with open_dump(copy) as dump:
        assert dump.pages is not None
        assert {pfn: dump.pages.offset_of(pfn) for pfn in expected} == expected
        around = {pfn + step for pfn in expected for step in (-1, 1)} - expected.keys()
        assert {dump.pages.offset_of(pfn) for pfn in around} == {None}
        assert dump.pages.end == dump.expected_bytes == max(expected.values()) + 0x1000
