"""The signature of a crash: the same for the same bug on every machine and after every boot.

It is made of what every kind of dump has, a small one too: the bug check, the parameter that decides its kind, and
places in modules as offsets from their bases, which neither another boot nor another RAM size changes. Without symbols
nothing tells which functions of the kernel belong to its bug-check machinery, so all of the kernel's are left out as
soon as another module is found. Another build of a module has other offsets, and so another signature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.commands.dumpkind.microsoft import is_microsoft
from windbg_ext.commands.dumpkind.report import BugCheckFound, Signature
from windbg_ext.structs.bug_check_parameters import KIND_PARAMETER, PLACE_PARAMETER, STATUS_BITS, STATUS_PARAMETER
from windbg_ext.structs.header import Machine

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from windbg_ext.commands.dumpkind.crash import Crash
    from windbg_ext.commands.dumpkind.modules import CodeAddress

KERNEL_NAMES = ("nt", "ntoskrnl.exe", "ntkrnlmp.exe", "ntkrnlpa.exe", "ntkrpamp.exe")
"""Names of the one kernel; which of them a dump has depends on who wrote it."""
HAL = "hal.dll"
UNKNOWN_PLACE = "?"
KERNEL_FRAMES = 3
"""Frames where all are the kernel's: the first ones belong to the machinery, and are the same in every crash."""
MAX_FRAMES = 32
"""Code addresses on the stack among which a driver that is not Microsoft's is looked for."""
MAX_NAME = 64
"""Characters of a module's name: names of real drivers have at most about 40."""
FUNCTION_ALIGNMENT = 16
"""Compilers for x86 and x64 let functions and tables begin at multiples of this; few return addresses are one."""
ARM_INSTRUCTION = 4


def signature_of(bug_check: BugCheckFound, crash: Crash | None, machine: Machine | None) -> Signature:
    """Return the signature of a crash. crash: None if nothing but the header of the dump can be read."""
    places = [] if crash is None else list(_places(bug_check, crash, machine))
    frames = " ".join(map(_frame, places)) or UNKNOWN_PLACE
    return Signature(f"{_kind(bug_check)} {frames}")


def _kind(bug_check: BugCheckFound) -> str:
    """Return the code without flag bits, with the parameter that decides its kind where one is documented."""
    code, parameters = bug_check.plain_code, bug_check.parameters
    if code in STATUS_PARAMETER:
        return f"{code:X}/{_parameter(parameters, STATUS_PARAMETER[code]) & STATUS_BITS:x}"
    if code in KIND_PARAMETER:
        return f"{code:X}/{_parameter(parameters, KIND_PARAMETER[code]):x}"
    return f"{code:X}"


def _parameter(parameters: Sequence[int], number: int) -> int:
    return parameters[number - 1]


def _places(bug_check: BugCheckFound, crash: Crash, machine: Machine | None) -> Iterator[CodeAddress]:
    """Yield where it crashed, if that is known, and who called the kernel, if that is where it crashed."""
    told = map(crash.modules.place, _told_places(bug_check, crash))
    where = next((place for place in told if place.module is not None), None)
    if where is not None:
        yield where
        if not _is_kernel(where):
            return
    stack = _likely_first(crash.stack, machine)
    caller = next((place for place in stack if not _is_kernel(place)), None)
    if caller is not None:
        yield caller
        if _is_microsofts(caller):
            yield from [place for place in stack[:MAX_FRAMES] if not _is_microsofts(place)][:1]
    elif where is None:
        yield from stack[:KERNEL_FRAMES]


def _told_places(bug_check: BugCheckFound, crash: Crash) -> Iterator[int]:
    """Yield the addresses that tell where it crashed, the most certain first."""
    if bug_check.plain_code in PLACE_PARAMETER:
        yield _parameter(bug_check.parameters, PLACE_PARAMETER[bug_check.plain_code])
    if crash.exception:
        yield crash.exception
    if crash.instruction is not None and not _is_kernel(crash.modules.place(crash.instruction)):
        yield crash.instruction  # in the kernel, it is that of KeBugCheckEx


def _likely_first(places: Sequence[CodeAddress], machine: Machine | None) -> list[CodeAddress]:
    """Return what may be return addresses; behind them, in the same order, what is rather a pointer to a table."""
    if machine is Machine.ARM64:
        return [place for place in places if place.address % ARM_INSTRUCTION == 0]
    return sorted(places, key=lambda place: place.address % FUNCTION_ALIGNMENT == 0)


def _is_kernel(place: CodeAddress) -> bool:
    return (place.module or "").lower() in (*KERNEL_NAMES, HAL)


def _is_microsofts(place: CodeAddress) -> bool:
    return is_microsoft(place.module or "")


def _frame(place: CodeAddress) -> str:
    name = (place.module or "").lower()
    shown = "nt" if name in KERNEL_NAMES else ascii(name)[1:-1][:MAX_NAME]
    return f"{shown}+0x{place.offset:x}"
