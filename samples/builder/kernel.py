"""Turn the description of a machine into its memory: page tables, kernel structures, stacks, images, user pages.

Layouts: `windbg_ext.structs` and `versions`; EPROCESS, KTHREAD, PEB and KuserSharedData fields beyond them as public
symbols (`dt`) have them.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from samples.builder.control_regions import interrupt_gates, write_processor
from samples.builder.crashed_machine import Arena, CrashedMachine
from samples.builder.images import ENTRY_POINT, image_header
from samples.builder.machine import Backing, Machine, Placement, Process, Thread
from samples.builder.page_tables import PageSize
from samples.builder.physical import PAGE_SIZE
from windbg_ext.structs.debugger_data import OWNER_TAG, KdDebuggerData64
from windbg_ext.structs.kernel import DISPATCHER_HEADER_THREAD, MAX_UNLOADED_DRIVERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from samples.builder.address_space import AddressSpace
    from samples.builder.architectures import Architecture
    from windbg_ext.structs.layouts import KldrDataTableEntry

DEVICE_FRAME = 0xFEE00
"""The local APIC: below 4 GB, never RAM."""
DISPATCHER_HEADER_PROCESS = 3
KLDR_SIZE = 0xA0
PEB_LDR, PEB_MODULES, PEB_MODULE_STEP, PEB_MODULE_NAMES = 0x800, 0x880, 0x180, 0xC0
"""Offsets in the page of the PEB: loader data, its entries; and the names within the room of an entry."""


def crash(machine: Machine) -> CrashedMachine:
    """Lay out the machine in memory, as it is when the kernel writes a dump."""
    crashed = CrashedMachine(machine)
    _map_kernel_image(crashed)
    data = Arena(crashed, machine.kernel.base + ENTRY_POINT + PAGE_SIZE)
    pool = Arena(crashed, machine.pool)
    for module in machine.modules[1:]:
        crashed.write(module.base, image_header(module, crashed.architecture))
        for offset, code in module.code.items():
            crashed.write(module.base + offset, code)
    _write_variables(crashed, data)
    _write_modules(crashed, pool)
    _write_unloaded_drivers(crashed, pool)
    _write_physical_memory_block(crashed, pool)
    _write_processes(crashed)
    for thread in machine.threads:
        _write_thread(crashed, thread)
    idt = pool.put(interrupt_gates(crashed, machine.kernel.base + ENTRY_POINT), align=16)
    for number, processor in enumerate(machine.processors):
        write_processor(crashed, number, processor, idt)
    _write_debugger_data(crashed, data)
    _write_shared_user_data(crashed)
    for placement in machine.placements:
        _place(crashed, placement)
    if machine.window:
        crashed.system.map(machine.window, 0, size=PageSize.HUGE)
    return crashed


def _map_kernel_image(crashed: CrashedMachine) -> None:
    """Map the kernel with a large page, as Windows does. Only frames that are written to matter."""
    machine, kernel = crashed.machine, crashed.machine.kernel
    crashed.system.map(kernel.base, machine.large_page_frame, machine.page_tables.flags.kernel_code, PageSize.LARGE)
    crashed.write(kernel.base, image_header(kernel, crashed.architecture))
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
    "MmPfnDatabase": 0,
    "MmSizeOfPagedPoolInBytes": 0x10000000,
    "MmPagedPoolCommit": 0x1234,
    "PoolTrackTable": 0,
    "MmHighestUserAddress": 0,
    "MmSystemRangeStart": 0,
    "MmUserProbeAddress": 0,
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
"""Variables that the debugger data block of Windows 10 no longer points at."""
VERIFIER_DATA_SIZE = 0x90


def _write_variables(crashed: CrashedMachine, data: Arena) -> None:
    """Write the kernel's variables, each 8 bytes, and note where they are."""
    machine, variables = crashed.machine, crashed.variables
    values = {**VARIABLES, **crashed.architecture.addresses}
    if machine.version.major_version < 10:
        highest = machine.ram[-1].base_page + machine.ram[-1].page_count - 1
        physical = {"MmHighestPhysicalPage": highest, "MmNumberOfPhysicalPages": crashed.memory.frame_count}
        values.update(VARIABLES_BEFORE_10, **physical)
    values.update(machine.variables)
    for name, value in values.items():
        variables[name] = data.put(struct.pack("<Q", value))
    for name in LIST_HEADS:
        variables[name] = data.put(bytes(16))
        crashed.write_pointers(variables[name], variables[name], variables[name])
    variables["MmVerifierData"] = data.put(bytes(VERIFIER_DATA_SIZE))
    variables["NtBuildLab"] = data.put(machine.version.build_lab.encode().ljust(0x100, b"\0"))
    code, parameters = machine.bug_check.code, machine.bug_check.parameters
    variables["KiBugcheckData"] = data.put(_pointers(crashed, code, *parameters))
    prcb = machine.version.number("OffsetPcrContainedPrcb")
    blocks = [processor.pcr + prcb for processor in machine.processors]
    variables["KiProcessorBlock"] = data.put(_pointers(crashed, *blocks).ljust(64 * 8, b"\0"))
    variables["IopNumTriageDumpDataBlocks"] = data.put(struct.pack("<I", len(machine.triage_blocks)))
    registered = b"".join(_pointers(crashed, start, end) for start, end in machine.triage_blocks)
    variables["IopTriageDumpDataBlocks"] = data.put(registered.ljust(64 * 16, b"\0"), align=16)


def _pointers(crashed: CrashedMachine, *values: int) -> bytes:
    return struct.pack(f"<{len(values)}{crashed.architecture.pointer}", *values)


def _unicode_string(pool: Arena, text: str) -> tuple[int, int]:
    """Store a string and return length in bytes and buffer address of its UNICODE_STRING."""
    data = text.encode("utf-16-le")
    return len(data), pool.put(data + b"\0\0")


def _link(head: int, links: Sequence[int]) -> list[tuple[int, int, int]]:
    """Return (address, Flink, Blink) of a list head and of each entry behind it."""
    ring = [head, *links]
    return [(at, ring[(index + 1) % len(ring)], ring[index - 1]) for index, at in enumerate(ring)]


def _write_modules(crashed: CrashedMachine, pool: Arena) -> None:
    """Write PsLoadedModuleList."""
    structure = crashed.architecture.layouts.module
    entries = []
    for module in crashed.machine.modules:
        full_length, full_name = _unicode_string(pool, module.path)
        base_length, base_name = _unicode_string(pool, module.name)
        entry = structure.blank(
            dll_base=module.base,
            entry_point=module.base + ENTRY_POINT,
            size_of_image=module.size,
            full_name_length=full_length,
            full_name_buffer=full_name,
            base_name_length=base_length,
            base_name_buffer=base_name,
            flags=0x09004000,
            check_sum=module.check_sum,
        ).build()
        entry = _with_maximum_lengths(entry, structure, full_length, base_length)
        address = pool.put(entry.ljust(KLDR_SIZE, b"\0"), align=16)
        entries.append(address)
        crashed.loaded_modules[module.name] = address
    for address, forward, backward in _link(crashed.variables["PsLoadedModuleList"], entries):
        crashed.write_pointers(address, forward, backward)


def _with_maximum_lengths(entry: bytes, structure: type[KldrDataTableEntry], full: int, base: int) -> bytes:
    """Fill in MaximumLength of both names, which leaves room for a NUL."""
    data = bytearray(entry)
    struct.pack_into("<H", data, structure.full_name_length.offset + 2, full + 2)
    struct.pack_into("<H", data, structure.base_name_length.offset + 2, base + 2)
    return bytes(data)


def _write_unloaded_drivers(crashed: CrashedMachine, pool: Arena) -> None:
    """Write the ring of unloaded drivers. MmLastUnloadedDriver is the index of the next one."""
    drivers = crashed.machine.unloaded_drivers
    last = crashed.machine.last_unloaded_driver
    structure = crashed.architecture.layouts.unloaded_driver
    ring = bytearray(MAX_UNLOADED_DRIVERS * structure.SIZE)
    for age, driver in enumerate(drivers):
        length, name = _unicode_string(pool, driver.name)
        entry = structure.blank(
            name_length=length,
            name_maximum_length=length,
            name_buffer=name,
            start_address=driver.start,
            end_address=driver.end,
            current_time=driver.time,
        )
        at = (last - 1 - age) % MAX_UNLOADED_DRIVERS * structure.SIZE
        ring[at : at + structure.SIZE] = entry.build()
    crashed.unloaded_drivers = pool.put(bytes(ring), align=16)
    crashed.write_pointers(crashed.variables["MmUnloadedDrivers"], crashed.unloaded_drivers)
    crashed.write_pointers(crashed.variables["MmLastUnloadedDriver"], last)


def physical_memory_descriptor(machine: Machine) -> bytes:
    """Build the PHYSICAL_MEMORY_DESCRIPTOR of the machine's RAM."""
    layouts = machine.version.architecture.layouts
    pages = sum(run.page_count for run in machine.ram)
    head = layouts.physical_memory.blank(number_of_runs=len(machine.ram), number_of_pages=pages)
    entry = layouts.physical_memory_run
    runs = (entry.blank(base_page=run.base_page, page_count=run.page_count) for run in machine.ram)
    return head.build() + b"".join(run.build() for run in runs)


def _write_physical_memory_block(crashed: CrashedMachine, pool: Arena) -> None:
    crashed.physical_memory_block = pool.put(physical_memory_descriptor(crashed.machine))
    crashed.write_pointers(crashed.variables["MmPhysicalMemoryBlock"], crashed.physical_memory_block)


def _write_processes(crashed: CrashedMachine) -> None:
    """Write each EPROCESS, PsActiveProcessHead and the user half."""
    machine, version = crashed.machine, crashed.machine.version
    links = [process.address + version.untold.active_process_links for process in machine.processes]
    for process in machine.processes:
        space = crashed.spaces[process.name]
        crashed.write(process.address, bytes(version.number("SizeEProcess")))
        crashed.write(process.address, bytes([DISPATCHER_HEADER_PROCESS]))
        dtb = process.address + version.number("OffsetEprocessDirectoryTableBase")
        crashed.write_pointers(dtb, crashed.directory_table_base(space))
        crashed.write_pointers(process.address + version.untold.unique_process_id, process.process_id)
        crashed.write_pointers(process.address + version.number("OffsetEprocessPeb"), process.peb)
        name = process.name.encode()[:15].ljust(15, b"\0")
        crashed.write(process.address + version.untold.image_file_name, name)
        if process.peb:
            _write_user_half(space, process, crashed.architecture)
    for address, forward, backward in _link(crashed.variables["PsActiveProcessHead"], links):
        crashed.write_pointers(address, forward, backward)


def _write_user_half(space: AddressSpace, process: Process, architecture: Architecture) -> None:
    """Write the images' first pages and a PEB with the list of loaded images behind it, in one page."""
    offsets, structure, pointer = architecture.user_half, architecture.layouts.module, architecture.pointer
    for module in process.modules:
        space.ensure(module.base, PAGE_SIZE)
        space.write(module.base, image_header(module, architecture))
    loader = process.peb + PEB_LDR
    entries = [process.peb + PEB_MODULES + index * PEB_MODULE_STEP for index in range(len(process.modules))]
    space.ensure(process.peb, PAGE_SIZE)
    space.write(process.peb + offsets.image_base, struct.pack(f"<{pointer}", process.image_base))
    space.write(process.peb + offsets.loader, struct.pack(f"<{pointer}", loader))
    space.write(loader, struct.pack("<II", offsets.loader_size, 1))
    for module, at in zip(process.modules, entries):
        path, name = module.path.encode("utf-16-le"), module.name.encode("utf-16-le")
        entry = structure.blank(
            dll_base=module.base,
            entry_point=module.base + ENTRY_POINT,
            size_of_image=module.size,
            full_name_length=len(path),
            full_name_buffer=at + PEB_MODULE_NAMES,
            base_name_length=len(name),
            base_name_buffer=at + PEB_MODULE_NAMES + len(path) - len(name),
        ).build()
        space.write(at, _with_maximum_lengths(entry, structure, len(path), len(name)))
        space.write(at + offsets.time_date_stamp, struct.pack("<I", module.time_date_stamp))
        space.write(at + PEB_MODULE_NAMES, path + b"\0\0")
    for index in range(3):
        links = 2 * architecture.pointer_size * index
        for address, forward, backward in _link(loader + offsets.module_lists + links, [at + links for at in entries]):
            space.write(address, struct.pack(f"<2{pointer}", forward, backward))


def _write_thread(crashed: CrashedMachine, thread: Thread) -> None:
    """Write an ETHREAD and its kernel stack."""
    machine, version = crashed.machine, crashed.machine.version
    crashed.write(thread.address, bytes(version.number("SizeEThread")))
    crashed.write(thread.address, bytes([DISPATCHER_HEADER_THREAD, 0, version.number("SizeEThread") // 4 & 0xFF]))
    fields = {
        version.number("OffsetKThreadInitialStack"): thread.stack_base - 0x50,
        version.untold.stack_limit: thread.stack_limit,
        version.number("OffsetKThreadKernelStack"): thread.kernel_stack,
        version.number("OffsetKThreadApcProcess"): machine.process(thread.process).address,
        version.number("OffsetKThreadTeb"): thread.teb,
        version.untold.stack_base: thread.stack_base,
    }
    for offset, value in fields.items():
        crashed.write_pointers(thread.address + offset, value)
    crashed.write(thread.address + version.number("OffsetKThreadState"), bytes([thread.state]))
    crashed.system.ensure(thread.stack_limit, thread.stack_pages * PAGE_SIZE)
    crashed.write_pointers(thread.kernel_stack, *thread.words)


def _write_debugger_data(crashed: CrashedMachine, data: Arena) -> None:
    """Write the debugger data block, decoded, as it is in the dumps that Windows writes."""
    machine, version = crashed.machine, crashed.machine.version
    size = version.debugger_data_size
    head = data.put(bytes(16))
    pointers = {
        **crashed.variables,
        "ListFlink": head,
        "ListBlink": head,
        "KernBase": machine.kernel.base,
        "BreakpointWithStatus": machine.kernel.base + ENTRY_POINT + 0x40,
        "KiCallUserMode": machine.kernel.base + ENTRY_POINT + 0x80,
        "PteBase": crashed.system.pte_base,
    }
    extended = {name: crashed.architecture.layouts.sign_extended(address) for name, address in pointers.items()}
    block = KdDebuggerData64.blank(
        **KdDebuggerData64.by_attribute({**extended, **version.debugger_data}),
        owner_tag=OWNER_TAG,
        size=size,
        pae_enabled=machine.page_tables.told,
        mm_page_size=PAGE_SIZE,
    )
    crashed.debugger_data = data.put((block.build() + version.debugger_data_tail)[:size], align=16)
    address = crashed.architecture.layouts.sign_extended(crashed.debugger_data)
    crashed.write(head, struct.pack("<QQ", address, address))


def _write_shared_user_data(crashed: CrashedMachine) -> None:
    """Write the fields of KuserSharedData that debuggers look at."""
    machine, version = crashed.machine, crashed.machine.version
    at = crashed.architecture.cpu.shared_user_data

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
        in_transition = space.tables.flags.transition if placement.backing is Backing.TRANSITION else None
        space.map(placement.address, pfn, in_transition)
        if placement.backing is Backing.LEFT_OUT:
            crashed.left_out.add(pfn)
    space.write(placement.address, placement.data)
