"""Device objects, and what the kernel knows of a device: those fields that lead from one object to the next.

Sources: wdm.h (DEVICE_OBJECT, DRIVER_OBJECT) and public type information as printed by WinDbg's `dt`
(nt!_DEVOBJ_EXTENSION; nt!_TRIAGE_DEVICE_NODE, nt!_TRIAGE_POP_FX_DEVICE, nt!_TRIAGE_POP_IRP_DATA, nt!_TRIAGE_9F_PNP,
which are there for debuggers). Those of 64-bit Windows were checked on a real dump of bug check 0x9F; those of 32-bit
Windows are the same structures with pointers of 4 bytes.
"""

from __future__ import annotations

from windbg_ext.structs.structure import Structure, u16, u32, u64


class DeviceObject64(Structure, name="DEVICE_OBJECT64", size=0x150):
    """A device object. attached_device: the next one up its stack."""

    driver_object = u64(0x08, "DriverObject")
    attached_device = u64(0x18, "AttachedDevice")
    device_extension = u64(0x40, "DeviceExtension")
    device_object_extension = u64(0x138, "DeviceObjectExtension")


class DeviceObject32(Structure, name="DEVICE_OBJECT32", size=0xB8):
    """The same with pointers of 4 bytes."""

    driver_object = u32(0x08, "DriverObject")
    attached_device = u32(0x10, "AttachedDevice")
    device_extension = u32(0x28, "DeviceExtension")
    device_object_extension = u32(0xB0, "DeviceObjectExtension")


class DriverObject64(Structure, name="DRIVER_OBJECT64", size=0x150):
    """A driver object."""

    driver_name_length = u16(0x38, "DriverNameLength")
    driver_name_buffer = u64(0x40, "DriverNameBuffer")


class DriverObject32(Structure, name="DRIVER_OBJECT32", size=0xA8):
    """The same with pointers of 4 bytes."""

    driver_name_length = u16(0x1C, "DriverNameLength")
    driver_name_buffer = u32(0x20, "DriverNameBuffer")


class DeviceObjectExtension64(Structure, name="DEVOBJ_EXTENSION64", size=0x70):
    """What the kernel keeps behind a device object. device_node: 0 unless it is the lowest of its stack."""

    device_node = u64(0x28, "DeviceNode")


class DeviceObjectExtension32(Structure, name="DEVOBJ_EXTENSION32", size=0x3C):
    """The same with pointers of 4 bytes."""

    device_node = u32(0x14, "DeviceNode")


class DeviceNode64(Structure, name="TRIAGE_DEVICE_NODE64", size=0x58):
    """The beginning of a DEVICE_NODE: a device in the tree of devices."""

    parent = u64(0x10, "Parent")
    physical_device_object = u64(0x20, "PhysicalDeviceObject")
    instance_path_length = u16(0x28, "InstancePathLength")
    instance_path_buffer = u64(0x30, "InstancePathBuffer")
    service_name_length = u16(0x38, "ServiceNameLength")
    service_name_buffer = u64(0x40, "ServiceNameBuffer")
    pending_irp = u64(0x48, "PendingIrp")
    fx_device = u64(0x50, "FxDevice")


class DeviceNode32(Structure, name="TRIAGE_DEVICE_NODE32", size=0x2C):
    """The same with pointers of 4 bytes."""

    parent = u32(0x08, "Parent")
    physical_device_object = u32(0x10, "PhysicalDeviceObject")
    instance_path_length = u16(0x14, "InstancePathLength")
    instance_path_buffer = u32(0x18, "InstancePathBuffer")
    service_name_length = u16(0x1C, "ServiceNameLength")
    service_name_buffer = u32(0x20, "ServiceNameBuffer")
    pending_irp = u32(0x24, "PendingIrp")
    fx_device = u32(0x28, "FxDevice")


class PopIrpData64(Structure, name="TRIAGE_POP_IRP_DATA64", size=0x20):
    """An entry of TRIAGE_9F_POWER.IrpList: a power IRP that is under way."""

    irp = u64(0x10, "Irp")
    pdo = u64(0x18, "Pdo")


class PopIrpData32(Structure, name="TRIAGE_POP_IRP_DATA32", size=0x10):
    """The same with pointers of 4 bytes."""

    irp = u32(0x08, "Irp")
    pdo = u32(0x0C, "Pdo")


class Triage9FPnp64(Structure, name="TRIAGE_9F_PNP64", size=0x18):
    """The structure behind parameter 4 of bug check 0x9F if parameter 1 is 4."""

    signature = u16(0x00, "Signature")
    revision = u16(0x02, "Revision")
    completion_queue = u64(0x08, "CompletionQueue")
    delayed_work_queue = u64(0x10, "DelayedWorkQueue")


class Triage9FPnp32(Structure, name="TRIAGE_9F_PNP32", size=0xC):
    """The same with pointers of 4 bytes."""

    signature = u16(0x00, "Signature")
    revision = u16(0x02, "Revision")
    completion_queue = u32(0x04, "CompletionQueue")
    delayed_work_queue = u32(0x08, "DelayedWorkQueue")


TRIAGE_9F_PNP_SIGNATURE = 0x8001
