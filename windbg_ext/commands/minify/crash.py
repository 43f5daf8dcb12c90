"""One object that knows the crash: what every part of a small dump is collected from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.errors import MemoryReadError
from windbg_ext.kernel import read_kernel
from windbg_ext.kernel.threads import read_thread
from windbg_ext.structs.kernel import DRIVER_POWER_STATE_FAILURE
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.dump.header import BugCheck
    from windbg_ext.kernel import Kernel, Target
    from windbg_ext.kernel.debugger_data import DebuggerData
    from windbg_ext.kernel.processors import Processor
    from windbg_ext.kernel.threads import Thread
    from windbg_ext.memory import VirtualMemory
    from windbg_ext.structs.architectures import Architecture


PNP_BLOCKED = 4
"""Parameter 1 of 0x9F: the PnP subsystem blocks a power transition. Parameter 3 is the thread that holds its lock."""


class Crash(NamedTuple):
    """A target and what its kernel knew when it stopped."""

    target: Target
    kernel: Kernel

    @property
    def processor(self) -> Processor:
        """The processor that crashed; processor 0 if that cannot be told."""
        return self.kernel.crashed or self.kernel.processors[0]

    @property
    def thread(self) -> Thread | None:
        """The thread that ran there; None if it cannot be read."""
        return self.processor.thread

    @property
    def process(self) -> int:
        """Address of the process that ran there, 0 if it cannot be told."""
        return self.thread.process if self.thread else 0

    @property
    def shown_thread(self) -> Thread | None:
        """The thread that a debugger takes the thread and process of a small dump for (measured on the engine).

        It is the one that ran; for bug check 0x9F with parameter 1 = 4, the one that holds the PnP lock.
        """
        reason, _, holder, _ = self.bug_check.parameters
        if self.bug_check.plain_code == DRIVER_POWER_STATE_FAILURE and reason == PNP_BLOCKED:
            return read_thread(self.memory, self.debugger_data, holder) or self.thread
        return self.thread

    @property
    def memory(self) -> VirtualMemory:
        """Virtual memory as the crashing processor saw it."""
        return self.target.memory

    @property
    def debugger_data(self) -> DebuggerData:
        """The debugger data block, decoded."""
        return self.kernel.debugger_data

    @property
    def architecture(self) -> Architecture:
        """That of the processors."""
        return self.kernel.architecture

    @property
    def pte_base(self) -> int:
        """Where the kernel maps its own page tables, 0 if that cannot be told."""
        return self.debugger_data.pte_base or self.architecture.pte_base

    @property
    def bug_check(self) -> BugCheck:
        """Code and parameters."""
        return self.target.header.bug_check


def read_crash(target: Target) -> Crash:
    """Read what the kernel of a target knew. Raise DumpError if a structure is missing that everything depends on."""
    return Crash(target, read_kernel(target))


def damages(crash: Crash) -> Iterator[tuple[str, str]]:
    """Yield the damages that make a small dump useless to a debugger: (field, what is wrong with it)."""
    kernel = crash.kernel
    if kernel.modules.problem is not None:
        yield "PsLoadedModuleList", kernel.modules.problem
    for name, address in (
        (f"ContextRecord.{crash.architecture.stack_pointer}", kernel.context.stack_pointer),
        ("KPRCB", crash.processor.prcb),
    ):
        try:
            crash.memory.read(address, crash.memory.layouts.pointer_size)
        except MemoryReadError as error:
            yield name, str(error)
