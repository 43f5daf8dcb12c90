"""Machines that crashed in other ways: one for each bug check whose parameters point at something.

Microsoft's bug check code reference says what the parameters mean. Each of these dumps has what they point at, where
a page at each parameter would not hold it: across the end of a page, or behind another pointer. They are built when
a test needs them; none of them is a file in this folder.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from samples.builder.catalog import GIB_RAM, Sample
from samples.builder.contexts import context_buffer, exception_record
from samples.builder.machine import ExceptionRecord, Machine, Placement
from samples.builder.physical import PAGE_SIZE
from samples.builder.places import FAULT, X64_PLACES
from samples.builder.plausible import THREAD_STEP, plausible_machine
from samples.builder.versions import WINDOWS_8_1, WINDOWS_10
from samples.builder.writers import Bitmap, kernel_pages
from windbg_ext.dump.header import BugCheck
from windbg_ext.structs.crash_records import ErrorRecord, TrapFrame64, WatchdogBlock
from windbg_ext.structs.header import DumpType
from windbg_ext.structs.io_objects import (
    DeviceNode64,
    DeviceObject64,
    DeviceObjectExtension64,
    DriverObject64,
    PopIrpData64,
    Triage9FPnp64,
)
from windbg_ext.structs.kernel import Triage9FPower64

if TYPE_CHECKING:
    from collections.abc import Mapping

    from samples.builder.versions import KernelVersion

PLACES = X64_PLACES
OBJECTS = PLACES.pool + 0x200000
"""Where what the parameters point at begins, each object in pages of its own."""
EDGE = PAGE_SIZE - 0x40
"""Where an object begins that lies across the end of a page."""
OTHER_STACK = PLACES.stacks + 0x200000
"""The lowest address of a stack of interrupts."""
ACCESS_VIOLATION, STACK_BUFFER_OVERRUN = 0xC0000005, 0xC0000409
DEVICE, DRIVER, IRP = 3, 4, 6
"""The first u16 of an I/O object (wdm.h)."""


@dataclass(frozen=True)
class BugCheckSample:
    """A sample, and what a small dump of it must hold: (address, bytes) of each range, in the order of importance."""

    sample: Sample
    expected: tuple[tuple[int, int], ...]


def _place(number: int) -> int:
    return OBJECTS + 0x20000 * number


def _filled(size: int, values: Mapping[int, bytes] | None = None) -> bytes:
    """Return bytes that are no pointers, with others at some offsets."""
    data = bytearray(bytes(range(0x21, 0x71)) * (size // 0x50 + 1))[:size]
    for offset, value in (values or {}).items():
        data[offset : offset + len(value)] = value
    return bytes(data)


def _pointers(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}Q", *values)


def _text(text: str) -> bytes:
    return text.encode("utf-16-le")


def _io_object(kind: int, size: int, fields: bytes) -> bytes:
    """Return an I/O object whose first fields are given, and whose rest is filled."""
    return struct.pack("<HH", kind, size) + fields[4:] + _filled(size - len(fields))


def _machine(
    code: int, parameters: tuple[int, ...], *placements: Placement, version: KernelVersion = WINDOWS_10
) -> Machine:
    machine = plausible_machine(version, GIB_RAM, 0x3000, processors=3)
    padded = (*parameters, 0, 0, 0, 0)[:4]
    return replace(machine, bug_check=BugCheck(code, padded), placements=(*machine.placements, *placements))


def _sample(name: str, about: str, machine: Machine, *expected: tuple[int, int]) -> BugCheckSample:
    return BugCheckSample(Sample(name, about, machine, Bitmap(DumpType.BITMAP_KERNEL, kernel_pages)), expected)


def _prcb(machine: Machine, number: int) -> int:
    return machine.processors[number].pcr + machine.version.number("OffsetPcrContainedPrcb")


def _on_interrupt_stack(machine: Machine) -> tuple[Machine, tuple[tuple[int, int], ...]]:
    """Return a machine whose crash ran on a stack of interrupts, and the stacks of what was interrupted."""
    stack, dpc_base = OTHER_STACK + 0x5000, OTHER_STACK + 0x20000
    crashed = machine.processors[machine.crashed]
    registers = {**crashed.registers, "Rsp": stack}
    processors = tuple(
        replace(processor, registers=registers) if processor is crashed else processor
        for processor in machine.processors
    )
    dpc_stack = _prcb(machine, machine.crashed) + machine.version.number("OffsetPrcbDpcStack")
    placements = (
        Placement(OTHER_STACK, _filled(0x6000)),
        Placement(dpc_base - 0x6000, _filled(0x6000)),
        Placement(dpc_stack, _pointers(dpc_base)),
    )
    thread = machine.thread(crashed.current_thread)
    interrupted = (dpc_base - 0x6000, 0x6000), (thread.stack_limit, thread.stack_base - thread.stack_limit)
    return replace(machine, processors=processors, placements=(*machine.placements, *placements)), interrupted


PROFILE, PROFILE_OFFSET = 0x41000, 0x84A8
"""Bytes of the DPC watchdog's buffer, and where the KPRCB of build 19041 points at it (measured)."""


def _single_dpc_watchdog() -> BugCheckSample:
    block, buffer = _place(0) + EDGE + 0x38, _place(4)
    told = WatchdogBlock.blank(
        signature=0xAEBECEDE,
        revision=1,
        size=WatchdogBlock.SIZE,
        dpc_watchdog_profile_offset=PROFILE_OFFSET + 0x40,
        dpc_watchdog_profile_length=PROFILE // 8,
    )
    machine = _machine(0x133, (0, 0x501, 0x500, block), Placement(block, told.build()))
    machine, interrupted = _on_interrupt_stack(machine)
    at = _prcb(machine, machine.crashed) + PROFILE_OFFSET + 0x40
    profile = (Placement(at, _pointers(buffer, buffer + 0x1230)), Placement(buffer, _filled(PROFILE)))
    machine = replace(machine, placements=(*machine.placements, *profile))
    about = "a DPC ran too long: the watchdog's block says where its profile is"
    return _sample("133-0", about, machine, (block, 0x10), *interrupted, (buffer, PROFILE))


def _cumulative_watchdog() -> BugCheckSample:
    block, buffer = _place(0) + EDGE + 0x38, _place(4)
    told = WatchdogBlock.blank(
        signature=0xAEBECEDE,
        revision=1,
        size=WatchdogBlock.SIZE,
        dpc_watchdog_profile_offset=PROFILE_OFFSET,
        dpc_watchdog_profile_length=PROFILE // 8,
    )
    machine = _machine(0x133, (1, 0x1E00, block, 0), Placement(block, told.build()))
    at = _prcb(machine, machine.crashed) + PROFILE_OFFSET
    profile = (Placement(at, _pointers(buffer, buffer + 0x40)), Placement(buffer, _filled(PROFILE)))
    machine = replace(machine, placements=(*machine.placements, *profile))
    about = "DPCs took too long together: the watchdog's block is another parameter"
    return _sample("133-1", about, machine, (block, 0x10), (buffer, PROFILE))


def _silent_watchdog() -> BugCheckSample:
    machine = _machine(0x133, (1, 0x1E00, 0, 0), version=WINDOWS_8_1)
    machine, interrupted = _on_interrupt_stack(machine)
    placements = []
    for number in range(len(machine.processors)):
        buffer = _place(4 + 3 * number)
        offset = machine.version.number("SizePrcb") - 0x100
        placements += [
            Placement(_prcb(machine, number) + offset, _pointers(buffer, buffer + 0x2340)),
            Placement(buffer, _filled(PROFILE)),
        ]
    machine = replace(machine, placements=(*machine.placements, *placements))
    profile = _place(4 + 3 * machine.crashed), PROFILE
    return _sample("133-1-81", "the same, of a kernel that does not say so", machine, *interrupted, profile)


def _device(place: int, name: str, parent: int = 0) -> tuple[tuple[Placement, ...], tuple[tuple[int, int], ...]]:
    """Return a device: two device objects in a stack, their driver, the device's node; and their ranges."""
    lower, upper, driver = place + EDGE, place + 0x2000 + EDGE, place + 0x4000 + EDGE
    lower_extension, upper_extension, node = place + 0x6000 + EDGE, place + 0x8000 + EDGE, place + 0xA000 + EDGE
    driver_name, instance, service = (place + at + EDGE for at in (0xC000, 0xE000, 0x10000))
    texts = {driver_name: f"\\Driver\\{name}", instance: f"PCI\\VEN_1234\\{name}", service: name * 8}
    size = 0x400
    objects = {
        lower: _io_object(
            DEVICE,
            size,
            DeviceObject64.blank(
                driver_object=driver, attached_device=upper, device_object_extension=lower_extension
            ).build(),
        ),
        upper: _io_object(
            DEVICE,
            size,
            DeviceObject64.blank(driver_object=driver, device_object_extension=upper_extension).build(),
        ),
        driver: _io_object(
            DRIVER,
            DriverObject64.SIZE,
            DriverObject64.blank(
                driver_name_length=len(_text(texts[driver_name])), driver_name_buffer=driver_name
            ).build(),
        ),
        lower_extension: DeviceObjectExtension64.blank(device_node=node).build(),
        upper_extension: DeviceObjectExtension64.blank().build(),
        node: DeviceNode64.blank(
            parent=parent,
            physical_device_object=lower,
            instance_path_length=len(_text(texts[instance])),
            instance_path_buffer=instance,
            service_name_length=len(_text(texts[service])),
            service_name_buffer=service,
        ).build(),
        **{at: _text(text) for at, text in texts.items()},
    }
    placements = tuple(Placement(at, data) for at, data in objects.items())
    return placements, tuple((at, len(data)) for at, data in objects.items())


def _power_freed() -> BugCheckSample:
    root, ranges = _device(_place(1), "root")
    device, more = _device(_place(0), "first", parent=_place(1) + 0xA000 + EDGE)
    node = next(address_length for address_length in ranges if address_length[0] == _place(1) + 0xA000 + EDGE)
    machine = _machine(0x9F, (1, _place(0) + EDGE), *root, *device)
    return _sample("9f-1", "a device was freed with a power IRP", machine, *more, node)


def _power_blocked() -> BugCheckSample:
    device, ranges = _device(_place(0), "blocked")
    triage, head, entry, irp = (_place(1) + at + EDGE for at in (0, 0x2000, 0x4000, 0x6000))
    size = 0xD0 + 4 * 0x48
    linked = [_place(2) + 0x3000 * number + EDGE for number in range(12)]
    objects = {
        triage: Triage9FPower64.blank(signature=0x8000, revision=1, irp_list=head, thread_list=triage + 0x100).build(),
        triage + 0x100: _pointers(triage + 0x100, triage + 0x100),
        head: _pointers(entry, entry),
        entry: _pointers(head, head) + PopIrpData64.blank(irp=irp, pdo=_place(0) + EDGE).build()[0x10:],
        irp: _io_object(IRP, size, bytes(0xD0)),
        # the driver's own list, which begins in the device object
        _place(0) + EDGE + 0x180: _pointers(linked[0], linked[-1]),
    }
    ring = [_place(0) + EDGE + 0x180, *linked]
    for before, at, behind in zip(ring, linked, (*linked[1:], ring[0])):
        objects[at] = _pointers(behind, before) + _filled(0x90)
    placements = tuple(Placement(at, data) for at, data in objects.items())
    machine = _machine(0x9F, (3, _place(0) + EDGE, triage, irp), *device, *placements)
    return _sample(
        "9f-3",
        "a device blocks a power IRP, and its driver has a long list",
        machine,
        *((triage, 0x28), (entry, 0x20), (irp, size)),
        *ranges,
        *((at, 0xA0) for at in linked),
    )


def _pnp_blocked() -> BugCheckSample:
    device, ranges = _device(_place(0), "slow")
    triage, queue, entry = (_place(1) + at + EDGE for at in (0, 0x2000, 0x4000))
    node = _place(0) + 0xA000 + EDGE
    machine = _machine(
        0x9F,
        (4, 0x12C, PLACES.threads + THREAD_STEP, triage),
        *device,
        Placement(triage, Triage9FPnp64.blank(signature=0x8001, revision=1, completion_queue=queue).build()),
        Placement(queue, _pointers(entry, entry)),
        Placement(entry, _pointers(queue, queue, node)),
    )
    thread = machine.thread(PLACES.threads + THREAD_STEP)
    size = machine.version.number("SizeEThread")
    stack = thread.stack_limit, thread.stack_base - thread.stack_limit
    about = "a thread holds the PnP lock"
    return _sample("9f-4", about, machine, (thread.address, size), stack, (triage, 0x18), (entry, 0x18), *ranges)


def _entry_of(machine: Machine, address: int) -> int:
    base = (0xFFFF << 48) | machine.version.self_map << 39
    return base + ((address & (1 << 48) - 1) >> 12) * 8


def _pages_around(address: int) -> tuple[Placement, ...]:
    return tuple(Placement(address + PAGE_SIZE * at, _filled(PAGE_SIZE)) for at in (-1, 0, 1))


def _inpage_error() -> BugCheckSample:
    page = _place(0) + 0x5000
    machine = _machine(0x7A, (), *_pages_around(page))
    entry = _entry_of(machine, page)
    process = machine.process("sample.exe").address
    machine = replace(machine, bug_check=BugCheck(0x7A, (entry, 0xC000000E, process, page + 0x123)))
    eprocess = process, machine.version.number("SizeEProcess")
    around = (page - PAGE_SIZE, 3 * PAGE_SIZE)
    return _sample("7a", "a page could not be read in", machine, (entry - 8, 24), around, eprocess)


def _memory_management() -> BugCheckSample:
    page = _place(0) + 0x5000
    machine = _machine(0x1A, (), *_pages_around(page))
    entry = _entry_of(machine, page)
    machine = replace(machine, bug_check=BugCheck(0x1A, (0x41792, entry, 0x80000000, 0)))
    around = (page - PAGE_SIZE, 3 * PAGE_SIZE)
    return _sample("1a", "a page-table entry is damaged", machine, (entry - 8, 24), around)


def _verifier_violation() -> BugCheckSample:
    device, irp, kept = (_place(number) + EDGE for number in (0, 1, 2))
    size = 0xD0 + 6 * 0x48
    machine = _machine(
        0xC4,
        (0x71, 0, irp, device),
        Placement(irp, _io_object(IRP, size, bytes(0xD0))),
        Placement(device, _io_object(DEVICE, 0x500, bytes(0x150))),
        Placement(kept, _filled(0x100)),
    )
    machine = replace(machine, variables={**machine.variables, "VfCrashDataBlock": kept})
    about = "the driver verifier found a violation, and left where it keeps its own data"
    return _sample("c4", about, machine, (irp, size), (device, 0x500), (kept, 0x100))


def _io_violation() -> BugCheckSample:
    irp, size = _place(1) + EDGE, 0xD0 + 9 * 0x48
    machine = _machine(0xC9, (0x224, PLACES.faulty + FAULT, irp, 0), Placement(irp, _io_object(IRP, size, bytes(0xD0))))
    return _sample("c9", "the same, of an IRP", machine, (PLACES.faulty + FAULT, 0x100), (irp, size))


def _hangs(code: int, parameters: tuple[int, ...], number: int) -> BugCheckSample:
    machine = _machine(code, parameters)
    hanging = machine.processors[number]
    thread = machine.thread(hanging.current_thread)
    stack = hanging.registers["Rsp"], thread.stack_base - hanging.registers["Rsp"]
    prcb = _prcb(machine, number), machine.version.number("SizePrcb")
    return _sample(f"{code:x}", "a processor hangs", machine, prcb, (hanging.context, 0x4D0), stack)


def _clock_watchdog() -> BugCheckSample:
    return _hangs(0x101, (0x18, 0, _prcb(_machine(0x101, ()), 1), 1), 1)


def _synthetic_watchdog() -> BugCheckSample:
    return _hangs(0x1CA, (0x1234, 0x5678, 0x9ABC, 1), 1)


def _hardware_error() -> BugCheckSample:
    record, length = _place(0) + EDGE, 0x1F38
    head = ErrorRecord.blank(signature=b"CPER", signature_end=0xFFFFFFFF, section_count=3, length=length).build()
    machine = _machine(0x124, (0, record, 0xBE000000, 0x800400), Placement(record, head + _filled(length - len(head))))
    return _sample("124", "a machine check, its record longer than a page", machine, (record, length))


def _security_check() -> BugCheckSample:
    frame, record, stack = _place(0) + EDGE, _place(1) + EDGE, _place(2) + EDGE
    trap = _filled(TrapFrame64.SIZE, {0x168: _pointers(PLACES.faulty + FAULT), 0x180: _pointers(stack)})
    raised = exception_record(ExceptionRecord(STACK_BUFFER_OVERRUN, PLACES.faulty + FAULT, parameters=(2,)))
    machine = _machine(
        0x139,
        (2, frame, record, 0),
        Placement(frame, trap),
        Placement(record, raised),
        Placement(stack, _filled(0x100)),
    )
    code = PLACES.faulty + 0x1000, PAGE_SIZE
    about = "the kernel found its own data corrupted"
    return _sample("139", about, machine, (frame, len(trap)), (record, len(raised)), (stack, 0x100), code)


def _critical_process() -> BugCheckSample:
    machine = _machine(0xEF, ())
    process, size = _place(0) + EDGE, machine.version.number("SizeEProcess")
    name = machine.version.untold.image_file_name
    died = _filled(size, {0: b"\x03\0", name: b"critical.exe\0\0\0"})
    machine = replace(
        machine,
        bug_check=BugCheck(0xEF, (process, 0, 0, 0)),
        placements=(*machine.placements, Placement(process, died)),
    )
    ended = machine.processors[machine.crashed].current_thread
    ethread = ended, machine.version.number("SizeEThread")
    return _sample("ef", "a critical process died", machine, (process, size), (process + name, 15), ethread)


def _thread_exception() -> BugCheckSample:
    record, context, stack = (_place(number) + EDGE for number in range(3))
    registers = {"Rip": PLACES.faulty + FAULT, "Rsp": stack, "Rbx": PLACES.objects + 0x40}
    raised = exception_record(ExceptionRecord(ACCESS_VIOLATION, PLACES.faulty + FAULT, parameters=(1, 0x10)))
    machine = _machine(
        0x1000007E,
        (ACCESS_VIOLATION, PLACES.faulty + FAULT, record, context),
        Placement(record, raised),
        Placement(context, context_buffer(registers)),
        Placement(stack, _filled(0x100)),
    )
    about = "an exception of a system thread, its records across the ends of pages"
    return _sample("1000007e", about, machine, (record, len(raised)), (context, 0x4D0), (stack, 0x100))


BUG_CHECKS = {
    made.sample.name: made
    for made in (
        *(_single_dpc_watchdog(), _cumulative_watchdog(), _silent_watchdog()),
        *(_power_freed(), _power_blocked(), _pnp_blocked()),
        *(_inpage_error(), _memory_management()),
        *(_verifier_violation(), _io_violation()),
        *(_clock_watchdog(), _synthetic_watchdog()),
        *(_hardware_error(), _security_check(), _critical_process(), _thread_exception()),
    )
}
"""By the bug check's code, for 0x133 and 0x9F with parameter 1."""
