"""The memory of a machine that crashed, while its structures are written into it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from samples.builder.address_space import AddressSpace
from samples.builder.machine import SYSTEM
from samples.builder.page_tables import PageSize
from samples.builder.physical import PhysicalMemory

if TYPE_CHECKING:
    from samples.builder.architectures import Architecture
    from samples.builder.machine import Machine


class CrashedMachine:
    """A machine's memory at the moment of the crash, and the addresses of the structures in it.

    variables: addresses of kernel variables, by the names that KdDebuggerData64 has for their pointers; the other
    addresses are 0 (or missing) until `crash` has written the structure; loaded_modules: address of each entry of the
    module list by the module's name; left_out: page frames that only a complete dump holds.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.memory = PhysicalMemory(machine.ram)
        pages = machine.page_tables.pages(PageSize.LARGE)
        self.memory.reserve(range(machine.large_page_frame, machine.large_page_frame + pages))
        system = AddressSpace(self.memory, machine.page_tables, machine.version.self_map)
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
    def architecture(self) -> Architecture:
        """The architecture of the machine."""
        return self.machine.version.architecture

    @property
    def system(self) -> AddressSpace:
        """The address space of the System process. All processes share its upper half."""
        return self.spaces[SYSTEM]

    @property
    def user_frames(self) -> set[int]:
        """Page frames that are mapped into the user half of any process."""
        return set().union(*(space.user_frames for space in self.spaces.values()))

    def space_of(self, thread: int) -> AddressSpace:
        """Return the address space that a thread runs in."""
        return self.spaces[self.machine.thread(thread).process]

    def directory_table_base(self, space: AddressSpace) -> int:
        """Return the value of CR3 or TTBR0_EL1 for an address space."""
        return space.directory_table_base | self.machine.process_context_id

    def write(self, address: int, data: bytes) -> None:
        """Write to kernel memory. Map it if it is not mapped."""
        self.system.ensure(address, len(data))
        self.system.write(address, data)

    def write_u64(self, address: int, *values: int) -> None:
        """Write quadwords to kernel memory."""
        self.write(address, struct.pack(f"<{len(values)}Q", *values))

    def write_pointers(self, address: int, *values: int) -> None:
        """Write values as long as a pointer to kernel memory."""
        self.write(address, struct.pack(f"<{len(values)}{self.architecture.pointer}", *values))


class Arena:
    """Allocates kernel memory from an address upwards."""

    def __init__(self, crashed: CrashedMachine, start: int) -> None:
        self._crashed = crashed
        self._next = start

    def put(self, data: bytes, align: int = 8) -> int:
        """Store bytes and return their address."""
        address = self._next + -self._next % align
        self._crashed.write(address, data)
        self._next = address + len(data)
        return address
