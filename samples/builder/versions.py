"""Differences between kernels: the size of the debugger data block, and the sizes and offsets in it.

Sources: the debugger data blocks of real dumps (all of 19041, 26100 and 22000 on ARM64, the structure sizes of 7601 and
9600 on x64), public symbols as `dt` prints them, the debugger engine's small dumps of 2600 (the structure sizes there).
Values without a source are plausible: in 7601 and 9600 what lies in the PRCB behind its first 0x600 bytes, and
OffsetEThreadIrpList; 26100's build string; of 32-bit kernels what lies in the PRCB behind ProcessorState, the sizes of
19041's structures, and the offsets in its EPROCESS behind the KPROCESS. Debuggers use the offsets of the block, so the
dumps are consistent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from samples.builder import page_tables
from samples.builder.architectures import ARM64, X64, X86

if TYPE_CHECKING:
    from collections.abc import Mapping

    from samples.builder.architectures import Architecture
    from samples.builder.page_tables import PageTables


@dataclass(frozen=True)
class UntoldOffsets:
    """Offsets that the debugger data block does not have, or only in some versions.

    unique_process_id, active_process_links, image_file_name: of EPROCESS; stack_limit, stack_base: of KTHREAD;
    idle_thread: of KPRCB.
    """

    unique_process_id: int
    active_process_links: int
    image_file_name: int
    stack_limit: int = 0x30
    stack_base: int = 0x38
    idle_thread: int = 0x18


@dataclass(frozen=True)
class KernelVersion:
    """One build of Windows.

    debugger_data: KDDEBUGGER_DATA64 fields that are numbers, not addresses; debugger_data_tail: its bytes from 0x368
    on, which no public header names; self_map: entry of the highest level of page tables that points at that level.
    """

    build: int
    build_lab: str
    major_version: int
    minor_version: int
    debugger_data_size: int
    debugger_data: Mapping[str, int]
    untold: UntoldOffsets
    self_map: int
    architecture: Architecture = X64
    page_tables: PageTables = page_tables.X64
    debugger_data_tail: bytes = field(default=b"", repr=False)

    def number(self, name: str) -> int:
        """Return the size or offset with this KDDEBUGGER_DATA64 name."""
        return self.debugger_data[name]


SELECTORS = {
    "GdtR0Code": 0x10,
    "GdtR0Data": 0x18,
    "GdtR3Code": 0x33,
    "GdtR3Data": 0x2B,
    "GdtTss": 0x40,
    "Gdt64R3CmCode": 0x23,
    "Gdt64R3CmTeb": 0x53,
}

PROCESSOR_CONTROL_REGION = {"OffsetPcrSelfPcr": 0x18, "OffsetPcrCurrentPrcb": 0x20, "OffsetPcrContainedPrcb": 0x180}

WINDOWS_7 = KernelVersion(
    build=7601,
    build_lab="7601.17514.amd64fre.win7sp1_rtm.101119-1850",
    major_version=6,
    minor_version=1,
    debugger_data_size=0x340,
    debugger_data={
        **SELECTORS,
        **PROCESSOR_CONTROL_REGION,
        "OffsetKThreadTeb": 0xB8,
        "OffsetKThreadKernelStack": 0x38,
        "OffsetKThreadInitialStack": 0x28,
        "OffsetKThreadApcProcess": 0x70,
        "OffsetKThreadState": 0x164,
        "SizeEProcess": 0x4D0,
        "OffsetEprocessPeb": 0x338,
        "OffsetEprocessParentCID": 0x290,
        "OffsetEprocessDirectoryTableBase": 0x28,
        "SizePrcb": 0x4D00,
        "OffsetPrcbDpcRoutine": 0x21EA,
        "OffsetPrcbCurrentThread": 0x8,
        "OffsetPrcbMhz": 0x5F4,
        "OffsetPrcbCpuType": 0x5F0,
        "OffsetPrcbVendorString": 0x4BB8,
        "OffsetPrcbProcStateContext": 0x120,
        "OffsetPrcbNumber": 0x24,
        "SizeEThread": 0x4A8,
        "SizePcr": 0x4E80,
        "OffsetPrcbProcStateSpecialReg": 0x40,
        "OffsetPrcbContext": 0x4BD8,
    },
    untold=UntoldOffsets(unique_process_id=0x180, active_process_links=0x188, image_file_name=0x2E0, stack_base=0x278),
    self_map=0x1ED,
)

THREAD_SINCE_8 = {
    "OffsetKThreadNextProcessor": 0x218,
    "OffsetKThreadTeb": 0xF0,
    "OffsetKThreadKernelStack": 0x58,
    "OffsetKThreadInitialStack": 0x28,
    "OffsetKThreadApcProcess": 0xB8,
    "OffsetKThreadState": 0x184,
    "OffsetKThreadStackLimit": 0x30,
    "OffsetKThreadStackBase": 0x38,
    "OffsetKThreadQueueListEntry": 0x208,
    "OffsetKThreadWaitReason": 0x283,
    "OffsetPrcbIdleThread": 0x18,
    "SizeKDPC_STACK_FRAME": 0x50,
    "OffsetKPriQueueThreadListHead": 0x2A0,
}

WINDOWS_8_1 = KernelVersion(
    build=9600,
    build_lab="9600.17415.amd64fre.winblue_r4.141028-1500",
    major_version=6,
    minor_version=3,
    debugger_data_size=0x360,
    debugger_data={
        **SELECTORS,
        **PROCESSOR_CONTROL_REGION,
        **THREAD_SINCE_8,
        "SizeEProcess": 0x6F0,
        "OffsetEprocessPeb": 0x3E8,
        "OffsetEprocessParentCID": 0x3E0,
        "OffsetEprocessDirectoryTableBase": 0x28,
        "SizePrcb": 0x5D80,
        "OffsetPrcbDpcRoutine": 0x2DCA,
        "OffsetPrcbCurrentThread": 0x8,
        "OffsetPrcbMhz": 0x5F4,
        "OffsetPrcbCpuType": 0x5F0,
        "OffsetPrcbVendorString": 0x5BB8,
        "OffsetPrcbProcStateContext": 0x120,
        "OffsetPrcbNumber": 0x24,
        "SizeEThread": 0x778,
        "SizePcr": 0x5F00,
        "OffsetPrcbProcStateSpecialReg": 0x40,
        "OffsetPrcbContext": 0x5BD8,
        "OffsetEThreadIrpList": 0x680,
        "OffsetPrcbNormalDpcState": 0x2DCC,
        "OffsetPrcbDpcStack": 0x2DB0,
        "OffsetPrcbIsrStack": 0x5BF0,
    },
    untold=UntoldOffsets(unique_process_id=0x2E0, active_process_links=0x2E8, image_file_name=0x438),
    self_map=0x1ED,
)

WINDOWS_10 = KernelVersion(
    build=19041,
    build_lab="19041.1.amd64fre.vb_release.191206-1406",
    major_version=10,
    minor_version=0,
    debugger_data_size=0x380,
    debugger_data={
        **SELECTORS,
        **PROCESSOR_CONTROL_REGION,
        **THREAD_SINCE_8,
        "SizeEProcess": 0xA40,
        "OffsetEprocessPeb": 0x550,
        "OffsetEprocessParentCID": 0x540,
        "OffsetEprocessDirectoryTableBase": 0x28,
        "SizePrcb": 0xAF00,
        "OffsetPrcbDpcRoutine": 0x312A,
        "OffsetPrcbCurrentThread": 0x8,
        "OffsetPrcbMhz": 0x44,
        "OffsetPrcbCpuType": 0x40,
        "OffsetPrcbVendorString": 0x8590,
        "OffsetPrcbProcStateContext": 0x1F0,
        "OffsetPrcbNumber": 0x24,
        "SizeEThread": 0x898,
        "SizePcr": 0xB080,
        "OffsetPrcbProcStateSpecialReg": 0x100,
        "OffsetPrcbContext": 0x85C0,
        "OffsetEThreadIrpList": 0x4B0,
        "OffsetPrcbNormalDpcState": 0x312C,
        "OffsetPrcbDpcStack": 0x3110,
        "OffsetPrcbIsrStack": 0x85D8,
    },
    untold=UntoldOffsets(unique_process_id=0x440, active_process_links=0x448, image_file_name=0x5A8),
    self_map=0x12D,
    debugger_data_tail=bytes(0x18),
)

WINDOWS_11 = KernelVersion(
    build=26100,
    build_lab="26100.1.amd64fre.ge_release.240331-1435",
    major_version=10,
    minor_version=0,
    debugger_data_size=0x3A0,
    debugger_data={
        **SELECTORS,
        **PROCESSOR_CONTROL_REGION,
        **THREAD_SINCE_8,
        # since 24H2 without the privilege bits
        "GdtR3Code": 0x30,
        "GdtR3Data": 0x28,
        "Gdt64R3CmCode": 0x20,
        "Gdt64R3CmTeb": 0x50,
        "SizeEProcess": 0x840,
        "OffsetEprocessPeb": 0x2E0,
        "OffsetEprocessParentCID": 0x2D0,
        "OffsetEprocessDirectoryTableBase": 0x28,
        "SizePrcb": 0xCF00,
        "OffsetPrcbDpcRoutine": 0x38BA,
        "OffsetPrcbCurrentThread": 0x8,
        "OffsetPrcbMhz": 0x44,
        "OffsetPrcbCpuType": 0x40,
        "OffsetPrcbVendorString": 0x8F90,
        "OffsetPrcbProcStateContext": 0x1F0,
        "OffsetPrcbNumber": 0x24,
        "SizeEThread": 0x788,
        "SizePcr": 0xD080,
        "OffsetPrcbProcStateSpecialReg": 0x100,
        "OffsetPrcbContext": 0x8FC0,
        "OffsetEThreadIrpList": 0x540,
        "OffsetPrcbNormalDpcState": 0x38BC,
        "OffsetPrcbDpcStack": 0x38A0,
        "OffsetPrcbIsrStack": 0x8FD8,
    },
    untold=UntoldOffsets(unique_process_id=0x1D0, active_process_links=0x1D8, image_file_name=0x338),
    self_map=0x1A9,
    debugger_data_tail=bytes(0x38),
)

SELECTORS_X86 = {
    "GdtR0Code": 0x8,
    "GdtR0Data": 0x10,
    "GdtR0Pcr": 0x30,
    "GdtR3Code": 0x1B,
    "GdtR3Data": 0x23,
    "GdtR3Teb": 0x3B,
    "GdtLdt": 0x48,
    "GdtTss": 0x28,
}
PROCESSOR_CONTROL_REGION_X86 = {
    "OffsetPcrSelfPcr": 0x1C,
    "OffsetPcrCurrentPrcb": 0x20,
    "OffsetPcrContainedPrcb": 0x120,
    "OffsetPcrInitialStack": 0x4,
    "OffsetPcrStackLimit": 0x8,
    "OffsetPrcbCurrentThread": 0x4,
    "OffsetPrcbCpuType": 0x14,
    "OffsetPrcbProcStateContext": 0x18,
    "OffsetPrcbProcStateSpecialReg": 0x2E4,
    "OffsetPrcbMhz": 0x3C0,
    "OffsetPrcbNumber": 0x3CC,
}

WINDOWS_XP = KernelVersion(
    build=2600,
    build_lab="2600.xpsp.080413-2111",
    major_version=5,
    minor_version=1,
    debugger_data_size=0x290,
    debugger_data={
        **PROCESSOR_CONTROL_REGION_X86,
        "OffsetPrcbCpuType": 0x18,
        "OffsetPrcbProcStateContext": 0x1C,
        "OffsetPrcbProcStateSpecialReg": 0x2E8,
        "OffsetPrcbNumber": 0x10,
        "OffsetPrcbMhz": 0x4A0,
        "OffsetPrcbVendorString": 0x900,
        "OffsetKThreadTeb": 0x20,
        "OffsetKThreadKernelStack": 0x28,
        "OffsetKThreadInitialStack": 0x18,
        "OffsetKThreadApcProcess": 0x44,
        "OffsetKThreadState": 0x2D,
        "SizeEProcess": 0x258,
        "OffsetEprocessPeb": 0x1B0,
        "OffsetEprocessParentCID": 0x14C,
        "OffsetEprocessDirectoryTableBase": 0x18,
        "SizePrcb": 0x9F0,
        "SizeEThread": 0x258,
        "SizePcr": 0xB10,
    },
    untold=UntoldOffsets(
        unique_process_id=0x84,
        active_process_links=0x88,
        image_file_name=0x174,
        stack_limit=0x1C,
        stack_base=0x168,
        idle_thread=0xC,
    ),
    self_map=0x300,
    architecture=X86,
    page_tables=page_tables.X86,
)
"""Its block ends before all of these numbers. Debuggers have those of this build built in."""

WINDOWS_7_X86 = KernelVersion(
    build=7601,
    build_lab="7601.17514.x86fre.win7sp1_rtm.101119-1850",
    major_version=6,
    minor_version=1,
    debugger_data_size=0x340,
    debugger_data={
        **SELECTORS_X86,
        **PROCESSOR_CONTROL_REGION_X86,
        "OffsetKThreadNextProcessor": 0x58,
        "OffsetKThreadTeb": 0x88,
        "OffsetKThreadKernelStack": 0x30,
        "OffsetKThreadInitialStack": 0x28,
        "OffsetKThreadApcProcess": 0x50,
        "OffsetKThreadState": 0x68,
        "SizeEProcess": 0x2C0,
        "OffsetEprocessPeb": 0x1A8,
        "OffsetEprocessParentCID": 0x140,
        "OffsetEprocessDirectoryTableBase": 0x18,
        "SizePrcb": 0x3628,
        "OffsetPrcbDpcRoutine": 0x1932,
        "OffsetPrcbVendorString": 0x33B4,
        "SizeEThread": 0x2B8,
        "SizePcr": 0x3748,
        "OffsetPrcbContext": 0x3620,
    },
    untold=UntoldOffsets(
        unique_process_id=0xB4,
        active_process_links=0xB8,
        image_file_name=0x16C,
        stack_limit=0x2C,
        stack_base=0x190,
        idle_thread=0xC,
    ),
    self_map=0x300,
    architecture=X86,
    page_tables=page_tables.X86,
)

WINDOWS_10_X86 = KernelVersion(
    build=19041,
    build_lab="19041.1.x86fre.vb_release.191206-1406",
    major_version=10,
    minor_version=0,
    debugger_data_size=0x380,
    debugger_data={
        **SELECTORS_X86,
        **PROCESSOR_CONTROL_REGION_X86,
        "OffsetKThreadNextProcessor": 0x13C,
        "OffsetKThreadTeb": 0xA8,
        "OffsetKThreadKernelStack": 0x48,
        "OffsetKThreadInitialStack": 0x20,
        "OffsetKThreadApcProcess": 0x80,
        "OffsetKThreadState": 0x90,
        "OffsetKThreadStackLimit": 0x24,
        "OffsetKThreadStackBase": 0x28,
        "OffsetKThreadQueueListEntry": 0x12C,
        "OffsetKThreadWaitReason": 0x187,
        "SizeEProcess": 0x3C8,
        "OffsetEprocessPeb": 0x184,
        "OffsetEprocessParentCID": 0x17C,
        "OffsetEprocessDirectoryTableBase": 0x18,
        "SizePrcb": 0x5700,
        "OffsetPrcbDpcRoutine": 0x2226,
        "OffsetPrcbVendorString": 0x3BE4,
        "SizeEThread": 0x468,
        "SizePcr": 0x5820,
        "OffsetPrcbContext": 0x3CA0,
        "OffsetEThreadIrpList": 0x2E4,
        "OffsetPrcbIdleThread": 0xC,
        "OffsetPrcbNormalDpcState": 0x2228,
        "OffsetPrcbDpcStack": 0x2214,
        "OffsetPrcbIsrStack": 0x3CB0,
        "SizeKDPC_STACK_FRAME": 0x18,
        "OffsetKPriQueueThreadListHead": 0x198,
    },
    untold=UntoldOffsets(
        unique_process_id=0xB4,
        active_process_links=0xB8,
        image_file_name=0x1AC,
        stack_limit=0x24,
        stack_base=0x28,
        idle_thread=0xC,
    ),
    self_map=0x600,
    architecture=X86,
    page_tables=page_tables.X86_PAE,
    debugger_data_tail=bytes(0x18),
)

WINDOWS_11_ARM64 = KernelVersion(
    build=22000,
    build_lab="22000.1.arm64fre.co_release.210604-1628",
    major_version=10,
    minor_version=0,
    debugger_data_size=0x380,
    debugger_data={
        "OffsetKThreadNextProcessor": 0x238,
        "OffsetKThreadTeb": 0xE8,
        "OffsetKThreadKernelStack": 0x58,
        "OffsetKThreadInitialStack": 0x28,
        "OffsetKThreadApcProcess": 0xB0,
        "OffsetKThreadState": 0x17C,
        "OffsetKThreadStackLimit": 0x30,
        "OffsetKThreadStackBase": 0x38,
        "OffsetKThreadQueueListEntry": 0x200,
        "OffsetKThreadWaitReason": 0x2A3,
        "SizeEProcess": 0xC80,
        "OffsetEprocessPeb": 0x508,
        "OffsetEprocessParentCID": 0x4F8,
        "OffsetEprocessDirectoryTableBase": 0x28,
        "SizePrcb": 0x9680,
        "OffsetPrcbDpcRoutine": 0xB1A,
        "OffsetPrcbCurrentThread": 0x8,
        "OffsetPrcbMhz": 0x6F4,
        "OffsetPrcbCpuType": 0x6F0,
        "OffsetPrcbVendorString": 0x890,
        "OffsetPrcbProcStateContext": 0x360,
        "OffsetPrcbNumber": 0x24,
        "SizeEThread": 0x910,
        "SizePcr": 0xA000,
        "OffsetPcrSelfPcr": 0x18,
        "OffsetPcrContainedPrcb": 0x980,
        "OffsetPrcbProcStateSpecialReg": 0x40,
        "OffsetPrcbContext": 0x8A0,
        "OffsetPrcbMaxBreakpoints": 0x898,
        "OffsetPrcbMaxWatchpoints": 0x89C,
        "OffsetEThreadIrpList": 0x520,
        "OffsetPrcbIdleThread": 0x18,
        "OffsetPrcbNormalDpcState": 0xB1C,
        "OffsetPrcbDpcStack": 0xAF8,
        "OffsetPrcbIsrStack": 0x18E0,
        "SizeKDPC_STACK_FRAME": 0x10,
        "OffsetKPriQueueThreadListHead": 0x2A0,
    },
    untold=UntoldOffsets(unique_process_id=0x400, active_process_links=0x408, image_file_name=0x560),
    self_map=0x151,
    architecture=ARM64,
    page_tables=page_tables.ARM64,
    debugger_data_tail=bytes.fromhex("0000000000000000000000000000000000000000b80a0000"),
)
