"""The dumps in samples/ are what the builder makes, and small."""

from __future__ import annotations

from pathlib import Path

import pytest

import samples
from samples.builder import SAMPLES, Sample, build, write

FOLDER = Path(samples.__file__).parent


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_sample_is_built_again_byte_for_byte(sample: Sample) -> None:
    assert build(sample) == (FOLDER / sample.file_name).read_bytes()


def test_a_file_written_to_disk_is_the_same_as_one_built_in_memory(tmp_path: Path) -> None:
    write(SAMPLES[0], tmp_path / "written.dmp")
    assert (tmp_path / "written.dmp").read_bytes() == build(SAMPLES[0])


def test_the_folder_holds_the_dumps_of_the_catalog_and_no_other() -> None:
    assert sorted(path.name for path in FOLDER.glob("*.dmp")) == sorted(sample.file_name for sample in SAMPLES)


def test_the_folder_stays_under_6_mb() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) < 6_000_000


def test_every_kind_of_dump_has_a_sample() -> None:
    types = {int(sample.format.dump_type) for sample in SAMPLES}
    assert types == {1, 2, 4, 5, 6, 8, 9, 0xA}
