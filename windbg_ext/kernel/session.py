"""The machine behind a debugger session: what the debugger tells of it, and physical pages that it reads."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from windbg_ext.dump.header import BugCheck, DumpHeader, KnownFields, parse_header
from windbg_ext.errors import DumpError, MemoryReadError
from windbg_ext.kernel.context import parse_context
from windbg_ext.kernel.crash_memory import crash_memory
from windbg_ext.kernel.debugger_data import read_debugger_data
from windbg_ext.kernel.processors import read_processors
from windbg_ext.limits import Budget
from windbg_ext.memory.overlay import OverlaidMemory
from windbg_ext.memory.paging import PagedMemory
from windbg_ext.memory.virtual import read_structure
from windbg_ext.structs.architectures import ARCHITECTURES
from windbg_ext.structs.header import FILL, SIGNATURE, DumpHeader32, DumpType, Machine
from windbg_ext.structs.kernel import KuserSharedData
from windbg_ext.structs.paging import X86_PAE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from windbg_ext.kernel.target import Blob, Target
    from windbg_ext.memory.far import FarMemory
    from windbg_ext.memory.physical import PhysicalPages
    from windbg_ext.memory.virtual import VirtualMemory
    from windbg_ext.structs.layouts import Layouts

FREE_BUILD, CHECKED_BUILD = 0xF, 0xC
"""DUMP_HEADER64.MajorVersion."""

SYSTEM_THREAD_EXCEPTION_NOT_HANDLED = 0x7E
RAISED_BY_KERNEL = 0x1000_0000
"""A bit of some codes: 0x1000007E is 0x7E."""
CONTEXT_PARAMETER = {SYSTEM_THREAD_EXCEPTION_NOT_HANDLED: 3}
"""Bug check: the index of the parameter that points at the CONTEXT of its exception (Microsoft's bug check reference).

Measured: the header of a dump has these registers, while the debugger shows those that the processor had after it.
"""

EXCEPTION_MAXIMUM_PARAMETERS = 15
"""Of an EXCEPTION_RECORD (winnt.h)."""


@dataclass(frozen=True)
class LastException:
    """An exception: its code, its flags, the address of the instruction, and what it tells besides."""

    code: int
    flags: int
    address: int
    parameters: tuple[int, ...] = ()


@dataclass(frozen=True)
class SessionFacts:
    """What a debugger knows of the machine that it has stopped.

    kd_debugger_data_block: None where it has to be searched; current_processor: its number; registers: its registers by
    their names in CONTEXT (Rax, SegCs, EFlags, Dr7, Esp, X0, Pc ...); exception: what made the debugger stop;
    system_time: 100 ns since 1601, UTC; system_up_time: 100 ns.
    """

    machine: Machine
    build: int
    free_build: bool
    directory_table_base: int
    ps_loaded_module_list: int
    kd_debugger_data_block: int | None
    number_processors: int
    current_processor: int
    bug_check: BugCheck
    registers: Mapping[str, int]
    exception: LastException
    system_time: int
    system_up_time: int


class SessionTarget:
    """The machine of a session. file: the dump that is open in it, for what only a file has; None for a live target."""

    def __init__(self, facts: SessionFacts, physical: PhysicalPages, file: Target | None = None) -> None:
        self.budget = Budget() if file is None else file.budget
        self._physical = physical
        self._file = file
        self.header = _header(facts, None)
        memory = crash_memory(physical, self.header)
        self.paging = memory.paging
        self.header = _header(facts, memory)
        self.memory = _with_current_registers(memory, facts, self.header, self.budget)

    def memory_of(self, directory_table_base: int) -> VirtualMemory:
        """Return virtual memory as a process sees it."""
        return PagedMemory(self._physical, directory_table_base, self.paging)

    @property
    def listed(self) -> None:
        """Nothing: the structures of the kernel have to be walked."""

    @property
    def secondary_size(self) -> int:
        """Bytes of the chain of secondary data; only a file has one."""
        return 0 if self._file is None else self._file.secondary_size

    def secondary_data(self) -> Iterator[Blob]:
        """Yield the header of the chain of secondary data and each blob; nothing if there is none."""
        return iter(()) if self._file is None else self._file.secondary_data()

    def losses(self) -> Iterator[tuple[str, str]]:
        """Yield what is missing from the file itself: (part, why)."""
        return iter(()) if self._file is None else self._file.losses()

    def read_failures(self) -> Iterator[tuple[str, str]]:
        """Yield what of the file could not be read so far: (part, why)."""
        return iter(()) if self._file is None else self._file.read_failures()


def _header(facts: SessionFacts, memory: PagedMemory | FarMemory | None) -> DumpHeader:
    """Return the header that a dump of this machine would have; fields that nobody knows hold the writer's fill."""
    architecture = ARCHITECTURES[facts.machine]
    layouts, mask = architecture.layouts, architecture.layouts.address_mask  # a debugger sign-extends pointers of x86
    blank = layouts.header.parse(FILL * (layouts.header.SIZE // len(FILL)))
    record = blank.replace(
        signature=SIGNATURE,
        valid_dump=layouts.valid_dump,
        major_version=FREE_BUILD if facts.free_build else CHECKED_BUILD,
        minor_version=facts.build,
        directory_table_base=facts.directory_table_base & mask,
        ps_loaded_module_list=facts.ps_loaded_module_list & mask,
        machine_image_type=int(facts.machine),
        number_processors=facts.number_processors,
        bug_check_code=facts.bug_check.code,
        bug_check_parameter=[parameter & mask for parameter in facts.bug_check.parameters],
        kd_debugger_data_block=(facts.kd_debugger_data_block or 0) & mask,
        dump_type=int(DumpType.FULL),
        context_record=_context(facts, memory).ljust(len(blank.context_record), b"\0"),
        exception=_exception(facts.exception, layouts),
        comment=bytes(len(blank.comment)),
        system_time=facts.system_time,
        system_up_time=facts.system_up_time,
    ).replace(**_shared_data(memory, architecture.shared_user_data))
    if isinstance(record, DumpHeader32) and memory is not None:
        record = record.replace(pae_enabled=int(memory.paging is X86_PAE))
    return parse_header(KnownFields(record))


def _context(facts: SessionFacts, memory: VirtualMemory | None) -> bytes:
    """Return the registers of the exception that a bug check hands over, as Windows does, else the session's."""
    architecture = ARCHITECTURES[facts.machine]
    where = CONTEXT_PARAMETER.get(facts.bug_check.code & ~RAISED_BY_KERNEL)
    if memory is not None and where is not None:
        with contextlib.suppress(MemoryReadError):
            return memory.read(facts.bug_check.parameters[where], architecture.context.SIZE)
    return _current_context(facts)


def _current_context(facts: SessionFacts) -> bytes:
    """Return the current processor's registers as the session tells them."""
    architecture = ARCHITECTURES[facts.machine]
    fields = ((architecture.context.field(name), value) for name, value in facts.registers.items())
    registers = {field.attribute: value & (1 << 8 * field.length) - 1 for field, value in fields}
    return architecture.context.blank(context_flags=architecture.plain_context, **registers).build()


def _with_current_registers(
    memory: VirtualMemory, facts: SessionFacts, header: DumpHeader, budget: Budget
) -> VirtualMemory:
    """Return memory in which the current processor's registers are where a dump has them: behind its KPRCB.

    A bug check leaves the registers of all processors there. What a kernel that only stops for its debugger leaves for
    the processor that reports it is not known; what it tells the debugger counts. (The other processors are frozen as
    for a bug check. In real dumps theirs have ContextFlags 0x10004B, unlike the crashing one's.)
    """
    architecture = ARCHITECTURES[facts.machine]
    try:
        block = read_debugger_data(memory, header.kd_debugger_data_block, header.ps_loaded_module_list, budget)
        processors = read_processors(memory, block, facts.number_processors, architecture)
    except DumpError:  # whoever needs them will tell
        return memory
    current, context = processors[facts.current_processor], _current_context(facts)
    same = current.context is not None and current.context.registers == parse_context(context, architecture).registers
    return memory if same or not current.context_address else OverlaidMemory(memory, current.context_address, context)


def _exception(exception: LastException, layouts: Layouts) -> bytes:
    parameters = [parameter & layouts.address_mask for parameter in exception.parameters[:EXCEPTION_MAXIMUM_PARAMETERS]]
    record = layouts.exception.blank(
        exception_code=exception.code,
        exception_flags=exception.flags,
        exception_address=exception.address & layouts.address_mask,
        number_parameters=len(parameters),
        exception_information=parameters + [0] * (EXCEPTION_MAXIMUM_PARAMETERS - len(parameters)),
    )
    return record.build()


def _shared_data(memory: VirtualMemory | None, address: int) -> dict[str, int]:
    """Return the exact times and what edition of Windows this is, as the kernel shows them to every process."""
    if memory is None:
        return {}
    try:
        shared = read_structure(memory, address, KuserSharedData)
    except MemoryReadError:
        return {}
    return {
        "system_time": shared.system_time,
        "system_up_time": shared.interrupt_time,
        "product_type": shared.nt_product_type,
        "suite_mask": shared.suite_mask,
    }
