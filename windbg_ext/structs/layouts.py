"""The structures of 32-bit and of 64-bit Windows, one record each, so that code chooses between them only once.

Sources: those of the structures; the sizes of I/O objects and the offsets in PEB and PEB_LDR_DATA: wdm.h, winternl.h.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

from windbg_ext.structs.header import (
    VALID_DUMP_32,
    VALID_DUMP_64,
    DumpHeader32,
    DumpHeader64,
    ExceptionRecord32,
    ExceptionRecord64,
    PhysicalMemoryDescriptor32,
    PhysicalMemoryDescriptor64,
    PhysicalMemoryRun32,
    PhysicalMemoryRun64,
)
from windbg_ext.structs.kernel import (
    KldrDataTableEntry32,
    KldrDataTableEntry64,
    Triage9FPower32,
    Triage9FPower64,
    UnloadedDrivers32,
    UnloadedDrivers64,
)
from windbg_ext.structs.triage import (
    DumpDriverEntry32,
    DumpDriverEntry64,
    DumpUnloadedDrivers32,
    DumpUnloadedDrivers64,
    MmTriage32,
    MmTriage64,
    TriageDump32,
    TriageDump64,
)
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.structs.followed import FollowedLayouts

    RawHeader = Union[DumpHeader32, DumpHeader64]
    TriageDump = Union[TriageDump32, TriageDump64]
    DumpDriverEntry = Union[DumpDriverEntry32, DumpDriverEntry64]
    DumpUnloadedDriver = Union[DumpUnloadedDrivers32, DumpUnloadedDrivers64]
    KldrDataTableEntry = Union[KldrDataTableEntry32, KldrDataTableEntry64]
    MmTriage = Union[MmTriage32, MmTriage64]
    ExceptionRecord = Union[ExceptionRecord32, ExceptionRecord64]
    PhysicalMemoryDescriptor = Union[PhysicalMemoryDescriptor32, PhysicalMemoryDescriptor64]
    PhysicalMemoryRun = Union[PhysicalMemoryRun32, PhysicalMemoryRun64]
    UnloadedDriver = Union[UnloadedDrivers32, UnloadedDrivers64]
    Triage9FPower = Union[Triage9FPower32, Triage9FPower64]


class Layouts(NamedTuple):
    """What depends on the size of a pointer.

    pointer_size: in bytes; pointer_code: the struct module's letter for a pointer; valid_dump: the second dword of a
    dump; unloaded_count: bytes of the count before a small dump's unloaded drivers; peb_ldr: offset of PEB.Ldr;
    in_load_order: of PEB_LDR_DATA.InLoadOrderModuleList; peb_process_parameters: of PEB.ProcessParameters;
    process_parameters_environment: of RTL_USER_PROCESS_PARAMETERS.Environment (public symbols); irp,
    io_stack_location: bytes of IRP and IO_STACK_LOCATION.
    """

    pointer_size: int
    pointer_code: str
    valid_dump: bytes
    header: type[RawHeader]
    physical_memory: type[PhysicalMemoryDescriptor]
    physical_memory_run: type[PhysicalMemoryRun]
    exception: type[ExceptionRecord]
    triage: type[TriageDump]
    mm: type[MmTriage]
    dump_driver: type[DumpDriverEntry]
    dump_unloaded_driver: type[DumpUnloadedDriver]
    unloaded_count: int
    module: type[KldrDataTableEntry]
    unloaded_driver: type[UnloadedDriver]
    triage_9f_power: type[Triage9FPower]
    peb_ldr: int
    in_load_order: int
    peb_process_parameters: int
    process_parameters_environment: int
    irp: int
    io_stack_location: int

    @property
    def followed(self) -> FollowedLayouts:
        """The structures that minify follows from a bug check's parameters."""
        from windbg_ext.structs.followed import FOLLOWED32, FOLLOWED64  # other commands need not wait for them

        return FOLLOWED64 if self.pointer_size == 8 else FOLLOWED32

    @property
    def address_mask(self) -> int:
        """Mask of all bits of an address."""
        return (1 << 8 * self.pointer_size) - 1

    def sign_extended(self, address: int) -> int:
        """Return an address as a 64-bit field holds it: x86 addresses are sign-extended."""
        high = ~self.address_mask & (1 << 64) - 1
        return address | high if address >> 8 * self.pointer_size - 1 else address


LAYOUTS32 = Layouts(
    pointer_size=4,
    pointer_code="I",
    valid_dump=VALID_DUMP_32,
    header=DumpHeader32,
    physical_memory=PhysicalMemoryDescriptor32,
    physical_memory_run=PhysicalMemoryRun32,
    exception=ExceptionRecord32,
    triage=TriageDump32,
    mm=MmTriage32,
    dump_driver=DumpDriverEntry32,
    dump_unloaded_driver=DumpUnloadedDrivers32,
    unloaded_count=4,
    module=KldrDataTableEntry32,
    unloaded_driver=UnloadedDrivers32,
    triage_9f_power=Triage9FPower32,
    peb_ldr=0xC,
    in_load_order=0xC,
    peb_process_parameters=0x10,
    process_parameters_environment=0x48,
    irp=0x70,
    io_stack_location=0x24,
)

LAYOUTS64 = Layouts(
    pointer_size=8,
    pointer_code="Q",
    valid_dump=VALID_DUMP_64,
    header=DumpHeader64,
    physical_memory=PhysicalMemoryDescriptor64,
    physical_memory_run=PhysicalMemoryRun64,
    exception=ExceptionRecord64,
    triage=TriageDump64,
    mm=MmTriage64,
    dump_driver=DumpDriverEntry64,
    dump_unloaded_driver=DumpUnloadedDrivers64,
    unloaded_count=8,
    module=KldrDataTableEntry64,
    unloaded_driver=UnloadedDrivers64,
    triage_9f_power=Triage9FPower64,
    peb_ldr=0x18,
    in_load_order=0x10,
    peb_process_parameters=0x20,
    process_parameters_environment=0x80,
    irp=0xD0,
    io_stack_location=0x48,
)


def layouts_of(header: RawHeader) -> Layouts:
    """Return the layouts for a dump with this header, by the width of the header."""
    return LAYOUTS64 if isinstance(header, DumpHeader64) else LAYOUTS32
