"""The few kernel structures that are read from a dump and whose offsets KDDEBUGGER_DATA64 does not hold.

Source: public type information as printed by WinDbg's `dt` (nt!_KLDR_DATA_TABLE_ENTRY, nt!_UNLOADED_DRIVERS,
nt!_KTHREAD's dispatcher header), unchanged from Windows XP to Windows 11. Those of 64-bit Windows were checked on real
dumps; those of 32-bit Windows are the same structures with pointers of 4 bytes, checked on the debugger engine.
"""

from __future__ import annotations

from windbg_ext.structs.structure import Structure, u16, u32, u64


class KldrDataTableEntry64(Structure, name="KLDR_DATA_TABLE_ENTRY64", size=0x80):
    """An entry of PsLoadedModuleList; an LDR_DATA_TABLE_ENTRY of a process begins the same way."""

    flink = u64(0x00, "Flink")
    blink = u64(0x08, "Blink")
    dll_base = u64(0x30, "DllBase")
    entry_point = u64(0x38, "EntryPoint")
    size_of_image = u32(0x40, "SizeOfImage")
    full_name_length = u16(0x48, "FullNameLength")
    full_name_buffer = u64(0x50, "FullNameBuffer")
    base_name_length = u16(0x58, "BaseNameLength")
    base_name_buffer = u64(0x60, "BaseNameBuffer")
    flags = u32(0x68, "Flags")
    check_sum = u32(0x78, "CheckSum")


class KldrDataTableEntry32(Structure, name="KLDR_DATA_TABLE_ENTRY32", size=0x44):
    """The same with pointers of 4 bytes."""

    flink = u32(0x00, "Flink")
    blink = u32(0x04, "Blink")
    dll_base = u32(0x18, "DllBase")
    entry_point = u32(0x1C, "EntryPoint")
    size_of_image = u32(0x20, "SizeOfImage")
    full_name_length = u16(0x24, "FullNameLength")
    full_name_buffer = u32(0x28, "FullNameBuffer")
    base_name_length = u16(0x2C, "BaseNameLength")
    base_name_buffer = u32(0x30, "BaseNameBuffer")
    flags = u32(0x34, "Flags")
    check_sum = u32(0x40, "CheckSum")


class UnloadedDrivers64(Structure, name="UNLOADED_DRIVERS64", size=0x28):
    """An entry of the kernel's ring of unloaded drivers."""

    name_length = u16(0x00, "NameLength")
    name_maximum_length = u16(0x02, "NameMaximumLength")
    name_buffer = u64(0x08, "NameBuffer")
    start_address = u64(0x10, "StartAddress")
    end_address = u64(0x18, "EndAddress")
    current_time = u64(0x20, "CurrentTime")


class UnloadedDrivers32(Structure, name="UNLOADED_DRIVERS32", size=0x18):
    """The same with pointers of 4 bytes."""

    name_length = u16(0x00, "NameLength")
    name_maximum_length = u16(0x02, "NameMaximumLength")
    name_buffer = u32(0x04, "NameBuffer")
    start_address = u32(0x08, "StartAddress")
    end_address = u32(0x0C, "EndAddress")
    current_time = u64(0x10, "CurrentTime")


MAX_UNLOADED_DRIVERS = 50
"""MI_UNLOADED_DRIVERS: number of entries in the ring that MmUnloadedDrivers points at."""


class KuserSharedData(Structure, name="KUSER_SHARED_DATA", size=0x2D4):
    """The fields that go into a dump's header (ntddk.h)."""

    interrupt_time = u64(0x008, "InterruptTime")  # 100 ns since the machine started; a KSYSTEM_TIME, like the next one
    system_time = u64(0x014, "SystemTime")  # 100 ns since 1601, UTC
    nt_product_type = u32(0x264, "NtProductType")
    suite_mask = u32(0x2D0, "SuiteMask")


DISPATCHER_HEADER_THREAD = 6
"""DISPATCHER_HEADER.Type of a thread: the first byte of every KTHREAD."""

DRIVER_POWER_STATE_FAILURE = 0x9F


class Triage9FPower64(Structure, name="TRIAGE_9F_POWER64", size=0x28):
    """The structure behind parameter 3 of bug check 0x9F if parameter 1 is 3. The lists are LIST_ENTRYs.

    second_work_queue: from TRIAGE_9F_TWO_QUEUES on; the name is ours.
    """

    signature = u16(0x00, "Signature")
    revision = u16(0x02, "Revision")
    irp_list = u64(0x08, "IrpList")
    thread_list = u64(0x10, "ThreadList")
    delayed_work_queue = u64(0x18, "DelayedWorkQueue")
    second_work_queue = u64(0x20, "SecondWorkQueue")


class Triage9FPower32(Structure, name="TRIAGE_9F_POWER32", size=0x14):
    """The same with pointers of 4 bytes."""

    signature = u16(0x00, "Signature")
    revision = u16(0x02, "Revision")
    irp_list = u32(0x04, "IrpList")
    thread_list = u32(0x08, "ThreadList")
    delayed_work_queue = u32(0x0C, "DelayedWorkQueue")
    second_work_queue = u32(0x10, "SecondWorkQueue")


TRIAGE_9F_SIGNATURE = 0x8000
TRIAGE_9F_TWO_QUEUES = 2
"""The Revision that has a second queue."""


class ImageDosHeader(Structure, name="IMAGE_DOS_HEADER", size=0x40):
    """The beginning of an image (winnt.h)."""

    e_magic = u16(0x00, "e_magic")
    e_lfanew = u32(0x3C, "e_lfanew")


IMAGE_DOS_SIGNATURE = 0x5A4D


class ImageNtHeaders(Structure, name="IMAGE_NT_HEADERS", size=0x5C):
    """The part that is the same in 32-bit and 64-bit images (winnt.h)."""

    signature = u32(0x00, "Signature")
    machine = u16(0x04, "Machine")
    time_date_stamp = u32(0x08, "TimeDateStamp")
    address_of_entry_point = u32(0x28, "AddressOfEntryPoint")
    size_of_image = u32(0x50, "SizeOfImage")
    size_of_headers = u32(0x54, "SizeOfHeaders")
    check_sum = u32(0x58, "CheckSum")


IMAGE_NT_SIGNATURE = 0x4550
