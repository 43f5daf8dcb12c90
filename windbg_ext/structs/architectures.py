"""One record for each processor architecture: what a reader of dumps needs to know about it.

Sources: those of the layouts; KUSER_SHARED_DATA's address and where kernel addresses begin: ntddk.h, wdm.h.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

from windbg_ext.structs import amd64, arm64, paging, x86
from windbg_ext.structs.header import Machine
from windbg_ext.structs.layouts import LAYOUTS32, LAYOUTS64
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.structs.layouts import Layouts
    from windbg_ext.structs.paging import Paging

    AnyContext = Union[x86.Context32, amd64.Context64, arm64.ContextArm64]

LOWEST_USER = 0x10000
"""Windows maps nothing below this address."""


class Architecture(NamedTuple):
    """A processor architecture.

    name: as reports show it; pagings: how addresses may be translated, likeliest first; general_registers: names of
    fields of its CONTEXT, stack_pointer and instruction_pointer among them; plain_context: ContextFlags of a CONTEXT
    without floating point; shared_user_data: address of KUSER_SHARED_DATA in kernel mode; lowest_kernel: no kernel
    address is lower; highest_user: no user address is higher; pte_base: where page tables are mapped if the debugger
    data block does not tell.
    """

    name: str
    machine: Machine
    layouts: Layouts
    pagings: tuple[Paging, ...]
    context: type[AnyContext]
    general_registers: tuple[str, ...]
    stack_pointer: str
    instruction_pointer: str
    plain_context: int
    shared_user_data: int
    lowest_kernel: int
    highest_user: int
    pte_base: int

    def is_pointer(self, value: int) -> bool:
        """Tell whether a value can be an address in user or kernel mode."""
        return self.lowest_kernel <= value <= self.layouts.address_mask or LOWEST_USER <= value <= self.highest_user


X86 = Architecture(
    name="x86",
    machine=Machine.I386,
    layouts=LAYOUTS32,
    pagings=(paging.X86, paging.X86_PAE),
    context=x86.Context32,
    general_registers=x86.GENERAL_REGISTERS,
    stack_pointer="Esp",
    instruction_pointer="Eip",
    plain_context=x86.CONTEXT_WITHOUT_FLOATS,
    shared_user_data=0xFFDF0000,
    lowest_kernel=0x80000000,
    highest_user=0xBFFEFFFF,  # with /3GB
    pte_base=0xC0000000,
)

X64 = Architecture(
    name="x64",
    machine=Machine.AMD64,
    layouts=LAYOUTS64,
    pagings=(paging.X64, paging.X64_LA57),
    context=amd64.Context64,
    general_registers=amd64.GENERAL_REGISTERS,
    stack_pointer="Rsp",
    instruction_pointer="Rip",
    plain_context=amd64.CONTEXT_WITHOUT_FLOATS,
    shared_user_data=0xFFFFF780_00000000,
    lowest_kernel=0xFF00_0000_0000_0000,  # five-level kernels start here, four-level ones higher
    highest_user=0x7FFF_FFFF_FFFF,
    pte_base=0xFFFFF680_00000000,  # up to Windows 10 1511; later the debugger data block has PteBase
)

ARM64 = Architecture(
    name="ARM64",
    machine=Machine.ARM64,
    layouts=LAYOUTS64,
    pagings=(paging.ARM64,),
    context=arm64.ContextArm64,
    general_registers=arm64.GENERAL_REGISTERS,
    stack_pointer="Sp",
    instruction_pointer="Pc",
    plain_context=arm64.CONTEXT_WITHOUT_FLOATS,
    shared_user_data=0xFFFFF780_00000000,
    lowest_kernel=0xFFFF_8000_0000_0000,
    highest_user=0x7FFF_FFFF_FFFF,
    pte_base=0,  # every debugger data block of ARM64 has PteBase
)

ARCHITECTURES = {architecture.machine: architecture for architecture in (X86, X64, ARM64)}
"""By MachineImageType."""
BY_NAME = {architecture.name: architecture for architecture in ARCHITECTURES.values()}
