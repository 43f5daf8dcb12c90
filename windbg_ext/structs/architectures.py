"""What differs between the processors that Windows runs on, as far as dumps are read by it: one record for each.

Sources: those of the layouts; KUSER_SHARED_DATA's address and where kernel addresses begin: ntddk.h, wdm.h.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from windbg_ext.structs import amd64, arm64, x86
from windbg_ext.structs.header import Machine

if TYPE_CHECKING:
    from windbg_ext.structs.layout import Layout


LOWEST_USER = 0x10000
"""Windows maps nothing below."""


class Architecture(NamedTuple):
    """A processor architecture.

    context: CONTEXT; general_registers: names of its fields, for stack_pointer and instruction_pointer too;
    plain_context: ContextFlags of a CONTEXT without floating point; shared_user_data: KUSER_SHARED_DATA in kernel mode;
    lowest_kernel: no kernel address is lower; highest_user: no user address is higher; pte_base: where page tables are
    mapped when the debugger data block does not tell.
    """

    name: str
    pointer_size: int
    context: Layout
    general_registers: tuple[str, ...]
    stack_pointer: str
    instruction_pointer: str
    plain_context: int
    shared_user_data: int
    lowest_kernel: int
    highest_user: int
    pte_base: int

    @property
    def address_mask(self) -> int:
        """All bits of an address."""
        return (1 << 8 * self.pointer_size) - 1

    @property
    def pointer_code(self) -> str:
        """The struct module's letter for a pointer."""
        return "Q" if self.pointer_size == 8 else "I"

    def is_pointer(self, value: int) -> bool:
        """Tell whether a value can be an address in user or kernel mode."""
        return self.lowest_kernel <= value <= self.address_mask or LOWEST_USER <= value <= self.highest_user


ARCHITECTURES = {
    Machine.I386: Architecture(
        name="x86",
        pointer_size=4,
        context=x86.CONTEXT32,
        general_registers=x86.GENERAL_REGISTERS,
        stack_pointer="Esp",
        instruction_pointer="Eip",
        plain_context=x86.CONTEXT_WITHOUT_FLOATS,
        shared_user_data=0xFFDF0000,
        lowest_kernel=0x80000000,
        highest_user=0xBFFEFFFF,  # with /3GB
        pte_base=0xC0000000,
    ),
    Machine.AMD64: Architecture(
        name="x64",
        pointer_size=8,
        context=amd64.CONTEXT64,
        general_registers=amd64.GENERAL_REGISTERS,
        stack_pointer="Rsp",
        instruction_pointer="Rip",
        plain_context=amd64.CONTEXT_WITHOUT_FLOATS,
        shared_user_data=0xFFFFF780_00000000,
        lowest_kernel=0xFF00_0000_0000_0000,  # five-level kernels start here, four-level ones higher
        highest_user=0x7FFF_FFFF_FFFF,
        pte_base=0xFFFFF680_00000000,  # before Windows 10 1607 moved it about and put PteBase into the block
    ),
    Machine.ARM64: Architecture(
        name="ARM64",
        pointer_size=8,
        context=arm64.CONTEXT_ARM64,
        general_registers=arm64.GENERAL_REGISTERS,
        stack_pointer="Sp",
        instruction_pointer="Pc",
        plain_context=arm64.CONTEXT_WITHOUT_FLOATS,
        shared_user_data=0xFFFFF780_00000000,
        lowest_kernel=0xFFFF_8000_0000_0000,
        highest_user=0x7FFF_FFFF_FFFF,
        pte_base=0,  # every Windows on ARM64 tells
    ),
}
