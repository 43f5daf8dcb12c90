"""What the kernel of a live session uses: from the variables that its debugger data block leads to, and its modules."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

from samples.builder import SAMPLES, build
from windbg_ext.commands.pagefilefit import DumpKind, HandFigures, PagingFile, Verdict, pagefilefit
from windbg_ext.commands.pagefilefit.kernel_use import Driver, KernelUse, kernel_in_use
from windbg_ext.dump import open_dump
from windbg_ext.kernel import DumpTarget
from windbg_ext.render.pagefilefit import pagefilefit_document
from windbg_ext.render.text import write_text

if TYPE_CHECKING:
    from samples.builder.catalog import Sample

COMPLETE = next(sample for sample in SAMPLES if sample.name == "complete")
MB, GB = 1 << 20, 1 << 30
SHARED_DATA = 0xFFFFF780_00000000
"""KUSER_SHARED_DATA, whose first bytes are other numbers in the sample."""


def in_use(sample: Sample, **shared: int) -> KernelUse:
    """Return what the kernel of a sample uses, with fields of its debugger data block that lead to numbers."""
    version = sample.machine.version
    fields = dict.fromkeys(shared, SHARED_DATA + 744)
    machine = replace(sample.machine, version=replace(version, debugger_data={**version.debugger_data, **fields}))
    numbers = next(iter(shared.values()), 0)
    data = build(replace(sample, machine=machine), lambda crashed: crashed.write_u64(SHARED_DATA + 0x2E8, numbers))
    with open_dump(io.BytesIO(data)) as dump:
        return kernel_in_use(DumpTarget(dump))


def test_drivers_are_the_loaded_modules_with_the_sizes_of_their_images() -> None:
    use = in_use(COMPLETE, MmPagedPoolCommit=0, MmAllocatedNonPagedPool=0)
    assert {(driver.name, driver.bytes) for driver in use.drivers} >= {
        (module.name, module.size) for module in COMPLETE.machine.modules
    }
    assert (use.paged, use.nonpaged, use.about) == (None, None, None)


def test_the_pools_of_a_sample_are_those_that_its_builder_put_there() -> None:
    """samples/builder/kernel.py: 0x1234 pages of paged pool and 0x2A00 of nonpaged pool."""
    use = in_use(COMPLETE)
    assert (use.paged, use.nonpaged) == (0x1234 * 4096, 0x2A00 * 4096)


def test_pools_are_the_pages_that_the_block_leads_to() -> None:
    use = in_use(COMPLETE, MmPagedPoolCommit=5000, MmAllocatedNonPagedPool=5000, MmPeakCommitment=5000)
    assert (use.paged, use.nonpaged, use.peak_commit) == (5000 * 4096,) * 3
    assert use.about == 10_000 * 4096 + use.images


def test_an_absurd_pool_is_not_known() -> None:
    assert in_use(COMPLETE, MmPagedPoolCommit=1 << 60).paged is None


def fixed(size: int, use: KernelUse) -> Verdict:
    hand = HandFigures(ram=16 * GB, paging_files=(PagingFile("C:\\pagefile.sys", size, size),))
    return pagefilefit(by_hand=hand, kernel_use=use).kind(DumpKind.AUTOMATIC).verdict


def test_with_both_pools_the_sum_decides_and_without_them_only_the_pages() -> None:
    known = KernelUse(300 * MB, 200 * MB, (Driver("a.sys", MB),), (), None, "here")
    unknown = replace(known, paged=None, nonpaged=None)
    assert [fixed(size * MB, known) for size in (501, 500, 199)] == [
        Verdict.LIKELY,
        Verdict.CANNOT_BE_TOLD,
        Verdict.DOES_NOT_FIT,
    ]
    assert fixed(199 * MB, unknown) is Verdict.CANNOT_BE_TOLD
    text = write_text(pagefilefit_document(pagefilefit(by_hand=HandFigures(ram=GB), kernel_use=unknown)))
    assert "Kernel uses   its pools are not known, 1 driver 1 MB (from here)" in text
