"""Small dumps whose source had read errors, on the engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.failing_source import Disk
from support.raw_dump import RawDump
from support.source_memory import SourceMemory

from engine.agreement import measure_agreement
from engine.complaints import complaints
from samples.builder import SAMPLES, build
from samples.builder.places import X64_PLACES
from windbg_ext import minify

if TYPE_CHECKING:
    from engine.engine import Engine

SAMPLE = next(sample for sample in SAMPLES if sample.name == "complete-bitmap")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "MEMORY.DMP"
    path.write_bytes(build(SAMPLE))
    return path


def test_without_a_page_that_only_pointers_lead_to_the_engine_gives_all_the_same_answers(
    source: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pfn = SourceMemory(SAMPLE).crash_space.frame(X64_PLACES.objects)
    assert pfn is not None
    start = RawDump(source.read_bytes()).pages[pfn]
    Disk(((start, start + 0x1000),)).put_under_every_file(monkeypatch)
    small = Path(minify(source).destination)
    monkeypatch.undo()
    agreement = measure_agreement(engine, source, small)
    assert agreement.differences == ()
    assert agreement.asked == agreement.questions
    print(agreement)


def test_the_engine_shows_every_blob_of_secondary_data_but_the_one_that_could_not_be_read(
    source: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = SAMPLE.machine.secondary
    lost = blobs[1]
    at = source.read_bytes().rindex(lost.data)
    Disk(((at, at + 1),)).put_under_every_file(monkeypatch)
    small = Path(minify(source).destination)
    session = engine.ask(small, [".enumtag"])
    assert complaints(session) == []
    shown = session.answers[0].text.lower().replace("-", "")  # the engine omits the last dash of a GUID
    assert [blob.tag.hex in shown for blob in blobs] == [blob is not lost for blob in blobs]
