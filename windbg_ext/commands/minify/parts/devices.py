"""Devices: their stacks of device objects with the drivers, and their nodes in the kernel's tree of devices."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from windbg_ext.commands.minify.collector import Wanted
from windbg_ext.commands.minify.parts.windows import io_object_size
from windbg_ext.errors import MemoryReadError
from windbg_ext.memory.virtual import read_structure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.commands.minify.crash import Crash
    from windbg_ext.structs.layouts import DeviceNode

MAX_STACK_OF_DEVICES = 64
"""Device objects on top of one another: a device has a handful."""
MAX_ANCESTORS = 64
"""Nodes between a device and the root of the tree: USB allows seven hubs in a row."""
MAX_POWER_DEVICE = 0x100
"""Bytes of what the power manager knows of a device; debuggers read the first 0x38."""


def device(crash: Crash, address: int) -> Iterator[Wanted]:
    """Yield the device object at an address and those above it, and the node of the device with its ancestors."""
    for at in islice(_stack(crash, address), MAX_STACK_OF_DEVICES):
        yield from _device_object(crash, at)


def _stack(crash: Crash, address: int) -> Iterator[int]:
    layouts, seen = crash.memory.layouts, set[int]()
    while io_object_size(crash.memory, address) and address not in seen:
        seen.add(address)
        yield address
        try:
            address = read_structure(crash.memory, address, layouts.device_object).attached_device
        except MemoryReadError:
            return


def _device_object(crash: Crash, address: int) -> Iterator[Wanted]:
    memory, layouts = crash.memory, crash.memory.layouts
    yield Wanted(address, io_object_size(memory, address), holds_pointers=True)
    try:
        one = read_structure(memory, address, layouts.device_object)
    except MemoryReadError:
        return
    yield from _driver(crash, one.driver_object)
    yield Wanted(one.device_object_extension, layouts.device_object_extension.SIZE)
    try:
        extension = read_structure(memory, one.device_object_extension, layouts.device_object_extension)
    except MemoryReadError:
        return
    yield from device_node(crash, extension.device_node)


def _driver(crash: Crash, address: int) -> Iterator[Wanted]:
    size = io_object_size(crash.memory, address)
    if size:
        yield Wanted(address, size, holds_pointers=True)
        try:
            driver = read_structure(crash.memory, address, crash.memory.layouts.driver_object)
        except MemoryReadError:
            return
        yield Wanted(driver.driver_name_buffer, driver.driver_name_length)


def device_node(crash: Crash, address: int) -> Iterator[Wanted]:
    """Yield the device node at an address and its ancestors: names, and what the power manager knows of each."""
    structure = crash.memory.layouts.device_node
    for at, node in islice(_ancestors(crash, address), MAX_ANCESTORS):
        yield Wanted(at, structure.SIZE, holds_pointers=True)
        yield Wanted(node.instance_path_buffer, node.instance_path_length)
        yield Wanted(node.service_name_buffer, node.service_name_length)
        if node.fx_device:
            yield Wanted(node.fx_device, MAX_POWER_DEVICE)


def _ancestors(crash: Crash, address: int) -> Iterator[tuple[int, DeviceNode]]:
    seen = set[int]()
    while address and address not in seen:
        seen.add(address)
        try:
            node = read_structure(crash.memory, address, crash.memory.layouts.device_node)
        except MemoryReadError:
            return
        yield address, node
        address = node.parent
