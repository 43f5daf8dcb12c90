"""The memory of a sample as its builder wrote it: everything that a small dump of it may hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samples.builder.kernel import crash
from samples.builder.writers import Bitmap, Ranges, Summary, all_ram

if TYPE_CHECKING:
    from samples.builder import Sample, Tweak
    from samples.builder.machine import Module

PAGE = 0x1000


class SourceMemory:
    """The virtual memory in a sample's file: pages that are mapped, and whose page frames are in the file.

    frames: the page frames in the file; crash_space: the address space that the crashing processor was in.
    """

    def __init__(self, sample: Sample, tweak: Tweak | None = None) -> None:
        self.crashed = crash(sample.machine)
        if tweak is not None:
            tweak(self.crashed)
        select = sample.format.select if isinstance(sample.format, (Bitmap, Ranges, Summary)) else all_ram
        bitmap = select(self.crashed)
        self.frames = {pfn for pfn in range(len(bitmap) * 8) if bitmap[pfn // 8] >> pfn % 8 & 1}
        machine = sample.machine
        self.crash_space = self.crashed.space_of(machine.processors[machine.crashed].current_thread)

    def read(self, address: int, size: int, process: str | None = None) -> bytes:
        """Read memory as the crashing processor, or a process, saw it; a KeyError if the file does not hold it."""
        space = self.crash_space if process is None else self.crashed.spaces[process]
        data = b""
        while len(data) < size:
            at = address + len(data)
            pfn = space.frame(at)
            if pfn is None or pfn not in self.frames:
                raise KeyError(hex(at))
            data += self.crashed.memory.read(pfn)[at % PAGE : at % PAGE + size - len(data)]
        return data

    def prcb(self, number: int) -> int:
        """Return the address of a processor's KPRCB."""
        machine = self.crashed.machine
        return machine.processors[number].pcr + machine.version.number("OffsetPcrContainedPrcb")

    def modules(self) -> tuple[Module, ...]:
        """Return the kernel's modules and, if the file holds its user half, those of the crashed process."""
        machine = self.crashed.machine
        process = machine.process(machine.thread(machine.processors[machine.crashed].current_thread).process)
        try:
            self.read(process.peb, PAGE)
        except KeyError:
            return machine.modules
        return (*machine.modules, *process.modules)
