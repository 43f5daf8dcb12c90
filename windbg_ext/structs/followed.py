"""The structures of devices, drivers and traps of 32-bit and of 64-bit Windows, one record each, like `Layouts`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

from windbg_ext.structs.crash_records import TrapFrame32, TrapFrame64
from windbg_ext.structs.io_objects import (
    DeviceNode32,
    DeviceNode64,
    DeviceObject32,
    DeviceObject64,
    DeviceObjectExtension32,
    DeviceObjectExtension64,
    DriverObject32,
    DriverObject64,
    PopIrpData32,
    PopIrpData64,
    Triage9FPnp32,
    Triage9FPnp64,
)
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    Triage9FPnp = Union[Triage9FPnp32, Triage9FPnp64]
    PopIrpData = Union[PopIrpData32, PopIrpData64]
    DeviceObject = Union[DeviceObject32, DeviceObject64]
    DeviceObjectExtension = Union[DeviceObjectExtension32, DeviceObjectExtension64]
    DriverObject = Union[DriverObject32, DriverObject64]
    DeviceNode = Union[DeviceNode32, DeviceNode64]
    TrapFrame = Union[TrapFrame32, TrapFrame64]


class FollowedLayouts(NamedTuple):
    """What depends on the size of a pointer in the structures that a bug check's parameters lead to."""

    triage_9f_pnp: type[Triage9FPnp]
    pop_irp_data: type[PopIrpData]
    device_object: type[DeviceObject]
    device_object_extension: type[DeviceObjectExtension]
    driver_object: type[DriverObject]
    device_node: type[DeviceNode]
    trap_frame: type[TrapFrame]


FOLLOWED32 = FollowedLayouts(
    triage_9f_pnp=Triage9FPnp32,
    pop_irp_data=PopIrpData32,
    device_object=DeviceObject32,
    device_object_extension=DeviceObjectExtension32,
    driver_object=DriverObject32,
    device_node=DeviceNode32,
    trap_frame=TrapFrame32,
)

FOLLOWED64 = FollowedLayouts(
    triage_9f_pnp=Triage9FPnp64,
    pop_irp_data=PopIrpData64,
    device_object=DeviceObject64,
    device_object_extension=DeviceObjectExtension64,
    driver_object=DriverObject64,
    device_node=DeviceNode64,
    trap_frame=TrapFrame64,
)
