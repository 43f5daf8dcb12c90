"""Another parser finds the same pages in the samples."""

from __future__ import annotations

from pathlib import Path

import pytest
from raw_dump import RawDump

import samples
from samples.builder import SAMPLES, Sample, build

kdmp_parser = pytest.importorskip(
    "kdmp_parser", reason="kdmp-parser has no working wheel for this Python", exc_type=ImportError
)

FOLDER = Path(samples.__file__).parent
LARGE = [sample for sample in SAMPLES if sample.large]


@pytest.mark.parametrize("sample", LARGE, ids=lambda sample: sample.name)
def test_kdmp_parser_reads_the_same_pages(sample: Sample) -> None:
    dump = RawDump(build(sample))
    parser = kdmp_parser.KernelDumpParser(FOLDER / sample.file_name)
    limit = max(dump.pages) + 1
    if sample.name == "complete-bitmap":
        limit = limit // 8 * 8  # kdmp-parser 0.7.4 does not look into the bitmap's last byte if it is not full
    assert limit
    for pfn, offset in dump.pages.items():
        if pfn < limit:
            assert parser.read_physical_page(pfn * 0x1000) == dump.data[offset : offset + 0x1000], hex(pfn)
    absent = next(pfn for pfn in range(limit) if pfn not in dump.pages)
    assert parser.read_physical_page(absent * 0x1000) is None
