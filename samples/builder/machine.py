"""The description of a crashed machine: what its kernel held, as plain values. `kernel` turns it into memory.

It has every address that a debugger shows, so tests take their expected values from it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from samples.builder.page_tables import X64
from samples.builder.physical import PAGE_SIZE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from samples.builder.architectures import Architecture
    from samples.builder.page_tables import PageTables
    from samples.builder.physical import Runs
    from samples.builder.versions import KernelVersion
    from windbg_ext.dump.header import BugCheck

SYSTEM = "System"


@dataclass(frozen=True)
class Module:
    """A loaded image. path: as the kernel keeps it, `\\SystemRoot\\...`; code: bytes by offset from the base."""

    name: str
    path: str
    base: int
    size: int
    time_date_stamp: int
    check_sum: int
    code: Mapping[int, bytes] = field(default_factory=dict)

    @property
    def end(self) -> int:
        """The address behind the image."""
        return self.base + self.size


@dataclass(frozen=True)
class UnloadedDriver:
    """A driver that was unloaded; time: FILETIME."""

    name: str
    start: int
    end: int
    time: int


@dataclass(frozen=True)
class Process:
    """address: of the EPROCESS; peb: address of the PEB, 0 without a user half; image_base: of its program.

    modules: the images that its loader listed in the PEB, where a debugger looks for them.
    """

    name: str
    address: int
    process_id: int
    peb: int = 0
    image_base: int = 0
    modules: tuple[Module, ...] = ()


class ThreadState(enum.IntEnum):
    """KTHREAD_STATE."""

    RUNNING = 2
    WAITING = 5


@dataclass(frozen=True)
class Thread:
    """address: of the ETHREAD; process: its process's name; kernel_stack: its saved stack pointer.

    words: the values on its stack from kernel_stack upwards, each as long as a pointer.
    """

    address: int
    process: str
    stack_base: int
    stack_pages: int
    kernel_stack: int
    words: tuple[int, ...]
    state: ThreadState = ThreadState.WAITING
    teb: int = 0

    @property
    def stack_limit(self) -> int:
        """The lowest address of the stack."""
        return self.stack_base - self.stack_pages * PAGE_SIZE


@dataclass(frozen=True)
class Processor:
    """pcr: address of its KPCR; context: address of the buffer that its KPRCB points at; registers: by CONTEXT name.

    extended_state: the buffer holds AVX state, too, as on most machines since Windows 10.
    """

    pcr: int
    context: int
    registers: Mapping[str, int]
    current_thread: int
    idle_thread: int
    extended_state: bool = False


class Backing(enum.Enum):
    """What maps the page of a placement."""

    RAM = "a page of RAM"
    TRANSITION = "a page of RAM on the standby or modified list, its entry in transition"
    LEFT_OUT = "a page of RAM that the dump leaves out (a complete dump holds it all the same)"
    DEVICE = "memory of a device, mapped like RAM and in no dump"


@dataclass(frozen=True)
class Placement:
    """Bytes at a virtual address of a process. Kernel addresses are the same in all. Pages are mapped as needed."""

    address: int
    data: bytes
    backing: Backing = Backing.RAM
    process: str = SYSTEM


@dataclass(frozen=True)
class SecondaryBlob:
    """A blob of secondary data with the bytes of padding before and behind it."""

    tag: UUID
    data: bytes
    pre_pad: int = 0
    post_pad: int = 0


@dataclass(frozen=True)
class ExceptionRecord:
    """EXCEPTION_RECORD."""

    code: int
    address: int
    flags: int = 1
    parameters: tuple[int, ...] = ()


@dataclass(frozen=True)
class Machine:
    """Everything that a dump of this machine can show.

    ram: runs of page frames; large_page_frame: first frame of the large page that holds the kernel image, the first of
    `modules`; pool: where the kernel's own lists and names go; crashed: number of the processor that crashed; context:
    registers in the dump's header, None: those of the crashed processor; unloaded_drivers: newest first, 50 at most;
    last_unloaded_driver: index of the next one in their ring; triage_blocks: (start, end) of the ranges that drivers
    registered for small dumps; window: address of a 1 GB page that shows physical memory from 0 on, 0 for none;
    variables: values of kernel variables by the KDDEBUGGER_DATA64 name that leads to them, instead of the usual ones;
    process_context_id: low bits of CR3; times: FILETIME and 100 ns.
    """

    version: KernelVersion
    ram: Runs
    large_page_frame: int
    pool: int
    processors: tuple[Processor, ...]
    processes: tuple[Process, ...]
    threads: tuple[Thread, ...]
    modules: tuple[Module, ...]
    unloaded_drivers: tuple[UnloadedDriver, ...]
    bug_check: BugCheck
    exception: ExceptionRecord
    last_unloaded_driver: int = 0
    crashed: int = 0
    context: Mapping[str, int] | None = None
    secondary: tuple[SecondaryBlob, ...] = ()
    triage_blocks: tuple[tuple[int, int], ...] = ()
    placements: tuple[Placement, ...] = ()
    window: int = 0
    page_tables: PageTables = X64
    process_context_id: int = 0
    system_time: int = 133_500_000_000_000_000
    system_up_time: int = 36_000_000_000
    product_type: int = 1
    suite_mask: int = 0x110
    variables: Mapping[str, int] = field(default_factory=dict)

    @property
    def kernel(self) -> Module:
        """The kernel image."""
        return self.modules[0]

    @property
    def architecture(self) -> Architecture:
        """The architecture of its processors."""
        return self.version.architecture

    def process(self, name: str) -> Process:
        """Return the process with this name."""
        return next(process for process in self.processes if process.name == name)

    def thread(self, address: int) -> Thread:
        """Return the thread with this address."""
        return next(thread for thread in self.threads if thread.address == address)
