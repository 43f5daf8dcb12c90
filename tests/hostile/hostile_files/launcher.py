"""Run a program within limits and tell what it took, as a small process of its own.

Peak memory of a child is never told as less than its parent had when it was started, so the parent has to be small:
this file imports little and is run with `python -I -S launcher.py LIMITS-AS-JSON PROGRAM ARGUMENT...`.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


def main() -> int:
    """Run the program; its measurements go to the file descriptor that the limits name, as JSON."""
    limits = json.loads(sys.argv[1])
    started = time.monotonic()
    waiting, begin = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(begin)
        os.read(waiting, 1)
        become(limits, sys.argv[2:])
    # only the superuser may open it once the process has ended
    account = open(f"/proc/{child}/io", encoding="ascii")  # noqa: PTH123, SIM115 - pathlib takes longer to import
    os.close(begin)
    timed_out = False

    def stop(_number: int, _frame: object) -> None:
        nonlocal timed_out
        timed_out = True
        os.killpg(child, signal.SIGKILL)

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(limits["clock"])
    while True:
        try:
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
            break
        except InterruptedError:
            continue
    signal.alarm(0)
    written = bytes_written(account)
    _, status, usage = os.wait4(child, 0)
    ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    measured = {
        "status": None if ended else os.WEXITSTATUS(status),
        "signal": ended,
        "timed_out": timed_out,
        "processor_seconds": usage.ru_utime + usage.ru_stime,
        "seconds": time.monotonic() - started,
        "peak": usage.ru_maxrss * 1024,
        "written": written,
    }
    os.write(limits["answer"], json.dumps(measured).encode())
    return 0


def become(limits: dict[str, int], program: list[str]) -> None:
    """Set the limits and turn into the program, in a process group of its own."""
    os.setpgid(0, 0)
    resource.setrlimit(resource.RLIMIT_CPU, (limits["processor"], limits["processor"] + 1))
    resource.setrlimit(resource.RLIMIT_AS, (limits["addresses"], limits["addresses"]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits["file"], limits["file"]))
    os.set_inheritable(limits["answer"], False)
    try:
        os.execv(program[0], program)
    except OSError as error:
        os.write(2, f"{error}\n".encode())
        os._exit(126)


def bytes_written(account: TextIO) -> int:
    """Return what a process that has ended handed to write(), pipes and files without a name included.

    account: its /proc/PID/io.
    """
    with account:
        return next(int(line.split()[1]) for line in account if line.startswith("wchar"))


if __name__ == "__main__":
    sys.exit(main())
