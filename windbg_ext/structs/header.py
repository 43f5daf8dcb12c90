"""DUMP_HEADER64, the first 0x2000 bytes of every 64-bit kernel dump, and DUMP_HEADER32, 0x1000 bytes, with its fields.

Source: windows-rs `DUMP_HEADER64` and `DUMP_HEADER32`, kdmp-parser `kdmp-parser-structs.h`, QEMU `win_dump_defs.h`;
checked on real dumps.
"""

from __future__ import annotations

import enum

from windbg_ext.structs.structure import Structure, raw, u8, u32, u32_array, u64, u64_array

SIGNATURE = b"PAGE"
VALID_DUMP_64 = b"DU64"
VALID_DUMP_32 = b"DUMP"
FILL = b"PAGE"
"""The writer fills the header with this dword first: a field that still holds it was never set."""


class DumpType(enum.IntEnum):
    """DUMP_HEADER64.DumpType (mindumpdef.h; 8 to 0xA as kdmp-parser names them)."""

    FULL = 1
    SUMMARY = 2
    HEADER = 3
    TRIAGE = 4
    BITMAP_FULL = 5
    BITMAP_KERNEL = 6
    AUTOMATIC = 7
    RANGES_KERNEL = 8
    RANGES_KERNEL_AND_USER = 9
    RANGES_FULL = 0xA


class Machine(enum.IntEnum):
    """DUMP_HEADER64.MachineImageType: IMAGE_FILE_MACHINE_* of the Windows SDK."""

    I386 = 0x14C
    AMD64 = 0x8664
    ARM64 = 0xAA64


class Attributes(enum.IntFlag):
    """DUMP_HEADER64.Attributes (mindumpdef.h)."""

    HIBER_CRASH = 1 << 0
    DUMP_DEVICE_POWER_OFF = 1 << 1
    INSUFFICIENT_DUMPFILE_SIZE = 1 << 2
    KERNEL_GENERATED_TRIAGE_DUMP = 1 << 3
    LIVE_DUMP_GENERATED_DUMP = 1 << 4
    DUMP_IS_GENERATED_OFFLINE = 1 << 5
    FILTER_DUMP_FILE = 1 << 6
    EARLY_BOOT_CRASH = 1 << 7
    ENCRYPTED_DUMP_DATA = 1 << 8
    DECRYPTED_DUMP = 1 << 9


class DumpHeader64(Structure, name="DUMP_HEADER64", size=0x2000):
    """The first 0x2000 bytes of a 64-bit kernel dump."""

    signature = raw(0x0000, "Signature", 4)
    valid_dump = raw(0x0004, "ValidDump", 4)
    major_version = u32(0x0008, "MajorVersion")
    minor_version = u32(0x000C, "MinorVersion")
    directory_table_base = u64(0x0010, "DirectoryTableBase")
    pfn_data_base = u64(0x0018, "PfnDataBase")
    ps_loaded_module_list = u64(0x0020, "PsLoadedModuleList")
    ps_active_process_head = u64(0x0028, "PsActiveProcessHead")
    machine_image_type = u32(0x0030, "MachineImageType")
    number_processors = u32(0x0034, "NumberProcessors")
    bug_check_code = u32(0x0038, "BugCheckCode")
    bug_check_parameter = u64_array(0x0040, "BugCheckParameter", 4)
    version_user = raw(0x0060, "VersionUser", 32)
    kd_debugger_data_block = u64(0x0080, "KdDebuggerDataBlock")
    physical_memory_block = raw(0x0088, "PhysicalMemoryBlock", 700)
    context_record = raw(0x0348, "ContextRecord", 3000)
    exception = raw(0x0F00, "Exception", 0x98)
    dump_type = u32(0x0F98, "DumpType")
    required_dump_space = u64(0x0FA0, "RequiredDumpSpace")
    system_time = u64(0x0FA8, "SystemTime")
    comment = raw(0x0FB0, "Comment", 128)
    system_up_time = u64(0x1030, "SystemUpTime")
    mini_dump_fields = u32(0x1038, "MiniDumpFields")
    secondary_data_state = u32(0x103C, "SecondaryDataState")
    product_type = u32(0x1040, "ProductType")
    suite_mask = u32(0x1044, "SuiteMask")
    writer_status = u32(0x1048, "WriterStatus")
    kd_secondary_version = u8(0x104D, "KdSecondaryVersion")
    attributes = u32(0x1050, "Attributes")
    boot_id = u32(0x1054, "BootId")


class DumpHeader32(Structure, name="DUMP_HEADER32", size=0x1000):
    """The first 0x1000 bytes of a 32-bit kernel dump; it has the fields of the 64-bit one, and PaeEnabled."""

    signature = raw(0x000, "Signature", 4)
    valid_dump = raw(0x004, "ValidDump", 4)
    major_version = u32(0x008, "MajorVersion")
    minor_version = u32(0x00C, "MinorVersion")
    directory_table_base = u32(0x010, "DirectoryTableBase")
    pfn_data_base = u32(0x014, "PfnDataBase")
    ps_loaded_module_list = u32(0x018, "PsLoadedModuleList")
    ps_active_process_head = u32(0x01C, "PsActiveProcessHead")
    machine_image_type = u32(0x020, "MachineImageType")
    number_processors = u32(0x024, "NumberProcessors")
    bug_check_code = u32(0x028, "BugCheckCode")
    bug_check_parameter = u32_array(0x02C, "BugCheckParameter", 4)
    version_user = raw(0x03C, "VersionUser", 32)
    pae_enabled = u8(0x05C, "PaeEnabled")
    kd_secondary_version = u8(0x05D, "KdSecondaryVersion")
    kd_debugger_data_block = u32(0x060, "KdDebuggerDataBlock")
    physical_memory_block = raw(0x064, "PhysicalMemoryBlock", 700)
    context_record = raw(0x320, "ContextRecord", 1200)
    exception = raw(0x7D0, "Exception", 0x50)
    comment = raw(0x820, "Comment", 128)
    attributes = u32(0x8A0, "Attributes")
    boot_id = u32(0x8A4, "BootId")
    dump_type = u32(0xF88, "DumpType")
    mini_dump_fields = u32(0xF8C, "MiniDumpFields")
    secondary_data_state = u32(0xF90, "SecondaryDataState")
    product_type = u32(0xF94, "ProductType")
    suite_mask = u32(0xF98, "SuiteMask")
    writer_status = u32(0xF9C, "WriterStatus")
    required_dump_space = u64(0xFA0, "RequiredDumpSpace")
    system_up_time = u64(0xFB8, "SystemUpTime")
    system_time = u64(0xFC0, "SystemTime")


class PhysicalMemoryDescriptor32(Structure, name="PHYSICAL_MEMORY_DESCRIPTOR32", size=0x8):
    """Followed by NumberOfRuns runs; 86 of them fit into the 700 bytes of the header."""

    number_of_runs = u32(0x00, "NumberOfRuns")
    number_of_pages = u32(0x04, "NumberOfPages")


class PhysicalMemoryRun32(Structure, name="PHYSICAL_MEMORY_RUN32", size=0x8):
    """Consecutive page frames of RAM."""

    base_page = u32(0x00, "BasePage")
    page_count = u32(0x04, "PageCount")


class PhysicalMemoryDescriptor64(Structure, name="PHYSICAL_MEMORY_DESCRIPTOR64", size=0x10):
    """Followed by NumberOfRuns runs; 42 of them fit into the 700 bytes of the header."""

    number_of_runs = u32(0x00, "NumberOfRuns")
    number_of_pages = u64(0x08, "NumberOfPages")


class PhysicalMemoryRun64(Structure, name="PHYSICAL_MEMORY_RUN64", size=0x10):
    """Consecutive page frames of RAM."""

    base_page = u64(0x00, "BasePage")
    page_count = u64(0x08, "PageCount")


class ExceptionRecord64(Structure, name="EXCEPTION_RECORD64", size=0x98):
    """What was raised, and where (winnt.h)."""

    exception_code = u32(0x00, "ExceptionCode")
    exception_flags = u32(0x04, "ExceptionFlags")
    exception_record = u64(0x08, "ExceptionRecord")
    exception_address = u64(0x10, "ExceptionAddress")
    number_parameters = u32(0x18, "NumberParameters")
    exception_information = u64_array(0x20, "ExceptionInformation", 15)


class ExceptionRecord32(Structure, name="EXCEPTION_RECORD32", size=0x50):
    """The same with pointers of 4 bytes."""

    exception_code = u32(0x00, "ExceptionCode")
    exception_flags = u32(0x04, "ExceptionFlags")
    exception_record = u32(0x08, "ExceptionRecord")
    exception_address = u32(0x0C, "ExceptionAddress")
    number_parameters = u32(0x10, "NumberParameters")
    exception_information = u32_array(0x14, "ExceptionInformation", 15)
