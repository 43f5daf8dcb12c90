"""The samples: a machine each, and the kind of dump that it is written as."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO, Callable

from samples.builder.crashed_machine import CrashedMachine
from samples.builder.headers import Writer
from samples.builder.kernel import crash
from samples.builder.page_tables import X64_LA57
from samples.builder.physical import runs_of
from samples.builder.plausible import plausible_machine, system_thread_exception_crash, unloaded_drivers
from samples.builder.small import Small
from samples.builder.versions import (
    WINDOWS_7,
    WINDOWS_7_X86,
    WINDOWS_8_1,
    WINDOWS_10,
    WINDOWS_10_X86,
    WINDOWS_11,
    WINDOWS_11_ARM64,
)
from samples.builder.writers import Bitmap, Complete, Format, Ranges, Summary, active_pages, all_ram, kernel_pages
from windbg_ext.structs.header import Attributes, DumpType

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from samples.builder.machine import Machine
    from windbg_ext.structs.structure import Value

Tweak = Callable[[CrashedMachine], None]


@dataclass(frozen=True)
class Sample:
    """A ready-made dump. name: of the file, without `.dmp`; about: what is special about it."""

    name: str
    about: str
    machine: Machine
    format: Format

    @property
    def large(self) -> bool:
        """Whether it holds pages of memory, so that a small dump can be made of it."""
        return self.format.dump_type not in (DumpType.TRIAGE, DumpType.HEADER)

    @property
    def file_name(self) -> str:
        """The name of its file."""
        return f"{self.name}.dmp"


def build(sample: Sample, tweak: Tweak | None = None, header: Mapping[str, Value] | None = None) -> bytes:
    """Make the dump of a sample, the same bytes every time.

    tweak: changes the memory of the crashed machine before it is written; header: DUMP_HEADER64 fields to set to
    something else. Both are there for damaged and hostile variants.
    """
    out = io.BytesIO()
    _write(sample, out, tweak, header)
    return out.getvalue()


def write(sample: Sample, path: Path, tweak: Tweak | None = None, header: Mapping[str, Value] | None = None) -> None:
    """Write the dump to a file that is sparse where RAM is empty; see `build`."""
    with path.open("wb") as out:
        _write(sample, out, tweak, header)


def _write(sample: Sample, out: BinaryIO, tweak: Tweak | None, header: Mapping[str, Value] | None) -> None:
    crashed = crash(sample.machine)
    if tweak is not None:
        tweak(crashed)
    sample.format.write(crashed, out, header or {})


MIB = 0x100
"""Number of page frames in a MiB."""

GIB_RAM = runs_of((0x1, 0x9E), (0x100, 1023 * MIB - 0x800), (0x3F8FB, 0x105))
ODD_RAM = runs_of((0x1, 0x9E), (0x100, 700 * MIB), (0x30001, 300 * MIB + 2))
"""Its last page frame is 0x42c02: the bitmap ends within a byte."""

ACTIVE = Attributes.FILTER_DUMP_FILE
TWO_WINDOWS_8_1 = plausible_machine(WINDOWS_8_1, runs_of((0x1, 0x1F), (0x40, 0x24), (0x200, 0x5)), 0x200)
TWO_WINDOWS_10 = plausible_machine(WINDOWS_10, GIB_RAM, 0x3000, crashed=1)
FOUR_WINDOWS_7 = plausible_machine(
    WINDOWS_7, runs_of((0x1, 0x2C), (0x50, 0x27), (0x200, 0x5)), 0x200, processors=4, crashed=2
)
THREE_X86 = plausible_machine(
    WINDOWS_7_X86, runs_of((0x1, 0x1F), (0x40, 0x24), (0x400, 0x5)), 0x400, processors=3, crashed=1
)
THREE_X86_PAE = plausible_machine(
    WINDOWS_10_X86, runs_of((0x1, 0x1F), (0x40, 0x34), (0x200, 0x5)), 0x200, processors=3, crashed=1
)
THREE_ARM64 = plausible_machine(
    WINDOWS_11_ARM64, runs_of((0x8001, 0x1F), (0x8040, 0x44), (0x8200, 0x5)), 0x8200, processors=3, crashed=1
)

SAMPLES: tuple[Sample, ...] = (
    Sample("complete", "every page of RAM, four processors", FOUR_WINDOWS_7, Complete()),
    Sample(
        "complete-bitmap",
        "every page of RAM, written by a debugger: the first page is not aligned",
        plausible_machine(
            WINDOWS_10, runs_of((0x1, 0x1F), (0x40, 0x30), (0x200, 0x5)), 0x200, crash=system_thread_exception_crash()
        ),
        Bitmap(DumpType.BITMAP_FULL, all_ram, signature=b"FDMP", writer=Writer.DEBUGGER),
    ),
    Sample(
        "active",
        "active memory of 1 GiB of RAM, extended processor state, CR3 with a PCID, a full ring of unloaded drivers",
        replace(
            plausible_machine(WINDOWS_11, ODD_RAM, 0x20000, extended_state=True),
            process_context_id=2,
            unloaded_drivers=unloaded_drivers(50),
            last_unloaded_driver=23,
        ),
        Bitmap(DumpType.BITMAP_FULL, active_pages, attributes=ACTIVE),
    ),
    Sample(
        "kernel",
        "kernel memory of 1 GiB of RAM, three processors",
        plausible_machine(WINDOWS_8_1, GIB_RAM, 0x3000, processors=3),
        Bitmap(DumpType.BITMAP_KERNEL, kernel_pages),
    ),
    Sample(
        "kernel-la57",
        "kernel memory of a machine with 5-level paging, which debuggers before 2019 cannot read",
        replace(plausible_machine(WINDOWS_8_1, GIB_RAM, 0x3000), page_tables=X64_LA57),
        Bitmap(DumpType.BITMAP_KERNEL, kernel_pages),
    ),
    Sample("ranges-kernel", "as `.dump /k` writes it", TWO_WINDOWS_8_1, Ranges(DumpType.RANGES_KERNEL, kernel_pages)),
    Sample(
        "ranges-active",
        "as `.dump /ka` writes it",
        TWO_WINDOWS_8_1,
        Ranges(DumpType.RANGES_KERNEL_AND_USER, active_pages),
    ),
    Sample("ranges-complete", "as `.dump /f` writes it", TWO_WINDOWS_8_1, Ranges(DumpType.RANGES_FULL, all_ram)),
    Sample("small", "a small memory dump, as a debugger writes it", TWO_WINDOWS_10, Small()),
    Sample("x86-complete", "32-bit Windows 7 without PAE, every page of RAM", THREE_X86, Complete()),
    Sample("x86-summary", "the same, as 32-bit Windows up to 7 writes a kernel dump", THREE_X86, Summary(kernel_pages)),
    Sample("x86-kernel", "the same, as a bitmap", THREE_X86, Bitmap(DumpType.BITMAP_KERNEL, kernel_pages)),
    Sample("x86-small", "the same, a small memory dump", THREE_X86, Small()),
    Sample("x86-pae-complete", "32-bit Windows 10, every page of RAM", THREE_X86_PAE, Complete()),
    Sample(
        "x86-pae-kernel",
        "the same, kernel memory",
        THREE_X86_PAE,
        Bitmap(DumpType.BITMAP_KERNEL, kernel_pages),
    ),
    Sample("x86-pae-small", "the same, a small memory dump", THREE_X86_PAE, Small()),
    Sample("arm64-complete", "Windows 11 on ARM64, every page of RAM", THREE_ARM64, Complete()),
    Sample(
        "arm64-kernel",
        "the same, kernel memory",
        THREE_ARM64,
        Bitmap(DumpType.BITMAP_KERNEL, kernel_pages),
    ),
    Sample("arm64-small", "the same, a small memory dump", THREE_ARM64, Small()),
)
