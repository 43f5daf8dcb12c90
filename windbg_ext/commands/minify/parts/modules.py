"""The lists of modules: loaded drivers, images of the crashing process, unloaded drivers.

Layouts and sources: `windbg_ext.structs.triage`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from windbg_ext.dump.small import Driver, unloaded_size
from windbg_ext.dump.small_file import driver_size

if TYPE_CHECKING:
    from collections.abc import Iterable

    from windbg_ext.commands.minify.collector import Collector
    from windbg_ext.commands.minify.crash import Crash
    from windbg_ext.kernel.modules import Module, UnloadedDriver
    from windbg_ext.structs.layouts import DumpUnloadedDriver, Layouts


def collect_drivers(crash: Crash, collector: Collector) -> None:
    """Collect the list of loaded modules. That it is damaged was told with the other damages."""
    _collect_modules(crash, collector, crash.kernel.modules.modules)


def collect_user_modules(crash: Crash, collector: Collector) -> None:
    """Collect the images of the crashing process, behind those of the kernel.

    The engine reads no list of user-mode images from a small dump; in this one it shows them like any other.
    """
    images = crash.kernel.user_modules
    if images.modules and images.problem is not None:
        collector.lose(images.problem)
    _collect_modules(crash, collector, images.modules)


def collect_unloaded_drivers(crash: Crash, collector: Collector) -> None:
    """Collect the list of unloaded drivers, which is whole or not there."""
    drivers = crash.kernel.unloaded_drivers
    if drivers is None:
        collector.lose("the list is not in the source or cannot be read")
        return
    layouts = crash.target.header.layouts
    if collector.take(unloaded_size(len(drivers), layouts)):
        entries = tuple(_unloaded(driver, layouts) for driver in drivers)
        collector.dump = replace(collector.dump, unloaded_drivers=entries)


def _collect_modules(crash: Crash, collector: Collector, modules: Iterable[Module]) -> None:
    layouts = crash.target.header.layouts
    taken = []
    for module in modules:
        driver = _driver(module, layouts)
        if not collector.take(driver_size(driver)):
            break
        taken.append(driver)
    collector.dump = replace(collector.dump, drivers=(*collector.dump.drivers, *taken))


def _driver(module: Module, layouts: Layouts) -> Driver:
    """Return the entry of a loaded module, under its full path as the debugger engine writes it."""
    entry = layouts.dump_driver.blank(
        dll_base=module.base,
        entry_point=module.entry_point,
        size_of_image=module.size,
        check_sum=module.check_sum,
        time_date_stamp=module.time_date_stamp or 0,
    )
    return Driver(module.full_name or module.name, entry)


def _unloaded(driver: UnloadedDriver, layouts: Layouts) -> DumpUnloadedDriver:
    """Return the entry of an unloaded driver."""
    name = driver.name.encode("utf-16-le", "surrogatepass")[:24]
    return layouts.dump_unloaded_driver.blank(
        name_length=len(name),
        name_maximum_length=len(name),
        driver_name=name.ljust(24, b"\0"),
        start_address=driver.start,
        end_address=driver.end,
    )
