"""KDDEBUGGER_DATA64: the block in which the kernel tells debuggers where its variables and fields are.

Source: WDBGEXTS.H of the public Windows SDK; checked on real dumps of Windows 7 to 11. The block grows at its end from
version to version; `Size` is its length in bytes. The layout is the same for 32-bit and 64-bit kernels.
"""

from __future__ import annotations

from windbg_ext.structs.structure import Structure, raw, u16, u32, u64

OWNER_TAG = b"KDBG"


class KdDebuggerData64(Structure, name="KDDEBUGGER_DATA64", size=0x368):
    """The fields that WDBGEXTS.H describes. Newer kernels append fields without public names."""

    list_flink = u64(0x000, "ListFlink")
    list_blink = u64(0x008, "ListBlink")
    owner_tag = raw(0x010, "OwnerTag", 4)
    size = u32(0x014, "Size")
    kern_base = u64(0x018, "KernBase")
    breakpoint_with_status = u64(0x020, "BreakpointWithStatus")
    saved_context = u64(0x028, "SavedContext")
    th_callback_stack = u16(0x030, "ThCallbackStack")
    next_callback = u16(0x032, "NextCallback")
    frame_pointer = u16(0x034, "FramePointer")
    pae_enabled = u16(0x036, "PaeEnabled")
    ki_call_user_mode = u64(0x038, "KiCallUserMode")
    ke_user_callback_dispatcher = u64(0x040, "KeUserCallbackDispatcher")
    ps_loaded_module_list = u64(0x048, "PsLoadedModuleList")
    ps_active_process_head = u64(0x050, "PsActiveProcessHead")
    psp_cid_table = u64(0x058, "PspCidTable")
    exp_system_resources_list = u64(0x060, "ExpSystemResourcesList")
    exp_paged_pool_descriptor = u64(0x068, "ExpPagedPoolDescriptor")
    exp_number_of_paged_pools = u64(0x070, "ExpNumberOfPagedPools")
    ke_time_increment = u64(0x078, "KeTimeIncrement")
    ke_bug_check_callback_list_head = u64(0x080, "KeBugCheckCallbackListHead")
    ki_bugcheck_data = u64(0x088, "KiBugcheckData")
    iop_error_log_list_head = u64(0x090, "IopErrorLogListHead")
    obp_root_directory_object = u64(0x098, "ObpRootDirectoryObject")
    obp_type_object_type = u64(0x0A0, "ObpTypeObjectType")
    mm_system_cache_start = u64(0x0A8, "MmSystemCacheStart")
    mm_system_cache_end = u64(0x0B0, "MmSystemCacheEnd")
    mm_system_cache_ws = u64(0x0B8, "MmSystemCacheWs")
    mm_pfn_database = u64(0x0C0, "MmPfnDatabase")
    mm_system_ptes_start = u64(0x0C8, "MmSystemPtesStart")
    mm_system_ptes_end = u64(0x0D0, "MmSystemPtesEnd")
    mm_subsection_base = u64(0x0D8, "MmSubsectionBase")
    mm_number_of_paging_files = u64(0x0E0, "MmNumberOfPagingFiles")
    mm_lowest_physical_page = u64(0x0E8, "MmLowestPhysicalPage")
    mm_highest_physical_page = u64(0x0F0, "MmHighestPhysicalPage")
    mm_number_of_physical_pages = u64(0x0F8, "MmNumberOfPhysicalPages")
    mm_maximum_non_paged_pool_in_bytes = u64(0x100, "MmMaximumNonPagedPoolInBytes")
    mm_non_paged_system_start = u64(0x108, "MmNonPagedSystemStart")
    mm_non_paged_pool_start = u64(0x110, "MmNonPagedPoolStart")
    mm_non_paged_pool_end = u64(0x118, "MmNonPagedPoolEnd")
    mm_paged_pool_start = u64(0x120, "MmPagedPoolStart")
    mm_paged_pool_end = u64(0x128, "MmPagedPoolEnd")
    mm_paged_pool_information = u64(0x130, "MmPagedPoolInformation")
    mm_page_size = u64(0x138, "MmPageSize")
    mm_size_of_paged_pool_in_bytes = u64(0x140, "MmSizeOfPagedPoolInBytes")
    mm_total_commit_limit = u64(0x148, "MmTotalCommitLimit")
    mm_total_committed_pages = u64(0x150, "MmTotalCommittedPages")
    mm_shared_commit = u64(0x158, "MmSharedCommit")
    mm_driver_commit = u64(0x160, "MmDriverCommit")
    mm_process_commit = u64(0x168, "MmProcessCommit")
    mm_paged_pool_commit = u64(0x170, "MmPagedPoolCommit")
    mm_extended_commit = u64(0x178, "MmExtendedCommit")
    mm_zeroed_page_list_head = u64(0x180, "MmZeroedPageListHead")
    mm_free_page_list_head = u64(0x188, "MmFreePageListHead")
    mm_standby_page_list_head = u64(0x190, "MmStandbyPageListHead")
    mm_modified_page_list_head = u64(0x198, "MmModifiedPageListHead")
    mm_modified_no_write_page_list_head = u64(0x1A0, "MmModifiedNoWritePageListHead")
    mm_available_pages = u64(0x1A8, "MmAvailablePages")
    mm_resident_available_pages = u64(0x1B0, "MmResidentAvailablePages")
    pool_track_table = u64(0x1B8, "PoolTrackTable")
    non_paged_pool_descriptor = u64(0x1C0, "NonPagedPoolDescriptor")
    mm_highest_user_address = u64(0x1C8, "MmHighestUserAddress")
    mm_system_range_start = u64(0x1D0, "MmSystemRangeStart")
    mm_user_probe_address = u64(0x1D8, "MmUserProbeAddress")
    kd_print_circular_buffer = u64(0x1E0, "KdPrintCircularBuffer")
    kd_print_circular_buffer_end = u64(0x1E8, "KdPrintCircularBufferEnd")
    kd_print_write_pointer = u64(0x1F0, "KdPrintWritePointer")
    kd_print_rollover_count = u64(0x1F8, "KdPrintRolloverCount")
    mm_loaded_user_image_list = u64(0x200, "MmLoadedUserImageList")
    nt_build_lab = u64(0x208, "NtBuildLab")
    ki_normal_system_call = u64(0x210, "KiNormalSystemCall")
    ki_processor_block = u64(0x218, "KiProcessorBlock")
    mm_unloaded_drivers = u64(0x220, "MmUnloadedDrivers")
    mm_last_unloaded_driver = u64(0x228, "MmLastUnloadedDriver")
    mm_triage_action_taken = u64(0x230, "MmTriageActionTaken")
    mm_special_pool_tag = u64(0x238, "MmSpecialPoolTag")
    kernel_verifier = u64(0x240, "KernelVerifier")
    mm_verifier_data = u64(0x248, "MmVerifierData")
    mm_allocated_non_paged_pool = u64(0x250, "MmAllocatedNonPagedPool")
    mm_peak_commitment = u64(0x258, "MmPeakCommitment")
    mm_total_commit_limit_maximum = u64(0x260, "MmTotalCommitLimitMaximum")
    cm_nt_csd_version = u64(0x268, "CmNtCSDVersion")
    mm_physical_memory_block = u64(0x270, "MmPhysicalMemoryBlock")
    mm_session_base = u64(0x278, "MmSessionBase")
    mm_session_size = u64(0x280, "MmSessionSize")
    mm_system_parent_table_page = u64(0x288, "MmSystemParentTablePage")
    mm_virtual_translation_base = u64(0x290, "MmVirtualTranslationBase")
    offset_kthread_next_processor = u16(0x298, "OffsetKThreadNextProcessor")
    offset_kthread_teb = u16(0x29A, "OffsetKThreadTeb")
    offset_kthread_kernel_stack = u16(0x29C, "OffsetKThreadKernelStack")
    offset_kthread_initial_stack = u16(0x29E, "OffsetKThreadInitialStack")
    offset_kthread_apc_process = u16(0x2A0, "OffsetKThreadApcProcess")
    offset_kthread_state = u16(0x2A2, "OffsetKThreadState")
    offset_kthread_bstore = u16(0x2A4, "OffsetKThreadBStore")
    offset_kthread_bstore_limit = u16(0x2A6, "OffsetKThreadBStoreLimit")
    size_eprocess = u16(0x2A8, "SizeEProcess")
    offset_eprocess_peb = u16(0x2AA, "OffsetEprocessPeb")
    offset_eprocess_parent_cid = u16(0x2AC, "OffsetEprocessParentCID")
    offset_eprocess_directory_table_base = u16(0x2AE, "OffsetEprocessDirectoryTableBase")
    size_prcb = u16(0x2B0, "SizePrcb")
    offset_prcb_dpc_routine = u16(0x2B2, "OffsetPrcbDpcRoutine")
    offset_prcb_current_thread = u16(0x2B4, "OffsetPrcbCurrentThread")
    offset_prcb_mhz = u16(0x2B6, "OffsetPrcbMhz")
    offset_prcb_cpu_type = u16(0x2B8, "OffsetPrcbCpuType")
    offset_prcb_vendor_string = u16(0x2BA, "OffsetPrcbVendorString")
    offset_prcb_proc_state_context = u16(0x2BC, "OffsetPrcbProcStateContext")
    offset_prcb_number = u16(0x2BE, "OffsetPrcbNumber")
    size_ethread = u16(0x2C0, "SizeEThread")
    kd_print_circular_buffer_ptr = u64(0x2C8, "KdPrintCircularBufferPtr")
    kd_print_buffer_size = u64(0x2D0, "KdPrintBufferSize")
    ke_loader_block = u64(0x2D8, "KeLoaderBlock")
    size_pcr = u16(0x2E0, "SizePcr")
    offset_pcr_self_pcr = u16(0x2E2, "OffsetPcrSelfPcr")
    offset_pcr_current_prcb = u16(0x2E4, "OffsetPcrCurrentPrcb")
    offset_pcr_contained_prcb = u16(0x2E6, "OffsetPcrContainedPrcb")
    offset_pcr_initial_bstore = u16(0x2E8, "OffsetPcrInitialBStore")
    offset_pcr_bstore_limit = u16(0x2EA, "OffsetPcrBStoreLimit")
    offset_pcr_initial_stack = u16(0x2EC, "OffsetPcrInitialStack")
    offset_pcr_stack_limit = u16(0x2EE, "OffsetPcrStackLimit")
    offset_prcb_pcr_page = u16(0x2F0, "OffsetPrcbPcrPage")
    offset_prcb_proc_state_special_reg = u16(0x2F2, "OffsetPrcbProcStateSpecialReg")
    gdt_r0_code = u16(0x2F4, "GdtR0Code")
    gdt_r0_data = u16(0x2F6, "GdtR0Data")
    gdt_r0_pcr = u16(0x2F8, "GdtR0Pcr")
    gdt_r3_code = u16(0x2FA, "GdtR3Code")
    gdt_r3_data = u16(0x2FC, "GdtR3Data")
    gdt_r3_teb = u16(0x2FE, "GdtR3Teb")
    gdt_ldt = u16(0x300, "GdtLdt")
    gdt_tss = u16(0x302, "GdtTss")
    gdt64_r3_cm_code = u16(0x304, "Gdt64R3CmCode")
    gdt64_r3_cm_teb = u16(0x306, "Gdt64R3CmTeb")
    iop_num_triage_dump_data_blocks = u64(0x308, "IopNumTriageDumpDataBlocks")
    iop_triage_dump_data_blocks = u64(0x310, "IopTriageDumpDataBlocks")
    vf_crash_data_block = u64(0x318, "VfCrashDataBlock")
    mm_bad_pages_detected = u64(0x320, "MmBadPagesDetected")
    mm_zeroed_page_single_bit_errors_detected = u64(0x328, "MmZeroedPageSingleBitErrorsDetected")
    etwp_debugger_data = u64(0x330, "EtwpDebuggerData")
    offset_prcb_context = u16(0x338, "OffsetPrcbContext")
    offset_prcb_max_breakpoints = u16(0x33A, "OffsetPrcbMaxBreakpoints")
    offset_prcb_max_watchpoints = u16(0x33C, "OffsetPrcbMaxWatchpoints")
    offset_kthread_stack_limit = u32(0x340, "OffsetKThreadStackLimit")
    offset_kthread_stack_base = u32(0x344, "OffsetKThreadStackBase")
    offset_kthread_queue_list_entry = u32(0x348, "OffsetKThreadQueueListEntry")
    offset_ethread_irp_list = u32(0x34C, "OffsetEThreadIrpList")
    offset_prcb_idle_thread = u16(0x350, "OffsetPrcbIdleThread")
    offset_prcb_normal_dpc_state = u16(0x352, "OffsetPrcbNormalDpcState")
    offset_prcb_dpc_stack = u16(0x354, "OffsetPrcbDpcStack")
    offset_prcb_isr_stack = u16(0x356, "OffsetPrcbIsrStack")
    size_kdpc_stack_frame = u16(0x358, "SizeKDPC_STACK_FRAME")
    offset_kpri_queue_thread_list_head = u16(0x35A, "OffsetKPriQueueThreadListHead")
    offset_kthread_wait_reason = u16(0x35C, "OffsetKThreadWaitReason")
    pte_base = u64(0x360, "PteBase")


SIZE_OF_WINDOWS_XP = SMALLEST_SIZE = 0x290
"""Size on 32-bit Windows XP, where the block ends before the sizes and offsets of PRCB, process and thread."""
OF_WINDOWS_XP = {
    "offset_prcb_current_thread": 0x4,
    "offset_prcb_proc_state_context": 0x1C,
    "offset_prcb_proc_state_special_reg": 0x2E8,
    "size_prcb": 0x9F0,
    "size_eprocess": 0x258,
    "size_ethread": 0x258,
    "offset_eprocess_directory_table_base": 0x18,
    "offset_eprocess_peb": 0x1B0,
    "offset_kthread_teb": 0x20,
    "offset_kthread_initial_stack": 0x18,
    "offset_kthread_kernel_stack": 0x28,
    "offset_kthread_apc_process": 0x44,
}
"""Sizes and offsets that the block of Windows XP lacks. Debuggers have them built in.

Measured on the engine (where in a dump it reads registers and process, how much its .dump /m saves); the rest is what
`dt` prints with Microsoft's symbols.
"""

MAX_SIZE = 0x1000
