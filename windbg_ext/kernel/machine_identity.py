"""Which machine a dump is from, where it tells: the SMBIOS UUID, the name of the computer.

Small dumps have the UUID only, and recent Windows writes zeros in its place. The name is in the environment of
processes, so it is found where the dump holds user memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError, MemoryReadError
from windbg_ext.kernel.kernel import read_kernel
from windbg_ext.memory.virtual import read_pointer, read_run
from windbg_ext.structs.smbios import (
    END_OF_TABLE,
    SMBIOS_TAG,
    SYSTEM_INFORMATION,
    RawSmbiosData,
    SmbiosHeader,
    SmbiosSystem,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.dump.dump import Dump
    from windbg_ext.kernel.debugger_data import DebuggerData
    from windbg_ext.kernel.kernel import Kernel
    from windbg_ext.kernel.target import Target

MAX_TABLES = 64 << 10
"""Bytes of SMBIOS tables: the structures of version 2 have a 16-bit length together."""
MAX_STRUCTURES = 4096
MAX_ENVIRONMENT = 64 << 10
"""Bytes of a process's environment: Windows allows 32,767 characters."""
MAX_COMPUTER_NAME = 63
"""Characters: the longest DNS label. COMPUTERNAME is the NetBIOS name, which has 15."""
MAX_PROCESSES = 256
"""Processes that are looked into: one with user memory that is in the dump is among the first."""
VARIABLE = "COMPUTERNAME"
UNSET = (bytes(16), b"\xff" * 16)
"""DSP0134, 7.2.1: no UUID, or one that is not set."""


def smbios_uuid(dump: Dump) -> bytes | None:
    """Return the 16 bytes of the machine's UUID, as SMBIOS has them; None where the dump has none or zeros."""
    for blob in dump.secondary.blobs if dump.secondary else ():
        if blob.guid == SMBIOS_TAG:
            try:
                data = dump.source.read(blob.offset, min(blob.size, MAX_TABLES))
            except (OSError, DumpError):
                return None
            return next((uuid for uuid in _uuids(data) if uuid not in UNSET), None)
    return None


def _uuids(data: bytes) -> Iterator[bytes]:
    at = RawSmbiosData.SIZE
    for _ in range(MAX_STRUCTURES):
        if at + SmbiosHeader.SIZE > len(data):
            return
        header = SmbiosHeader.parse(data[at:])
        if header.length < SmbiosHeader.SIZE or header.type == END_OF_TABLE:
            return
        if header.type == SYSTEM_INFORMATION and header.length >= SmbiosSystem.SIZE <= len(data) - at:
            yield SmbiosSystem.parse(data[at:]).uuid
        end = data.find(b"\0\0", at + header.length)
        if end < 0:
            return
        at = end + 2


def computer_name(target: Target) -> str | None:
    """Return the name in the environment of any process; None where the dump holds none."""
    if target.listed is not None:  # a small dump: it has no user memory
        return None
    try:
        kernel = read_kernel(target, crash_only=True)
    except (DumpError, MemoryReadError, OSError):
        return None
    for process in _processes(target, kernel):
        try:
            name = _name_in(target, process, kernel.debugger_data)
        except (DumpError, MemoryReadError, OSError):
            continue
        if name is not None:
            return name
    return None


def _processes(target: Target, kernel: Kernel) -> list[int]:
    """Return the addresses of EPROCESS structures, those that a processor was running first.

    Where the links of the list of all processes stand in an EPROCESS, no field tells: they are those that lie in one of
    the known processes.
    """
    running = sorted({processor.thread.process for processor in kernel.processors if processor.thread is not None})
    head = target.header.ps_active_process_head or kernel.debugger_data.ps_active_process_head
    links: list[int] = []
    try:
        at = read_pointer(target.memory, head)
        while at != head and len(links) < MAX_PROCESSES:
            links.append(at)
            at = read_pointer(target.memory, at)
    except MemoryReadError:
        pass  # the rest is not in the dump
    size = kernel.debugger_data.size_eprocess
    offsets = [link - process for process in running for link in links if 0 < link - process < size]
    listed = [link - offsets[0] for link in links] if offsets else []
    return list(dict.fromkeys((*running, *listed)))[:MAX_PROCESSES]


def _name_in(target: Target, process: int, block: DebuggerData) -> str | None:
    layouts = target.memory.layouts
    if not (block.offset_eprocess_peb and block.offset_eprocess_directory_table_base):
        return None
    peb = read_pointer(target.memory, process + block.offset_eprocess_peb)
    if not peb:  # a process of the kernel's own
        return None
    memory = target.memory_of(read_pointer(target.memory, process + block.offset_eprocess_directory_table_base))
    parameters = read_pointer(memory, peb + layouts.peb_process_parameters)
    environment = read_pointer(memory, parameters + layouts.process_parameters_environment)
    text = read_run(memory, environment, MAX_ENVIRONMENT).decode("utf-16-le", "replace").partition("\0\0")[0]
    variables = (variable.partition("=") for variable in text.split("\0"))
    found = next((value for name, _, value in variables if name.upper() == VARIABLE), "")
    return found if found.isprintable() and 0 < len(found) <= MAX_COMPUTER_NAME else None
