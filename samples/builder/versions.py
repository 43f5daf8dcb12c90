"""What differs between the kernels that a machine may run: the size and the offsets in its debugger data block.

Sources: the debugger data blocks of real dumps (all of 19041 and 26100, the structure sizes of 7601 and 9600), public
symbols as `dt` prints them. Modelled for want of either, in 7601 and 9600: what lies in the PRCB behind its first 0x600
bytes, and OffsetEThreadIrpList; 26100's build string. A debugger goes by the block, so the dumps are consistent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class ProcessOffsets:
    """Fields of EPROCESS that no debugger data block tells."""

    unique_process_id: int
    active_process_links: int
    image_file_name: int


@dataclass(frozen=True)
class KernelVersion:
    """One build of Windows.

    debugger_data: KDDEBUGGER_DATA64 fields that are numbers, not addresses; debugger_data_tail: its bytes from 0x368
    on, which no public header names; self_map: entry of the root page table that points at the root.
    """

    build: int
    build_lab: str
    major_version: int
    minor_version: int
    debugger_data_size: int
    debugger_data: Mapping[str, int]
    process: ProcessOffsets
    self_map: int
    debugger_data_tail: bytes = field(default=b"", repr=False)

    def number(self, name: str) -> int:
        """Give a size or an offset by its KDDEBUGGER_DATA64 name."""
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
    process=ProcessOffsets(unique_process_id=0x180, active_process_links=0x188, image_file_name=0x2E0),
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
    process=ProcessOffsets(unique_process_id=0x2E0, active_process_links=0x2E8, image_file_name=0x438),
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
    process=ProcessOffsets(unique_process_id=0x440, active_process_links=0x448, image_file_name=0x5A8),
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
    process=ProcessOffsets(unique_process_id=0x1D0, active_process_links=0x1D8, image_file_name=0x338),
    self_map=0x1A9,
    debugger_data_tail=bytes(0x38),
)
