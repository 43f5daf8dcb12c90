"""Small dumps beside those that Windows itself wrote at the same crash: WINDBG_EXT_DUMPS names a folder with both."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import pytest
from engine.engine_coverage import measure_coverage
from support.dumps_at_hand import AMD64, LARGE, SMALL, content, given_dumps, unpacked
from support.small_dump_file import SmallDumpFile

from windbg_ext import minify

if TYPE_CHECKING:
    from pathlib import Path

    from _pytest.mark import ParameterSet

MAX_RATIO = 1.5
LEAST = {0xEF: 99.0, 0x1000007E: 99.0, 0x9F: 95.0}
"""Percent of what Windows saved, by bug check."""
WITHOUT_REGISTERED_BLOCKS = 26100
"""From this build on, Windows does not save the table of what drivers registered, so large dumps made of its small ones
cannot lead to it."""


class Crash(NamedTuple):
    """What two dumps of one crash share."""

    code: int
    parameters: tuple[int, ...]
    time: int


def crash_of(header: bytes) -> Crash:
    """Return it from a DUMP_HEADER64 (mindumpdef.h)."""
    (code,) = struct.unpack_from("<I", header, 0x38)
    return Crash(code, struct.unpack_from("<4Q", header, 0x40), struct.unpack_from("<Q", header, 0xFA8)[0])


def pairs() -> list[ParameterSet]:
    """Return the large and the small dump of each crash that there are both of."""
    large = {crash_of(content(path)[:0x2000]): path for path in given_dumps(*LARGE, machine=AMD64)}
    found = []
    for small in given_dumps(SMALL, machine=AMD64):
        header = content(small)[:0x2000]
        build = struct.unpack_from("<I", header, 0x0C)[0]
        if crash_of(header) in large and build < WITHOUT_REGISTERED_BLOCKS:
            found.append(pytest.param(large[crash_of(header)], small, id=small.name))
    missing = pytest.mark.skip(reason="WINDBG_EXT_DUMPS names no folder with dumps of one crash")
    return found or [pytest.param(None, None, marks=missing, id="none")]


@pytest.mark.parametrize(("large", "by_windows"), pairs())
def test_a_small_dump_holds_what_windows_itself_saved_and_is_not_much_larger(
    large: Path, by_windows: Path, tmp_path: Path
) -> None:
    ours = tmp_path / "ours.dmp"
    report = minify(unpacked(large, tmp_path), ours)
    reference = unpacked(by_windows, tmp_path)
    coverage = measure_coverage(reference, ours)
    print(coverage)
    assert coverage.quadwords > 1000
    assert coverage.percent >= LEAST.get(crash_of(reference.read_bytes()[:0x2000]).code, 95.0)
    assert coverage.ratio <= MAX_RATIO
    assert report.complete
    assert len(SmallDumpFile(ours).drivers) == report.modules
