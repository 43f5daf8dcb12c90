"""The samples, by whether an engine of 2017 can read them: it knows neither range dumps nor 5-level paging."""

from __future__ import annotations

from dataclasses import replace

from dumps import LARGE, SMALL

from samples.builder import SAMPLES, Sample
from samples.builder.page_tables import X64, X64_LA57
from samples.builder.writers import Bitmap, Complete, Format, active_pages, kernel_pages
from windbg_ext.structs.header import DumpType

OPENED = [
    sample
    for sample in SAMPLES
    if sample.format.dump_type in (*LARGE, SMALL) and sample.machine.page_tables is not X64_LA57
]
TOO_NEW = [sample for sample in SAMPLES if sample not in OPENED]

_OLDER_FORMATS: dict[DumpType, Format] = {
    DumpType.RANGES_KERNEL: Bitmap(DumpType.BITMAP_KERNEL, kernel_pages),
    DumpType.RANGES_KERNEL_AND_USER: Bitmap(DumpType.BITMAP_FULL, active_pages),
    DumpType.RANGES_FULL: Complete(),
}


def older(sample: Sample) -> Sample:
    """The same machine with 4-level paging, and the same choice of pages in a format that the engine knows."""
    form = _OLDER_FORMATS.get(sample.format.dump_type, sample.format)
    return replace(sample, machine=replace(sample.machine, page_tables=X64), format=form)
