"""What a kernel knew of itself when it stopped, read once from a target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.kernel.context import parse_context
from windbg_ext.kernel.debugger_data import read_debugger_data
from windbg_ext.kernel.modules import ModuleList, read_modules, read_unloaded_drivers, read_user_modules
from windbg_ext.kernel.processors import crashing_processor, read_processors
from windbg_ext.limits import Budget
from windbg_ext.memory.ahead import gather
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.kernel.context import Context
    from windbg_ext.kernel.debugger_data import DebuggerData
    from windbg_ext.kernel.modules import UnloadedDriver
    from windbg_ext.kernel.processors import Processor
    from windbg_ext.kernel.target import Target
    from windbg_ext.structs.architectures import Architecture


class Kernel(NamedTuple):
    """What the kernel knew of itself when it stopped.

    architecture: of its processors; context: the registers in the header; crashed: the processor that they belong to,
    None if that cannot be told; user_modules: images of the process that ran there, as far as its user memory is in the
    dump; unloaded_drivers: None if the dump does not hold the list.
    """

    architecture: Architecture
    debugger_data: DebuggerData
    processors: tuple[Processor, ...]
    context: Context
    crashed: Processor | None
    modules: ModuleList
    user_modules: ModuleList
    unloaded_drivers: tuple[UnloadedDriver, ...] | None


def read_kernel(target: Target, *, crash_only: bool = False, budget: Budget | None = None) -> Kernel:
    """Read the kernel structures of a target. Raise DumpError where one without which nothing works is missing.

    crash_only: leave out what tells nothing of the crash: time stamps and check sums of images, which take a page for
    each module, images of the process, unloaded drivers. dumpkind has no use for them. budget: instead of the target's.
    """
    gather(target.memory, lambda: _read_kernel(target, Budget(), crash_only=crash_only))
    return _read_kernel(target, budget or target.budget, crash_only=crash_only)


def _read_kernel(target: Target, budget: Budget, *, crash_only: bool) -> Kernel:
    memory, header = target.memory, target.header
    architecture = header.architecture
    block = read_debugger_data(memory, header.kd_debugger_data_block, header.ps_loaded_module_list, budget)
    processors = read_processors(memory, block, header.number_processors, architecture)
    context = parse_context(header.raw.context_record, architecture)
    head = header.ps_loaded_module_list or block.ps_loaded_module_list
    crashed = crashing_processor(processors, context)
    thread = crashed.thread if crashed else None
    details = not crash_only
    return Kernel(
        architecture=architecture,
        debugger_data=block,
        processors=processors,
        context=context,
        crashed=crashed,
        modules=read_modules(memory, head, budget, images=details),
        user_modules=read_user_modules(memory, block, thread.process, budget) if thread and details else ModuleList(()),
        unloaded_drivers=read_unloaded_drivers(memory, block) if details else None,
    )
