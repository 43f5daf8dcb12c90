"""Devices: their stacks of device objects with the drivers, and their nodes in the kernel's tree of devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.commands.minify.collector import Wanted
from windbg_ext.commands.minify.parts.windows import io_object_size
from windbg_ext.errors import MemoryReadError
from windbg_ext.memory.virtual import read_structure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.commands.minify.crash import Crash

MAX_DEVICE_OBJECTS = 1024
"""Of all devices that a bug check names together: a device has a handful."""
MAX_NODES = 1024
"""Device nodes with all ancestors: a machine has some hundred."""
MAX_POWER_DEVICE = 0x100
"""Bytes of what the power manager knows of a device; debuggers read the first 0x38."""


class Devices:
    """The devices that a bug check leads to, each object once."""

    def __init__(self, crash: Crash) -> None:
        self._crash = crash
        self._memory, self._layouts = crash.memory, crash.memory.layouts
        self._objects: set[int] = set()
        self._nodes: set[int] = set()

    def device(self, address: int) -> Iterator[Wanted]:
        """Yield the device object at an address and those above it, and the node of the device with its ancestors.

        Nothing where there is no device object.
        """
        while address not in self._objects and len(self._objects) < MAX_DEVICE_OBJECTS:
            size = io_object_size(self._memory, address)
            if not size:
                return
            self._objects.add(address)
            yield Wanted(address, size, holds_pointers=True)
            try:
                device = read_structure(self._memory, address, self._layouts.followed.device_object)
            except MemoryReadError:
                return
            yield from self._driver(device.driver_object)
            yield from self._extension(device.device_object_extension)
            address = device.attached_device

    def node(self, address: int) -> Iterator[Wanted]:
        """Yield the device node at an address and its ancestors: names, and what the power manager knows of each."""
        structure = self._layouts.followed.device_node
        while address and address not in self._nodes and len(self._nodes) < MAX_NODES:
            self._nodes.add(address)
            try:
                node = read_structure(self._memory, address, structure)
            except MemoryReadError:
                return
            yield Wanted(address, structure.SIZE, holds_pointers=True)
            yield Wanted(node.instance_path_buffer, node.instance_path_length)
            yield Wanted(node.service_name_buffer, node.service_name_length)
            if node.fx_device:
                yield Wanted(node.fx_device, MAX_POWER_DEVICE)
            address = node.parent

    def _driver(self, address: int) -> Iterator[Wanted]:
        size = io_object_size(self._memory, address)
        if size and address not in self._objects:
            self._objects.add(address)
            yield Wanted(address, size, holds_pointers=True)
            try:
                driver = read_structure(self._memory, address, self._layouts.followed.driver_object)
            except MemoryReadError:
                return
            yield Wanted(driver.driver_name_buffer, driver.driver_name_length)

    def _extension(self, address: int) -> Iterator[Wanted]:
        structure = self._layouts.followed.device_object_extension
        yield Wanted(address, structure.SIZE)
        try:
            extension = read_structure(self._memory, address, structure)
        except MemoryReadError:
            return
        yield from self.node(extension.device_node)
