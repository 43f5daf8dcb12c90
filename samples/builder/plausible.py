"""A plausible machine to start from: a few processors and modules, and a faulty driver.

`dataclasses.replace` turns it into an unusual one. All names, times and contents are made up.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from samples.builder.architectures import X64
from samples.builder.contexts import context_buffer, exception_record
from samples.builder.images import image_header
from samples.builder.machine import (
    SYSTEM,
    Backing,
    ExceptionRecord,
    Machine,
    Module,
    Placement,
    Process,
    Processor,
    SecondaryBlob,
    Thread,
    ThreadState,
    UnloadedDriver,
)
from samples.builder.places import BUG_CHECK_EX, FAULT, PLACES, X64_PLACES
from windbg_ext.dump.header import BugCheck

if TYPE_CHECKING:
    from collections.abc import Mapping

    from samples.builder.architectures import Architecture
    from samples.builder.physical import Runs
    from samples.builder.places import Places
    from samples.builder.versions import KernelVersion

USER_PROCESS = "sample.exe"
LARGE_PAGE_TEXT = b"kernel data in a page of 2 MB"


def _modules(places: Places) -> tuple[Module, ...]:
    system32 = "\\SystemRoot\\system32\\"
    drivers = system32 + "drivers\\"
    code = {**places.kernel_code(), 0x4000: LARGE_PAGE_TEXT}
    kernel = Module("ntoskrnl.exe", system32 + "ntoskrnl.exe", places.kernel, 0x1F8000, 0x5F3A1C07, 0x1F9A35, code)
    others = (
        ("hal.dll", system32, 0x6000),
        ("CI.dll", system32, 0x2C000),
        ("FLTMGR.SYS", drivers, 0x6F000),
        ("disk.sys", drivers, 0x1D000),
        ("ndis.sys", drivers, 0x70000),
    )
    modules = [kernel]
    base = places.drivers
    for index, (name, folder, size) in enumerate(others):
        modules.append(Module(name, folder + name, base, size, 0x5E000000 + 0x10101 * index, 0x10000 + 0x111 * index))
        base += (size + 0xFFFF & -0x10000) + 0x10000
    path = "\\??\\C:\\Samples\\faulty.sys"
    return (*modules, Module("faulty.sys", path, base, 0x9000, 0x65432100, 0xB7F1, places.faulty_code()))


def _user_modules(places: Places) -> tuple[Module, ...]:
    return (
        Module("sample.exe", "C:\\Samples\\sample.exe", places.program, 0x8000, 0x65432101, 0xC001),
        Module("ntdll.dll", "C:\\Windows\\SYSTEM32\\ntdll.dll", places.ntdll, 0x50000, 0x5E0A0B0C, 0x51F3D),
    )


def unloaded_drivers(count: int, places: Places = X64_PLACES) -> tuple[UnloadedDriver, ...]:
    """Return unloaded drivers, newest first. Names have at most the 12 characters that a small dump keeps."""
    names = ("dam.sys", "WdBoot.sys", "hwpolicy.sys")
    start = places.drivers + 0x400000
    return tuple(
        UnloadedDriver(
            names[index] if index < len(names) else f"gone{index:02}.sys",
            start + 0x20000 * index,
            start + 0x20000 * index + 0x1000 * (index % 7 + 3),
            133_499_990_000_000_000 - 10_000_000 * index,
        )
        for index in range(count)
    )


SECONDARY = (
    SecondaryBlob(UUID("7d0a3f6e-51c8-4e0b-9c27-3b2f4a5d6e01"), b"first blob of the sample\0" * 3, 0, 5),
    SecondaryBlob(UUID("7d0a3f6e-51c8-4e0b-9c27-3b2f4a5d6e02"), bytes(range(256)), 8, 0),
    SecondaryBlob(UUID("7d0a3f6e-51c8-4e0b-9c27-3b2f4a5d6e03"), b"\x01\x02\x03", 4, 13),
)

PAGED_OUT_TEXT = b"paged pool, in transition"


def _pointers(architecture: Architecture, *values: int) -> bytes:
    return struct.pack(f"<{len(values)}{architecture.pointer}", *values)


def _objects(architecture: Architecture, places: Places) -> tuple[Placement, ...]:
    """Return four objects in pool, each with a pointer to the next, and the special pages."""
    texts = (b"first object", b"second object", b"third object", b"fourth object")
    addresses = [places.objects + offset for offset in (0x40, 0x440, 0x1080, 0x1880)]
    chain = [
        Placement(at, _pointers(architecture, behind) + text.ljust(0x78, b"\0"))
        for at, behind, text in zip(addresses, (*addresses[1:], 0), texts)
    ]
    user_stack = _pointers(architecture, places.program + 0x1234, places.ntdll + 0x2345, places.user_stack + 0x800, 0)
    self, peb = places.teb + architecture.user_half.teb_self, places.teb + architecture.user_half.teb_peb
    return (
        *chain,
        Placement(places.paged_pool, PAGED_OUT_TEXT, Backing.TRANSITION),
        Placement(places.paged_pool + 0x1000, b"in no kernel dump", Backing.LEFT_OUT),
        Placement(places.paged_pool + 0x2000, b"", Backing.DEVICE),
        *(
            Placement(module.base, image_header(module, architecture), process=USER_PROCESS)
            for module in _user_modules(places)
        ),
        Placement(places.user_stack + 0x780, user_stack, process=USER_PROCESS),
        Placement(places.user_stack + 0x800, b"on the user stack", process=USER_PROCESS),
        Placement(self, _pointers(architecture, places.teb), process=USER_PROCESS),
        Placement(peb, _pointers(architecture, places.peb), process=USER_PROCESS),
    )


@dataclass(frozen=True)
class Crash:
    """The state of the crashing processor: registers, stack, and the fields of the header."""

    bug_check: BugCheck
    exception: ExceptionRecord
    registers: Mapping[str, int]
    words: tuple[int, ...]
    process: str
    stack_pointer: int
    header_context: Mapping[str, int] | None = None
    placements: tuple[Placement, ...] = ()


DRIVER_IRQL_NOT_LESS_OR_EQUAL = 0xD1
EXCEPTION_NOT_HANDLED, EXCEPTION_NOT_HANDLED_M = 0x7E, 0x1000007E
"""SYSTEM_THREAD_EXCEPTION_NOT_HANDLED and _M: the header's context is that of the exception."""
ACCESS_VIOLATION, BREAKPOINT = 0xC0000005, 0x80000003
STACK_STEP = 0x8000
THREAD_STEP, CONTEXT_STEP, CONTROL_REGION_STEP = 0xC40, 0x6C0, 0x10000


def _stack_base(places: Places, index: int) -> int:
    return places.stacks + STACK_STEP * (index + 1) - 0x1000


def _bug_check_call(places: Places, stack: int, *arguments: int) -> tuple[dict[str, int], tuple[int, ...]]:
    """Return the registers at the first instruction of KeBugCheckEx, and the stack at that point."""
    roles = places.roles
    registers = dict(zip(roles.arguments, arguments))
    registers.update(zip(roles.kept, (places.objects + 0x40, places.faulty, places.threads)))
    registers.update({roles.scratch: 0x1234, roles.instruction: places.kernel + BUG_CHECK_EX, roles.stack: stack})
    if roles.link:
        registers[roles.link] = places.after_bug_check
        words: tuple[int, ...] = ()
    else:
        words = (places.after_bug_check, *arguments)
    registers[roles.frame] = stack + (places.pointer_size * len(words) if roles.frames else 0x80)
    return registers, words


def driver_irql_crash(architecture: Architecture = X64) -> Crash:
    """Describe a 0xD1: the driver touched paged pool, which was in transition, at DISPATCH_LEVEL."""
    places = PLACES[architecture.machine_type]
    stack, fault = _stack_base(places, 0) - 0x780, places.faulty + FAULT
    bug_check = BugCheck(DRIVER_IRQL_NOT_LESS_OR_EQUAL, (places.paged_pool, 2, 1, fault))
    registers, call = _bug_check_call(places, stack, bug_check.code, *bug_check.parameters)
    second_frame = stack + places.pointer_size * (len(call) + 4)
    words = (
        *call,
        *((second_frame, places.after_dispatch) if places.roles.frames else (places.after_dispatch, 0x246)),
        *(places.objects + 0x40, places.paged_pool),
        *((0, places.after_fault) if places.roles.frames else (places.after_fault,)),
        *(places.threads, places.processes + 0x1000, 0x12345678),
        *(_waiting_thread(places), places.switched, places.program + 0x1234, places.user_stack + 0x800, 0, 0),
    )
    exception = ExceptionRecord(BREAKPOINT, places.kernel + BUG_CHECK_EX)
    return Crash(bug_check, exception, registers, words, USER_PROCESS, stack)


def system_thread_exception_crash(architecture: Architecture = X64) -> Crash:
    """Describe a 0x1000007E: an access violation in a worker thread, its record and context on the stack."""
    places = PLACES[architecture.machine_type]
    roles = places.roles
    stack, fault = _stack_base(places, 0) - 0x1A00, places.faulty + FAULT
    record, context = stack + 0x400, stack + 0x500
    bug_check = BugCheck(EXCEPTION_NOT_HANDLED_M, (ACCESS_VIOLATION, fault, record, context))
    violation = ExceptionRecord(ACCESS_VIOLATION, fault, flags=0, parameters=(1, 0x10))
    exception = ExceptionRecord(BREAKPOINT, places.kernel + BUG_CHECK_EX)
    at_exception = {roles.instruction: fault, roles.stack: stack + 0xB00, roles.first: 0x10}
    at_exception.update({roles.kept[0]: places.objects + 0x40, roles.kept[2]: places.threads})
    registers, call = _bug_check_call(places, stack, EXCEPTION_NOT_HANDLED, *bug_check.parameters)
    words = (
        *call,
        *((0, places.after_dispatch) if roles.frames else (places.after_dispatch,)),
        *(record, context, places.objects + 0x40, places.threads, _waiting_thread(places), 0, 0),
    )
    at_fault = _pointers(
        architecture, *(places.after_fault, places.objects + 0x440, places.threads, places.switched, 0, 0)
    )
    placements = (
        Placement(record, exception_record(violation, architecture)),
        Placement(context, context_buffer(at_exception, architecture=architecture)),
        Placement(stack + 0xB00, at_fault),
    )
    return Crash(bug_check, exception, registers, words, SYSTEM, stack, at_exception, placements)


def _waiting_thread(places: Places) -> int:
    """Return the address of the thread that is only referenced by a pointer on the crashing stack."""
    return places.threads + THREAD_STEP


def plausible_machine(
    version: KernelVersion,
    ram: Runs,
    large_page_frame: int,
    processors: int = 2,
    crashed: int = 0,
    crash: Crash | None = None,
    extended_state: bool = False,
) -> Machine:
    """Return a machine with this many processors, one of which crashed.

    With three or more, the last one runs user code. The others are idle. Thread 0 crashed, thread 1 waits, thread
    2 + n is the idle thread of processor n, and the last one is the thread that runs in user mode.
    """
    architecture = version.architecture
    places = PLACES[architecture.machine_type]
    crash = crash or driver_irql_crash(architecture)
    user_processor = processors - 1 if processors > 2 else None
    idle = [places.threads + THREAD_STEP * (2 + number) for number in range(processors)]
    threads = [
        Thread(
            places.threads,
            crash.process,
            _stack_base(places, 0),
            4,
            crash.stack_pointer,
            crash.words,
            ThreadState.RUNNING,
            places.teb if crash.process != SYSTEM else 0,
        ),
        _waiting(places),
    ]
    for number, address in enumerate(idle):
        base = _stack_base(places, 2 + number)
        words = _idle_words(places, number)
        threads.append(Thread(address, SYSTEM, base, 2, base - 0x200, words, ThreadState.RUNNING))
    if user_processor is not None:
        base = _stack_base(places, 2 + processors)
        address = places.threads + THREAD_STEP * (2 + processors)
        threads.append(Thread(address, USER_PROCESS, base, 2, base - 0x180, (0, 0), ThreadState.RUNNING, places.teb))
    running = []
    for number in range(processors):
        pcr = _control_region(places, number)
        if number == crashed:
            thread, registers = places.threads, crash.registers
        elif number == user_processor:
            thread, registers = threads[-1].address, _user_registers(architecture, places)
        else:
            thread, registers = idle[number], _idle_registers(places, number, _stack_base(places, 2 + number) - 0x200)
        if places.roles.own and number != user_processor:
            registers = {**registers, places.roles.own: pcr}
        context = places.contexts + CONTEXT_STEP * number
        running.append(Processor(pcr, context, registers, thread, idle[number], extended_state))
    return Machine(
        version=version,
        ram=ram,
        large_page_frame=large_page_frame,
        pool=places.pool,
        processors=tuple(running),
        processes=(
            Process(SYSTEM, places.processes, 4),
            Process(USER_PROCESS, places.processes + 0x1000, 4660, places.peb, places.program, _user_modules(places)),
        ),
        threads=tuple(threads),
        modules=_modules(places),
        unloaded_drivers=unloaded_drivers(6, places),
        last_unloaded_driver=6,
        bug_check=crash.bug_check,
        exception=crash.exception,
        crashed=crashed,
        context=crash.header_context,
        secondary=SECONDARY,
        triage_blocks=(
            (places.objects + 0x1880, places.objects + 0x18C0),
            (places.faulty + 0x1000, places.faulty + 0x1040),
        ),
        placements=(*_objects(architecture, places), *crash.placements),
        window=places.window,
        page_tables=version.page_tables,
    )


def _control_region(places: Places, number: int) -> int:
    return places.control_regions + CONTROL_REGION_STEP * number


def _waiting(places: Places) -> Thread:
    words = (places.switched, places.objects + 0x1080, places.after_fault, places.processes, 0, 0)
    base = _stack_base(places, 1)
    return Thread(_waiting_thread(places), SYSTEM, base, 2, base - 0x300, words)


def _idle_words(places: Places, number: int) -> tuple[int, ...]:
    frame = (0, places.after_idle_call) if places.roles.frames else (places.after_idle_call,)
    return (*frame, number, _control_region(places, number), 0, 0)


def _idle_registers(places: Places, number: int, stack: int) -> dict[str, int]:
    roles = places.roles
    high = number << 4 * places.pointer_size
    values = {name: high | 0x1111 * index & 0xFFFF for index, name in enumerate(roles.general, start=1)}
    if roles.frames:
        values[roles.frame] = stack
    if roles.link:
        values[roles.link] = places.after_idle_call
    return {**values, roles.instruction: places.idle, roles.stack: stack}


def _user_registers(architecture: Architecture, places: Places) -> dict[str, int]:
    roles = places.roles
    values = {roles.instruction: places.ntdll + 0x120, roles.stack: places.user_stack + 0x780, roles.first: places.peb}
    values[roles.kept[0]] = places.user_stack + 0x800
    if roles.link:
        values[roles.link] = places.program + 0x1234
    if roles.own:
        values[roles.own] = places.teb
    return {**architecture.user_context, **values}
