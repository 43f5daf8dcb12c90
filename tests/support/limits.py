"""What a run may take: processor time and memory, enforced where the system can."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

SECONDS = 5
MEMORY = 300 << 20


@contextmanager
def limited(seconds: int = SECONDS) -> Iterator[None]:
    """Let the block fail if it works for longer, or takes MEMORY more than there is in use when it begins.

    Processor time, because other programs may keep this one waiting; one that waits itself has a minute.
    """
    if sys.platform != "linux":
        yield
        return
    import resource

    def too_long(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError(f"not ready after {seconds} s of work")

    with open("/proc/self/statm") as usage:  # noqa: PTH123  # no path of anybody's
        used = int(usage.read().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = {number: signal.signal(number, too_long) for number in (signal.SIGALRM, signal.SIGPROF)}
    signal.setitimer(signal.ITIMER_REAL, 12 * seconds)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
