"""What counts as a finding of the fuzzer: a crash, and an input that takes more time or memory than any should.

A finding is tried again in a process of its own, then made as small as it can be while it stays a finding of its kind.
"""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import struct
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Callable, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    Run = Callable[[bytes], None]

HEAD, RECORD = 3, struct.Struct("<BBH8s")
"""An input: which file (2 bytes) and which options, then changes; as `targets` and `mutations` have it."""
MAX_SECONDS = 1.0
"""Processor time of one input. The slowest of 200,000 that are no finding takes a tenth of it."""
MAX_MB = 200
"""What one input may add to the memory in use: 300 MB are promised for a whole process."""
MOST_SECONDS = 20
"""Processor time after which an input is given up."""
MAX_TRIES = 300
"""Smaller inputs that are tried for one finding."""
CRASH, SLOW, MEMORY = "crash", "slow", "memory"


class Cost(NamedTuple):
    """What one input took: seconds of processor time, and MB of memory above what was in use before."""

    seconds: float
    mb: float

    @property
    def finding(self) -> str:
        """The kind of finding that it is, "" for none."""
        return SLOW if self.seconds > MAX_SECONDS else MEMORY if self.mb > MAX_MB else ""


def measured(run: Run, data: bytes) -> Cost:
    """Run an input and return what it took; its exceptions are not caught."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # VmHWM, the peak, is what is in use now (proc(5))
    before, began = _status("VmRSS"), time.process_time()
    run(data)
    return Cost(time.process_time() - began, max(0, _status("VmHWM") - before) / 1024)


def _status(field: str) -> int:
    """Return a number of /proc/self/status, in KB."""
    with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123 - pathlib takes longer, for each input
        return next(int(line.split()[1]) for line in file if line.startswith(field))


def finding_of(run: Run, data: bytes) -> str:
    """Return the kind of finding that an input is, in a process of its own; "" where it is none."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with suppress(BaseException):
                os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
                resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS + 1))
                os.write(writing, CRASH.encode())
                told = measured(run, data).finding
                os.write(writing, f" {told}.".encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return SLOW if os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL) else CRASH
    return told[len(CRASH) :].strip(" .") if told.endswith(".") else CRASH


def minimised(run: Run, data: bytes, kind: str) -> bytes:
    """Return the smallest input found that is a finding of the same kind: fewer changes, of more zeros."""
    tries = 0
    smaller = True
    while smaller and tries < MAX_TRIES:
        smaller = False
        for candidate in _smaller(data):
            tries += 1
            if finding_of(run, candidate) == kind:
                data, smaller = candidate, True
                break
            if tries >= MAX_TRIES:
                break
    return data


def _smaller(data: bytes) -> Iterator[bytes]:
    """Yield inputs with fewer changes, the least first; then those with a byte more that is zero."""
    head, records = data[:HEAD], [data[at : at + RECORD.size] for at in range(HEAD, len(data), RECORD.size)]
    count = len(records)
    while count:
        for start in range(0, len(records), count):
            yield head + b"".join(records[:start] + records[start + count :])
        count //= 2
    for index in range(HEAD - 1, len(data)):
        if data[index]:
            yield data[:index] + b"\0" + data[index + 1 :]


def save(folder: Path, target: str, kind: str, data: bytes) -> Path:
    """Write a finding as a line of a corpus file into a folder; return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{target}-{kind}-{hashlib.sha256(data).hexdigest()[:8]}.txt"
    path.write_text(f"{data.hex()}  # {kind}\n")
    return path


class Costliest:
    """The inputs that cost the most so far, for the mutator to begin with: coverage alone does not lead to cost."""

    def __init__(self, kept: int = 8) -> None:
        self._kept = kept
        self._by_time: list[tuple[float, bytes]] = []
        self._by_memory: list[tuple[float, bytes]] = []

    def add(self, data: bytes, cost: Cost) -> None:
        """Note what an input took."""
        for most, value in ((self._by_time, cost.seconds), (self._by_memory, cost.mb)):
            if len(most) < self._kept or value > most[-1][0]:
                most.append((value, data))
                most.sort(reverse=True)
                del most[self._kept :]

    def inputs(self) -> list[bytes]:
        """Return them."""
        return [data for _, data in (*self._by_time, *self._by_memory)]

    @property
    def slowest(self) -> tuple[float, bytes]:
        """The processor time of the slowest input, and the input."""
        return self._by_time[0] if self._by_time else (0.0, b"")

    @property
    def largest(self) -> float:
        """The most memory that an input took, in MB."""
        return self._by_memory[0][0] if self._by_memory else 0.0
