"""Turns the description of a machine into its memory: page tables, kernel structures, stacks, images, user pages.

Layouts: `windbg_ext.structs` and `versions`; EPROCESS, KTHREAD, KPCR, PEB and KUSER_SHARED_DATA fields beyond them as
public symbols (`dt`) have them; descriptors of the GDT and IDT: Intel SDM volume 3, chapter 3.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from samples.builder.address_space import (
    GLOBAL,
    KERNEL_PAGE,
    LARGE_PAGE_SIZE,
    TRANSITION_PAGE,
    AddressSpace,
    PageSize,
)
from samples.builder.contexts import context_buffer
from samples.builder.images import ENTRY_POINT, image_header
from samples.builder.machine import SYSTEM, Backing, Machine, Placement, Process, Processor, Thread
from samples.builder.physical import PAGE_SIZE, PhysicalMemory
from windbg_ext.structs.amd64 import CR4_LA57, KSPECIAL_REGISTERS64
from windbg_ext.structs.debugger_data import KDDEBUGGER_DATA64, OWNER_TAG
from windbg_ext.structs.header import PHYSICAL_MEMORY_DESCRIPTOR64, PHYSICAL_MEMORY_RUN64
from windbg_ext.structs.kernel import (
    DISPATCHER_HEADER_THREAD,
    KLDR_DATA_TABLE_ENTRY64,
    MAX_UNLOADED_DRIVERS,
    UNLOADED_DRIVERS64,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

SHARED_USER_DATA = 0xFFFFF780_00000000
DEVICE_FRAME = 0xFEE00
"""The local APIC: below 4 GB, never RAM."""
DISPATCHER_HEADER_PROCESS = 3
KLDR_SIZE = 0xA0
PEB_LDR, PEB_MODULES, PEB_MODULE_STEP = 0x800, 0x880, 0x180
"""Where the loader data and its entries lie in the page of the PEB."""
GDT_LIMIT, IDT_LIMIT = 0x57, 0x1FF
CR0, CR4 = 0x80050031, 0x350EF8


class CrashedMachine:
    """A machine's memory at the moment of the crash, and where things are in it.

    variables: addresses of kernel variables, by the names that KDDEBUGGER_DATA64 has for their pointers; the other
    addresses are 0 (or missing) until `crash` has written the thing; loaded_modules: address of each entry of the
    module list by the module's name; left_out: page frames that only a complete dump holds.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.memory = PhysicalMemory(machine.ram)
        large = range(machine.large_page_frame, machine.large_page_frame + LARGE_PAGE_SIZE // PAGE_SIZE)
        self.memory.reserve(large)
        system = AddressSpace(self.memory, machine.paging_levels, machine.version.self_map)
        self.spaces = {SYSTEM: system}
        for process in machine.processes:
            if process.name != SYSTEM:
                self.spaces[process.name] = system.fork()
        self.variables: dict[str, int] = {}
        self.debugger_data = 0
        self.loaded_modules: dict[str, int] = {}
        self.unloaded_drivers = 0
        self.physical_memory_block = 0
        self.left_out: set[int] = set()

    @property
    def system(self) -> AddressSpace:
        """The address space of the System process; its upper half is everybody's."""
        return self.spaces[SYSTEM]

    @property
    def user_frames(self) -> set[int]:
        """Page frames that are mapped into the user half of some process."""
        return set().union(*(space.user_frames for space in self.spaces.values()))

    def space_of(self, thread: int) -> AddressSpace:
        """Give the address space that a thread runs in."""
        return self.spaces[self.machine.thread(thread).process]

    def directory_table_base(self, space: AddressSpace) -> int:
        """Give the value of CR3 for an address space."""
        return space.root * PAGE_SIZE | self.machine.process_context_id

    def write(self, address: int, data: bytes) -> None:
        """Write to kernel memory, mapped or not."""
        self.system.ensure(address, len(data))
        self.system.write(address, data)

    def write_u64(self, address: int, *values: int) -> None:
        """Write quadwords to kernel memory."""
        self.write(address, struct.pack(f"<{len(values)}Q", *values))


class Arena:
    """Hands out kernel memory from an address up."""

    def __init__(self, crashed: CrashedMachine, start: int) -> None:
        self._crashed = crashed
        self._next = start

    def put(self, data: bytes, align: int = 8) -> int:
        """Store bytes; gives their address."""
        address = self._next + -self._next % align
        self._crashed.write(address, data)
        self._next = address + len(data)
        return address


def crash(machine: Machine) -> CrashedMachine:
    """Lay the machine out in memory, as a kernel has it when it writes a dump."""
    crashed = CrashedMachine(machine)
    _map_kernel_image(crashed)
    data = Arena(crashed, machine.kernel.base + ENTRY_POINT + PAGE_SIZE)
    pool = Arena(crashed, machine.pool)
    for module in machine.modules[1:]:
        crashed.write(module.base, image_header(module))
        for offset, code in module.code.items():
            crashed.write(module.base + offset, code)
    _write_variables(crashed, data)
    _write_modules(crashed, pool)
    _write_unloaded_drivers(crashed, pool)
    _write_physical_memory_block(crashed, pool)
    _write_processes(crashed)
    for thread in machine.threads:
        _write_thread(crashed, thread)
    idt = pool.put(_interrupt_gates(machine.kernel.base + ENTRY_POINT), align=16)
    for number, processor in enumerate(machine.processors):
        _write_processor(crashed, number, processor, idt)
    _write_debugger_data(crashed, data)
    _write_shared_user_data(crashed)
    for placement in machine.placements:
        _place(crashed, placement)
    if machine.window:
        crashed.system.map(machine.window, 0, size=PageSize.HUGE)
    return crashed


def _map_kernel_image(crashed: CrashedMachine) -> None:
    """Map the kernel with a large page, as Windows does. Only frames that are written to are of interest."""
    machine, kernel = crashed.machine, crashed.machine.kernel
    crashed.system.map(kernel.base, machine.large_page_frame, KERNEL_PAGE | GLOBAL, PageSize.LARGE)
    crashed.write(kernel.base, image_header(kernel))
    for offset, code in kernel.code.items():
        crashed.write(kernel.base + offset, code)


LIST_HEADS = (
    *("ExpSystemResourcesList", "KeBugCheckCallbackListHead", "IopErrorLogListHead"),
    *("PsLoadedModuleList", "PsActiveProcessHead"),
)
VARIABLES = {
    "PspCidTable": 0,
    "KeTimeIncrement": 0x2625A,
    "ObpRootDirectoryObject": 0,
    "ObpTypeObjectType": 0,
    "MmPfnDatabase": 0xFFFFFA80_00000000,
    "MmSizeOfPagedPoolInBytes": 0x10000000,
    "MmPagedPoolCommit": 0x1234,
    "PoolTrackTable": 0,
    "MmHighestUserAddress": 0x7FFF_FFFEFFFF,
    "MmSystemRangeStart": 0xFFFF8000_00000000,
    "MmUserProbeAddress": 0x7FFF_FFFF0000,
    "MmUnloadedDrivers": 0,
    "MmLastUnloadedDriver": 0,
    "MmTriageActionTaken": 0,
    "MmSpecialPoolTag": 0,
    "KernelVerifier": 0,
    "CmNtCSDVersion": 0,
    "MmPhysicalMemoryBlock": 0,
    "KeLoaderBlock": 0,
}
VARIABLES_BEFORE_10 = {
    "MmNumberOfPagingFiles": 1,
    "MmLowestPhysicalPage": 0x1,
    "MmTotalCommitLimit": 0x7FE40,
    "MmTotalCommittedPages": 0x2A310,
    "MmAvailablePages": 0x1C020,
    "MmResidentAvailablePages": 0x1F310,
    "MmPeakCommitment": 0x30150,
    "MmTotalCommitLimitMaximum": 0xBFC40,
    "MmAllocatedNonPagedPool": 0x2A00,
}
"""The debugger data block of Windows 10 has no pointers to these any more."""
VERIFIER_DATA_SIZE = 0x90


def _write_variables(crashed: CrashedMachine, data: Arena) -> None:
    """Write the kernel's variables, each 8 bytes, and note where they are."""
    machine, variables = crashed.machine, crashed.variables
    values = dict(VARIABLES)
    if machine.version.major_version < 10:
        highest = machine.ram[-1].base_page + machine.ram[-1].page_count - 1
        physical = {"MmHighestPhysicalPage": highest, "MmNumberOfPhysicalPages": crashed.memory.frame_count}
        values.update(VARIABLES_BEFORE_10, **physical)
    values.update(machine.variables)
    for name, value in values.items():
        variables[name] = data.put(struct.pack("<Q", value))
    for name in LIST_HEADS:
        variables[name] = data.put(bytes(16))
        crashed.write_u64(variables[name], variables[name], variables[name])
    variables["MmVerifierData"] = data.put(bytes(VERIFIER_DATA_SIZE))
    variables["NtBuildLab"] = data.put(machine.version.build_lab.encode().ljust(0x100, b"\0"))
    code, parameters = machine.bug_check.code, machine.bug_check.parameters
    variables["KiBugcheckData"] = data.put(struct.pack("<5Q", code, *parameters))
    prcb = machine.version.number("OffsetPcrContainedPrcb")
    blocks = [processor.pcr + prcb for processor in machine.processors]
    variables["KiProcessorBlock"] = data.put(struct.pack(f"<{len(blocks)}Q", *blocks).ljust(64 * 8, b"\0"))
    variables["IopNumTriageDumpDataBlocks"] = data.put(struct.pack("<I", len(machine.triage_blocks)))
    registered = b"".join(struct.pack("<QQ", start, end) for start, end in machine.triage_blocks)
    variables["IopTriageDumpDataBlocks"] = data.put(registered.ljust(64 * 16, b"\0"), align=16)


def _unicode_string(pool: Arena, text: str) -> tuple[int, int]:
    """Store a string; gives the length in bytes and the address of the buffer of its UNICODE_STRING."""
    data = text.encode("utf-16-le")
    return len(data), pool.put(data + b"\0\0")


def _link(head: int, links: Sequence[int]) -> list[tuple[int, int, int]]:
    """Chain list entries behind a head: (address, Flink, Blink) of each."""
    ring = [head, *links]
    return [(at, ring[(index + 1) % len(ring)], ring[index - 1]) for index, at in enumerate(ring)]


def _write_modules(crashed: CrashedMachine, pool: Arena) -> None:
    """Write PsLoadedModuleList."""
    entries = []
    for module in crashed.machine.modules:
        full_length, full_name = _unicode_string(pool, module.path)
        base_length, base_name = _unicode_string(pool, module.name)
        entry = KLDR_DATA_TABLE_ENTRY64.blank(
            DllBase=module.base,
            EntryPoint=module.base + ENTRY_POINT,
            SizeOfImage=module.size,
            FullNameLength=full_length,
            FullNameBuffer=full_name,
            BaseNameLength=base_length,
            BaseNameBuffer=base_name,
            Flags=0x09004000,
            CheckSum=module.check_sum,
        ).build()
        address = pool.put(_with_maximum_lengths(entry, full_length, base_length).ljust(KLDR_SIZE, b"\0"), align=16)
        entries.append(address)
        crashed.loaded_modules[module.name] = address
    for address, forward, backward in _link(crashed.variables["PsLoadedModuleList"], entries):
        crashed.write_u64(address, forward, backward)


def _with_maximum_lengths(entry: bytes, full: int, base: int) -> bytes:
    """Fill in MaximumLength of both names, which leaves room for a NUL."""
    data = bytearray(entry)
    struct.pack_into("<H", data, KLDR_DATA_TABLE_ENTRY64.offset("FullNameLength") + 2, full + 2)
    struct.pack_into("<H", data, KLDR_DATA_TABLE_ENTRY64.offset("BaseNameLength") + 2, base + 2)
    return bytes(data)


def _write_unloaded_drivers(crashed: CrashedMachine, pool: Arena) -> None:
    """Write the ring of unloaded drivers: MmLastUnloadedDriver is the index that the next one would take."""
    drivers = crashed.machine.unloaded_drivers
    last = crashed.machine.last_unloaded_driver
    ring = bytearray(MAX_UNLOADED_DRIVERS * UNLOADED_DRIVERS64.size)
    for age, driver in enumerate(drivers):
        length, name = _unicode_string(pool, driver.name)
        entry = UNLOADED_DRIVERS64.blank(
            NameLength=length,
            NameMaximumLength=length,
            NameBuffer=name,
            StartAddress=driver.start,
            EndAddress=driver.end,
            CurrentTime=driver.time,
        )
        at = (last - 1 - age) % MAX_UNLOADED_DRIVERS * UNLOADED_DRIVERS64.size
        ring[at : at + UNLOADED_DRIVERS64.size] = entry.build()
    crashed.unloaded_drivers = pool.put(bytes(ring), align=16)
    crashed.write_u64(crashed.variables["MmUnloadedDrivers"], crashed.unloaded_drivers)
    crashed.write_u64(crashed.variables["MmLastUnloadedDriver"], last)


def physical_memory_descriptor(machine: Machine) -> bytes:
    """Build the PHYSICAL_MEMORY_DESCRIPTOR64 of the machine's RAM."""
    pages = sum(run.page_count for run in machine.ram)
    head = PHYSICAL_MEMORY_DESCRIPTOR64.blank(NumberOfRuns=len(machine.ram), NumberOfPages=pages)
    runs = (PHYSICAL_MEMORY_RUN64.blank(BasePage=run.base_page, PageCount=run.page_count) for run in machine.ram)
    return head.build() + b"".join(run.build() for run in runs)


def _write_physical_memory_block(crashed: CrashedMachine, pool: Arena) -> None:
    crashed.physical_memory_block = pool.put(physical_memory_descriptor(crashed.machine))
    crashed.write_u64(crashed.variables["MmPhysicalMemoryBlock"], crashed.physical_memory_block)


def _write_processes(crashed: CrashedMachine) -> None:
    """Write each EPROCESS, PsActiveProcessHead and the user half."""
    machine, version = crashed.machine, crashed.machine.version
    links = [process.address + version.process.active_process_links for process in machine.processes]
    for process in machine.processes:
        space = crashed.spaces[process.name]
        crashed.write(process.address, bytes(version.number("SizeEProcess")))
        crashed.write(process.address, bytes([DISPATCHER_HEADER_PROCESS]))
        dtb = process.address + version.number("OffsetEprocessDirectoryTableBase")
        crashed.write_u64(dtb, crashed.directory_table_base(space))
        crashed.write_u64(process.address + version.process.unique_process_id, process.process_id)
        crashed.write_u64(process.address + version.number("OffsetEprocessPeb"), process.peb)
        name = process.name.encode()[:15].ljust(15, b"\0")
        crashed.write(process.address + version.process.image_file_name, name)
        if process.peb:
            _write_user_half(space, process)
    for address, forward, backward in _link(crashed.variables["PsActiveProcessHead"], links):
        crashed.write_u64(address, forward, backward)


def _write_user_half(space: AddressSpace, process: Process) -> None:
    """Write the images' first pages and a PEB with the list of loaded images behind it, in one page."""
    for module in process.modules:
        space.ensure(module.base, PAGE_SIZE)
        space.write(module.base, image_header(module))
    loader = process.peb + PEB_LDR
    entries = [process.peb + PEB_MODULES + index * PEB_MODULE_STEP for index in range(len(process.modules))]
    space.ensure(process.peb, PAGE_SIZE)
    space.write(process.peb + 0x10, struct.pack("<QQ", process.image_base, loader))
    space.write(loader, struct.pack("<IIQ", 0x58, 1, 0))
    for module, entry in zip(process.modules, entries):
        path, name = module.path.encode("utf-16-le"), module.name.encode("utf-16-le")
        space.write(entry + 0x30, struct.pack("<QQI", module.base, module.base + ENTRY_POINT, module.size))
        space.write(entry + 0x48, struct.pack("<HH4xQ", len(path), len(path) + 2, entry + 0xC0))
        space.write(entry + 0x58, struct.pack("<HH4xQ", len(name), len(name) + 2, entry + 0xC0 + len(path) - len(name)))
        space.write(entry + 0x80, struct.pack("<I", module.time_date_stamp))
        space.write(entry + 0xC0, path + b"\0\0")
    for index, head in enumerate((loader + 0x10, loader + 0x20, loader + 0x30)):
        for address, forward, backward in _link(head, [entry + 0x10 * index for entry in entries]):
            space.write(address, struct.pack("<QQ", forward, backward))


def _write_thread(crashed: CrashedMachine, thread: Thread) -> None:
    """Write an ETHREAD and its kernel stack."""
    machine, version = crashed.machine, crashed.machine.version
    crashed.write(thread.address, bytes(version.number("SizeEThread")))
    crashed.write(thread.address, bytes([DISPATCHER_HEADER_THREAD, 0, version.number("SizeEThread") // 4 & 0xFF]))
    fields = {
        version.number("OffsetKThreadInitialStack"): thread.stack_base - 0x50,
        version.debugger_data.get("OffsetKThreadStackLimit", 0x30): thread.stack_limit,
        version.number("OffsetKThreadKernelStack"): thread.kernel_stack,
        version.number("OffsetKThreadApcProcess"): machine.process(thread.process).address,
        version.number("OffsetKThreadTeb"): thread.teb,
    }
    fields[_stack_base_offset(version.debugger_data.get("OffsetKThreadStackBase"))] = thread.stack_base
    for offset, value in fields.items():
        crashed.write_u64(thread.address + offset, value)
    crashed.write(thread.address + version.number("OffsetKThreadState"), bytes([thread.state]))
    crashed.system.ensure(thread.stack_limit, thread.stack_pages * PAGE_SIZE)
    crashed.write_u64(thread.kernel_stack, *thread.words)


def _stack_base_offset(told: int | None) -> int:
    """Give where KTHREAD.StackBase is: the block of Windows 7 does not tell (dt nt!_KTHREAD of 7601)."""
    return 0x278 if told is None else told


def _write_processor(crashed: CrashedMachine, number: int, processor: Processor, idt: int) -> None:
    """Write KPCR and KPRCB, the GDT and the TSS behind them, and the context buffer."""
    machine, version = crashed.machine, crashed.machine.version
    pcr, prcb = processor.pcr, processor.pcr + version.number("OffsetPcrContainedPrcb")
    gdt = pcr + version.number("SizePcr")
    tss = gdt + 0x80
    teb = machine.thread(processor.current_thread).teb
    crashed.write(pcr, bytes(version.number("SizePcr")))
    crashed.write_u64(pcr, gdt, tss, 0, pcr, prcb)
    crashed.write_u64(pcr + 0x38, idt)
    crashed.write(gdt, _descriptors(tss, teb))
    crashed.write(tss, struct.pack("<IQ", 0, machine.thread(processor.current_thread).stack_base).ljust(0x68, b"\0"))
    crashed.write(prcb, struct.pack("<I", 0x1F80))
    crashed.write_u64(prcb + version.number("OffsetPrcbCurrentThread"), processor.current_thread)
    crashed.write_u64(prcb + 0x18, processor.idle_thread)
    crashed.write(prcb + version.number("OffsetPrcbNumber"), struct.pack("<I", number))
    crashed.write(prcb + version.number("OffsetPrcbMhz"), struct.pack("<I", 3000))
    crashed.write(prcb + version.number("OffsetPrcbCpuType"), bytes([6]))
    crashed.write(prcb + version.number("OffsetPrcbVendorString"), b"GenuineIntel\0")
    special = KSPECIAL_REGISTERS64.blank(
        Cr0=CR0,
        Cr3=crashed.directory_table_base(crashed.space_of(processor.current_thread)),
        Cr4=CR4 | (CR4_LA57 if machine.paging_levels == 5 else 0),
        GdtrLimit=GDT_LIMIT,
        GdtrBase=gdt,
        IdtrLimit=IDT_LIMIT,
        IdtrBase=idt,
    )
    crashed.write(prcb + version.number("OffsetPrcbProcStateSpecialReg"), special.build())
    context = context_buffer(processor.registers, processor.extended_state)
    crashed.write(prcb + version.number("OffsetPrcbProcStateContext"), context[:0x4D0])
    crashed.write_u64(prcb + version.number("OffsetPrcbContext"), processor.context)
    crashed.write(processor.context, context)


def _descriptors(tss: int, teb: int) -> bytes:
    """Build a GDT as Windows has it: flat code and data, TSS, and the 32-bit TEB of user threads."""
    tss_low = 0x67 | (tss & 0xFFFFFF) << 16 | 0x8B << 40 | (tss >> 24 & 0xFF) << 56
    teb_low = 0x3C00 | (teb & 0xFFFFFF) << 16 | 0xF3 << 40 | 0x40 << 48 | (teb >> 24 & 0xFF) << 56
    return struct.pack(
        "<11Q",
        *(0, 0, 0x00209B00_00000000, 0x00409300_00000000, 0x00CFFB00_0000FFFF, 0x00CFF300_0000FFFF),
        *(0x0020FB00_00000000, 0, tss_low, tss >> 32, teb_low),
    )


def _interrupt_gates(handlers: int) -> bytes:
    """Build an IDT of 32 interrupt gates to handlers that are 0x10 bytes apart."""
    gates = b""
    for vector in range(32):
        to = handlers + 0x10 * vector
        gates += struct.pack("<HHBBHII", to & 0xFFFF, 0x10, 0, 0x8E, to >> 16 & 0xFFFF, to >> 32, 0)
    return gates


def _write_debugger_data(crashed: CrashedMachine, data: Arena) -> None:
    """Write the debugger data block, decoded, as it is in the dumps that Windows writes."""
    machine, version = crashed.machine, crashed.machine.version
    size = version.debugger_data_size
    head = data.put(bytes(16))
    block = KDDEBUGGER_DATA64.blank(
        **crashed.variables,
        **version.debugger_data,
        ListFlink=head,
        ListBlink=head,
        OwnerTag=OWNER_TAG,
        Size=size,
        KernBase=machine.kernel.base,
        BreakpointWithStatus=machine.kernel.base + ENTRY_POINT + 0x40,
        KiCallUserMode=machine.kernel.base + ENTRY_POINT + 0x80,
        PaeEnabled=1,
        MmPageSize=PAGE_SIZE,
        PteBase=crashed.system.pte_base,
    )
    crashed.debugger_data = data.put((block.build() + version.debugger_data_tail)[:size], align=16)
    crashed.write_u64(head, crashed.debugger_data, crashed.debugger_data)


def _write_shared_user_data(crashed: CrashedMachine) -> None:
    """Write the fields of KUSER_SHARED_DATA that debuggers look at."""
    machine, version = crashed.machine, crashed.machine.version
    at = SHARED_USER_DATA

    def write(offset: int, form: str, *values: int) -> None:
        crashed.write(at + offset, struct.pack("<" + form, *values))

    for offset, time in ((0x8, machine.system_up_time), (0x14, machine.system_time), (0x320, machine.system_up_time)):
        write(offset, "III", time & 0xFFFFFFFF, time >> 32, time >> 32)  # KSYSTEM_TIME: low, high twice
    crashed.write(at + 0x30, "C:\\Windows".encode("utf-16-le"))
    write(0x260, "III", version.build, machine.product_type, 1)
    write(0x26C, "II", version.major_version, version.minor_version)
    write(0x2D0, "I", machine.suite_mask)
    if any(processor.extended_state for processor in machine.processors):
        # XSTATE_CONFIGURATION: x87, SSE and AVX; 0x340 bytes, of which AVX takes 0x100 at 0x240
        write(0x3D8, "QQII", 7, 7, 0x340, 0)
        for feature, (start, size) in enumerate(((0, 0xA0), (0xA0, 0x100), (0x240, 0x100))):
            write(0x3F0 + 8 * feature, "II", start, size)


def _place(crashed: CrashedMachine, placement: Placement) -> None:
    """Put bytes at their address."""
    space = crashed.spaces[placement.process]
    if placement.backing is Backing.DEVICE:
        space.map(placement.address, DEVICE_FRAME)
        return
    if placement.backing is Backing.RAM:
        space.ensure(placement.address, len(placement.data))
    else:
        pfn = crashed.memory.allocate()
        space.map(placement.address, pfn, TRANSITION_PAGE if placement.backing is Backing.TRANSITION else None)
        if placement.backing is Backing.LEFT_OUT:
            crashed.left_out.add(pfn)
    space.write(placement.address, placement.data)
