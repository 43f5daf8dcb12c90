"""Crashes of made-up machines as a table describes them: a bug check, and places in modules as (name, offset)."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Union

import samples.builder
from samples.builder import Sample
from samples.builder.machine import Module
from samples.builder.physical import Runs, runs_of
from samples.builder.places import BUG_CHECK_CALL, PLACES, X64_PLACES
from samples.builder.plausible import driver_irql_crash, plausible_machine
from samples.builder.versions import WINDOWS_10
from windbg_ext.dump.header import BugCheck
from windbg_ext.structs.header import Machine as MachineType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from samples.builder.machine import Machine
    from samples.builder.writers import Format

Value = Union[int, tuple[str, int]]
"""A number, or a place: the name of a module and an offset in it."""
Ram = tuple[Runs, int]
"""Runs of page frames, and the first frame of the large page with the kernel in it."""
LITTLE_RAM: Ram = (runs_of((0x1, 0x1F), (0x40, 0x54), (0x200, 0x5)), 0x200)
MORE_RAM: Ram = (runs_of((0x1, 0x9E), (0x100, 0x4F00), (0x8000, 0x5)), 0x3000)
KERNEL = "ntoskrnl.exe"
AFTER_BUG_CHECK = (KERNEL, BUG_CHECK_CALL + 5)
"""The return address of KeBugCheckEx."""


@dataclass(frozen=True)
class MadeCrash:
    """A crash. parameters: four; stack: from the stack pointer upwards; modules: further ones and their sizes.

    thrown: where the exception was whose registers the header has, None for those of KeBugCheckEx; frames_below: words
    of the stack that were pushed after it.
    """

    code: int
    parameters: tuple[Value, Value, Value, Value]
    stack: tuple[Value, ...]
    modules: tuple[tuple[str, int], ...] = ()
    thrown: Value | None = None
    frames_below: int = 0


def crashed_machine(crash: MadeCrash, *, boot: int = 0, ram: Ram = LITTLE_RAM) -> Machine:
    """Return a Windows 10 that crashed so. boot: each has its modules at other addresses."""
    with _loaded_at(boot):
        usual = driver_irql_crash()
        machine = plausible_machine(WINDOWS_10, *ram, crash=usual)
    end = machine.modules[-1].end + 0x100000 & -0x10000
    modules = list(machine.modules)
    for name, size in crash.modules:
        path = f"\\SystemRoot\\System32\\drivers\\{name}"
        modules.append(Module(name, path, end, size, 0x65000000, 0x1234))
        end += size + 0x20000 & -0x10000
    bases = {module.name: module.base for module in modules}

    def value(what: Value) -> int:
        return what if isinstance(what, int) else bases[what[0]] + what[1]

    words = tuple(map(value, crash.stack))
    thread = machine.thread(machine.processors[machine.crashed].current_thread)
    first, second, third, fourth = map(value, crash.parameters)
    return replace(
        machine,
        bug_check=BugCheck(crash.code, (first, second, third, fourth)),
        threads=tuple(replace(it, words=words) if it is thread else it for it in machine.threads),
        modules=tuple(modules),
        context=None
        if crash.thrown is None
        else {**usual.registers, "Rip": value(crash.thrown), "Rsp": usual.stack_pointer + 8 * crash.frames_below},
    )


def dump_of(crash: MadeCrash, form: Format, *, boot: int = 0, ram: Ram = LITTLE_RAM) -> bytes:
    """Return the dump of a machine that crashed so, as a file of this form."""
    with _loaded_at(boot):
        return samples.builder.build(Sample("made", "", crashed_machine(crash, boot=boot, ram=ram), form))


@contextmanager
def _loaded_at(boot: int) -> Iterator[None]:
    """Let the builder place the kernel and drivers at the addresses of a boot."""
    before = PLACES[MachineType.AMD64]
    PLACES[MachineType.AMD64] = X64_PLACES._replace(
        kernel=X64_PLACES.kernel + boot * 0x0360_0000,
        drivers=X64_PLACES.drivers + boot * 0x0471_0000,
        stacks=X64_PLACES.stacks + boot * 0x0083_2000,
        pool=X64_PLACES.pool + boot * 0x0112_3000,
    )
    try:
        yield
    finally:
        PLACES[MachineType.AMD64] = before
