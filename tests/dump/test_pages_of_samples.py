"""Every page of the samples, and of other people's dumps, is where a naive reading finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.dumps_at_hand import content, large_64_bit_dumps
from support.raw_dump import RawDump

from windbg_ext.dump import open_dump

if TYPE_CHECKING:
    from pathlib import Path

each_dump = pytest.mark.parametrize("path", large_64_bit_dumps(), ids=lambda path: path.name)


@each_dump
def test_every_page_is_where_a_naive_reading_finds_it(path: Path, tmp_path: Path) -> None:
    data = content(path)
    expected = RawDump(data).pages
    copy = tmp_path / "copy.dmp"
    copy.write_bytes(data)
    with open_dump(copy) as dump:
        assert dump.pages is not None
        assert {pfn: dump.pages.offset_of(pfn) for pfn in expected} == expected
        around = {pfn + step for pfn in expected for step in (-1, 1)} - expected.keys()
        assert {dump.pages.offset_of(pfn) for pfn in around} == {None}
        assert dump.pages.end == dump.expected_bytes == max(expected.values()) + 0x1000
