"""The table of DumpTypes has all of them, each once, with what the pages on the formats say that follows the header."""

from __future__ import annotations

import pytest

from windbg_ext.dump.kinds import TABLE, Body, body_of
from windbg_ext.structs.header import DumpType

BODIES = {
    1: Body.RUNS,
    2: Body.SUMMARY,
    3: Body.NOTHING,
    4: Body.PARTS,
    5: Body.BITMAP,
    6: Body.BITMAP,
    7: Body.BITMAP,
    8: Body.RANGES,
    9: Body.RANGES,
    0xA: Body.RANGES,
}
"""docs/formats/pages.md and docs/formats/header.md."""


def test_each_dump_type_has_one_row() -> None:
    assert sorted(row.dump_type for row in TABLE) == sorted(DumpType)


@pytest.mark.parametrize(("dump_type", "body"), BODIES.items())
def test_the_type_tells_what_follows_the_header(dump_type: int, body: Body) -> None:
    assert body_of(dump_type) is body


@pytest.mark.parametrize("dump_type", [None, 0, 0xB, 0x45474150])
def test_nothing_is_known_to_follow_the_header_of_an_unknown_type(dump_type: int | None) -> None:
    assert body_of(dump_type) is Body.NOTHING
