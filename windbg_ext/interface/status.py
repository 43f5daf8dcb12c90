"""Exit statuses, and which one an error leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError, UsageError

if TYPE_CHECKING:
    from typing import Callable

    from windbg_ext.interface.console import Console

DONE, NO, WRONG_USE, UNREADABLE, INTERRUPTED = 0, 1, 2, 3, 130
"""NO: the answer is no; 130: 128 + SIGINT, as shells have it."""

INTERRUPTION = "interrupted; nothing was left behind"


def status_of(work: Callable[[], int], console: Console) -> int:
    """Do the work and return its exit status. An expected error is one line on the console."""
    try:
        return work()
    except UsageError as error:
        console.complain(str(error))
        return WRONG_USE
    except DumpError as error:
        console.complain(str(error))
        return UNREADABLE
    except KeyboardInterrupt as interruption:
        console.complain(f"interrupted; {interruption}" if interruption.args else INTERRUPTION)
        return INTERRUPTED
