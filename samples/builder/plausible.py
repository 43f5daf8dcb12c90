"""A plausible machine to start from: two or more processors, a handful of modules, a driver that went wrong.

`dataclasses.replace` turns it into an odd one. All names, times and contents are made up.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from samples.builder.contexts import USER_SELECTORS, context_buffer, exception_record
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
from samples.builder.physical import PAGE_SIZE
from windbg_ext.dump.header import BugCheck

if TYPE_CHECKING:
    from collections.abc import Mapping

    from samples.builder.physical import Runs
    from samples.builder.versions import KernelVersion

KERNEL_BASE = 0xFFFFF805_12400000
DRIVERS = 0xFFFFF805_12800000
STACKS = 0xFFFFD000_20000000
CONTROL_REGIONS = 0xFFFFD000_20100000
POOL = 0xFFFFE000_10000000
CONTEXTS = POOL + 0x40000
PROCESSES = POOL + 0x50080
THREADS = POOL + 0x60080
OBJECTS = POOL + 0x70000
PAGED_POOL = POOL + 0x80000
WINDOW = 0xFFFF9000_00000000
PEB, TEB = 0x7FF7_00010000, 0x7FF7_00012000
PROGRAM, NTDLL = 0x7FF7_00020000, 0x7FF7_00100000
USER_STACK = 0x7FF7_00040000

USER_PROCESS = "sample.exe"

# offsets into the code of the kernel and of the faulty driver
BUG_CHECK_EX, AFTER_BUG_CHECK, AFTER_DISPATCH = 0x1100, 0x1205, 0x1605
IDLE, AFTER_IDLE_CALL, SWITCHED = 0x1302, 0x1405, 0x1505
FAULT, AFTER_CALL = 0x1010, 0x1025


def _code(*pieces: tuple[int, bytes]) -> dict[int, bytes]:
    """Fill a page of code at offset 0x1000 with breakpoints and put instructions at offsets of the image."""
    page = bytearray(b"\xcc" * PAGE_SIZE)
    for offset, code in pieces:
        page[offset - 0x1000 : offset - 0x1000 + len(code)] = code
    return {0x1000: bytes(page)}


def _call(return_offset: int, target: int) -> tuple[int, bytes]:
    """Give a call of an offset in the image that returns to another one."""
    return return_offset - 5, b"\xe8" + struct.pack("<i", target - return_offset)


HOME_REGISTERS = bytes.fromhex("48894c2408 4889542410 4c89442418 4c894c2420")
"""mov [rsp+8], rcx and so on: how KeBugCheckEx begins."""
LARGE_PAGE_TEXT = b"kernel data in a page of 2 MB"

KERNEL_CODE = {
    **_code(
        (BUG_CHECK_EX, HOME_REGISTERS),
        _call(AFTER_BUG_CHECK, BUG_CHECK_EX),
        (IDLE - 2, bytes.fromhex("fb f4 c3")),  # sti; hlt; ret
        _call(AFTER_IDLE_CALL, IDLE - 2),
        _call(SWITCHED, 0x1700),
        _call(AFTER_DISPATCH, 0x1000),
    ),
    0x4000: LARGE_PAGE_TEXT,
}
FAULTY_CODE = _code((FAULT, bytes.fromhex("8901 c3")), _call(AFTER_CALL, FAULT))  # mov [rcx], eax; ret


def _modules() -> tuple[Module, ...]:
    system32 = "\\SystemRoot\\system32\\"
    drivers = system32 + "drivers\\"
    kernel = Module("ntoskrnl.exe", system32 + "ntoskrnl.exe", KERNEL_BASE, 0x1F8000, 0x5F3A1C07, 0x1F9A35, KERNEL_CODE)
    others = (
        ("hal.dll", system32, 0x6000),
        ("CI.dll", system32, 0x2C000),
        ("FLTMGR.SYS", drivers, 0x6F000),
        ("disk.sys", drivers, 0x1D000),
        ("ndis.sys", drivers, 0x70000),
    )
    modules = [kernel]
    base = DRIVERS
    for index, (name, folder, size) in enumerate(others):
        modules.append(Module(name, folder + name, base, size, 0x5E000000 + 0x10101 * index, 0x10000 + 0x111 * index))
        base += (size + 0xFFFF & -0x10000) + 0x10000
    faulty = Module("faulty.sys", "\\??\\C:\\Samples\\faulty.sys", base, 0x9000, 0x65432100, 0xB7F1, FAULTY_CODE)
    return (*modules, faulty)


MODULES = _modules()
FAULTY = MODULES[-1]

USER_MODULES = (
    Module("sample.exe", "C:\\Samples\\sample.exe", PROGRAM, 0x8000, 0x65432101, 0xC001),
    Module("ntdll.dll", "C:\\Windows\\SYSTEM32\\ntdll.dll", NTDLL, 0x50000, 0x5E0A0B0C, 0x51F3D),
)


def unloaded_drivers(count: int) -> tuple[UnloadedDriver, ...]:
    """Give drivers that were unloaded, newest first; no name is longer than the 12 characters a small dump keeps."""
    names = ("dam.sys", "WdBoot.sys", "hwpolicy.sys")
    return tuple(
        UnloadedDriver(
            names[index] if index < len(names) else f"gone{index:02}.sys",
            DRIVERS + 0x400000 + 0x20000 * index,
            DRIVERS + 0x400000 + 0x20000 * index + 0x1000 * (index % 7 + 3),
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


def _objects() -> tuple[Placement, ...]:
    """Give a chain of four objects in pool, each with a pointer to the next, and the special pages."""
    texts = (b"first object", b"second object", b"third object", b"fourth object")
    places = (OBJECTS + 0x40, OBJECTS + 0x440, OBJECTS + 0x1080, OBJECTS + 0x1880)
    chain = [
        Placement(at, struct.pack("<Q", behind) + text.ljust(0x78, b"\0"))
        for at, behind, text in zip(places, (*places[1:], 0), texts)
    ]
    user_stack = struct.pack("<4Q", PROGRAM + 0x1234, NTDLL + 0x2345, USER_STACK + 0x800, 0)
    return (
        *chain,
        Placement(PAGED_POOL, PAGED_OUT_TEXT, Backing.TRANSITION),
        Placement(PAGED_POOL + 0x1000, b"in no kernel dump", Backing.LEFT_OUT),
        Placement(PAGED_POOL + 0x2000, b"", Backing.DEVICE),
        *(Placement(module.base, image_header(module), process=USER_PROCESS) for module in USER_MODULES),
        Placement(USER_STACK + 0x780, user_stack, process=USER_PROCESS),
        Placement(USER_STACK + 0x800, b"on the user stack", process=USER_PROCESS),
        Placement(TEB + 0x30, struct.pack("<Q", TEB), process=USER_PROCESS),
        Placement(TEB + 0x60, struct.pack("<Q", PEB), process=USER_PROCESS),
    )


TRIAGE_BLOCKS = ((OBJECTS + 0x1880, OBJECTS + 0x18C0), (FAULTY.base + 0x1000, FAULTY.base + 0x1040))


@dataclass(frozen=True)
class Crash:
    """What the crashing processor was doing: registers, what is on its stack, what the header says."""

    bug_check: BugCheck
    exception: ExceptionRecord
    words: tuple[int, ...]
    process: str
    stack_pointer: int
    header_context: Mapping[str, int] | None = None
    placements: tuple[Placement, ...] = ()

    @property
    def registers(self) -> dict[str, int]:
        """The registers at the first instruction of KeBugCheckEx."""
        names = ("Rcx", "Rdx", "R8", "R9")
        stop = 0x7E if self.bug_check.code == EXCEPTION_NOT_HANDLED_M else self.bug_check.code
        arguments = dict(zip(names, (stop, *self.bug_check.parameters)))
        addresses = {"Rip": KERNEL_BASE + BUG_CHECK_EX, "Rsp": self.stack_pointer, "Rbp": self.stack_pointer + 0x80}
        return {**arguments, **addresses, "Rax": 0x1234, "Rbx": OBJECTS + 0x40, "Rsi": FAULTY.base, "R15": THREADS}


DRIVER_IRQL_NOT_LESS_OR_EQUAL = 0xD1
EXCEPTION_NOT_HANDLED_M = 0x1000007E
"""SYSTEM_THREAD_EXCEPTION_NOT_HANDLED_M: the header's context is that of the exception."""
ACCESS_VIOLATION, BREAKPOINT = 0xC0000005, 0x80000003
STACK_STEP = 0x8000
THREAD_STEP, CONTEXT_STEP, CONTROL_REGION_STEP = 0xC40, 0x6C0, 0x10000


def _stack_base(index: int) -> int:
    return STACKS + STACK_STEP * (index + 1) - 0x1000


def driver_irql_crash() -> Crash:
    """Describe a 0xD1: the driver touched paged pool, which was in transition, at DISPATCH_LEVEL."""
    fault = FAULTY.base + FAULT
    bug_check = BugCheck(DRIVER_IRQL_NOT_LESS_OR_EQUAL, (PAGED_POOL, 2, 1, fault))
    words = (
        *(KERNEL_BASE + AFTER_BUG_CHECK, 0xD1, PAGED_POOL, 2, 1, fault, KERNEL_BASE + AFTER_DISPATCH, 0x246),
        *(OBJECTS + 0x40, PAGED_POOL, FAULTY.base + AFTER_CALL, THREADS, PROCESSES + 0x1000, 0x12345678),
        *(_waiting_thread(), KERNEL_BASE + SWITCHED, PROGRAM + 0x1234, USER_STACK + 0x800, 0, 0),
    )
    exception = ExceptionRecord(BREAKPOINT, KERNEL_BASE + BUG_CHECK_EX)
    return Crash(bug_check, exception, words, USER_PROCESS, _stack_base(0) - 0x780)


def system_thread_exception_crash() -> Crash:
    """Describe a 0x1000007E: an access violation in a worker thread, its record and context on the stack."""
    fault = FAULTY.base + FAULT
    stack = _stack_base(0) - 0x1A00
    record, context = stack + 0x400, stack + 0x500
    bug_check = BugCheck(EXCEPTION_NOT_HANDLED_M, (ACCESS_VIOLATION, fault, record, context))
    violation = ExceptionRecord(ACCESS_VIOLATION, fault, flags=0, parameters=(1, 0x10))
    exception = ExceptionRecord(BREAKPOINT, KERNEL_BASE + BUG_CHECK_EX)
    registers = {"Rip": fault, "Rsp": stack + 0xB00, "Rcx": 0x10, "Rbx": OBJECTS + 0x40, "R15": THREADS}
    words = (
        *(KERNEL_BASE + AFTER_BUG_CHECK, 0x7E, ACCESS_VIOLATION, fault, record, context),
        *(KERNEL_BASE + AFTER_DISPATCH, record, context, OBJECTS + 0x40, THREADS, _waiting_thread(), 0, 0),
    )
    at_fault = struct.pack("<6Q", FAULTY.base + AFTER_CALL, OBJECTS + 0x440, THREADS, KERNEL_BASE + SWITCHED, 0, 0)
    placements = (
        Placement(record, exception_record(violation)),
        Placement(context, context_buffer(registers)),
        Placement(stack + 0xB00, at_fault),
    )
    return Crash(bug_check, exception, words, SYSTEM, stack, registers, placements)


def _waiting_thread() -> int:
    """Give the address of the thread that only a pointer on the crashing stack leads to."""
    return THREADS + THREAD_STEP


def plausible_machine(
    version: KernelVersion,
    ram: Runs,
    large_page_frame: int,
    processors: int = 2,
    crashed: int = 0,
    crash: Crash | None = None,
    extended_state: bool = False,
) -> Machine:
    """Give a machine of so many processors of which one crashed.

    With three or more, the last one runs user code. The others are idle. Thread 0 crashed, thread 1 waits, thread
    2 + n is the idle thread of processor n, and the last one is the thread that runs in user mode.
    """
    crash = crash or driver_irql_crash()
    user_processor = processors - 1 if processors > 2 else None
    idle = [THREADS + THREAD_STEP * (2 + number) for number in range(processors)]
    threads = [
        Thread(
            THREADS,
            crash.process,
            _stack_base(0),
            4,
            crash.stack_pointer,
            crash.words,
            ThreadState.RUNNING,
            TEB if crash.process != SYSTEM else 0,
        ),
        Thread(_waiting_thread(), SYSTEM, _stack_base(1), 2, _stack_base(1) - 0x300, _waiting_words()),
    ]
    for number, address in enumerate(idle):
        base = _stack_base(2 + number)
        threads.append(Thread(address, SYSTEM, base, 2, base - 0x200, _idle_words(number), ThreadState.RUNNING))
    if user_processor is not None:
        base = _stack_base(2 + processors)
        address = THREADS + THREAD_STEP * (2 + processors)
        threads.append(Thread(address, USER_PROCESS, base, 2, base - 0x180, (0, 0), ThreadState.RUNNING, TEB))
    running = []
    for number in range(processors):
        if number == crashed:
            thread, registers = THREADS, crash.registers
        elif number == user_processor:
            thread, registers = threads[-1].address, _user_registers()
        else:
            thread, registers = idle[number], _idle_registers(number, _stack_base(2 + number) - 0x200)
        running.append(
            Processor(
                CONTROL_REGIONS + CONTROL_REGION_STEP * number,
                CONTEXTS + CONTEXT_STEP * number,
                registers,
                thread,
                idle[number],
                extended_state,
            )
        )
    return Machine(
        version=version,
        ram=ram,
        large_page_frame=large_page_frame,
        pool=POOL,
        processors=tuple(running),
        processes=(
            Process(SYSTEM, PROCESSES, 4),
            Process(USER_PROCESS, PROCESSES + 0x1000, 4660, PEB, PROGRAM, USER_MODULES),
        ),
        threads=tuple(threads),
        modules=MODULES,
        unloaded_drivers=unloaded_drivers(6),
        last_unloaded_driver=6,
        bug_check=crash.bug_check,
        exception=crash.exception,
        crashed=crashed,
        context=crash.header_context,
        secondary=SECONDARY,
        triage_blocks=TRIAGE_BLOCKS,
        placements=(*_objects(), *crash.placements),
        window=WINDOW,
    )


def _waiting_words() -> tuple[int, ...]:
    return (KERNEL_BASE + SWITCHED, OBJECTS + 0x1080, FAULTY.base + AFTER_CALL, PROCESSES, 0, 0)


def _idle_words(number: int) -> tuple[int, ...]:
    return (KERNEL_BASE + AFTER_IDLE_CALL, number, CONTROL_REGIONS + CONTROL_REGION_STEP * number, 0, 0)


def _idle_registers(number: int, stack: int) -> dict[str, int]:
    names = ("Rax", "Rcx", "Rdx", "Rbx", "Rbp", "Rsi", "Rdi", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15")
    values = {name: number << 32 | 0x1111 * index for index, name in enumerate(names, start=1)}
    return {**values, "Rip": KERNEL_BASE + IDLE, "Rsp": stack}


def _user_registers() -> dict[str, int]:
    return {**USER_SELECTORS, "Rip": NTDLL + 0x120, "Rsp": USER_STACK + 0x780, "Rbx": USER_STACK + 0x800, "Rcx": PEB}
