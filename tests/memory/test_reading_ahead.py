"""Memory of a dump on another machine: the same answers as from a file here, in few rounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.dumps_at_hand import SAMPLES, given_dumps, unpacked
from support.far import far, far_file

from windbg_ext import DumpError, HandFigures, dumpkind, minify, pagefilefit
from windbg_ext.dump import open_dump
from windbg_ext.kernel import DumpTarget
from windbg_ext.memory.far import FarMemory
from windbg_ext.memory.paging import PagedMemory
from windbg_ext.sources.local import LocalFile
from windbg_ext.sources.remote.transport import TransientError

if TYPE_CHECKING:
    from pathlib import Path

BY_DEFAULT = ("complete", "active", "kernel-la57", "arm64-kernel", "x86-pae-kernel", "ranges-kernel")
LARGE = sorted(path for path in SAMPLES.glob("*.dmp") if not path.stem.startswith(("small", "header")))
ROUNDS_OF_MINIFY, ROUNDS_OF_ONE_PROCESSOR, ROUNDS_OF_DUMPKIND = 150, 60, 12
"""What is asked for of any dump, and of those with one processor."""

each_sample = pytest.mark.parametrize(
    "path",
    [pytest.param(path, id=path.stem, marks=[] if path.stem in BY_DEFAULT else pytest.mark.slow) for path in LARGE],
)
each_given = pytest.mark.parametrize("packed", given_dumps(1, 5, 6), ids=lambda path: path.stem)


def small_dump(source: object, path: Path) -> bytes | str:
    """Return the small dump of a source, or why there is none, without the name of the source."""
    try:
        minify(source, path)  # type: ignore[arg-type]
    except DumpError as error:
        return str(type(error)(error.field, error.why, error.advice))
    return path.read_bytes()


@each_sample
def test_the_small_dump_of_a_far_source_is_that_of_the_file(path: Path, tmp_path: Path) -> None:
    source = far_file(path)
    assert small_dump(source, tmp_path / "far.dmp") == small_dump(path, tmp_path / "local.dmp")
    assert source.traffic.rounds <= ROUNDS_OF_ONE_PROCESSOR


@each_sample
def test_dumpkind_and_pagefilefit_say_of_a_far_source_what_they_say_of_the_file(path: Path) -> None:
    source, of_file = far_file(path), dumpkind(path, details=True)
    of_far = dumpkind(source, details=True)
    assert of_far._replace(path="", traffic=None) == of_file._replace(path="")
    assert of_far.traffic == source.traffic
    figures = HandFigures(ram=1 << 30)
    counted = pagefilefit(far_file(path), by_hand=figures).kernel_pages
    assert counted == pagefilefit(path, by_hand=figures).kernel_pages


@each_given
def test_a_real_dump_far_away_takes_no_more_rounds_than_asked_for(
    packed: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = unpacked(packed, tmp_path_factory.getbasetemp())
    source = far_file(path)
    assert small_dump(source, tmp_path / "far.dmp") == small_dump(path, tmp_path / "local.dmp")
    with open_dump(path) as dump:
        most = ROUNDS_OF_ONE_PROCESSOR if dump.header.number_processors == 1 else ROUNDS_OF_MINIFY
    assert source.traffic.rounds < most  # confirming that nothing changed takes one more, with some protocols
    other = far_file(path)
    dumpkind(other)
    assert other.traffic.rounds < ROUNDS_OF_DUMPKIND


def test_memory_of_a_file_here_does_not_look_ahead() -> None:
    with open_dump(SAMPLES / "complete.dmp") as dump:
        assert isinstance(DumpTarget(dump).memory, PagedMemory)
    with open_dump(far_file(SAMPLES / "complete.dmp")) as dump:
        assert isinstance(DumpTarget(dump).memory, FarMemory)


def test_a_file_here_is_read_as_often_as_without_reading_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read of it is read when it is asked for: as often as pages, and no page twice."""
    asked: list[tuple[int, int]] = []
    read = LocalFile.read

    def noted(self: LocalFile, offset: int, length: int) -> bytes:
        asked.append((offset, length))
        return read(self, offset, length)

    monkeypatch.setattr(LocalFile, "read", noted)
    minify(SAMPLES / "complete.dmp", tmp_path / "small.dmp")
    pages = [place for place in asked if place[1] == 0x1000]
    assert len(pages) == len(set(pages))


def test_a_connection_that_is_lost_while_memory_is_read_leaves_no_small_dump(tmp_path: Path) -> None:
    data = (SAMPLES / "complete.dmp").read_bytes()
    lost = TransientError("the connection was closed")
    broken, _ = far(data, lambda number, _, answer: lost if number > 3 else answer)
    with pytest.raises(DumpError, match="the connection was closed; tried 3 times"):
        minify(broken, tmp_path / "small.dmp")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rounds", range(12))
def test_dumpkind_never_takes_a_lost_connection_for_missing_memory(rounds: int) -> None:
    data = (SAMPLES / "complete.dmp").read_bytes()
    lost = TransientError("the connection was closed")
    source, served = far(data, lambda number, _, answer: lost if number > rounds else answer)
    report = dumpkind(source)
    if len(served.rounds) > rounds:
        assert report.problems == ("connection: the connection was closed; tried 3 times in 0 s",)
    else:
        assert report.problems == ()
