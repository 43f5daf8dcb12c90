"""The few kernel structures that a dump is read by, besides those that KDDEBUGGER_DATA64 gives offsets for.

Source: public type information as printed by WinDbg's `dt` (nt!_KLDR_DATA_TABLE_ENTRY, nt!_UNLOADED_DRIVERS,
nt!_KTHREAD's dispatcher header), unchanged from Windows XP to Windows 11. Those of 64-bit Windows were checked on real
dumps; those of 32-bit Windows are the same structures with pointers of 4 bytes, checked on the debugger engine.
"""

from __future__ import annotations

from typing import NamedTuple

from windbg_ext.structs.layout import U16, U32, U64, Layout

KLDR_DATA_TABLE_ENTRY64 = Layout(
    "KLDR_DATA_TABLE_ENTRY64",
    0x80,
    [
        (0x00, "Flink", U64),
        (0x08, "Blink", U64),
        (0x30, "DllBase", U64),
        (0x38, "EntryPoint", U64),
        (0x40, "SizeOfImage", U32),
        (0x48, "FullNameLength", U16),
        (0x50, "FullNameBuffer", U64),
        (0x58, "BaseNameLength", U16),
        (0x60, "BaseNameBuffer", U64),
        (0x68, "Flags", U32),
        (0x78, "CheckSum", U32),
    ],
)
"""An entry of PsLoadedModuleList; an LDR_DATA_TABLE_ENTRY of a process begins the same way."""

KLDR_DATA_TABLE_ENTRY32 = Layout(
    "KLDR_DATA_TABLE_ENTRY32",
    0x44,
    [
        (0x00, "Flink", U32),
        (0x04, "Blink", U32),
        (0x18, "DllBase", U32),
        (0x1C, "EntryPoint", U32),
        (0x20, "SizeOfImage", U32),
        (0x24, "FullNameLength", U16),
        (0x28, "FullNameBuffer", U32),
        (0x2C, "BaseNameLength", U16),
        (0x30, "BaseNameBuffer", U32),
        (0x34, "Flags", U32),
        (0x40, "CheckSum", U32),
    ],
)

UNLOADED_DRIVERS64 = Layout(
    "UNLOADED_DRIVERS64",
    0x28,
    [
        (0x00, "NameLength", U16),
        (0x02, "NameMaximumLength", U16),
        (0x08, "NameBuffer", U64),
        (0x10, "StartAddress", U64),
        (0x18, "EndAddress", U64),
        (0x20, "CurrentTime", U64),
    ],
)

UNLOADED_DRIVERS32 = Layout(
    "UNLOADED_DRIVERS32",
    0x18,
    [
        (0x00, "NameLength", U16),
        (0x02, "NameMaximumLength", U16),
        (0x04, "NameBuffer", U32),
        (0x08, "StartAddress", U32),
        (0x0C, "EndAddress", U32),
        (0x10, "CurrentTime", U64),
    ],
)

MAX_UNLOADED_DRIVERS = 50
"""MI_UNLOADED_DRIVERS: the array that MmUnloadedDrivers points at is a ring of this many entries."""

KUSER_SHARED_DATA = Layout(
    "KUSER_SHARED_DATA",
    0x2D4,
    [
        (0x008, "InterruptTime", U64),  # 100 ns since the machine started; a KSYSTEM_TIME, like the next one
        (0x014, "SystemTime", U64),  # 100 ns since 1601, UTC
        (0x264, "NtProductType", U32),
        (0x2D0, "SuiteMask", U32),
    ],
)
"""The fields that go into a dump's header (ntddk.h)."""

DISPATCHER_HEADER_THREAD = 6
"""DISPATCHER_HEADER.Type of a thread: the first byte of every KTHREAD."""

DRIVER_POWER_STATE_FAILURE = 0x9F
TRIAGE_9F_POWER64 = Layout(
    "TRIAGE_9F_POWER64",
    0x20,
    [
        (0x00, "Signature", U16),
        (0x02, "Revision", U16),
        (0x08, "IrpList", U64),
        (0x10, "ThreadList", U64),
        (0x18, "DelayedWorkQueue", U64),
    ],
)
"""What parameter 3 of bug check 0x9F points at when parameter 1 is 3; the lists are LIST_ENTRYs."""
TRIAGE_9F_POWER32 = Layout(
    "TRIAGE_9F_POWER32",
    0x10,
    [
        (0x00, "Signature", U16),
        (0x02, "Revision", U16),
        (0x04, "IrpList", U32),
        (0x08, "ThreadList", U32),
        (0x0C, "DelayedWorkQueue", U32),
    ],
)
TRIAGE_9F_SIGNATURE = 0x8000

IMAGE_DOS_HEADER = Layout("IMAGE_DOS_HEADER", 0x40, [(0x00, "e_magic", U16), (0x3C, "e_lfanew", U32)])
IMAGE_DOS_SIGNATURE = 0x5A4D

IMAGE_NT_HEADERS = Layout(
    "IMAGE_NT_HEADERS",
    0x5C,
    [
        (0x00, "Signature", U32),
        (0x04, "Machine", U16),
        (0x08, "TimeDateStamp", U32),
        (0x28, "AddressOfEntryPoint", U32),
        (0x50, "SizeOfImage", U32),
        (0x54, "SizeOfHeaders", U32),
        (0x58, "CheckSum", U32),
    ],
)
"""The part that is the same in 32-bit and 64-bit images (winnt.h)."""
IMAGE_NT_SIGNATURE = 0x4550


class KernelLayouts(NamedTuple):
    """The structures of 32-bit or 64-bit Windows.

    peb_ldr: offset of PEB.Ldr; in_load_order: of PEB_LDR_DATA.InLoadOrderModuleList; the
    last four: bytes of DEVICE_OBJECT, DRIVER_OBJECT, IRP and IO_STACK_LOCATION (wdm.h).
    """

    module: Layout
    unloaded_driver: Layout
    triage_9f_power: Layout
    peb_ldr: int
    in_load_order: int
    device_object: int
    driver_object: int
    irp: int
    io_stack_location: int


KERNEL_LAYOUTS = {
    8: KernelLayouts(
        KLDR_DATA_TABLE_ENTRY64, UNLOADED_DRIVERS64, TRIAGE_9F_POWER64, 0x18, 0x10, 0x150, 0x150, 0xD0, 0x48
    ),
    4: KernelLayouts(KLDR_DATA_TABLE_ENTRY32, UNLOADED_DRIVERS32, TRIAGE_9F_POWER32, 0xC, 0xC, 0xB8, 0xA8, 0x70, 0x24),
}
"""By the bytes of a pointer."""
