"""Every structure's size and fields, against tables typed from public documents (see the heading of each)."""

from __future__ import annotations

import importlib
import pkgutil
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import windbg_ext.structs
from windbg_ext.structs.structure import Structure

# structure: its size, then "offset size name" of each field, all hexadecimal

SMBIOS = """
# Microsoft's page on GetSystemFirmwareTable
RawSMBIOSData 8
  1 1 SMBIOSMajorVersion  2 1 SMBIOSMinorVersion  4 4 Length
# DMTF DSP0134, 6.1.2 and 7.2
SMBIOS_HEADER 4
  0 1 Type  1 1 Length  2 2 Handle
SMBIOS_SYSTEM_INFORMATION 18
  8 10 UUID
"""

FILE_HEADERS = """
# windows-rs DUMP_HEADER64, kdmp-parser-structs.h
DUMP_HEADER64 2000
    0    4 Signature            88  2BC PhysicalMemoryBlock
    4    4 ValidDump           348  BB8 ContextRecord
    8    4 MajorVersion        F00   98 Exception
    C    4 MinorVersion        F98    4 DumpType
   10    8 DirectoryTableBase  FA0    8 RequiredDumpSpace
   18    8 PfnDataBase         FA8    8 SystemTime
   20    8 PsLoadedModuleList  FB0   80 Comment
   28    8 PsActiveProcessHead 1030   8 SystemUpTime
   30    4 MachineImageType    1038   4 MiniDumpFields
   34    4 NumberProcessors    103C   4 SecondaryDataState
   38    4 BugCheckCode        1040   4 ProductType
   40   20 BugCheckParameter   1044   4 SuiteMask
   60   20 VersionUser         1048   4 WriterStatus
   80    8 KdDebuggerDataBlock 104D   1 KdSecondaryVersion
  1050   4 Attributes          1054   4 BootId
# windows-rs DUMP_HEADER32
DUMP_HEADER32 1000
    0    4 Signature            60    4 KdDebuggerDataBlock
    4    4 ValidDump            64  2BC PhysicalMemoryBlock
    8    4 MajorVersion        320  4B0 ContextRecord
    C    4 MinorVersion        7D0   50 Exception
   10    4 DirectoryTableBase  820   80 Comment
   14    4 PfnDataBase         8A0    4 Attributes
   18    4 PsLoadedModuleList  8A4    4 BootId
   1C    4 PsActiveProcessHead F88    4 DumpType
   20    4 MachineImageType    F8C    4 MiniDumpFields
   24    4 NumberProcessors    F90    4 SecondaryDataState
   28    4 BugCheckCode        F94    4 ProductType
   2C   10 BugCheckParameter   F98    4 SuiteMask
   3C   20 VersionUser         F9C    4 WriterStatus
   5C    1 PaeEnabled          FA0    8 RequiredDumpSpace
   5D    1 KdSecondaryVersion  FB8    8 SystemUpTime
  FC0    8 SystemTime
# mindumpdef.h, kdmp-parser PHYSMEM_DESC
PHYSICAL_MEMORY_DESCRIPTOR32 8
  0 4 NumberOfRuns  4 4 NumberOfPages
PHYSICAL_MEMORY_RUN32 8
  0 4 BasePage  4 4 PageCount
PHYSICAL_MEMORY_DESCRIPTOR64 10
  0 4 NumberOfRuns  8 8 NumberOfPages
PHYSICAL_MEMORY_RUN64 10
  0 8 BasePage  8 8 PageCount
# winnt.h
EXCEPTION_RECORD64 98
   0  4 ExceptionCode  4 4 ExceptionFlags  8 8 ExceptionRecord  10 8 ExceptionAddress  18 4 NumberParameters
  20 78 ExceptionInformation
EXCEPTION_RECORD32 50
   0  4 ExceptionCode  4 4 ExceptionFlags  8 4 ExceptionRecord  C 4 ExceptionAddress  10 4 NumberParameters
  14 3C ExceptionInformation
# kdmp-parser BMP_HEADER64
BITMAP_HEADER64 38
  0 4 Signature  4 4 ValidDump  8 4 DumpOptions  20 8 HeaderSize  28 8 TotalPresentPages  30 8 Pages
# S2E WindowsCrashDumpGenerator.h
SUMMARY_HEADER32 20
  0 4 Signature  4 4 ValidDump  8 4 DumpOptions  C 4 HeaderSize  10 4 BitmapSize  14 4 Pages
  18 4 SizeOfBitMap  1C 4 BitMapBuffer
# kdmp-parser RDMP_HEADER64
RDMP_HEADER64 30
  0 4 Marker  4 4 Signature  8 4 ValidDump  10 8 MetadataSize  18 8 FirstPageOffset
  20 4 NumberOfRanges  28 8 TotalNumberOfPages
# ntoseye tagged.rs
DUMP_BLOB_FILE_HEADER 10
  0 8 Signature  8 4 HeaderSize  C 4 BuildNumber
DUMP_BLOB_HEADER 20
  0 4 HeaderSize  4 10 Tag  14 4 DataSize  18 4 PrePad  1C 4 PostPad
"""

SMALL_DUMPS = """
# rizin dmp_specs.h, Ghidra TriageDump.java
TRIAGE_DUMP64 80
   0 4 ServicePackBuild       34  4 DriverCount
   4 4 SizeOfDump             38  4 StringPoolOffset
   8 4 ValidOffset            3C  4 StringPoolSize
   C 4 ContextOffset          40  4 BrokenDriverOffset
  10 4 ExceptionOffset        44  4 TriageOptions
  14 4 MmOffset               48  8 TopOfStack
  18 4 UnloadedDriversOffset  50 10 ArchitectureSpecific
  1C 4 PrcbOffset             60  8 DataPageAddress
  20 4 ProcessOffset          68  4 DataPageOffset
  24 4 ThreadOffset           6C  4 DataPageSize
  28 4 CallStackOffset        70  4 DebuggerDataOffset
  2C 4 SizeOfCallStack        74  4 DebuggerDataSize
  30 4 DriverListOffset       78  4 DataBlocksOffset
  7C 4 DataBlocksCount
TRIAGE_DUMP32 68
   0 4 ServicePackBuild       34  4 DriverCount
   4 4 SizeOfDump             38  4 StringPoolOffset
   8 4 ValidOffset            3C  4 StringPoolSize
   C 4 ContextOffset          40  4 BrokenDriverOffset
  10 4 ExceptionOffset        44  4 TriageOptions
  14 4 MmOffset               48  4 TopOfStack
  18 4 UnloadedDriversOffset  4C  4 DataPageAddress
  1C 4 PrcbOffset             50  4 DataPageOffset
  20 4 ProcessOffset          54  4 DataPageSize
  24 4 ThreadOffset           58  4 DebuggerDataOffset
  28 4 CallStackOffset        5C  4 DebuggerDataSize
  2C 4 SizeOfCallStack        60  4 DataBlocksOffset
  30 4 DriverListOffset       64  4 DataBlocksCount
TRIAGE_DATA_BLOCK 10
  0 8 Address  8 4 Offset  C 4 Size
# ntoseye triage.rs: a u32, then a KLDR entry from 8 on
DUMP_DRIVER_ENTRY64 90
   0  4 DriverNameOffset  38 8 DllBase  40 8 EntryPoint  48 4 SizeOfImage  50 10 FullDllName  60 10 BaseDllName
  70  4 Flags  80 4 CheckSum  88 4 TimeDateStamp
DUMP_UNLOADED_DRIVERS64 38
   0  2 NameLength  2 2 NameMaximumLength  8 8 NameBuffer  10 18 DriverName  28 8 StartAddress  30 8 EndAddress
# the same with pointers of 4 bytes, as the debugger engine reads them
DUMP_DRIVER_ENTRY32 4C
   0  4 DriverNameOffset  1C 4 DllBase  20 4 EntryPoint  24 4 SizeOfImage  28 8 FullDllName  30 8 BaseDllName
  38  4 Flags  44 4 CheckSum  48 4 TimeDateStamp
DUMP_UNLOADED_DRIVERS32 28
   0  2 NameLength  2 2 NameMaximumLength  4 4 NameBuffer  8 18 DriverName  20 4 StartAddress  24 4 EndAddress
# asked of the debugger engine: what its .dump /m writes when one of the variables changes
MM_TRIAGE64 50
   0  4 Version  4 4 Size  8 4 MmSpecialPoolTag  C 4 MmTriageActionTaken  14 4 KernelVerifier
  18  8 MaximumNonPagedPoolPages  20 8 AllocatedNonPagedPoolPages  28 8 PagedPoolMaximumPages
  38  8 CommittedPages  40 8 CommittedPagesPeak  48 8 CommitLimitMaximum
MM_TRIAGE32 34
   0  4 Version  4 4 Size  8 4 MmSpecialPoolTag  C 4 MmTriageActionTaken  14 4 KernelVerifier
  18  4 MaximumNonPagedPoolPages  1C 4 AllocatedNonPagedPoolPages  20 4 PagedPoolMaximumPages
  28  4 CommittedPages  2C 4 CommittedPagesPeak  30 4 CommitLimitMaximum
"""

KERNEL = """
# winnt.h
CONTEXT 4D0
  30 4 ContextFlags  34 4 MxCsr
  38 2 SegCs  3A 2 SegDs  3C 2 SegEs  3E 2 SegFs  40 2 SegGs  42 2 SegSs  44 4 EFlags
  48 8 Dr0  50 8 Dr1  58 8 Dr2  60 8 Dr3  68 8 Dr6  70 8 Dr7
  78 8 Rax  80 8 Rcx  88 8 Rdx  90 8 Rbx  98 8 Rsp  A0 8 Rbp  A8 8 Rsi  B0 8 Rdi
  B8 8 R8   C0 8 R9   C8 8 R10  D0 8 R11  D8 8 R12  E0 8 R13  E8 8 R14  F0 8 R15  F8 8 Rip
CONTEXT32 2CC
   0 4 ContextFlags  4 4 Dr0  8 4 Dr1  C 4 Dr2  10 4 Dr3  14 4 Dr6  18 4 Dr7
  8C 4 SegGs  90 4 SegFs  94 4 SegEs  98 4 SegDs  9C 4 Edi  A0 4 Esi  A4 4 Ebx  A8 4 Edx  AC 4 Ecx  B0 4 Eax
  B4 4 Ebp  B8 4 Eip  BC 4 SegCs  C0 4 EFlags  C4 4 Esp  C8 4 SegSs
ARM64_NT_CONTEXT 390
   0 4 ContextFlags  4 4 Cpsr
   8 8 X0  10 8 X1  18 8 X2  20 8 X3  28 8 X4  30 8 X5  38 8 X6  40 8 X7  48 8 X8  50 8 X9  58 8 X10  60 8 X11
  68 8 X12  70 8 X13  78 8 X14  80 8 X15  88 8 X16  90 8 X17  98 8 X18  A0 8 X19  A8 8 X20  B0 8 X21  B8 8 X22
  C0 8 X23  C8 8 X24  D0 8 X25  D8 8 X26  E0 8 X27  E8 8 X28  F0 8 Fp  F8 8 Lr  100 8 Sp  108 8 Pc
  310 4 Fpcr  314 4 Fpsr
CONTEXT_EX 18
  0 4 AllOffset  4 4 AllLength
# ntddk.h; a KSYSTEM_TIME is LowPart and High1Time, then High2Time
KUSER_SHARED_DATA 2D4
  8 8 InterruptTime  14 8 SystemTime  264 4 NtProductType  2D0 4 SuiteMask
# dt nt!_KSPECIAL_REGISTERS: Gdtr and Idtr are KDESCRIPTORs, a limit at 6 and a base at 8
KSPECIAL_REGISTERS 70
   0 8 Cr0  8 8 Cr2  10 8 Cr3  18 8 Cr4  56 2 GdtrLimit  58 8 GdtrBase  66 2 IdtrLimit  68 8 IdtrBase
KSPECIAL_REGISTERS32 54
   0 4 Cr0  4 4 Cr2  8 4 Cr3  C 4 Cr4  2A 2 GdtrLimit  2C 4 GdtrBase  32 2 IdtrLimit  34 4 IdtrBase  38 2 Tr  3A 2 Ldtr
# found by their values in a real dump of build 22000, in the order of dt nt!_KARM64_ARCH_STATE
KSPECIAL_REGISTERS_ARM64 E8
  A0 8 MidrEl1  A8 8 SctlrEl1  C0 8 TcrEl1  C8 8 Ttbr0El1  D0 8 Ttbr1El1  D8 8 EsrEl1  E0 8 FarEl1
# dt nt!_KLDR_DATA_TABLE_ENTRY, nt!_UNLOADED_DRIVERS
KLDR_DATA_TABLE_ENTRY64 80
   0 8 Flink  8 8 Blink  30 8 DllBase  38 8 EntryPoint  40 4 SizeOfImage
  48 2 FullNameLength  50 8 FullNameBuffer  58 2 BaseNameLength  60 8 BaseNameBuffer  68 4 Flags  78 4 CheckSum
KLDR_DATA_TABLE_ENTRY32 44
   0 4 Flink  4 4 Blink  18 4 DllBase  1C 4 EntryPoint  20 4 SizeOfImage
  24 2 FullNameLength  28 4 FullNameBuffer  2C 2 BaseNameLength  30 4 BaseNameBuffer  34 4 Flags  40 4 CheckSum
UNLOADED_DRIVERS32 18
   0 2 NameLength  2 2 NameMaximumLength  4 4 NameBuffer  8 4 StartAddress  C 4 EndAddress  10 8 CurrentTime
UNLOADED_DRIVERS64 28
   0 2 NameLength  2 2 NameMaximumLength  8 8 NameBuffer  10 8 StartAddress  18 8 EndAddress  20 8 CurrentTime
# learn.microsoft.com, bug check 0x9F; the second queue: measured
TRIAGE_9F_POWER64 28
   0 2 Signature  2 2 Revision  8 8 IrpList  10 8 ThreadList  18 8 DelayedWorkQueue  20 8 SecondWorkQueue
TRIAGE_9F_POWER32 14
   0 2 Signature  2 2 Revision  4 4 IrpList  8 4 ThreadList  C 4 DelayedWorkQueue  10 4 SecondWorkQueue
# dt nt!_TRIAGE_9F_PNP, nt!_TRIAGE_POP_IRP_DATA (its LIST_ENTRY left out), nt!_TRIAGE_DEVICE_NODE
TRIAGE_9F_PNP64 18
   0 2 Signature  2 2 Revision  8 8 CompletionQueue  10 8 DelayedWorkQueue
TRIAGE_9F_PNP32 C
   0 2 Signature  2 2 Revision  4 4 CompletionQueue  8 4 DelayedWorkQueue
TRIAGE_POP_IRP_DATA64 20
  10 8 Irp  18 8 Pdo
TRIAGE_POP_IRP_DATA32 10
   8 4 Irp  C 4 Pdo
TRIAGE_DEVICE_NODE64 58
  10 8 Parent  20 8 PhysicalDeviceObject  28 2 InstancePathLength  30 8 InstancePathBuffer
  38 2 ServiceNameLength  40 8 ServiceNameBuffer  48 8 PendingIrp  50 8 FxDevice
TRIAGE_DEVICE_NODE32 2C
   8 4 Parent  10 4 PhysicalDeviceObject  14 2 InstancePathLength  18 4 InstancePathBuffer
  1C 2 ServiceNameLength  20 4 ServiceNameBuffer  24 4 PendingIrp  28 4 FxDevice
# wdm.h
DEVICE_OBJECT64 150
   8 8 DriverObject  18 8 AttachedDevice  40 8 DeviceExtension  138 8 DeviceObjectExtension
DEVICE_OBJECT32 B8
   8 4 DriverObject  10 4 AttachedDevice  28 4 DeviceExtension  B0 4 DeviceObjectExtension
DRIVER_OBJECT64 150
  38 2 DriverNameLength  40 8 DriverNameBuffer
DRIVER_OBJECT32 A8
  1C 2 DriverNameLength  20 4 DriverNameBuffer
# dt nt!_DEVOBJ_EXTENSION, nt!_KTRAP_FRAME, nt!_DPC_WATCHDOG_GLOBAL_TRIAGE_BLOCK
DEVOBJ_EXTENSION64 70
  28 8 DeviceNode
DEVOBJ_EXTENSION32 3C
  14 4 DeviceNode
KTRAP_FRAME64 190
  168 8 Rip  180 8 Rsp
KTRAP_FRAME32 8C
  68 4 Eip  74 4 HardwareEsp
DPC_WATCHDOG_GLOBAL_TRIAGE_BLOCK 10
   0 4 Signature  4 2 Revision  6 2 Size  8 2 DpcWatchdogProfileOffset  C 4 DpcWatchdogProfileLength
# UEFI specification, appendix N.2.1
WHEA_ERROR_RECORD 80
   0 4 Signature  6 4 SignatureEnd  A 2 SectionCount  14 4 Length
# PE/COFF specification
IMAGE_DOS_HEADER 40
   0 2 e_magic  3C 4 e_lfanew
IMAGE_NT_HEADERS 5C
   0 4 Signature  4 2 Machine  8 4 TimeDateStamp  28 4 AddressOfEntryPoint  50 4 SizeOfImage  54 4 SizeOfHeaders
  58 4 CheckSum
IMAGE_OPTIONAL_HEADER 2
   0 2 Magic
IMAGE_DATA_DIRECTORY 8
   0 4 VirtualAddress  4 4 Size
IMAGE_DEBUG_DIRECTORY 1C
   4 4 TimeDateStamp  C 4 Type  10 4 SizeOfData  14 4 AddressOfRawData
# "Matching Debug Information" (PDB 2.0 and 7.0)
CV_INFO_PDB70 18
   0 4 CvSignature  4 10 Signature  14 4 Age
CV_INFO_PDB20 10
   0 4 CvSignature  8 4 Signature  C 4 Age
"""

DEBUGGER_DATA = """
# WDBGEXTS.H
KDDEBUGGER_DATA64 368
    0 8 ListFlink                     8 8 ListBlink
   10 4 OwnerTag                     14 4 Size
   18 8 KernBase                     20 8 BreakpointWithStatus
   28 8 SavedContext                 30 2 ThCallbackStack
   32 2 NextCallback                 34 2 FramePointer
   36 2 PaeEnabled                   38 8 KiCallUserMode
   40 8 KeUserCallbackDispatcher     48 8 PsLoadedModuleList
   50 8 PsActiveProcessHead          58 8 PspCidTable
   60 8 ExpSystemResourcesList       68 8 ExpPagedPoolDescriptor
   70 8 ExpNumberOfPagedPools        78 8 KeTimeIncrement
   80 8 KeBugCheckCallbackListHead   88 8 KiBugcheckData
   90 8 IopErrorLogListHead          98 8 ObpRootDirectoryObject
   A0 8 ObpTypeObjectType            A8 8 MmSystemCacheStart
   B0 8 MmSystemCacheEnd             B8 8 MmSystemCacheWs
   C0 8 MmPfnDatabase                C8 8 MmSystemPtesStart
   D0 8 MmSystemPtesEnd              D8 8 MmSubsectionBase
   E0 8 MmNumberOfPagingFiles        E8 8 MmLowestPhysicalPage
   F0 8 MmHighestPhysicalPage        F8 8 MmNumberOfPhysicalPages
  100 8 MmMaximumNonPagedPoolInBytes 108 8 MmNonPagedSystemStart
  110 8 MmNonPagedPoolStart         118 8 MmNonPagedPoolEnd
  120 8 MmPagedPoolStart            128 8 MmPagedPoolEnd
  130 8 MmPagedPoolInformation      138 8 MmPageSize
  140 8 MmSizeOfPagedPoolInBytes    148 8 MmTotalCommitLimit
  150 8 MmTotalCommittedPages       158 8 MmSharedCommit
  160 8 MmDriverCommit              168 8 MmProcessCommit
  170 8 MmPagedPoolCommit           178 8 MmExtendedCommit
  180 8 MmZeroedPageListHead        188 8 MmFreePageListHead
  190 8 MmStandbyPageListHead       198 8 MmModifiedPageListHead
  1A0 8 MmModifiedNoWritePageListHead 1A8 8 MmAvailablePages
  1B0 8 MmResidentAvailablePages    1B8 8 PoolTrackTable
  1C0 8 NonPagedPoolDescriptor      1C8 8 MmHighestUserAddress
  1D0 8 MmSystemRangeStart          1D8 8 MmUserProbeAddress
  1E0 8 KdPrintCircularBuffer       1E8 8 KdPrintCircularBufferEnd
  1F0 8 KdPrintWritePointer         1F8 8 KdPrintRolloverCount
  200 8 MmLoadedUserImageList       208 8 NtBuildLab
  210 8 KiNormalSystemCall          218 8 KiProcessorBlock
  220 8 MmUnloadedDrivers           228 8 MmLastUnloadedDriver
  230 8 MmTriageActionTaken         238 8 MmSpecialPoolTag
  240 8 KernelVerifier              248 8 MmVerifierData
  250 8 MmAllocatedNonPagedPool     258 8 MmPeakCommitment
  260 8 MmTotalCommitLimitMaximum   268 8 CmNtCSDVersion
  270 8 MmPhysicalMemoryBlock       278 8 MmSessionBase
  280 8 MmSessionSize               288 8 MmSystemParentTablePage
  290 8 MmVirtualTranslationBase
  298 2 OffsetKThreadNextProcessor  29A 2 OffsetKThreadTeb
  29C 2 OffsetKThreadKernelStack    29E 2 OffsetKThreadInitialStack
  2A0 2 OffsetKThreadApcProcess     2A2 2 OffsetKThreadState
  2A4 2 OffsetKThreadBStore         2A6 2 OffsetKThreadBStoreLimit
  2A8 2 SizeEProcess                2AA 2 OffsetEprocessPeb
  2AC 2 OffsetEprocessParentCID     2AE 2 OffsetEprocessDirectoryTableBase
  2B0 2 SizePrcb                    2B2 2 OffsetPrcbDpcRoutine
  2B4 2 OffsetPrcbCurrentThread     2B6 2 OffsetPrcbMhz
  2B8 2 OffsetPrcbCpuType           2BA 2 OffsetPrcbVendorString
  2BC 2 OffsetPrcbProcStateContext  2BE 2 OffsetPrcbNumber
  2C0 2 SizeEThread
  2C8 8 KdPrintCircularBufferPtr    2D0 8 KdPrintBufferSize
  2D8 8 KeLoaderBlock
  2E0 2 SizePcr                     2E2 2 OffsetPcrSelfPcr
  2E4 2 OffsetPcrCurrentPrcb        2E6 2 OffsetPcrContainedPrcb
  2E8 2 OffsetPcrInitialBStore      2EA 2 OffsetPcrBStoreLimit
  2EC 2 OffsetPcrInitialStack       2EE 2 OffsetPcrStackLimit
  2F0 2 OffsetPrcbPcrPage           2F2 2 OffsetPrcbProcStateSpecialReg
  2F4 2 GdtR0Code                   2F6 2 GdtR0Data
  2F8 2 GdtR0Pcr                    2FA 2 GdtR3Code
  2FC 2 GdtR3Data                   2FE 2 GdtR3Teb
  300 2 GdtLdt                      302 2 GdtTss
  304 2 Gdt64R3CmCode               306 2 Gdt64R3CmTeb
  308 8 IopNumTriageDumpDataBlocks  310 8 IopTriageDumpDataBlocks
  318 8 VfCrashDataBlock            320 8 MmBadPagesDetected
  328 8 MmZeroedPageSingleBitErrorsDetected 330 8 EtwpDebuggerData
  338 2 OffsetPrcbContext           33A 2 OffsetPrcbMaxBreakpoints
  33C 2 OffsetPrcbMaxWatchpoints
  340 4 OffsetKThreadStackLimit     344 4 OffsetKThreadStackBase
  348 4 OffsetKThreadQueueListEntry 34C 4 OffsetEThreadIrpList
  350 2 OffsetPrcbIdleThread        352 2 OffsetPrcbNormalDpcState
  354 2 OffsetPrcbDpcStack          356 2 OffsetPrcbIsrStack
  358 2 SizeKDPC_STACK_FRAME        35A 2 OffsetKPriQueueThreadListHead
  35C 2 OffsetKThreadWaitReason     360 8 PteBase
"""

Table = tuple[int, dict[str, tuple[int, int]]]


def read_tables(text: str) -> dict[str, Table]:
    """Return size and fields of each structure: by name, offset and size."""
    tables: dict[str, Table] = {}
    fields: dict[str, tuple[int, int]] = {}
    for line in text.splitlines():
        words = line.split()
        if line.startswith("#") or not words:
            continue
        if not line.startswith(" "):
            fields = {}
            tables[words[0]] = int(words[1], 16), fields
            continue
        for offset, size, name in zip(words[::3], words[1::3], words[2::3]):
            fields[name] = int(offset, 16), int(size, 16)
    return tables


TABLES = read_tables(SMBIOS + FILE_HEADERS + SMALL_DUMPS + KERNEL + DEBUGGER_DATA)


def find_structures() -> list[type[Structure]]:
    names = [module.name for module in pkgutil.iter_modules(windbg_ext.structs.__path__, "windbg_ext.structs.")]
    found: dict[str, type[Structure]] = {}
    for name in (*names, "samples.builder.special_registers"):
        for value in vars(importlib.import_module(name)).values():
            if isinstance(value, type) and issubclass(value, Structure) and hasattr(value, "NAME"):
                found[value.NAME] = value
    return list(found.values())


STRUCTURES = find_structures()
each_structure = pytest.mark.parametrize("structure", STRUCTURES, ids=lambda structure: structure.NAME)


def test_every_structure_has_a_table_and_every_table_a_structure() -> None:
    assert {structure.NAME for structure in STRUCTURES} == set(TABLES)


@each_structure
def test_a_structure_is_as_long_as_documented(structure: type[Structure]) -> None:
    size, _ = TABLES[structure.NAME]
    assert size == structure.SIZE
    assert len(structure.blank().build()) == size


@each_structure
def test_a_structure_has_the_documented_fields_at_their_offsets(structure: type[Structure]) -> None:
    _, fields = TABLES[structure.NAME]
    assert {field.name: (field.offset, field.length) for field in structure.FIELDS} == fields


@each_structure
def test_an_attribute_is_called_as_its_field(structure: type[Structure]) -> None:
    for field in structure.FIELDS:
        assert field.attribute.replace("_", "") == field.name.replace("_", "").lower()


@each_structure
def test_each_field_is_read_from_its_documented_bytes(structure: type[Structure]) -> None:
    size, fields = TABLES[structure.NAME]
    data = Random(structure.NAME).randbytes(size)
    record = structure.parse(data)
    for field in structure.FIELDS:
        offset, length = fields[field.name]
        expected, value = data[offset : offset + length], getattr(record, field.attribute)
        if isinstance(value, int):
            assert value == int.from_bytes(expected, "little"), field.name
        elif isinstance(value, tuple):
            assert b"".join(item.to_bytes(length // len(value), "little") for item in value) == expected, field.name
        else:
            assert value == expected, field.name


@each_structure
@settings(max_examples=5)
@given(seed=st.integers(0, 1 << 64))
def test_whatever_bytes_are_read_are_built_again(structure: type[Structure], seed: int) -> None:
    data = Random(seed).randbytes(structure.SIZE)
    assert structure.parse(data).build() == data


@each_structure
def test_one_changed_field_changes_its_documented_bytes_only(structure: type[Structure]) -> None:
    size, fields = TABLES[structure.NAME]
    data = bytes(range(256)) * (size // 256 + 1)
    record = structure.parse(data)
    for field, value in record.integers():
        offset, length = fields[field.name]
        changed = record.replace(**{field.attribute: value ^ (1 << 8 * length) - 1}).build()
        different = [at for at in range(size) if changed[at] != data[at]]
        assert different == list(range(offset, offset + length)), field.name
