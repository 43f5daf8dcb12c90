"""TRIAGE_DUMP64 and TRIAGE_DUMP32, the body of a small memory dump, and the entries of its lists.

Sources: rizin `dmp_specs.h`, Ghidra `TriageDump.java`, ntoseye `triage.rs`; checked on real small dumps.
All offsets count from the start of the file.
"""

from __future__ import annotations

import enum

from windbg_ext.structs.structure import Structure, raw, u16, u32, u64


class _TriageDump(Structure):
    """What both begin with."""

    service_pack_build = u32(0x00, "ServicePackBuild")
    size_of_dump = u32(0x04, "SizeOfDump")
    valid_offset = u32(0x08, "ValidOffset")
    context_offset = u32(0x0C, "ContextOffset")
    exception_offset = u32(0x10, "ExceptionOffset")
    mm_offset = u32(0x14, "MmOffset")
    unloaded_drivers_offset = u32(0x18, "UnloadedDriversOffset")
    prcb_offset = u32(0x1C, "PrcbOffset")
    process_offset = u32(0x20, "ProcessOffset")
    thread_offset = u32(0x24, "ThreadOffset")
    call_stack_offset = u32(0x28, "CallStackOffset")
    size_of_call_stack = u32(0x2C, "SizeOfCallStack")
    driver_list_offset = u32(0x30, "DriverListOffset")
    driver_count = u32(0x34, "DriverCount")
    string_pool_offset = u32(0x38, "StringPoolOffset")
    string_pool_size = u32(0x3C, "StringPoolSize")
    broken_driver_offset = u32(0x40, "BrokenDriverOffset")
    triage_options = u32(0x44, "TriageOptions")


class TriageDump64(_TriageDump, name="TRIAGE_DUMP64", size=0x80):
    """Offsets of the parts of a small dump of 64-bit Windows. SizeOfDump does not include secondary data."""

    top_of_stack = u64(0x48, "TopOfStack")  # the lowest address of the saved stack
    architecture_specific = raw(0x50, "ArchitectureSpecific", 16)
    data_page_address = u64(0x60, "DataPageAddress")
    data_page_offset = u32(0x68, "DataPageOffset")
    data_page_size = u32(0x6C, "DataPageSize")
    debugger_data_offset = u32(0x70, "DebuggerDataOffset")
    debugger_data_size = u32(0x74, "DebuggerDataSize")
    data_blocks_offset = u32(0x78, "DataBlocksOffset")
    data_blocks_count = u32(0x7C, "DataBlocksCount")


class TriageDump32(_TriageDump, name="TRIAGE_DUMP32", size=0x68):
    """The same of 32-bit Windows: behind TriageOptions, pointers have 4 bytes."""

    top_of_stack = u32(0x48, "TopOfStack")
    data_page_address = u32(0x4C, "DataPageAddress")
    data_page_offset = u32(0x50, "DataPageOffset")
    data_page_size = u32(0x54, "DataPageSize")
    debugger_data_offset = u32(0x58, "DebuggerDataOffset")
    debugger_data_size = u32(0x5C, "DebuggerDataSize")
    data_blocks_offset = u32(0x60, "DataBlocksOffset")
    data_blocks_count = u32(0x64, "DataBlocksCount")


TRIAGE_SIGNATURE = b"TRGD"
"""The dword at ValidOffset: the writer has finished."""

TRIAGE_OPTIONS_ALL = 0xFFFFFFFF
"""The value that the debugger engine writes. The kernel writes the options that it was asked for."""


class MmTriage64(Structure, name="MM_TRIAGE64", size=0x50):
    """The part at MmOffset. Sizes are in pages; fields have the names of the variables that the engine reads."""

    version = u32(0x00, "Version")
    size = u32(0x04, "Size")
    mm_special_pool_tag = u32(0x08, "MmSpecialPoolTag")
    mm_triage_action_taken = u32(0x0C, "MmTriageActionTaken")
    kernel_verifier = u32(0x14, "KernelVerifier")
    maximum_non_paged_pool_pages = u64(0x18, "MaximumNonPagedPoolPages")
    allocated_non_paged_pool_pages = u64(0x20, "AllocatedNonPagedPoolPages")
    paged_pool_maximum_pages = u64(0x28, "PagedPoolMaximumPages")
    committed_pages = u64(0x38, "CommittedPages")
    committed_pages_peak = u64(0x40, "CommittedPagesPeak")
    commit_limit_maximum = u64(0x48, "CommitLimitMaximum")


class MmTriage32(Structure, name="MM_TRIAGE32", size=0x34):
    """The same fields in the same order; measured on the engine, too."""

    version = u32(0x00, "Version")
    size = u32(0x04, "Size")
    mm_special_pool_tag = u32(0x08, "MmSpecialPoolTag")
    mm_triage_action_taken = u32(0x0C, "MmTriageActionTaken")
    kernel_verifier = u32(0x14, "KernelVerifier")
    maximum_non_paged_pool_pages = u32(0x18, "MaximumNonPagedPoolPages")
    allocated_non_paged_pool_pages = u32(0x1C, "AllocatedNonPagedPoolPages")
    paged_pool_maximum_pages = u32(0x20, "PagedPoolMaximumPages")
    committed_pages = u32(0x28, "CommittedPages")
    committed_pages_peak = u32(0x2C, "CommittedPagesPeak")
    commit_limit_maximum = u32(0x30, "CommitLimitMaximum")


class MiniDumpFields(enum.IntFlag):
    """DUMP_HEADER64.MiniDumpFields: which parts a small dump has (Ghidra `TriageDump.java`)."""

    CONTEXT = 0x1
    EXCEPTION = 0x2
    PRCB = 0x4
    PROCESS = 0x8
    THREAD = 0x10
    STACK = 0x20
    DRIVER_LIST = 0x40
    BROKEN_DRIVER = 0x80
    MM_INFORMATION = 0x100
    DATA_PAGE = 0x200
    DEBUGGER_DATA = 0x400
    DATA_BLOCKS = 0x800


class TriageDataBlock(Structure, name="TRIAGE_DATA_BLOCK", size=0x10):
    """A block of memory in a small dump: its address, its file offset, its size in bytes."""

    address = u64(0x00, "Address")
    offset = u32(0x08, "Offset")
    size = u32(0x0C, "Size")


class DumpDriverEntry64(Structure, name="DUMP_DRIVER_ENTRY64", size=0x90):
    """A loaded module in a small dump's list."""

    driver_name_offset = u32(0x00, "DriverNameOffset")
    dll_base = u64(0x38, "DllBase")
    entry_point = u64(0x40, "EntryPoint")
    size_of_image = u32(0x48, "SizeOfImage")
    full_dll_name = raw(0x50, "FullDllName", 16)
    base_dll_name = raw(0x60, "BaseDllName", 16)
    flags = u32(0x70, "Flags")
    check_sum = u32(0x80, "CheckSum")
    time_date_stamp = u32(0x88, "TimeDateStamp")


class DumpDriverEntry32(Structure, name="DUMP_DRIVER_ENTRY32", size=0x4C):
    """The same with pointers of 4 bytes."""

    driver_name_offset = u32(0x00, "DriverNameOffset")
    dll_base = u32(0x1C, "DllBase")
    entry_point = u32(0x20, "EntryPoint")
    size_of_image = u32(0x24, "SizeOfImage")
    full_dll_name = raw(0x28, "FullDllName", 8)
    base_dll_name = raw(0x30, "BaseDllName", 8)
    flags = u32(0x38, "Flags")
    check_sum = u32(0x44, "CheckSum")
    time_date_stamp = u32(0x48, "TimeDateStamp")


class DumpUnloadedDrivers64(Structure, name="DUMP_UNLOADED_DRIVERS64", size=0x38):
    """An unloaded driver in a small dump's list.

    A u64 before the list holds the count in its low half. The newest driver comes first. DriverName: up to 12 UTF-16
    units, no NUL when full.
    """

    name_length = u16(0x00, "NameLength")
    name_maximum_length = u16(0x02, "NameMaximumLength")
    name_buffer = u64(0x08, "NameBuffer")
    driver_name = raw(0x10, "DriverName", 24)
    start_address = u64(0x28, "StartAddress")
    end_address = u64(0x30, "EndAddress")


class DumpUnloadedDrivers32(Structure, name="DUMP_UNLOADED_DRIVERS32", size=0x28):
    """The same with pointers of 4 bytes; a u32 before the list is the count."""

    name_length = u16(0x00, "NameLength")
    name_maximum_length = u16(0x02, "NameMaximumLength")
    name_buffer = u32(0x04, "NameBuffer")
    driver_name = raw(0x08, "DriverName", 24)
    start_address = u32(0x20, "StartAddress")
    end_address = u32(0x24, "EndAddress")
