"""Differences between the architectures, except for page tables and control regions.

Sources: ntddk.h, winternl.h and winnt.h of the public Windows SDK; addresses that Windows randomizes, like that of
the page frame database, are plausible values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from windbg_ext.structs import architectures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from windbg_ext.structs.header import Machine
    from windbg_ext.structs.layouts import Layouts


class UserHalf(NamedTuple):
    """Offsets in TEB, PEB, PEB_LDR_DATA and LDR_DATA_TABLE_ENTRY; loader_size: bytes of PEB_LDR_DATA."""

    teb_self: int
    teb_peb: int
    image_base: int
    loader: int
    loader_size: int
    module_lists: int
    time_date_stamp: int


class Architecture(NamedTuple):
    """An architecture.

    cpu: registers and their layouts; user_selectors, kernel_context: fields of a CONTEXT in user mode and in kernel
    mode with interrupts on; addresses: values of kernel variables that are addresses, by KDDEBUGGER_DATA64 name.
    """

    cpu: architectures.Architecture
    user_half: UserHalf
    kernel_context: Mapping[str, int]
    user_context: Mapping[str, int]
    addresses: Mapping[str, int]

    @property
    def machine_type(self) -> Machine:
        """MachineImageType of its dumps."""
        return self.cpu.machine

    @property
    def layouts(self) -> Layouts:
        """The structures of its Windows."""
        return self.cpu.layouts

    @property
    def pointer_size(self) -> int:
        """Size of an address in bytes."""
        return self.layouts.pointer_size

    @property
    def pointer(self) -> str:
        """The struct module's letter for an address."""
        return self.layouts.pointer_code


_USER_HALF64 = UserHalf(
    0x30, 0x60, image_base=0x10, loader=0x18, loader_size=0x58, module_lists=0x10, time_date_stamp=0x80
)
_USER_HALF32 = UserHalf(
    0x18, 0x30, image_base=0x8, loader=0xC, loader_size=0x30, module_lists=0xC, time_date_stamp=0x44
)
_ADDRESSES64 = {
    "MmPfnDatabase": 0xFFFFFA80_00000000,
    "MmHighestUserAddress": 0x7FFF_FFFEFFFF,
    "MmSystemRangeStart": 0xFFFF8000_00000000,
    "MmUserProbeAddress": 0x7FFF_FFFF0000,
}


def _selectors(cs: int, ss: int, data: int, fs: int, gs: int) -> dict[str, int]:
    return {"SegCs": cs, "SegSs": ss, "SegDs": data, "SegEs": data, "SegFs": fs, "SegGs": gs}


X86 = Architecture(
    architectures.X86,
    _USER_HALF32,
    kernel_context={
        "ContextFlags": 0x1003F,
        "EFlags": 0x246,
        **_selectors(cs=0x8, ss=0x10, data=0x23, fs=0x30, gs=0x0),
    },
    user_context=_selectors(cs=0x1B, ss=0x23, data=0x23, fs=0x3B, gs=0x0),
    addresses={
        "MmPfnDatabase": 0x83C00000,
        "MmHighestUserAddress": 0x7FFEFFFF,
        "MmSystemRangeStart": 0x80000000,
        "MmUserProbeAddress": 0x7FFF0000,
    },
)

X64 = Architecture(
    architectures.X64,
    _USER_HALF64,
    kernel_context={
        "ContextFlags": 0x10001F,
        "MxCsr": 0x1F80,
        "EFlags": 0x246,
        **_selectors(cs=0x10, ss=0x18, data=0x2B, fs=0x53, gs=0x2B),
    },
    user_context=_selectors(cs=0x33, ss=0x2B, data=0x2B, fs=0x53, gs=0x2B),
    addresses=_ADDRESSES64,
)

ARM64 = Architecture(
    architectures.ARM64,
    _USER_HALF64,
    kernel_context={"ContextFlags": 0x400007, "Cpsr": 0x60000144},  # EL1, debug exceptions masked
    user_context={"Cpsr": 0x60000000},
    addresses=_ADDRESSES64,
)
