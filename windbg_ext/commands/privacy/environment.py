"""The environment of the crashing process: user-mode memory, which is not shared, but names the user and the computer.

Source: PEB.ProcessParameters (winternl.h) and RTL_USER_PROCESS_PARAMETERS.Environment (public symbols), at the same
offsets since Windows XP, on x64 and on ARM64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError, MemoryReadError
from windbg_ext.kernel.debugger_data import read_debugger_data
from windbg_ext.memory.virtual import read_pointer, read_run

if TYPE_CHECKING:
    from windbg_ext.kernel.target import Target

PROCESS_PARAMETERS = {4: 0x10, 8: 0x20}
ENVIRONMENT = {4: 0x48, 8: 0x80}
"""Offsets, by the size of a pointer."""
MAX_ENVIRONMENT = 1 << 16
"""Bytes that are read: up to Windows Vista, an environment had at most 32,767 characters, and hardly any has more."""


def environment_of(target: Target, process: int | None) -> bytes:
    """Return the environment of a process, as far as the target holds it; empty without one."""
    memory, header = target.memory, target.header
    size = memory.layouts.pointer_size
    if process is None:
        return b""
    try:
        block = read_debugger_data(memory, header.kd_debugger_data_block, header.ps_loaded_module_list, target.budget)
        peb = read_pointer(memory, process + block.offset_eprocess_peb)
        parameters = read_pointer(memory, peb + PROCESS_PARAMETERS[size]) if peb else 0
        at = read_pointer(memory, parameters + ENVIRONMENT[size]) if parameters else 0
    except (DumpError, MemoryReadError):
        return b""
    data = read_run(memory, at, MAX_ENVIRONMENT) if at else b""
    for start in range(0, len(data) - 3, 2):
        if data[start : start + 4] == bytes(4):
            return data[: start + 2]
    return data
