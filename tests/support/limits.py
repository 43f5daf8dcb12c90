"""Limits for a run: processor time and memory, enforced if the system can."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from support.slowness import slowness

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

SECONDS = 5
MEMORY = 300 << 20


@contextmanager
def limited(seconds: int = SECONDS) -> Iterator[None]:
    """Fail if the block uses more processor time, or more than MEMORY above what is in use at its start.

    Processor time does not count waiting for other programs; a block that waits itself has a minute. A machine that is
    slower than the one that the bounds were tried on has more.
    """
    if sys.platform != "linux":
        yield
        return
    import resource

    def too_long(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError(f"not ready after {seconds} s of work")

    with open("/proc/self/statm") as usage:  # noqa: PTH123  # not a file of a user
        used = int(usage.read().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = {number: signal.signal(number, too_long) for number in (signal.SIGALRM, signal.SIGPROF)}
    signal.setitimer(signal.ITIMER_REAL, 12 * seconds * slowness())
    signal.setitimer(signal.ITIMER_PROF, seconds * slowness())
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
