"""The samples that an engine of 2017 can read: it knows neither range dumps nor 5-level paging."""

from __future__ import annotations

from dataclasses import replace

from support.dumps_at_hand import LARGE, SMALL

from samples.builder import SAMPLES, Sample
from samples.builder.page_tables import X64, X64_LA57
from samples.builder.physical import runs_of
from samples.builder.plausible import plausible_machine
from samples.builder.small import Small
from samples.builder.versions import WINDOWS_XP
from samples.builder.writers import Bitmap, Complete, Format, Summary, active_pages, kernel_pages
from windbg_ext.structs.header import DumpType

OPENED = [
    sample
    for sample in SAMPLES
    if sample.format.dump_type in (*LARGE, SMALL) and sample.machine.page_tables is not X64_LA57
]
TOO_NEW = [sample for sample in SAMPLES if sample not in OPENED]

_OF_WINDOWS_XP = plausible_machine(
    WINDOWS_XP, runs_of((0x1, 0x1F), (0x40, 0x24), (0x400, 0x5)), 0x400, processors=3, crashed=1
)
OF_WINDOWS_XP = [
    Sample("xp-complete", "every page of RAM", _OF_WINDOWS_XP, Complete()),
    Sample("xp-summary", "kernel memory", _OF_WINDOWS_XP, Summary(kernel_pages)),
    Sample("xp-small", "a small memory dump", _OF_WINDOWS_XP, Small()),
]
"""Dumps whose debugger data block has no offsets; they are not in samples/."""

_OLDER_FORMATS: dict[DumpType, Format] = {
    DumpType.RANGES_KERNEL: Bitmap(DumpType.BITMAP_KERNEL, kernel_pages),
    DumpType.RANGES_KERNEL_AND_USER: Bitmap(DumpType.BITMAP_FULL, active_pages),
    DumpType.RANGES_FULL: Complete(),
}


def older(sample: Sample) -> Sample:
    """Return the same machine with 4-level paging, and the same pages in a format that the engine knows."""
    form = _OLDER_FORMATS.get(sample.format.dump_type, sample.format)
    return replace(sample, machine=replace(sample.machine, page_tables=X64), format=form)
