"""The open session as a target: facts from what the engine prints, registers and physical pages through pykd."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import pykd

from windbg_ext.debugger.session import command, has_kernel_types, machine_type
from windbg_ext.errors import DumpError
from windbg_ext.kernel import ARCHITECTURES, BugCheck, LastException, Machine, SessionFacts, SessionTarget

if TYPE_CHECKING:
    from windbg_ext.kernel import Target

PAGE_SIZE = 0x1000
CACHED_PAGES = 2048

SEGMENTS = ("cs", "ds", "es", "fs", "gs", "ss")
DEBUG = ("dr0", "dr1", "dr2", "dr3", "dr6", "dr7")
INTEL = {
    **{name: name.capitalize() for name in DEBUG},
    **{name: f"Seg{name.capitalize()}" for name in SEGMENTS},
    "efl": "EFlags",
}
OTHER_REGISTERS = {
    Machine.I386: INTEL,
    Machine.AMD64: {**INTEL, "mxcsr": "MxCsr"},
    Machine.ARM64: {"cpsr": "Cpsr", "fpcr": "Fpcr", "fpsr": "Fpsr"},
}
"""Registers besides the general ones: by the name that the debugger uses, the name in CONTEXT."""

BASES = re.compile(r"Kernel base = 0x(?P<base>[0-9a-f`]+) PsLoadedModuleList = 0x(?P<list>[0-9a-f`]+)")
EXCEPTION = re.compile(r"^ *(Exception\w+): ([0-9a-f`]+)", re.MULTILINE)
EXCEPTION_PARAMETER = re.compile(r"^ *Parameter\[\d+\]: ([0-9a-f`]+)", re.MULTILINE)
ARM64_DIRECTORY_TABLE_BASE = 0x28
"""Offset in EPROCESS: OffsetEprocessDirectoryTableBase of the debugger data block of Windows 11 (22000), measured."""

SECONDS_1601_TO_1970 = 11_644_473_600
TICKS_PER_SECOND = 10_000_000
SYMBOL = "nt!KdDebuggerDataBlock"


class SessionPages:
    """Physical pages that the engine reads."""

    def __init__(self) -> None:
        self.page = lru_cache(maxsize=CACHED_PAGES)(self._read)
        self._why = "not in this dump" if pykd.isDumpAnalyzing() else "not readable in this session"

    def _read(self, pfn: int) -> bytes | None:
        """Read a page. Return None if the engine cannot read it."""
        try:
            return bytes(pykd.loadBytes(pfn * PAGE_SIZE, PAGE_SIZE, True))
        except pykd.MemoryException:
            return None

    def why_missing(self, _pfn: int) -> str:
        """Return why `page` returned None."""
        return self._why


def session_target(file: Target | None = None) -> SessionTarget:
    """Return the target of the open kernel session. file: the open dump, if there is one.

    Raise DumpError if this is not a kernel session, or if the engine does not tell where the kernel is.
    """
    if not pykd.isKernelDebugging():
        raise DumpError("session", "no kernel is debugged here", "open a kernel dump or a kernel connection")
    return SessionTarget(_facts(), SessionPages(), file)


def _facts() -> SessionFacts:
    about = command("vertarget")
    bases = BASES.search(about)
    if bases is None:
        raise DumpError("session", "the debugger does not tell where the kernel is", "try .reload first")
    header = _header_fields()
    machine = machine_type()
    return SessionFacts(
        machine=machine,
        build=pykd.getSystemVersion().buildNumber,
        free_build=" Checked " not in about,
        directory_table_base=header.get("DirectoryTableBase") or _directory_table_base(machine),
        ps_loaded_module_list=_number(bases["list"]),
        kd_debugger_data_block=header.get("KdDebuggerDataBlock") or _symbol_address(),
        number_processors=pykd.getNumberThreads(),  # in a kernel session each processor is a thread
        current_processor=pykd.getCurrentThreadId(),
        bug_check=_bug_check(),
        registers=_registers(machine),
        exception=_last_exception(),
        system_time=(pykd.currentTime() + SECONDS_1601_TO_1970) * TICKS_PER_SECOND,
        system_up_time=pykd.systemUptime() * TICKS_PER_SECOND,
    )


def _directory_table_base(machine: Machine) -> int:
    """Return the physical address of a live machine's page tables."""
    if machine is not Machine.ARM64:
        return _register("cr3")
    try:  # no known engine has a register for it
        return int(pykd.loadQWords(pykd.getCurrentProcess() + ARM64_DIRECTORY_TABLE_BASE, 1)[0])
    except pykd.DbgException:
        why = "the debugger does not tell where the page tables of this ARM64 machine are"
        raise DumpError("session", why, "write a large dump with .dump /f first, then minify that") from None


def _registers(machine: Machine) -> dict[str, int]:
    general = {name.lower(): name for name in ARCHITECTURES[machine].general_registers}
    return {context: _register(name) for name, context in {**general, **OTHER_REGISTERS[machine]}.items()}


def _register(name: str) -> int:
    try:
        return int(pykd.reg(name))
    except pykd.DbgException:  # as in a local kernel session, where the machine keeps running
        hint = "stop the machine in its debugger first: one that runs cannot be saved"
        raise DumpError("session", f"the debugger does not tell the register {name}", hint) from None


def _header_fields() -> dict[str, int]:
    """Return the fields of the open dump's header; none for a live target."""
    listing = command(".dumpdebug") if pykd.isDumpAnalyzing() else ""
    fields = re.findall(r"^(\w+) +([0-9a-f`]+) *$", listing, re.MULTILINE)
    return {name: _number(value) for name, value in fields}


def _bug_check() -> BugCheck:
    try:
        code, *parameters = pykd.bugCheckData()
    except pykd.DbgException:  # not readable; a live machine that has not crashed has zeros
        return BugCheck(0, (0, 0, 0, 0))
    return BugCheck(code, tuple(parameters))


def _last_exception() -> LastException:
    shown = command(".exr -1")
    record = {name: _number(value) for name, value in EXCEPTION.findall(shown)}
    return LastException(
        code=record.get("ExceptionCode", 0),
        flags=record.get("ExceptionFlags", 0),
        address=record.get("ExceptionAddress", 0),
        parameters=tuple(map(_number, EXCEPTION_PARAMETER.findall(shown))),
    )


def _symbol_address() -> int | None:
    """Return the address of the debugger data block by its symbol, or None: then the block is searched for."""
    try:
        return int(pykd.getOffset(SYMBOL)) if has_kernel_types() else None
    except pykd.DbgException:
        return None


def _number(text: str) -> int:
    return int(text.replace("`", ""), 16)
