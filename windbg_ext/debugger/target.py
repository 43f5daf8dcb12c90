"""The open session as a target: facts out of what the engine prints, registers and physical pages through pykd."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import pykd

from windbg_ext.debugger.session import command, has_kernel_types
from windbg_ext.errors import DumpError
from windbg_ext.kernel import BugCheck, LastException, Machine, SessionFacts, SessionTarget

if TYPE_CHECKING:
    from windbg_ext.kernel import Target

PAGE_SIZE = 0x1000
CACHED_PAGES = 2048

GENERAL = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{number}" for number in range(8, 16)), "rip")
SEGMENTS = ("cs", "ds", "es", "fs", "gs", "ss")
DEBUG = ("dr0", "dr1", "dr2", "dr3", "dr6", "dr7")
REGISTERS = {
    **{name: name.capitalize() for name in (*GENERAL, *DEBUG)},
    **{name: f"Seg{name.capitalize()}" for name in SEGMENTS},
    "efl": "EFlags",
    "mxcsr": "MxCsr",
}
"""The debugger's name of a register: that in CONTEXT."""

BASES = re.compile(r"Kernel base = 0x(?P<base>[0-9a-f`]+) PsLoadedModuleList = 0x(?P<list>[0-9a-f`]+)")
EXCEPTION = re.compile(r"^ *(Exception\w+): ([0-9a-f`]+)", re.MULTILINE)
SECONDS_1601_TO_1970 = 11_644_473_600
TICKS_PER_SECOND = 10_000_000
SYMBOL = "nt!KdDebuggerDataBlock"
MACHINES = {"AMD64": Machine.AMD64, "I386": Machine.I386, "ARM64": Machine.ARM64}


class SessionPages:
    """Physical pages that the engine reads."""

    def __init__(self) -> None:
        self.page = lru_cache(maxsize=CACHED_PAGES)(self._read)
        self._why = "not in this dump" if pykd.isDumpAnalyzing() else "not readable in this session"

    def _read(self, pfn: int) -> bytes | None:
        """Read a page; None if the engine cannot."""
        try:
            return bytes(pykd.loadBytes(pfn * PAGE_SIZE, PAGE_SIZE, True))
        except pykd.MemoryException:
            return None

    def why_missing(self, _pfn: int) -> str:
        """Tell why `page` gave None."""
        return self._why


def session_target(file: Target | None = None) -> SessionTarget:
    """Give the target of the open kernel session. file: the open dump, where it is at hand.

    DumpError: the session is no kernel session, or the engine does not tell where the kernel is.
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
    return SessionFacts(
        machine=_machine(),
        build=pykd.getSystemVersion().buildNumber,
        free_build=" Checked " not in about,
        directory_table_base=header.get("DirectoryTableBase") or pykd.reg("cr3"),
        ps_loaded_module_list=_number(bases["list"]),
        kd_debugger_data_block=header.get("KdDebuggerDataBlock") or _symbol_address(),
        number_processors=pykd.getNumberThreads(),  # in a kernel session each processor is a thread
        bug_check=_bug_check(),
        registers={context: pykd.reg(name) for name, context in REGISTERS.items()},
        exception=_last_exception(),
        system_time=(pykd.currentTime() + SECONDS_1601_TO_1970) * TICKS_PER_SECOND,
        system_up_time=pykd.systemUptime() * TICKS_PER_SECOND,
    )


def _machine() -> Machine:
    name = str(pykd.getCPUType()).rpartition(".")[2]
    if name not in MACHINES:
        raise DumpError("session", f"a machine of type {name} is not known")
    return MACHINES[name]


def _header_fields() -> dict[str, int]:
    """Give the fields of the open dump's header; nothing for a live target."""
    listing = command(".dumpdebug") if pykd.isDumpAnalyzing() else ""
    fields = re.findall(r"^(\w+) +([0-9a-f`]+) *$", listing, re.MULTILINE)
    return {name: _number(value) for name, value in fields}


def _bug_check() -> BugCheck:
    try:
        code, *parameters = pykd.bugCheckData()
    except pykd.DbgException:  # a live machine that has not crashed
        return BugCheck(0, (0, 0, 0, 0))
    return BugCheck(code, tuple(parameters))


def _last_exception() -> LastException:
    record = dict(EXCEPTION.findall(command(".exr -1")))
    address = _number(record.get("ExceptionAddress", "0"))
    return LastException(_number(record.get("ExceptionCode", "0")), _number(record.get("ExceptionFlags", "0")), address)


def _symbol_address() -> int | None:
    """Give the address of the debugger data block by its symbol; None without it, then it is searched for."""
    try:
        return int(pykd.getOffset(SYMBOL)) if has_kernel_types() else None
    except pykd.DbgException:
        return None


def _number(text: str) -> int:
    return int(text.replace("`", ""), 16)
