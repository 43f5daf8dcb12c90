"""The RAM of a machine: runs of page frames, which are allocated scattered and kept as bytes once written."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from windbg_ext.dump.header import PhysicalMemoryRun

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PAGE_SIZE = 0x1000
Runs = tuple[PhysicalMemoryRun, ...]


def runs_of(*runs: tuple[int, int]) -> Runs:
    """Return runs of page frames from pairs of first frame and count."""
    return tuple(PhysicalMemoryRun(base, count) for base, count in runs)


class PhysicalMemory:
    """Page frames by number. A frame that was never written is zeros and takes no memory, so RAM may have any size."""

    def __init__(self, runs: Runs) -> None:
        self.runs = runs
        self.frame_count = sum(run.page_count for run in runs)
        self.pages: dict[int, bytearray] = {}
        self._reserved: set[int] = set()
        self._free = self._scattered()

    def frames(self) -> Iterator[int]:
        """Yield every frame number in ascending order."""
        for run in self.runs:
            yield from range(run.base_page, run.base_page + run.page_count)

    def __contains__(self, pfn: int) -> bool:
        """Tell whether a frame number is RAM."""
        return any(run.base_page <= pfn < run.base_page + run.page_count for run in self.runs)

    def allocate(self) -> int:
        """Allocate a free frame. Raise ValueError if RAM is full."""
        for pfn in self._free:
            if pfn not in self._reserved and pfn not in self.pages:
                self.pages[pfn] = bytearray(PAGE_SIZE)
                return pfn
        raise ValueError(f"the machine needs more than its {self.frame_count} pages of RAM")

    def reserve(self, frames: Iterable[int]) -> None:
        """Reserve frames that already have a purpose, so that they are not allocated."""
        self._reserved.update(frames)

    def write(self, pfn: int, offset: int, data: bytes) -> None:
        """Write into a page frame. Raise ValueError if there is no RAM."""
        if pfn not in self:
            raise ValueError(f"page frame 0x{pfn:x} is no RAM")
        page = self.pages.setdefault(pfn, bytearray(PAGE_SIZE))
        page[offset : offset + len(data)] = data

    def read(self, pfn: int) -> bytes:
        """Read a page frame."""
        return bytes(self.pages.get(pfn, bytes(PAGE_SIZE)))

    def _scattered(self) -> Iterator[int]:
        """Yield the frames in steps of about the golden ratio: virtual neighbours are no physical neighbours."""
        step = max(1, int(self.frame_count * 0.618))
        while math.gcd(step, self.frame_count) != 1:
            step += 1
        for count in range(self.frame_count):
            index = count * step % self.frame_count
            for run in self.runs:
                if index < run.page_count:
                    yield run.base_page + index
                    break
                index -= run.page_count
